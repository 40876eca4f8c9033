/* SPDX-License-Identifier: Apache-2.0 */
/* writers/postgres/statement.c - see statement.h */
#include "statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append(char **to, const char *text)
{
    size_t size = strlen(text);
    memcpy(*to, text, size + 1);
    *to += size;
}

static void append_name(char **to, const char *name, size_t size)
{
    *(*to)++ = '"';
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '"')
            *(*to)++ = '"';
        *(*to)++ = name[i];
    }
    append(to, "\"");
}

static void append_table(char **to, const char *table)
{
    const char *dot = strchr(table, '.');
    if (dot) {
        append_name(to, table, (size_t)(dot - table));
        append(to, ".");
        table = dot + 1;
    }
    append_name(to, table, strlen(table));
}

char *pg_insert_statement(const char *table, const struct outbox_event *event, bool returning_id)
{
    char *sql = malloc(2 * strlen(table) + 400), *to = sql, number[32];
    int count = 0;
    if (!sql)
        return NULL;
    append(&to, "INSERT INTO ");
    append_table(&to, table);
    for (int i = 0; i < EVENT_COLUMNS; i++) {
        if (!obx_event_has(event, i))
            continue;
        append(&to, count++ ? ", " : " (");
        append(&to, obx_event_columns[i]);
    }
    for (int i = 1; i <= count; i++) {
        snprintf(number, sizeof number, "%s$%d", i > 1 ? ", " : ") VALUES (", i);
        append(&to, number);
    }
    append(&to, returning_id ? ") RETURNING id" : ")");
    return sql;
}

/* The name of the function: TABLE with the suffix, quoted. */
static void append_function(char **to, const char *table)
{
    append_table(to, table);
    --*to; /* the quote */
    append(to, "_emit\"");
}

char *pg_emit_statement(const char *table, const struct outbox_event *event)
{
    static const char *const types[EVENT_COLUMNS] = {"uuid", "text", "text", "text", "bytea", "jsonb"};
    char *sql = malloc(2 * strlen(table) + 600), *to = sql, number[80];
    int count = 0;
    if (!sql)
        return NULL;
    append(&to, "SELECT ");
    append_function(&to, table);
    for (int i = 0; i < EVENT_COLUMNS; i++) {
        if (!obx_event_has(event, i))
            continue;
        snprintf(number, sizeof number, "%s%s => $%d::pg_catalog.%s", count ? ", " : "(", obx_event_columns[i],
                 count + 1, types[i]);
        append(&to, number);
        count++;
    }
    append(&to, ")");
    return sql;
}

size_t pg_insert_room(const struct outbox_event *event)
{
    size_t size = 0;
    for (int i = 0; i < EVENT_COLUMNS; i++)
        size += obx_event_value(event, i).size + 1;
    return size;
}

/* Is the binary form of this type the bytes themselves? */
static bool is_plain(uint32_t type)
{
    enum { JSON = 114, VARCHAR = 1043 };
    return type == PG_OID_BYTEA || type == PG_OID_TEXT || type == VARCHAR || type == JSON;
}

/* False: there is a NUL in it. */
static bool add_text(struct pg_params *params, struct outbox_bytes value, char *copy)
{
    if (value.size && memchr(value.data, 0, value.size))
        return false;
    if (value.size)
        memcpy(copy, value.data, value.size);
    copy[value.size] = '\0';
    pg_param_text(params, copy);
    params->formats[params->count - 1] = 0;
    return true;
}

int pg_insert_params(const struct outbox_event *event, uint32_t payload_type, struct pg_params *params, char *room)
{
    for (int i = 0; i < EVENT_COLUMNS; i++) {
        struct outbox_bytes value = obx_event_value(event, i);
        if (!obx_event_has(event, i))
            continue;
        if (!value.data || (i == EVENT_PAYLOAD && is_plain(payload_type))) {
            pg_param_bytes(params, value);
            continue;
        }
        if (!add_text(params, value, room))
            return i;
        room += value.size + 1;
    }
    return EVENT_COLUMNS;
}

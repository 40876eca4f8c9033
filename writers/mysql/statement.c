/* SPDX-License-Identifier: Apache-2.0 */
/* writers/mysql/statement.c - see statement.h */
#include "statement.h"

#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "hex.h"

static char *append(char *to, const char *text)
{
    size_t size = strlen(text);
    memcpy(to, text, size);
    return to + size;
}

static char *append_name(char *to, const char *name, size_t size)
{
    *to++ = '`';
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '`')
            *to++ = '`';
        *to++ = name[i];
    }
    *to++ = '`';
    return to;
}

static char *append_table(char *to, const char *table)
{
    const char *dot = strchr(table, '.');
    if (dot) {
        to = append(append_name(to, table, (size_t)(dot - table)), ".");
        table = dot + 1;
    }
    return append_name(to, table, strlen(table));
}

static char *append_value(char *to, struct outbox_bytes value)
{
    if (!value.data)
        return append(to, "NULL");
    to = append(to, mys_is_utf8(value) ? "_utf8mb4 x'" : "x'");
    return append(mys_hex(to, value.data, value.size), "'");
}

static size_t largest_size(const char *table, const struct outbox_event *event)
{
    size_t size = 64 + 2 * strlen(table);
    for (int i = 0; i < EVENT_COLUMNS; i++)
        size += 2 * obx_event_value(event, i).size + strlen(obx_event_columns[i]) + 32;
    return size;
}

char *mys_insert_statement(const char *table, const struct outbox_event *event, size_t *size)
{
    const char *comma = " (";
    char *sql = malloc(largest_size(table, event)), *to = sql;
    if (!sql)
        return NULL;
    to = append_table(append(to, "INSERT INTO "), table);
    for (int i = 0; i < EVENT_COLUMNS; i++) {
        if (!obx_event_has(event, i))
            continue;
        to = append(append(append(append(to, comma), "`"), obx_event_columns[i]), "`");
        comma = ", ";
    }
    comma = ") VALUES (";
    for (int i = 0; i < EVENT_COLUMNS; i++) {
        if (!obx_event_has(event, i))
            continue;
        to = append_value(append(to, comma), obx_event_value(event, i));
        comma = ", ";
    }
    *size = (size_t)(append(to, ")") - sql);
    return sql;
}

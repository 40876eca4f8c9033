/* SPDX-License-Identifier: Apache-2.0 */
/* writers/mysql/statement.c - see statement.h */
#include "statement.h"

#include <stdbool.h>
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

static bool any_has(const struct outbox_event *const *events, uint32_t count, int column)
{
    uint32_t i = 0;
    while (i < count && !obx_event_has(events[i], column))
        i++;
    return i < count;
}

static size_t largest_size(const char *table, const struct outbox_event *const *events, uint32_t count)
{
    size_t size = 64 + 2 * strlen(table);
    for (int i = 0; i < EVENT_COLUMNS; i++)
        size += strlen(obx_event_columns[i]) + 8;
    for (uint32_t e = 0; e < count; e++)
        for (int i = 0; i < EVENT_COLUMNS; i++)
            size += 2 * obx_event_value(events[e], i).size + 32;
    return size;
}

/* "(a, b)"; DEFAULT for what this event lacks and another one has. */
static char *append_row(char *to, const struct outbox_event *event, const bool *used)
{
    const char *comma = "(";
    for (int i = 0; i < EVENT_COLUMNS; i++) {
        if (!used[i])
            continue;
        to = append(to, comma);
        to = obx_event_has(event, i) ? append_value(to, obx_event_value(event, i)) : append(to, "DEFAULT");
        comma = ", ";
    }
    return append(to, ")");
}

char *mys_insert_statement(const char *table, const struct outbox_event *const *events, uint32_t count, size_t *size)
{
    const char *comma = " (";
    bool used[EVENT_COLUMNS];
    char *sql = malloc(largest_size(table, events, count)), *to = sql;
    if (!sql)
        return NULL;
    to = append_table(append(to, "INSERT INTO "), table);
    for (int i = 0; i < EVENT_COLUMNS; i++) {
        used[i] = any_has(events, count, i);
        if (!used[i])
            continue;
        to = append(append(append(append(to, comma), "`"), obx_event_columns[i]), "`");
        comma = ", ";
    }
    to = append(to, ") VALUES ");
    for (uint32_t e = 0; e < count; e++)
        to = append_row(append(to, e ? ", " : ""), events[e], used);
    *to = '\0';
    *size = (size_t)(to - sql);
    return sql;
}

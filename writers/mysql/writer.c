/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/mysql/writer.c - liboutbox-mysql: add an event in the caller's own transaction
 *
 * One INSERT as text, so one round trip. Text is marked as utf8mb4, so that the character set of the caller's
 * connection does not matter; bytes that are no text go as they are, which only a BLOB column takes.
 */
#include <outbox/mysql.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "hex.h"

enum { FIELDS = 6, PAYLOAD = 4 };
static const char *const fields[FIELDS] = {"event_id", "aggregatetype", "aggregateid", "type", "payload", "headers"};

static struct outbox_bytes field(const struct outbox_event *event, int index)
{
    const struct outbox_bytes all[FIELDS] = {event->event_id, event->aggregate_type, event->aggregate_id,
                                             event->type,     event->payload,        event->headers};
    return all[index];
}

static char *put(char *to, const char *text)
{
    size_t size = strlen(text);
    memcpy(to, text, size + 1);
    return to + size;
}

static char *put_name(char *to, const char *name, size_t size)
{
    *to++ = '`';
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '`')
            *to++ = '`';
        *to++ = name[i];
    }
    return put(to, "`");
}

static char *put_table(char *to, const char *table)
{
    const char *dot = strchr(table, '.');
    if (dot) {
        to = put(put_name(to, table, (size_t)(dot - table)), ".");
        table = dot + 1;
    }
    return put_name(to, table, strlen(table));
}

static char *put_value(char *to, struct outbox_bytes value)
{
    if (!value.data)
        return put(to, "NULL");
    to = put(to, mys_is_utf8(value) ? "_utf8mb4 x'" : "x'");
    return put(mys_hex(to, value.data, value.size), "'");
}

/* Columns without a value are left to their defaults, but for the payload: null is a payload. */
static bool is_given(const struct outbox_event *event, int index)
{
    return index == PAYLOAD || field(event, index).data;
}

static char *put_insert(char *to, const char *table, const struct outbox_event *event)
{
    const char *comma = " (";
    to = put_table(put(to, "INSERT INTO "), table);
    for (int i = 0; i < FIELDS; i++) {
        if (!is_given(event, i))
            continue;
        to = put(put(put(put(to, comma), "`"), fields[i]), "`");
        comma = ", ";
    }
    comma = ") VALUES (";
    for (int i = 0; i < FIELDS; i++) {
        if (!is_given(event, i))
            continue;
        to = put_value(put(to, comma), field(event, i));
        comma = ", ";
    }
    return put(to, ")");
}

static int check(const char *table, const struct outbox_event *event, struct outbox_error *error)
{
    if (event->struct_size < sizeof *event)
        return mys_fail(error, OUTBOX_E_INVALID, "add an event to %s: struct_size of the event is not set", table);
    for (int i = 1; i < PAYLOAD; i++)
        if (!field(event, i).data)
            return mys_fail(error, OUTBOX_E_INVALID, "add an event to %s: %s is missing; every event needs one", table,
                            fields[i]);
    for (int i = 0; i < FIELDS; i++)
        if (i != PAYLOAD && !mys_is_utf8(field(event, i)))
            return mys_fail(error, OUTBOX_E_INVALID, "add an event to %s: %s is not UTF-8", table, fields[i]);
    return OUTBOX_OK;
}

int outbox_mysql_add(MYSQL *mysql, const char *table, const struct outbox_event *event, int64_t *id,
                     struct outbox_error *error)
{
    char what[160];
    if (!table)
        table = "outbox";
    int code = check(table, event, error);
    if (code)
        return code;
    size_t room = 512 + 2 * strlen(table);
    for (int i = 0; i < FIELDS; i++)
        room += 2 * field(event, i).size + 32;
    char *sql = malloc(room);
    if (!sql)
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "add an event: out of memory");
    int failed = mysql_real_query(mysql, sql, (unsigned long)(put_insert(sql, table, event) - sql));
    free(sql);
    snprintf(what, sizeof what, "add an event to %.120s", table);
    if (failed) {
        mys_error_of(error, what, mysql);
        return error->code;
    }
    if (id)
        *id = (int64_t)mysql_insert_id(mysql);
    return OUTBOX_OK;
}

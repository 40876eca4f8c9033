/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/mysql/writer.c - liboutbox-mysql: add an event in the application's own transaction
 *
 * Happy path: check the event, send one INSERT as text, so one round trip, and prove that it inserted one row.
 * Failure modes: the server's error, or a table on which the INSERT did not insert. The transaction stays the caller's.
 */
#include <outbox/mysql.h>

#include <stdlib.h>

#include "error.h"
#include "event.h"
#include "hex.h"
#include "statement.h"
#include "writer.h"

static int check_utf8(const struct outbox_event *event, const char *what, struct outbox_error *error)
{
    for (int i = 0; i < EVENT_COLUMNS; i++) {
        if (i != EVENT_PAYLOAD && !mys_is_utf8(obx_event_value(event, i)))
            return mys_fail(error, OUTBOX_E_INVALID, "%s: %s is not UTF-8", what, obx_event_columns[i]);
    }
    return OUTBOX_OK;
}

int mys_event_check(const struct outbox_event *event, const char *what, struct outbox_error *error)
{
    int code = obx_event_check(event, what, error);
    return code ? code : check_utf8(event, what, error);
}

int mys_execute(MYSQL *mysql, const char *table, const struct outbox_event *const *events, uint32_t count,
                const char *what, struct outbox_error *error)
{
    struct outbox_error own;
    size_t size;
    char *sql = mys_insert_statement(table, events, count, &size);
    if (!sql)
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "%s: out of memory", what);
    int failed = mysql_real_query(mysql, sql, (unsigned long)size);
    free(sql);
    if (!failed)
        return OUTBOX_OK;
    mys_error_of(error ? error : &own, what, mysql);
    return error ? error->code : own.code;
}

int mys_refuse_result(MYSQL *mysql, const char *what, struct outbox_error *error)
{
    mysql_free_result(mysql_store_result(mysql));
    return mys_fail(error, OUTBOX_E_BUG, "%s: the server answered an INSERT with rows; roll back", what);
}

static int prove_inserted(MYSQL *mysql, const char *what, int64_t *id, struct outbox_error *error)
{
    if (mysql_field_count(mysql))
        return mys_refuse_result(mysql, what, error);
    if (mysql_affected_rows(mysql) != 1)
        return mys_fail(error, OUTBOX_E_INVALID, "%s: the server reports %llu inserted rows instead of 1; roll back",
                        what, (unsigned long long)mysql_affected_rows(mysql));
    uint64_t number = mysql_insert_id(mysql);
    if (id && (!number || number > INT64_MAX))
        return mys_fail(error, OUTBOX_E_SCHEMA,
                        "%s: the row got no id between 1 and 9223372036854775807; the table's id must be BIGINT "
                        "AUTO_INCREMENT; roll back",
                        what);
    if (id)
        *id = (int64_t)number;
    return OUTBOX_OK;
}

int outbox_mysql_add(MYSQL *mysql, const char *table, const struct outbox_event *event, int64_t *id,
                     struct outbox_error *error)
{
    if (!table)
        table = "outbox";
    struct obx_event_what what = obx_event_what(table);
    if (!mysql)
        return mys_fail(error, OUTBOX_E_INVALID, "%s: mysql is NULL", what.text);
    int code = mys_event_check(event, what.text, error);
    if (!code)
        code = mys_execute(mysql, table, &event, 1, what.text, error);
    return code ? code : prove_inserted(mysql, what.text, id, error);
}

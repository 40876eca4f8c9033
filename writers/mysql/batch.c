/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/mysql/batch.c - liboutbox-mysql: add many events in one statement, so in one round trip
 *
 * Happy path: check all events, send one INSERT with all rows, and prove that it inserted as many. Failure modes: as
 * for one event; a statement larger than max_allowed_packet is refused by the server. No row is inserted then.
 */
#include <outbox/mysql.h>

#include <stdlib.h>

#include "error.h"
#include "event.h"
#include "hex.h"
#include "statement.h"
#include "writer.h"

static int check_all(const char *table, const struct outbox_event *const *events, uint32_t count,
                     struct outbox_error *error)
{
    int code = OUTBOX_OK;
    for (uint32_t i = 0; i < count && !code; i++)
        code = mys_event_check(events[i], obx_event_what_of(table, i).text, error);
    return code;
}

static int prove_inserted(MYSQL *mysql, uint32_t count, const char *what, struct outbox_error *error)
{
    uint64_t rows = mysql_affected_rows(mysql);
    if (mysql_field_count(mysql))
        return mys_refuse_result(mysql, what, error);
    if (rows != count)
        return mys_fail(error, OUTBOX_E_INVALID, "%s: the server reports %llu inserted rows instead of %u; roll back",
                        what, (unsigned long long)rows, count);
    return OUTBOX_OK;
}

int outbox_mysql_statement(const char *table, const struct outbox_event *const *events, uint32_t count, char **sql,
                           size_t *size, struct outbox_error *error)
{
    size_t ignored;
    if (!table)
        table = "outbox";
    struct obx_event_what what = obx_event_what(table);
    if (sql)
        *sql = NULL;
    if (!sql || !events || !count)
        return mys_fail(error, OUTBOX_E_INVALID, "%s: %s", what.text,
                        !sql      ? "sql is NULL"
                        : !events ? "events is NULL"
                                  : "there are no events");
    int code = check_all(table, events, count, error);
    if (code)
        return code;
    *sql = mys_insert_statement(table, events, count, size ? size : &ignored);
    return *sql ? OUTBOX_OK : mys_fail(error, OUTBOX_E_NO_MEMORY, "%s: out of memory", what.text);
}

void outbox_mysql_statement_free(char *sql)
{
    free(sql);
}

int outbox_mysql_add_many(MYSQL *mysql, const char *table, const struct outbox_event *const *events, uint32_t count,
                          struct outbox_error *error)
{
    if (!table)
        table = "outbox";
    struct obx_event_what what = obx_event_what(table);
    if (!mysql || (!events && count))
        return mys_fail(error, OUTBOX_E_INVALID, "%s: %s is NULL", what.text, mysql ? "events" : "mysql");
    if (!count)
        return OUTBOX_OK;
    int code = check_all(table, events, count, error);
    if (!code)
        code = mys_execute(mysql, table, events, count, what.text, error);
    return code ? code : prove_inserted(mysql, count, what.text, error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/status.c - the questions of status
 *
 * Counting a large outbox costs what reading its index costs. Above a million rows the server's estimate is given, if
 * it is higher.
 */
#include <stdio.h>

#include "store.h"

enum { PENDING, OLDEST_US, OWNER };

static struct outbox_store_status *status_of(const struct sql_op *op)
{
    return op->out;
}

static bool put_status(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const struct sql_column *created = sql_column_of(store, "created_at"),
                            *id = sql_column_find(&store->table, store->table.id);
    struct obx_sql_text *sql = request->sql;
    obx_sql_text_format(sql,
                        "SELECT (SELECT IF(COUNT(*) <= 1000000, COUNT(*), GREATEST(COUNT(*), (SELECT table_rows FROM "
                        "information_schema.tables WHERE table_schema = %l AND table_name = %l))) FROM (SELECT 1 FROM ",
                        store->table.schema, store->outbox.name);
    sql_append_outbox(store, sql);
    obx_sql_text_puts(sql, " LIMIT 1000001) c), ");
    if (created && id) {
        obx_sql_text_format(sql, "(SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', %n) FROM ", created->name);
        sql_append_outbox(store, sql);
        obx_sql_text_format(sql, " ORDER BY %n LIMIT 1), ", id->name);
    } else {
        obx_sql_text_puts(sql, "NULL, ");
    }
    obx_sql_text_puts(sql, "IS_USED_LOCK(");
    mys_append_lock(store, sql);
    obx_sql_text_puts(sql, ")");
    return true;
}

static void report_status(struct sql_op *op)
{
    const struct mys_server *server = &mys_store_of(op->store)->server;
    struct outbox_store_status *status = status_of(op);
    status->pending = mys_value(op->result, PENDING, -1);
    status->oldest_us = mys_value(op->result, OLDEST_US, -1);
    op->session = (uint64_t)mys_value(op->result, OWNER, 0);
    snprintf(status->server, sizeof status->server, "%s %.80s", server->mariadb ? "MariaDB" : "MySQL", server->version);
}

static bool put_dead_count(struct sql_request *request)
{
    obx_sql_text_puts(request->sql, "SELECT COUNT(*) FROM ");
    sql_append_dead(request->store, request->sql);
    return true;
}

static void report_dead_count(struct sql_op *op)
{
    status_of(op)->dead = mys_value(op->result, 0, -1);
}

static bool put_owner(struct sql_request *request)
{
    obx_sql_text_puts(request->sql, "SELECT owner FROM ");
    mys_append_relay(request->store, request->sql);
    obx_sql_text_puts(request->sql, " WHERE id = 1");
    return true;
}

static void report_owner(struct sql_op *op)
{
    struct outbox_store_status *status = status_of(op);
    MYSQL_ROW row = op->result ? mysql_fetch_row(op->result) : NULL;
    if (op->session)
        snprintf(status->owner, sizeof status->owner, "%.60s, connection %llu", row && row[0] ? row[0] : "",
                 (unsigned long long)op->session);
}

const struct sql_probe mys_status_probes[] = {
    {"read the status", put_status, report_status, NULL},
    {"count dead letters", put_dead_count, report_dead_count, sql_probe_is_optional},
    {"read the owner's name", put_owner, report_owner, sql_probe_is_optional},
    {NULL, NULL, NULL, NULL},
};

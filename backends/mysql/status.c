/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/status.c - how much waits, since when, who relays
 *
 * Counting a large outbox costs what reading its index costs; above a million rows the server's estimate has to do, if
 * it is higher.
 */
#include <stdio.h>

#include "store.h"

static struct outbox_store_status *status_of(const struct mys_op *op)
{
    return op->out;
}

static void put_status(const struct mys_store *store, struct obx_sql_text *sql)
{
    const struct mys_column *created = mys_column_of(store, "created_at"),
                            *id = mys_column_find(&store->table, store->table.id);
    obx_sql_text_puts(sql,
                      "SELECT (SELECT IF(COUNT(*) <= 1000000, COUNT(*), GREATEST(COUNT(*), (SELECT table_rows FROM "
                      "information_schema.tables WHERE ");
    obx_sql_text_format(sql, "table_schema = %l AND table_name = %l))) FROM (SELECT 1 FROM ", store->table.schema,
                        store->name);
    mys_table_put(store, sql);
    obx_sql_text_puts(sql, " LIMIT 1000001) c), ");
    if (created && id) {
        obx_sql_text_format(sql, "(SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', %n) FROM ", created->name);
        mys_table_put(store, sql);
        obx_sql_text_format(sql, " ORDER BY %n LIMIT 1), ", id->name);
    } else {
        obx_sql_text_puts(sql, "NULL, ");
    }
    obx_sql_text_puts(sql, "IS_USED_LOCK(");
    mys_lock_put(store, sql);
    obx_sql_text_puts(sql, ")");
}

static void take_status(struct mys_request *request, MYSQL_RES *result)
{
    struct mys_op *op = request->arg;
    struct outbox_store_status *status = status_of(op);
    status->pending = mys_number(result, 0, -1);
    status->oldest_us = mys_number(result, 1, -1);
    op->holder = (uint64_t)mys_number(result, 2, 0);
    mysql_free_result(result);
}

/* ---- dead letters and the owner's name: tables that may not be there, or be nobody's business -------------------- */

static void take_dead(struct mys_request *request, MYSQL_RES *result)
{
    status_of(request->arg)->dead = mys_number(result, 0, -1);
    mysql_free_result(result);
}

static void take_owner(struct mys_request *request, MYSQL_RES *result)
{
    struct mys_op *op = request->arg;
    struct outbox_store_status *status = status_of(op);
    MYSQL_ROW row = mysql_fetch_row(result);
    if (op->holder)
        snprintf(status->owner, sizeof status->owner, "%.60s, connection %llu", row && row[0] ? row[0] : "",
                 (unsigned long long)op->holder);
    mysql_free_result(result);
}

static bool cannot_tell(const struct outbox_error *error)
{
    return error->code == OUTBOX_E_NOT_FOUND || error->code == OUTBOX_E_PERMISSION || error->code == OUTBOX_E_SCHEMA;
}

static void owner_told(struct mys_request *request, const struct outbox_error *error)
{
    static const struct outbox_error none;
    mys_op_finish(request->arg, cannot_tell(error) ? &none : error);
}

static void dead_counted(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    if (error->code && !cannot_tell(error)) {
        mys_op_finish(op, error);
        return;
    }
    obx_sql_text_clear(&op->sql);
    obx_sql_text_puts(&op->sql, "SELECT owner FROM ");
    mys_relay_put(op->store, &op->sql);
    obx_sql_text_puts(&op->sql, " WHERE id = 1");
    mys_op_submit(op, &op->store->owner, "read the owner's name", take_owner, owner_told);
}

static void told(struct mys_op *op)
{
    obx_sql_text_clear(&op->sql);
    obx_sql_text_puts(&op->sql, "SELECT COUNT(*) FROM ");
    mys_dead_put(op->store, &op->sql);
    mys_op_submit(op, &op->store->owner, "count dead letters", take_dead, dead_counted);
}

void mys_status(void *self, outbox_op_t id, struct outbox_store_status *status)
{
    struct mys_op *op = mys_op(self, id);
    struct mys_store *store = op->store;
    struct outbox_error error;
    op->out = status;
    status->pending = status->oldest_us = status->dead = -1;
    status->owner[0] = '\0';
    snprintf(status->server, sizeof status->server, "%s %.80s", store->server.mariadb ? "MariaDB" : "MySQL",
             store->server.version);
    if (store->table.exists) {
        put_status(store, &op->sql);
        op->then = told;
        mys_op_submit(op, &store->owner, "read the status", take_status, mys_go_on);
        return;
    }
    mys_fail(&error, OUTBOX_E_NOT_FOUND, "read the status: there is no table %s; run 'outbox init'", store->table_name);
    mys_op_finish(op, &error);
}

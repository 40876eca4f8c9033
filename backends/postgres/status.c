/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/status.c - how much waits, since when, who relays
 *
 * Counting a large outbox costs what reading its index costs; above a million rows the planner's estimate has to do,
 * if it is higher.
 */
#include <stdio.h>

#include "store.h"

static struct outbox_store_status *status_of(const struct pg_op *op)
{
    return op->out;
}

static void put_status(const struct pg_store *store, struct obx_sql_text *sql)
{
    const struct pg_table *table = &store->table;
    const struct pg_column *created = pg_column_of(store, "created_at"), *id = pg_column_find(table, table->id);
    obx_sql_text_puts(sql, "SELECT (SELECT CASE WHEN count(*) <= 1000000 THEN count(*) ELSE greatest(count(*), (SELECT "
                           "reltuples::int8 FROM pg_class WHERE oid = $1::oid)) END FROM (SELECT 1 FROM ");
    obx_sql_text_table(sql, table->schema, table->name);
    obx_sql_text_puts(sql, " LIMIT 1000001) c), ");
    if (created && id) {
        obx_sql_text_format(sql, "(SELECT (extract(epoch FROM t.%n) * 1000000)::int8 FROM ", created->name);
        obx_sql_text_table(sql, table->schema, table->name);
        obx_sql_text_format(sql, " t ORDER BY t.%n LIMIT 1), ", id->name);
    } else {
        obx_sql_text_puts(sql, "NULL::int8, ");
    }
    obx_sql_text_puts(sql, pg_holder_sql);
    obx_sql_text_puts(sql, ", current_setting('server_version')");
}

static int send_status(struct pg_request *request, PGconn *pg)
{
    struct pg_op *op = request->arg;
    struct obx_sql_text sql = {.host = op->store->host};
    struct pg_params params = {0};
    put_status(op->store, &sql);
    pg_param_int4(&params, (int32_t)op->store->table.oid);
    int fine =
        !sql.failed && PQsendQueryParams(pg, sql.data, 1, NULL, params.values, params.lengths, params.formats, 1);
    obx_sql_text_free(&sql);
    return fine;
}

static int64_t number(const PGresult *result, int column)
{
    return PQgetisnull(result, 0, column) ? -1 : (int64_t)pg_get_int8(PQgetvalue(result, 0, column));
}

static void take_status(struct pg_request *request, PGresult *result)
{
    struct outbox_store_status *status = status_of(request->arg);
    status->pending = number(result, 0);
    status->oldest_us = number(result, 1);
    snprintf(status->owner, sizeof status->owner, "%s", PQgetvalue(result, 0, 2));
    snprintf(status->server, sizeof status->server, "PostgreSQL %.80s", PQgetvalue(result, 0, 3));
    PQclear(result);
}

/* ---- dead letters: a table that may not be there, or be nobody's business ---------------------------------------- */

static int send_dead_count(struct pg_request *request, PGconn *pg)
{
    struct pg_store *store = ((struct pg_op *)request->arg)->store;
    struct obx_sql_text sql = {.host = store->host};
    obx_sql_text_puts(&sql, "SELECT count(*) FROM ");
    pg_dead_name_put(store, &sql);
    int fine = !sql.failed && PQsendQueryParams(pg, sql.data, 0, NULL, NULL, NULL, NULL, 1);
    obx_sql_text_free(&sql);
    return fine;
}

static void take_dead_count(struct pg_request *request, PGresult *result)
{
    status_of(request->arg)->dead = number(result, 0);
    PQclear(result);
}

static void dead_counted(struct pg_request *request, const struct outbox_error *error)
{
    static const struct outbox_error none;
    bool cannot_tell = error->code == OUTBOX_E_NOT_FOUND || error->code == OUTBOX_E_PERMISSION;
    pg_op_finish(request->arg, cannot_tell ? &none : error);
}

static void told(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_op *op = request->arg;
    if (error->code) {
        pg_op_finish(op, error);
        return;
    }
    op->request = (struct pg_request){.what = "count dead letters",
                                      .send = send_dead_count,
                                      .result = take_dead_count,
                                      .done = dead_counted,
                                      .arg = op};
    pg_conn_submit(&op->store->owner, &op->request);
}

void pg_status(void *self, outbox_op_t id, struct outbox_store_status *status)
{
    struct pg_op *op = pg_op(self, id);
    struct outbox_error error;
    op->out = status;
    status->pending = status->oldest_us = status->dead = -1;
    status->owner[0] = status->server[0] = '\0';
    op->request = (struct pg_request){
        .what = "read the status", .send = send_status, .result = take_status, .done = told, .arg = op};
    if (op->store->table.oid) {
        pg_conn_submit(&op->store->owner, &op->request);
        return;
    }
    pg_fail(&error, OUTBOX_E_NOT_FOUND, "read the status: there is no table %s; run 'outbox init'",
            op->store->table_name);
    pg_op_finish(op, &error);
}

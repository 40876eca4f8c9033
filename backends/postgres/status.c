/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/status.c - the questions of status
 *
 * Counting a large outbox costs what reading its index costs. Above a million rows the planner's estimate is given, if
 * it is higher.
 */
#include <stdio.h>

#include "store.h"

enum { PENDING, OLDEST_US, OWNER, VERSION };

static struct outbox_store_status *status_of(const struct sql_op *op)
{
    return op->out;
}

static bool put_status(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const struct sql_column *created = sql_column_of(store, "created_at"),
                            *id = sql_column_find(&store->table, store->table.id);
    struct obx_sql_text sql = {.host = store->host};
    struct pg_params params = {0};
    obx_sql_text_puts(&sql,
                      "SELECT (SELECT CASE WHEN count(*) <= 1000000 THEN count(*) ELSE greatest(count(*), (SELECT "
                      "reltuples::int8 FROM pg_class WHERE oid = $1::oid)) END FROM (SELECT 1 FROM ");
    sql_append_outbox(store, &sql);
    obx_sql_text_puts(&sql, " LIMIT 1000001) c), ");
    if (created && id) {
        obx_sql_text_format(&sql, "(SELECT (extract(epoch FROM t.%n) * 1000000)::int8 FROM ", created->name);
        sql_append_outbox(store, &sql);
        obx_sql_text_format(&sql, " t ORDER BY t.%n LIMIT 1), ", id->name);
    } else {
        obx_sql_text_puts(&sql, "NULL::int8, ");
    }
    obx_sql_text_puts(&sql, pg_holder_sql);
    obx_sql_text_puts(&sql, ", current_setting('server_version')");
    pg_param_int4(&params, (int32_t)pg_store_in(store)->table_oid);
    return pg_send_sql(request, &sql, &params);
}

static void report_status(struct sql_op *op)
{
    struct outbox_store_status *status = status_of(op);
    struct sql_row row = {.result = op->result};
    if (!pg_next_row(&row))
        return;
    status->pending = pg_number(&row, PENDING, -1);
    status->oldest_us = pg_number(&row, OLDEST_US, -1);
    snprintf(status->owner, sizeof status->owner, "%s", PQgetvalue(op->result, 0, OWNER));
    snprintf(status->server, sizeof status->server, "PostgreSQL %.80s", PQgetvalue(op->result, 0, VERSION));
}

static bool put_dead_count(struct sql_request *request)
{
    struct obx_sql_text sql = {.host = request->store->host};
    obx_sql_text_puts(&sql, "SELECT count(*) FROM ");
    sql_append_dead(request->store, &sql);
    return pg_send_sql(request, &sql, NULL);
}

static void report_dead_count(struct sql_op *op)
{
    status_of(op)->dead = sql_check_number(op, 0, -1);
}

const struct sql_probe pg_status_probes[] = {
    {"read the status", put_status, report_status, NULL},
    {"count dead letters", put_dead_count, report_dead_count, sql_probe_is_optional},
    {NULL, NULL, NULL, NULL},
};

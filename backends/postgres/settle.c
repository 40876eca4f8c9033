/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/settle.c - deleting what was published: all ranges in one statement
 *
 * The DELETE runs with the role's own search path, for the application's triggers: it qualifies all that it names, and
 * does without BETWEEN, whose operators cannot be qualified.
 *
 * A row that another session has locked has the running transaction in xmax, and such a transaction the lock of its own
 * id. So a statement can leave it out; FOR UPDATE SKIP LOCKED would need the right to update. Of a row that several
 * sessions have locked, xmax names none of them: that statement waits, and rows are tried one by one.
 */
#include <string.h>

#include "store.h"

bool pg_settle_build(const struct pg_store *store, struct obx_sql_text *sql, bool skip)
{
    obx_sql_text_clear(sql);
    obx_sql_text_puts(sql, "DELETE FROM ");
    sql_append_outbox(&store->sql, sql);
    obx_sql_text_format(sql,
                        " t USING ROWS FROM (pg_catalog.unnest($1::pg_catalog.int8[]), "
                        "pg_catalog.unnest($2::pg_catalog.int8[])) r(lo, hi) WHERE t.%n OPERATOR(pg_catalog.>=) r.lo "
                        "AND t.%n OPERATOR(pg_catalog.<=) r.hi AND ",
                        store->sql.table.id, store->sql.table.id);
    pg_append_same_table(&store->sql, sql);
    if (skip)
        obx_sql_text_puts(sql, " AND t.xmax OPERATOR(pg_catalog.<>) ALL (ARRAY(SELECT l.transactionid FROM "
                               "pg_catalog.pg_locks l WHERE l.locktype OPERATOR(pg_catalog.=) 'transactionid' AND "
                               "l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock' AND l.granted))");
    return !sql->failed;
}

static bool send_settle(struct sql_request *request, const struct pg_params *params)
{
    struct obx_sql_text sql = {.host = request->store->host};
    if (sql_op_of(request)->removal.mode != SQL_LOCKED_SKIP)
        return pg_put_hurry(request) && pg_send_prepared(request, "settle", params);
    pg_settle_build(pg_store_of(request->store), &sql, true);
    return pg_send_sql(request, &sql, params);
}

bool pg_put_settle(struct sql_request *request)
{
    struct pg_store *store = pg_store_of(request->store);
    const struct sql_op *op = sql_op_of(request);
    struct pg_params params = {0};
    pg_array_begin(&store->lo, PG_OID_INT8, op->range_count);
    pg_array_begin(&store->hi, PG_OID_INT8, op->range_count);
    for (uint32_t i = 0; i < op->range_count; i++) {
        pg_array_int8(&store->lo, op->ranges[i].lo);
        pg_array_int8(&store->hi, op->ranges[i].hi);
    }
    if (store->lo.failed || store->hi.failed)
        return false;
    pg_param_buf(&params, &store->lo);
    pg_param_buf(&params, &store->hi);
    return send_settle(request, &params);
}

bool pg_put_hurry(struct sql_request *request)
{
    static const char sql[] = "SELECT pg_catalog.set_config('lock_timeout', '100ms', true)";
    return sql_op_of(request)->removal.mode != SQL_LOCKED_HURRY || pg_send_text(request, sql, NULL);
}

bool pg_is_lock_wait(const struct outbox_error *error)
{
    return !strcmp(error->state, "55P03");
}

void pg_removal_result(struct sql_request *request, void *result)
{
    if (PQresultStatus(result) == PGRES_COMMAND_OK) {
        sql_op_of(request)->removed += request->affected;
        request->store->foreign.own += (int64_t)request->affected;
    }
    PQclear(result);
}

bool pg_put_remaining(struct sql_request *request, const struct obx_sql_range *ranges, uint32_t count)
{
    const struct sql_store *store = request->store;
    struct obx_sql_text sql = {.host = store->host};
    struct pg_buf arrays[] = {{.host = store->host}, {.host = store->host}};
    for (int a = 0; a < 2; a++)
        pg_array_begin(&arrays[a], PG_OID_INT8, count);
    for (uint32_t i = 0; i < count; i++) {
        pg_array_int8(&arrays[0], ranges[i].lo);
        pg_array_int8(&arrays[1], ranges[i].hi);
    }
    obx_sql_text_format(&sql, "SELECT t.%n FROM unnest($1::int8[], $2::int8[]) r(lo, hi), ", store->table.id);
    sql_append_outbox(store, &sql);
    obx_sql_text_format(&sql, " t WHERE t.%n BETWEEN r.lo AND r.hi ORDER BY 1", store->table.id);
    return pg_send_arrays(request, &sql, arrays, 2);
}

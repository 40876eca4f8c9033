/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/settle.c - deleting what was published
 *
 * Only on the connection that holds the lock, only ids that were given, in ranges. A row that is gone already is
 * settled as well.
 */
#include "store.h"

int pg_settle_build(struct pg_store *store, struct outbox_error *error)
{
    struct obx_sql_text *sql = &store->settle_sql;
    obx_sql_text_clear(sql);
    obx_sql_text_puts(sql, "DELETE FROM ");
    obx_sql_text_table(sql, store->table.schema, store->table.name);
    obx_sql_text_format(sql, " t USING unnest($1::int8[], $2::int8[]) r(lo, hi) WHERE t.%n BETWEEN r.lo AND r.hi",
                        store->table.id);
    if (sql->failed)
        return pg_fail(error, OUTBOX_E_NO_MEMORY, "build the settle: out of memory");
    return OUTBOX_OK;
}

static int send_settle(struct pg_request *request, PGconn *pg)
{
    struct pg_store *store = ((struct pg_op *)request->arg)->store;
    struct pg_params params = {0};
    pg_array_begin(&store->run_lo, PG_OID_INT8, store->runs.count);
    pg_array_begin(&store->run_hi, PG_OID_INT8, store->runs.count);
    for (uint32_t i = 0; i < store->runs.count; i++) {
        pg_array_int8(&store->run_lo, store->runs.items[i].lo);
        pg_array_int8(&store->run_hi, store->runs.items[i].hi);
    }
    if (store->run_lo.failed || store->run_hi.failed)
        return 0;
    pg_param_buf(&params, &store->run_lo);
    pg_param_buf(&params, &store->run_hi);
    return PQsendQueryPrepared(pg, "settle", 2, params.values, params.lengths, params.formats, 1);
}

static void settled(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_op *op = request->arg;
    struct pg_store *store = op->store;
    OUTBOX_FAILPOINT(store->host, postgres, after_settle);
    for (uint32_t i = 0; !error->code && i < store->runs.count; i++)
        obx_sql_outstanding_remove(&store->given, store->runs.items[i].lo, store->runs.items[i].hi);
    obx_sql_outstanding_removed(&store->given);
    pg_op_finish(op, error);
}

void pg_settle(void *self, outbox_op_t id, const struct outbox_settle *settle)
{
    struct pg_store *store = self;
    struct pg_op *op = pg_op(store, id);
    struct outbox_error error;
    op->request = (struct pg_request){.what = "settle rows", .send = send_settle, .done = settled, .arg = op};
    if (!store->owns)
        pg_fail(&error, OUTBOX_E_FENCED, "settle rows of %s: this relay does not own the outbox", store->table_name);
    else if (!obx_sql_id_ranges(store->host, &store->runs, settle))
        pg_fail(&error, OUTBOX_E_NO_MEMORY, "settle rows of %s: out of memory", store->table_name);
    else if (!OUTBOX_FAILPOINT_ERROR(store->host, postgres, before_settle, &error)) {
        obx_sql_outstanding_removing(&store->given);
        pg_conn_submit(&store->owner, &op->request);
        OUTBOX_FAILPOINT(store->host, postgres, settle_sent);
        return;
    }
    pg_op_finish(op, &error);
}

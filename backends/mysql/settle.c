/*
 * backends/mysql/settle.c - deleting what was published
 *
 * Only on the connection that holds the lock, only in transactions that find the epoch as it was, only ids that were
 * given. One DELETE for each run of consecutive ids, with the run's exact length as its limit: so the server stops at
 * the last of them, and neither looks at nor waits for the row behind, which may be a writer's. (Without the limit it
 * locks the next record to find the end of the range, and several ranges in one statement wait for what lies
 * between them.) A row that is gone already is settled as well.
 */
#include "store.h"

enum { RUNS_MAX = 500 }; /* in one packet, which is one transaction */

static void submit(struct mys_op *op);

static void put_delete(const struct mys_store *store, struct obx_sql_text *sql, const struct obx_sql_range *run)
{
    obx_sql_text_puts(sql, "DELETE FROM ");
    mys_table_put(store, sql);
    obx_sql_text_format(sql, " WHERE %n BETWEEN ", store->table.id);
    mys_put_int(sql, run->lo);
    obx_sql_text_puts(sql, " AND ");
    mys_put_int(sql, run->hi);
    obx_sql_text_format(sql, " ORDER BY %n LIMIT ", store->table.id);
    mys_put_int(sql, run->hi - run->lo + 1);
    obx_sql_text_puts(sql, "; ");
}

static void finish(struct mys_op *op, const struct outbox_error *error)
{
    op->store->settling--;
    op->store->settles++;
    mys_op_finish(op, error);
}

/* The second statement is the fence. Whoever takes the row away ends the ownership: nobody could be told from us. */
static void take(struct mys_request *request, unsigned index, MYSQL_RES *result, uint64_t affected)
{
    struct mys_store *store = ((struct mys_op *)request->arg)->store;
    mysql_free_result(result);
    if (index != 1 || affected)
        return;
    store->owns = false;
    store->host->log(store->host, OUTBOX_LOG_ERROR,
                     "the row of table %s is gone, which tells who owns the outbox; run "
                     "'outbox init'",
                     store->relay_table);
}

static void settled(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    struct mys_store *store = op->store;
    struct outbox_error wrong = *error;
    OUTBOX_FAILPOINT(store->host, mysql, after_settle);
    if (wrong.code && mys_fenced(store, &wrong))
        store->owns = false;
    for (; !wrong.code && store->settled_runs < store->sent_runs; store->settled_runs++)
        mys_given_remove(store, store->runs.items[store->settled_runs].lo, store->runs.items[store->settled_runs].hi);
    if (wrong.code || store->settled_runs == store->runs.count)
        finish(op, &wrong);
    else
        submit(op);
}

static void submit(struct mys_op *op)
{
    struct mys_store *store = op->store;
    struct obx_sql_text *sql = &store->settle_sql;
    struct outbox_error error;
    uint32_t left = store->runs.count - store->settled_runs;
    obx_sql_text_clear(sql);
    mys_fence_put(store, sql);
    store->sent_runs = store->settled_runs + (left < RUNS_MAX ? left : RUNS_MAX);
    for (uint32_t i = store->settled_runs; i < store->sent_runs; i++)
        put_delete(store, sql, &store->runs.items[i]);
    obx_sql_text_puts(sql, "COMMIT");
    op->request = (struct mys_request){.what = "settle rows",
                                       .sql = obx_sql_text_get(sql),
                                       .size = sql->size,
                                       .transaction = true,
                                       .result = take,
                                       .done = settled,
                                       .arg = op};
    mys_fail(&error, OUTBOX_E_NO_MEMORY, "settle rows of %s: out of memory", store->table_name);
    if (sql->failed)
        finish(op, &error);
    else {
        mys_conn_submit(&store->owner, &op->request);
        OUTBOX_FAILPOINT(store->host, mysql, settle_sent);
    }
}

void mys_settle(void *self, outbox_op_t id, const struct outbox_settle *settle)
{
    static const struct outbox_error none;
    struct mys_store *store = self;
    struct mys_op *op = mys_op(store, id);
    struct outbox_error error;
    store->settling++;
    store->settled_runs = 0;
    if (!store->owns)
        mys_fail(&error, OUTBOX_E_FENCED, "settle rows of %s: this relay does not own the outbox", store->table_name);
    else if (!obx_sql_runs(store->host, &store->runs, settle))
        mys_fail(&error, OUTBOX_E_NO_MEMORY, "settle rows of %s: out of memory", store->table_name);
    else if (!store->runs.count)
        error = none;
    else if (!OUTBOX_FAILPOINT_ERROR(store->host, mysql, before_settle, &error)) {
        submit(op);
        return;
    }
    finish(op, &error);
}

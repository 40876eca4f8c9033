/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/settle.c - deleting what was published
 *
 * Only on the connection that holds the lock, only in transactions that find the epoch as it was, only ids that were
 * given. One DELETE for each run of consecutive ids, with the run's exact length as its limit: so the server stops at
 * the last of them, and neither looks at nor waits for the row behind, which may be a writer's. (Without the limit it
 * locks the next record to find the end of the range, and several ranges in one statement wait for what lies
 * between them.) A row that is gone already is settled as well.
 *
 * Large settles go as several transactions, one after the other: a commit is written to the binlog as a whole, with the
 * rows it deletes where binlog_row_image is FULL, and other commits wait for that.
 */
#include "store.h"

enum { RUNS_MAX = 500, BYTES_MAX = 4 << 20 }; /* of one packet, which is one transaction */

static void submit(struct mys_op *op);

static void put_delete(const struct mys_store *store, struct obx_sql_text *sql, int64_t lo, int64_t hi)
{
    obx_sql_text_puts(sql, "DELETE FROM ");
    mys_table_put(store, sql);
    obx_sql_text_format(sql, " WHERE %n BETWEEN ", store->table.id);
    mys_put_int(sql, lo);
    obx_sql_text_puts(sql, " AND ");
    mys_put_int(sql, hi);
    obx_sql_text_format(sql, " ORDER BY %n LIMIT ", store->table.id);
    mys_put_int(sql, hi - lo + 1);
    obx_sql_text_puts(sql, "; ");
}

static void finish(struct mys_op *op, const struct outbox_error *error)
{
    obx_sql_outstanding_removed(&op->store->given);
    mys_op_finish(op, error);
}

/* The second statement is the fence. Whoever takes the row away ends the ownership: nobody could be told from us. */
static void take(struct mys_request *request, MYSQL_RES *result)
{
    struct mys_store *store = ((struct mys_op *)request->arg)->store;
    mysql_free_result(result);
    if (request->index != 1 || request->affected)
        return;
    store->owns = false;
    store->host->log(store->host, OUTBOX_LOG_ERROR,
                     "the row of table %s is gone, which tells who owns the outbox; run 'outbox init'",
                     store->relay_table);
}

/* What was sent is gone. The last run of it may have been sent in part. */
static void note_sent(struct mys_store *store)
{
    for (; store->settled_runs < store->sent_runs; store->settled_runs++) {
        struct obx_sql_range *run = &store->runs.items[store->settled_runs];
        int64_t hi = run->hi < store->sent_to ? run->hi : store->sent_to;
        obx_sql_outstanding_remove(&store->given, run->lo, hi);
        if (hi < run->hi) {
            run->lo = hi + 1;
            return;
        }
    }
}

static void settled(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    struct mys_store *store = op->store;
    struct outbox_error wrong = *error;
    OUTBOX_FAILPOINT(store->host, mysql, after_settle);
    if (wrong.code && mys_fenced(store, &wrong))
        store->owns = false;
    if (!wrong.code)
        note_sent(store);
    if (wrong.code || store->settled_runs == store->runs.count)
        finish(op, &wrong);
    else
        submit(op);
}

static void put_deletes(struct mys_store *store, struct obx_sql_text *sql)
{
    int64_t room = store->settle_rows;
    uint32_t left = store->runs.count - store->settled_runs,
             end = store->settled_runs + (left < RUNS_MAX ? left : RUNS_MAX);
    for (store->sent_runs = store->settled_runs; store->sent_runs < end && room; store->sent_runs++) {
        const struct obx_sql_range *run = &store->runs.items[store->sent_runs];
        store->sent_to = run->hi - run->lo < room ? run->hi : run->lo + room - 1;
        room -= store->sent_to - run->lo + 1;
        put_delete(store, sql, run->lo, store->sent_to);
    }
}

static void submit(struct mys_op *op)
{
    struct mys_store *store = op->store;
    struct obx_sql_text *sql = &store->settle_sql;
    struct outbox_error error;
    obx_sql_text_clear(sql);
    mys_fence_put(store, sql);
    put_deletes(store, sql);
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

/* How many rows of these one transaction may take: by what they have on average. */
static int64_t rows_at_once(const struct outbox_settle *settle)
{
    uint64_t rows = 0, bytes = 0;
    for (uint32_t i = 0; i < settle->span_count; i++) {
        rows += settle->spans[i].batch->rows;
        bytes += settle->spans[i].batch->bytes;
    }
    return bytes < BYTES_MAX * rows ? (int64_t)(BYTES_MAX * rows / (bytes ? bytes : 1)) : 1;
}

void mys_settle(void *self, outbox_op_t id, const struct outbox_settle *settle)
{
    static const struct outbox_error none;
    struct mys_store *store = self;
    struct mys_op *op = mys_op(store, id);
    struct outbox_error error;
    obx_sql_outstanding_removing(&store->given);
    store->settled_runs = 0;
    store->settle_rows = rows_at_once(settle);
    if (!store->owns)
        mys_fail(&error, OUTBOX_E_FENCED, "settle rows of %s: this relay does not own the outbox", store->table_name);
    else if (!obx_sql_id_ranges(store->host, &store->runs, settle))
        mys_fail(&error, OUTBOX_E_NO_MEMORY, "settle rows of %s: out of memory", store->table_name);
    else if (!store->runs.count)
        error = none;
    else if (!OUTBOX_FAILPOINT_ERROR(store->host, mysql, before_settle, &error)) {
        submit(op);
        return;
    }
    finish(op, &error);
}

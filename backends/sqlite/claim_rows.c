/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/claim_rows.c - see claim_rows.h */
#include "claim_rows.h"

#include "unreadable.h"

/* A row that cannot be read comes first, of those from low to high, or after other rows: then in the next batch. */
static bool leave_unreadable(struct lite_claim_op *claim, struct lite_conn *conn, int code, int64_t low, int64_t high)
{
    if (!lite_may_be_content(code))
        return false;
    if (!lite_batch_rows(claim->batch)->rows)
        return lite_claim_unreadable(claim, conn, low, high);
    claim->more = true;
    return true;
}

/* Adds the rows of a statement that is bound, with ids from low to high. The last result code is SQLITE_ROW if the
 * batch became full. */
static void read_rows(struct lite_claim_op *claim, struct lite_conn *conn, sqlite3_stmt *statement, int64_t low,
                      int64_t high)
{
    int code = SQLITE_OK, added = OUTBOX_OK;
    while (!added && (code = sqlite3_step(statement)) == SQLITE_ROW)
        added = lite_batch_add(&claim->op.store->rows, claim->batch, statement, claim->args->max_bytes);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        lite_fail(conn, code, LITE_CLAIMING, &claim->op.error);
    sqlite3_reset(statement);
    if (!lite_op_ok(&claim->op) && leave_unreadable(claim, conn, code, low, high))
        claim->op.error.code = OUTBOX_OK;
    if (added == OUTBOX_E_NO_MEMORY)
        lite_fail_memory(conn, LITE_CLAIMING, &claim->op.error);
    claim->more = claim->more || added == OUTBOX_E_AGAIN;
}

void lite_claim_range(struct lite_claim_op *claim, struct lite_conn *conn, int64_t low, int64_t high)
{
    const struct outbox_batch *rows = lite_batch_rows(claim->batch);
    sqlite3_stmt *statement = conn->statements[STATEMENT_NEXT];
    uint32_t limit = claim->args->max_rows - rows->rows, before = rows->rows;
    sqlite3_bind_int64(statement, 1, low);
    sqlite3_bind_int64(statement, 2, high);
    sqlite3_bind_int64(statement, 3, limit);
    read_rows(claim, conn, statement, low, high);
    claim->more = claim->more || rows->rows - before == limit;
}

void lite_claim_around(struct lite_claim_op *claim, struct lite_conn *conn, int64_t low, int64_t high,
                       const struct obx_sql_ranges *except)
{
    for (uint32_t i = 0; i <= except->count && low <= high && lite_op_ok(&claim->op) && !claim->more; i++) {
        const struct obx_sql_range *range = i < except->count ? &except->items[i] : NULL;
        if (range && range->hi < low)
            continue;
        int64_t end = range && range->lo <= high ? range->lo - 1 : high;
        if (low <= end)
            lite_claim_range(claim, conn, low, end);
        if (!range || range->hi == INT64_MAX)
            return;
        low = range->hi + 1;
    }
}

bool lite_claim_leave_out_refused(struct lite_store *store)
{
    const struct outbox_host *host = store->host;
    struct lite_reader *reader = &store->reader;
    const struct obx_sql_ranges *now = &store->refused.ids;
    bool done = true;
    for (uint32_t i = 0; i < reader->refused.count; i++)
        done = obx_sql_ranges_remove(host, &reader->outstanding, reader->refused.items[i].lo,
                                     reader->refused.items[i].hi) &&
               done;
    obx_sql_ranges_clear(&reader->refused);
    for (uint32_t i = 0; i < now->count; i++)
        done = obx_sql_ranges_add(host, &reader->outstanding, now->items[i].lo, now->items[i].hi) &&
               obx_sql_ranges_add(host, &reader->refused, now->items[i].lo, now->items[i].hi) && done;
    return done;
}

void lite_claim_positions(struct lite_claim_op *claim, struct lite_conn *conn)
{
    const struct outbox_claim *args = claim->args;
    sqlite3_stmt *statement = conn->statements[STATEMENT_POSITION];
    for (uint32_t i = 0; i < args->position_count && lite_op_ok(&claim->op) && !claim->more; i++) {
        int64_t id = (int64_t)args->positions[i].major;
        sqlite3_bind_int64(statement, 1, id);
        read_rows(claim, conn, statement, id, id);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/claim.c - claim the next rows, and release batches
 *
 * Happy path: read the rows after the last claimed id into a batch; from then on their ids are outstanding.
 * Failure modes: rows whose ids could not be recorded for lack of memory are not handed out; the host then reconnects
 * and reads the outbox from its beginning.
 */
#include "claim_rows.h"
#include "stray_scan.h"

#define LOG_WAIT_NS 50000000u /* the longest wait for the log to begin anew, see checkpoint.h */

/* ---- READ lane ----------------------------------------------------------------------------------------------- */

/* The WRITE lane requests a moment without readers, for about the duration of a flush. */
static void begin_reading(struct lite_op *op)
{
    struct lite_store *store = op->store;
    uint64_t until = lite_now(store) + LOG_WAIT_NS;
    for (;;) {
        while (store->log.hold_claims && lite_now(store) < until &&
               lite_op_sleep(op, store->host, lite_now(store) + LOG_WAIT_NS / 200)) {
        }
        store->reader.reading = true;
        if (!store->log.hold_claims || lite_now(store) >= until || op->canceled)
            return;
        store->reader.reading = false; /* it was requested just now */
    }
}

/* Only claims that begin with the first row look for them. */
static void count_unusable(struct lite_claim_op *claim, struct lite_conn *conn)
{
    struct lite_store *store = claim->op.store;
    if (claim->from)
        return;
    store->reader.unusable = lite_query_int64(conn,
                                              sqlite3_mprintf("SELECT count(*) FROM \"%w\" WHERE \"%w\" < 1",
                                                              store->schema.table, store->schema.physical[COLUMN_ID]),
                                              LITE_CLAIMING, &claim->op.error);
}

static void read_next(struct lite_claim_op *claim, struct lite_conn *conn)
{
    count_unusable(claim, conn);
    lite_stray_scan(claim, conn);
    if (lite_op_ok(&claim->op) && !claim->more && claim->from < INT64_MAX)
        lite_claim_around(claim, conn, claim->from + 1, INT64_MAX, &claim->refused);
}

/* The number of ids from the first row after the last claimed id to the newest one: two look-ups. */
static void read_ahead(struct lite_claim_op *claim, struct lite_conn *conn)
{
    const struct lite_schema *schema = &claim->op.store->schema;
    const char *id = schema->physical[COLUMN_ID];
    claim->ahead = lite_query_int64(
        conn,
        sqlite3_mprintf("SELECT coalesce((SELECT max(\"%w\") FROM \"%w\") - (SELECT min(\"%w\") FROM \"%w\" WHERE "
                        "\"%w\" > %lld) + 1, 0)",
                        id, schema->table, id, schema->table, id, (long long)claim->from),
        LITE_CLAIMING, &claim->op.error);
}

static void claim_run(struct lite_op *op, struct lite_conn *conn)
{
    struct lite_claim_op *claim = (struct lite_claim_op *)op;
    struct lite_store *store = op->store;
    if (lite_file_verify(&store->file, LITE_CLAIMING, &op->error) ||
        OUTBOX_FAILPOINT_ERROR(store->host, sqlite, before_claim, &op->error))
        return;
    begin_reading(op);
    if (claim->args->flags & OUTBOX_CLAIM_MEASURE)
        read_ahead(claim, conn);
    else if (claim->args->positions)
        lite_claim_positions(claim, conn);
    else
        read_next(claim, conn);
    store->reader.reading = false;
    OUTBOX_FAILPOINT(store->host, sqlite, after_claim);
}

/* ---- loop thread --------------------------------------------------------------------------------------------- */

static bool record_claimed(struct lite_store *store, const struct outbox_batch *rows)
{
    struct lite_reader *reader = &store->reader;
    struct obx_sql_ranges ids = {0};
    const struct outbox_span all = {.batch = rows, .count = rows->rows};
    const struct outbox_settle settle = {.spans = &all, .span_count = 1};
    bool recorded = obx_sql_id_ranges(store->host, &ids, &settle);
    for (uint32_t i = 0; i < ids.count && recorded; i++)
        recorded = obx_sql_ranges_add(store->host, &reader->outstanding, ids.items[i].lo, ids.items[i].hi);
    if (recorded && ids.items[ids.count - 1].hi > reader->last_claimed)
        reader->last_claimed = ids.items[ids.count - 1].hi;
    if (reader->last_claimed > reader->highest_claimed)
        reader->highest_claimed = reader->last_claimed;
    obx_sql_ranges_free(store->host, &ids);
    return recorded;
}

static void report_unusable(struct lite_claim_op *claim)
{
    struct lite_store *store = claim->op.store;
    struct lite_reader *reader = &store->reader;
    bool any = reader->unusable > 0;
    if (any && !reader->unusable_reported)
        store->host->log(store->host, OUTBOX_LOG_ERROR,
                         "%lld rows of table \"%s\" can not be relayed: ids must be above 0",
                         (long long)reader->unusable, store->schema.table);
    reader->unusable_reported = any;
    claim->args->unusable = any ? (uint64_t)reader->unusable : 0;
}

static void claim_finish(struct lite_op *op)
{
    struct lite_claim_op *claim = (struct lite_claim_op *)op;
    struct lite_store *store = op->store;
    struct outbox_batch *rows = lite_batch_rows(claim->batch);
    report_unusable(claim);
    OUTBOX_SET_MEMBER(claim->args, ahead, lite_op_ok(op) ? (uint64_t)claim->ahead : 0);
    obx_sql_ranges_free(store->host, &claim->strays);
    obx_sql_ranges_free(store->host, &claim->refused);
    if (lite_op_ok(op) && rows->rows && !claim->args->positions && !record_claimed(store, rows))
        outbox_error_set(&op->error, OUTBOX_E_NO_MEMORY, LITE_CLAIMING " %s: out of memory", store->file.path);
    if (!lite_op_ok(op) || !rows->rows) {
        lite_rows_put(&store->rows, claim->batch);
        return;
    }
    rows->flags = claim->more ? OUTBOX_BATCH_MORE : 0;
    rows->floor.major = claim->args->positions ? 0 : (uint64_t)store->reader.last_claimed + 1;
    claim->args->batch = rows;
}

void lite_claim_rewind(struct lite_store *store)
{
    store->reader.last_claimed = 0;
    obx_sql_ranges_clear(&store->reader.outstanding);
}

void lite_claim(void *self, outbox_op_t id, struct outbox_claim *args)
{
    struct lite_store *store = self;
    struct lite_claim_op *claim = lite_op_begin(&store->lanes, id, LANE_READ, claim_run);
    args->batch = NULL;
    if (args->flags & OUTBOX_CLAIM_REWIND)
        lite_claim_rewind(store);
    if (args->flags & OUTBOX_CLAIM_ARM_WAKEUP)
        lite_rows_trim(&store->rows); /* an idle relay needs little memory */
    lite_wakeup_arm(store);
    claim->args = args;
    claim->from = store->reader.last_claimed;
    claim->batch = lite_rows_get(&store->rows);
    if (!claim->batch) {
        lite_op_fail_memory(&claim->op, LITE_CLAIMING);
        return;
    }
    if (!(args->flags & OUTBOX_CLAIM_MEASURE))
        lite_stray_scan_schedule(claim);
    for (uint32_t i = 0; i < store->reader.refused.count; i++)
        obx_sql_ranges_add(store->host, &claim->refused, store->reader.refused.items[i].lo,
                           store->reader.refused.items[i].hi); /* without memory a row may be published again */
    claim->op.finish = claim_finish;
    lite_op_submit(&claim->op);
}

void lite_release(void *self, struct outbox_batch *batch)
{
    struct lite_store *store = self;
    lite_rows_put(&store->rows, (struct lite_batch *)(void *)batch);
}

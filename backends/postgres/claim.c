/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/claim.c - claiming rows
 *
 * One flight: a look at the locks when one is due, then the claim. The tracker takes the result in; it may ask for
 * the same claim again with more holes (a long transaction ended), and a row too large for the plain statement asks for
 * it again with the guarded one. Both happen inside the op.
 *
 * While idle, rows that no claim can give are looked for now and then: a sequence that was set back, ids written by
 * hand. They are told of, and claimed.
 */
#include <string.h>

#include "sql/gaps/claim_budget.h"
#include "store.h"

enum {
    LOOK_AGE_MS = 20, /* how old a hole is before it is worth a look at the locks, and how often */
    GUARDED_FOR = 16, /* claims, after a large row */
    BELL = 1,
    LOOK = 2, /* what is in the flight before the claim */
};
#define MS 1000000ull

static void submit(struct pg_op *op);

static struct outbox_claim *claim_of(const struct pg_op *op)
{
    return op->out;
}

static void fail(struct pg_op *op, int code, const char *text)
{
    struct outbox_error error;
    pg_fail(&error, code, "claim rows from %s: %s", op->store->table_name, text);
    pg_op_finish(op, &error);
}

static void ranges_param(struct pg_buf *lo, struct pg_buf *hi, const struct obx_sql_gap_list *list)
{
    pg_array_begin(lo, PG_OID_INT8, list->count);
    pg_array_begin(hi, PG_OID_INT8, list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        pg_array_int8(lo, list->items[i].lo);
        pg_array_int8(hi, list->items[i].hi);
    }
}

static void exact_param(struct pg_store *store, const struct outbox_claim *claim)
{
    pg_array_begin(&store->lo, PG_OID_INT8, claim->position_count);
    for (uint32_t i = 0; i < claim->position_count; i++)
        pg_array_int8(&store->lo, (int64_t)claim->positions[i].major);
}

/* $5: of each large value in the plain statement, of all together in the guarded one. */
static void bytes_param(const struct pg_store *store, const struct outbox_claim *claim, struct pg_params *params)
{
    uint64_t bytes = obx_sql_claim_budget_bytes(claim);
    int64_t each = claim->positions ? INT64_MAX : obx_sql_claim_budget_share(bytes, claim->max_rows);
    if (store->guarded && !claim->positions)
        pg_param_int8(params, (int64_t)bytes);
    else
        pg_param_int4(params, each > INT32_MAX ? INT32_MAX : (int32_t)each);
}

static bool look_due(const struct pg_store *store)
{
    uint64_t now = store->host->now(store->host);
    return now - store->looked_ns >= LOOK_AGE_MS * MS && obx_sql_gaps_want_proof(&store->holes, now, LOOK_AGE_MS * MS);
}

static int send_claim(struct pg_request *request, PGconn *pg)
{
    struct pg_op *op = request->arg;
    struct pg_store *store = op->store;
    const struct outbox_claim *claim = claim_of(op);
    struct pg_params params = {0};
    bool guarded = store->guarded && !claim->positions;
    if (claim->positions)
        exact_param(store, claim);
    else
        ranges_param(&store->lo, &store->hi, &store->holes.hot);
    if (store->lo.failed || store->hi.failed)
        return 0;
    pg_param_int8(&params, claim->positions ? INT64_MAX : store->holes.hi);
    pg_param_buf(&params, &store->lo);
    pg_param_buf(&params, claim->positions ? &store->lo : &store->hi);
    pg_param_int8(&params, claim->positions ? claim->position_count : claim->max_rows);
    bytes_param(store, claim, &params);
    op->number = (pg_bell_wanted(store, claim) ? BELL : 0) | (look_due(store) && !claim->positions ? LOOK : 0);
    return (!(op->number & BELL) || pg_bell_send(store, pg)) && (!(op->number & LOOK) || pg_look_send(store, pg)) &&
           PQsendQueryPrepared(pg, guarded ? "claim_guarded" : "claim", params.count, params.values, params.lengths,
                               params.formats, 1);
}

static void take(struct pg_request *request, PGresult *result)
{
    struct pg_op *op = request->arg;
    uint64_t what = op->number & BELL ? BELL : op->number & LOOK; /* in this order, then the rows */
    op->number &= ~what;
    if (!what) {
        pg_keep(request, result);
        return;
    }
    if (what == BELL)
        pg_bell_take(op->store, result);
    else
        pg_look_take(op->store, result); /* without memory the holes just stay open a little longer */
    PQclear(result);
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

struct reading {
    int first;     /* row of the result after the snapshot */
    uint32_t rows; /* up to a marked one */
    bool cut;      /* there was a marked one */
    struct obx_sql_snapshot snapshot;
};

/* Row 0 tells the snapshot; a mark further down says that the row is too large for this batch. */
static bool read_result(struct pg_store *store, const PGresult *result, struct reading *reading)
{
    int mark = (int)store->wanted_count + 1, rows = PQntuples(result), row = 1;
    if (rows < 1 || PQnfields(result) != mark + 1 ||
        !pg_snapshot_parse(store, PQgetvalue(result, 0, mark), &reading->snapshot))
        return false;
    const char *end = strchr(PQgetvalue(result, 0, mark), ' ');
    if (end)
        pg_wal_saw(store, end + 1);
    while (row < rows && PQgetisnull(result, row, mark))
        row++;
    reading->first = 1;
    reading->rows = (uint32_t)row - 1;
    reading->cut = row < rows;
    return pg_ids_read(store, result, reading->first, reading->rows);
}

/* Large rows were met, or not for a while. */
static void choose_statement(struct pg_store *store, const struct outbox_claim *claim, const PGresult *result,
                             const struct reading *reading)
{
    uint64_t cap = claim->max_bytes / claim->max_rows;
    if (reading->cut || (store->guarded && reading->rows && PQresultMemorySize(result) / reading->rows > cap))
        store->guarded = GUARDED_FOR;
    else if (store->guarded)
        store->guarded--;
}

static void give(struct pg_op *op, struct obx_sql_batch *batch, bool more)
{
    static const struct outbox_error none;
    if (batch)
        batch->batch.flags = more ? OUTBOX_BATCH_MORE : 0;
    if (!op->store->parked && !pg_wal_parks(op->store, claim_of(op), batch))
        claim_of(op)->flags &= ~OUTBOX_CLAIM_ARM_WAKEUP;
    claim_of(op)->batch = batch ? &batch->batch : NULL;
    pg_op_finish(op, &none);
}

static enum obx_sql_accepted accept(struct pg_store *store, const struct reading *reading, bool truncated)
{
    struct obx_sql_seen seen = {.ids = store->ids,
                                .count = reading->rows,
                                .truncated = truncated,
                                .snapshot = reading->snapshot,
                                .now_ns = store->host->now(store->host)};
    return obx_sql_outstanding_accept(&store->given, &store->holes, &seen);
}

/* The rows of tables that inherit are read, too, and no index spans them all. */
static bool given_twice(const struct pg_store *store, const struct reading *reading)
{
    bool twice = false;
    for (uint32_t i = 1; i < reading->rows && !twice; i++)
        twice = store->ids[i] == store->ids[i - 1];
    return twice;
}

static void take_over(struct pg_op *op, struct reading *reading)
{
    struct pg_store *store = op->store;
    const struct outbox_claim *claim = claim_of(op);
    struct obx_sql_batch *batch = NULL;
    bool truncated = reading->cut || reading->rows >= claim->max_rows;
    choose_statement(store, claim, op->result, reading);
    if (reading->cut && !reading->rows) {
        submit(op); /* its first row was too large for the plain statement */
        return;
    }
    if (reading->rows && !(batch = pg_batch_new(store, op->result, reading->first, reading->rows))) {
        fail(op, OUTBOX_E_NO_MEMORY, "out of memory");
        return;
    }
    if (batch)
        op->result = NULL; /* it is the batch's now */
    enum obx_sql_accepted accepted = claim->positions ? OBX_SQL_ACCEPTED : accept(store, reading, truncated);
    if (accepted == OBX_SQL_ACCEPTED) {
        if (!batch && !claim->positions)
            pg_sweep_if_due(store);
        if (!claim->positions)
            pg_held_if_due(store);
        give(op, batch, truncated && !claim->positions);
        return;
    }
    if (batch)
        pg_release(store, &batch->batch);
    if (accepted == OBX_SQL_ASK_AGAIN)
        submit(op);
    else if (accepted == OBX_SQL_NO_MEMORY)
        fail(op, OUTBOX_E_NO_MEMORY, "out of memory");
    else if (given_twice(store, reading))
        fail(op, OUTBOX_E_SCHEMA,
             "an id is in several rows; make ids unique, also those of tables that inherit from this one");
    else
        fail(op, OUTBOX_E_BUG, "the server gave ids that were not asked for; please report this");
}

static void done(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_op *op = request->arg;
    struct reading reading;
    OUTBOX_FAILPOINT(op->store->host, postgres, after_claim);
    if (error->code)
        pg_op_finish(op, error);
    else if (!op->result || !read_result(op->store, op->result, &reading))
        fail(op, OUTBOX_E_NO_MEMORY, "out of memory, or an answer of another shape than asked for");
    else
        take_over(op, &reading);
}

static void submit(struct pg_op *op)
{
    op->request =
        (struct pg_request){.what = "claim rows", .send = send_claim, .result = take, .done = done, .arg = op};
    pg_conn_submit(&op->store->reader, &op->request);
}

void pg_claim_rewind(struct pg_store *store)
{
    obx_sql_gaps_reset(&store->holes);
    obx_sql_outstanding_reset(&store->given);
    obx_sql_stray_scan_reset(&store->sweep.pages);
}

void pg_claim(void *self, outbox_op_t id, struct outbox_claim *claim)
{
    struct pg_store *store = self;
    struct pg_op *op = pg_op(store, id);
    struct outbox_error error;
    op->out = claim;
    store->claim_op = id;
    claim->batch = NULL;
    if (claim->flags & OUTBOX_CLAIM_REWIND)
        pg_claim_rewind(store);
    pg_wal_claim(store, claim);
    if (!claim->max_rows)
        fail(op, OUTBOX_E_INVALID, "max_rows is 0");
    else if (OUTBOX_FAILPOINT_ERROR(store->host, postgres, before_claim, &error))
        pg_op_finish(op, &error);
    else
        submit(op);
}

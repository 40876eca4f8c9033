/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/claim.c - claiming rows
 *
 * One statement, so at READ COMMITTED one snapshot: the rows in the holes and those above, in order of their ids, by
 * the primary key. The columns of the route are always among what is selected: for ids alone the optimizer may prefer
 * another index, which it reads from end to end.
 *
 * Memory must stay bounded: a claim leaves out the large values of rows that are larger than their share and tells the
 * size instead; the batch ends before such a row. If it comes first, the claim is made again: sql/portion.h.
 */
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum { TLS_BYTES = 1 << 20 };

static void submit(struct mys_op *op);

static struct outbox_claim *claim_of(const struct mys_op *op)
{
    return op->out;
}

static void fail(struct mys_op *op, int code, const char *text)
{
    struct outbox_error error;
    mys_fail(&error, code, "claim rows from %s: %s", op->store->table_name, text);
    mys_op_finish(op, &error);
}

/* ---- the statement ----------------------------------------------------------------------------------------------- */

static uint32_t rows_wanted(const struct mys_store *store, const struct outbox_claim *claim)
{
    return obx_sql_claim_budget_rows(&store->portion, claim);
}

/* What has arrived is read in one step of the loop, and takes five times as long where it has to be decrypted. */
static uint64_t bytes_wanted(const struct mys_store *store, const struct outbox_claim *claim)
{
    uint64_t bytes = obx_sql_claim_budget_bytes(claim);
    return store->server.tls && bytes > TLS_BYTES ? TLS_BYTES : bytes;
}

/* How large a row may be; INT64_MAX: as it likes. */
static int64_t cap_of(const struct mys_store *store, const struct outbox_claim *claim)
{
    uint32_t rows = rows_wanted(store, claim);
    return claim->positions || rows <= 1 ? INT64_MAX : obx_sql_claim_budget_share(bytes_wanted(store, claim), rows);
}

static bool put_size(const struct mys_store *store, struct obx_sql_text *sql)
{
    bool any = false;
    for (uint32_t i = 0; i < store->wanted_count; i++) {
        const struct mys_wanted *w = &store->wanted[i];
        if (!w->sized || w->wire == MYS_ABSENT)
            continue;
        obx_sql_text_format(sql, "%sIFNULL(LENGTH(%n), 0)", any ? " + " : "", w->name);
        any = true;
    }
    return any;
}

static bool has_sized(const struct mys_store *store)
{
    for (uint32_t i = 0; i < store->wanted_count; i++)
        if (store->wanted[i].sized && store->wanted[i].wire != MYS_ABSENT)
            return true;
    return false;
}

static void put_columns(const struct mys_store *store, struct obx_sql_text *sql, int64_t cap)
{
    bool guarded = cap < INT64_MAX && has_sized(store);
    obx_sql_text_format(sql, "SELECT %n", store->table.id);
    for (uint32_t i = 0; i < store->wanted_count; i++) {
        const struct mys_wanted *w = &store->wanted[i];
        obx_sql_text_puts(sql, ", ");
        if (w->wire == MYS_ABSENT) {
            obx_sql_text_puts(sql, "NULL");
        } else if (guarded && w->sized) {
            obx_sql_text_puts(sql, "IF(");
            put_size(store, sql);
            obx_sql_text_puts(sql, " <= ");
            mys_put_int(sql, cap);
            obx_sql_text_format(sql, ", %n, NULL)", w->name);
        } else {
            obx_sql_text_name(sql, w->name);
        }
    }
    if (!guarded) {
        obx_sql_text_puts(sql, ", NULL FROM ");
        return;
    }
    obx_sql_text_puts(sql, ", NULLIF(GREATEST(");
    put_size(store, sql);
    obx_sql_text_puts(sql, ", ");
    mys_put_int(sql, cap);
    obx_sql_text_puts(sql, "), ");
    mys_put_int(sql, cap);
    obx_sql_text_puts(sql, ") FROM ");
}

static void put_where(struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(sql, " WHERE (%n > ", store->table.id);
    mys_put_int(sql, store->holes.hi);
    store->together = mys_holes_put(store, sql, UINT64_MAX);
    obx_sql_text_puts(sql, ")");
}

static void put_exact(const struct mys_store *store, struct obx_sql_text *sql, const struct outbox_claim *claim)
{
    obx_sql_text_format(sql, " WHERE %n IN (0", store->table.id);
    for (uint32_t i = 0; i < claim->position_count; i++) {
        obx_sql_text_puts(sql, ", ");
        mys_put_int(sql, (int64_t)claim->positions[i].major);
    }
    obx_sql_text_puts(sql, ")");
}

/* With several holes in one range, rows that were given may come as well and must not crowd out the others. */
static int64_t limit_of(const struct mys_store *store, const struct outbox_claim *claim)
{
    int64_t rows = rows_wanted(store, claim);
    if (!claim->positions && store->together)
        rows += (int64_t)obx_sql_ranges_size(&store->given.ids);
    return rows;
}

static void put_claim(struct mys_store *store, const struct outbox_claim *claim)
{
    struct obx_sql_text *sql = &store->claim_sql;
    obx_sql_text_clear(sql);
    put_columns(store, sql, cap_of(store, claim));
    mys_table_put(store, sql);
    if (claim->positions)
        put_exact(store, sql, claim);
    else
        put_where(store, sql);
    obx_sql_text_format(sql, " ORDER BY %n LIMIT ", store->table.id);
    mys_put_int(sql, limit_of(store, claim));
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

struct reading {
    uint32_t rows;  /* that were asked for, up to one that is too large */
    bool truncated; /* there may be more above the last of them */
    bool too_high;  /* the first has an id that no position can hold */
    int64_t large;  /* the size of the row that is too large; 0: none */
};

static bool asked_for(const struct mys_store *store, const struct outbox_claim *claim, int64_t id)
{
    return claim->positions || id > store->holes.hi || obx_sql_gaps_contain(&store->holes, id);
}

/* strtoll() gives the highest for whatever is higher. */
static bool is_too_high(const char *text, int64_t id)
{
    return id == INT64_MAX && strcmp(text, "9223372036854775807") != 0;
}

/* The ids of the batch into store->ids. */
static bool read_result(struct mys_store *store, const struct outbox_claim *claim, MYSQL_RES *result,
                        struct reading *reading)
{
    uint64_t count = mysql_num_rows(result);
    uint32_t wanted = rows_wanted(store, claim);
    bool all_known = claim->positions || !store->together;
    MYSQL_ROW row;
    *reading = (struct reading){.truncated = count >= (uint64_t)limit_of(store, claim)};
    if (!obx_sql_grow(store->host, (void **)&store->ids, &store->id_room, (uint32_t)count + 1, sizeof *store->ids))
        return false;
    while ((row = mysql_fetch_row(result))) {
        int64_t id = strtoll(row[0], NULL, 10);
        if (is_too_high(row[0], id)) {
            reading->too_high = !reading->rows;
            reading->truncated = true;
            break;
        }
        if (!all_known && !asked_for(store, claim, id))
            continue;
        if (row[store->wanted_count + 1])
            reading->large = strtoll(row[store->wanted_count + 1], NULL, 10);
        if (reading->large || reading->rows == wanted) {
            reading->truncated = true;
            break;
        }
        store->ids[reading->rows++] = id;
    }
    return true;
}

static void give(struct mys_op *op, struct obx_sql_batch *batch, bool more)
{
    static const struct outbox_error none;
    if (batch)
        batch->batch.flags = more ? OUTBOX_BATCH_MORE : 0;
    claim_of(op)->batch = batch ? &batch->batch : NULL;
    if (!batch)
        mys_sweep_if_due(op->store);
    mys_op_finish(op, &none);
}

static enum obx_sql_accepted accept(struct mys_store *store, const struct reading *reading)
{
    struct obx_sql_seen seen = {.ids = store->ids,
                                .count = reading->rows,
                                .truncated = reading->truncated,
                                .now_ns = store->host->now(store->host)};
    return obx_sql_outstanding_accept(&store->given, &store->holes, &seen);
}

static void take_over(struct mys_op *op, const struct reading *reading)
{
    struct mys_store *store = op->store;
    const struct outbox_claim *claim = claim_of(op);
    struct obx_sql_batch *batch = NULL;
    obx_sql_claim_budget_learn(&store->portion, claim, bytes_wanted(store, claim), (uint64_t)reading->large);
    if (reading->large && !reading->rows) {
        submit(op);
        return;
    }
    if (reading->rows && !(batch = mys_batch_new(store, op->result, reading->rows))) {
        fail(op, OUTBOX_E_NO_MEMORY, "out of memory");
        return;
    }
    if (batch)
        op->result = NULL; /* it is the batch's now */
    enum obx_sql_accepted accepted = claim->positions ? OBX_SQL_ACCEPTED : accept(store, reading);
    if (accepted == OBX_SQL_ACCEPTED) {
        give(op, batch, reading->truncated && !claim->positions);
        return;
    }
    if (batch)
        mys_release(store, &batch->batch);
    if (accepted == OBX_SQL_NO_MEMORY)
        fail(op, OUTBOX_E_NO_MEMORY, "out of memory");
    else
        fail(op, OUTBOX_E_BUG, "the server gave ids that were not asked for; please report this");
}

static void claimed(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    struct reading reading;
    struct outbox_error wrong = *error;
    OUTBOX_FAILPOINT(op->store->host, mysql, after_claim);
    if (wrong.code || (op->result && mys_columns_compare(op->store, op->result, &wrong)))
        mys_op_finish(op, &wrong);
    else if (!op->result || !read_result(op->store, claim_of(op), op->result, &reading))
        fail(op, OUTBOX_E_NO_MEMORY, "out of memory, or an answer of another shape than asked for");
    else if (reading.too_high)
        fail(op, OUTBOX_E_SCHEMA,
             "an id is above 9223372036854775807, which a relay cannot tell from the next; give such rows lower ids");
    else
        take_over(op, &reading);
}

static void send_claim(struct mys_op *op)
{
    struct mys_store *store = op->store;
    put_claim(store, claim_of(op));
    op->request = (struct mys_request){.what = "claim rows",
                                       .sql = obx_sql_text_get(&store->claim_sql),
                                       .size = store->claim_sql.size,
                                       .result = mys_keep,
                                       .done = claimed,
                                       .arg = op};
    if (store->claim_sql.failed)
        fail(op, OUTBOX_E_NO_MEMORY, "out of memory");
    else
        mys_conn_submit(&store->reader, &op->request);
}

static void submit(struct mys_op *op)
{
    if (claim_of(op)->positions || !mys_look_due(op->store))
        send_claim(op);
    else
        mys_look(op, send_claim);
}

void mys_claim_rewind(struct mys_store *store)
{
    obx_sql_gaps_reset(&store->holes);
    obx_sql_outstanding_reset(&store->given);
    obx_sql_stray_scan_reset(&store->sweep.pages);
    store->portion.few = 0;
}

void mys_claim(void *self, outbox_op_t id, struct outbox_claim *claim)
{
    struct mys_store *store = self;
    struct mys_op *op = mys_op(store, id);
    struct outbox_error error;
    op->out = claim;
    store->claim_op = id;
    claim->batch = NULL;
    if (claim->flags & OUTBOX_CLAIM_REWIND)
        mys_claim_rewind(store);
    mys_bell_claim(store, claim);
    if (!claim->max_rows)
        fail(op, OUTBOX_E_INVALID, "max_rows is 0");
    else if (OUTBOX_FAILPOINT_ERROR(store->host, mysql, before_claim, &error))
        mys_op_finish(op, &error);
    else
        submit(op);
}

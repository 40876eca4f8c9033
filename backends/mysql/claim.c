/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/claim.c - the claim as SQL, and the reading of its result
 *
 * One statement, so at READ COMMITTED one snapshot: the rows in the gaps and those above, in order of their ids, by the
 * primary key. The statement always selects columns of the route: for ids alone the optimizer may choose another index
 * and scan all of it.
 *
 * Memory must stay bounded: for a row above the per-row limit, a claim returns the row's size instead of its large
 * values, and the batch ends before that row. If that row is the first one, the claim is repeated: see
 * sql/gaps/claim_budget.h.
 */
#include <stdlib.h>
#include <string.h>

#include "sql/server/unreadable.h"
#include "store.h"

enum { TLS_BYTES = 1 << 20 };

/* ---- the statement ----------------------------------------------------------------------------------------------- */

static uint32_t row_limit(const struct mys_store *store, const struct outbox_claim *claim)
{
    uint32_t rows = obx_sql_claim_budget_rows(&store->budget, claim);
    return rows < store->sql.claim_rows ? rows : store->sql.claim_rows;
}

/* The loop reads a whole result without a break, and decrypting makes that five times as long. */
static uint64_t byte_limit(const struct mys_store *store, const struct outbox_claim *claim)
{
    uint64_t bytes = obx_sql_claim_budget_bytes(claim);
    return store->server.tls && bytes > TLS_BYTES ? TLS_BYTES : bytes;
}

/* The largest row in bytes; INT64_MAX: no limit. */
static int64_t row_bytes_limit(const struct mys_store *store, const struct outbox_claim *claim)
{
    uint32_t rows = row_limit(store, claim);
    return claim->positions || rows <= 1 ? INT64_MAX : obx_sql_claim_budget_per_row(byte_limit(store, claim), rows);
}

/* "LENGTH(a) + LENGTH(b)" of the columns that count; sql NULL: nothing. False: there are none. */
static bool append_size(const struct sql_store *store, struct obx_sql_text *sql)
{
    bool any = false;
    for (uint32_t i = 0; i < store->selected_count; i++) {
        const struct sql_selected *selected = &store->selected[i];
        if (!selected->counts || sql_is_left_out(selected))
            continue;
        if (sql)
            obx_sql_text_format(sql, "%sIFNULL(LENGTH(%n), 0)", any ? " + " : "", selected->name);
        any = true;
    }
    return any;
}

static void append_column(const struct sql_store *store, struct obx_sql_text *sql, const struct sql_selected *selected,
                          int64_t limit)
{
    obx_sql_text_puts(sql, ", ");
    if (sql_is_left_out(selected)) {
        obx_sql_text_puts(sql, "NULL");
    } else if (limit < INT64_MAX && selected->counts) {
        obx_sql_text_puts(sql, "IF(");
        append_size(store, sql);
        obx_sql_text_puts(sql, " <= ");
        obx_sql_text_int(sql, limit);
        obx_sql_text_format(sql, ", %n, NULL)", selected->name);
    } else if (selected->encoding == MYS_AS_SINGLE) {
        obx_sql_text_format(sql, "%n * 1e0", selected->name);
    } else {
        obx_sql_text_name(sql, selected->name);
    }
}

/* id, the columns, and the size of a row that is too large. */
static void append_columns(const struct sql_store *store, struct obx_sql_text *sql, int64_t limit)
{
    obx_sql_text_format(sql, "SELECT %n", store->table.id);
    for (uint32_t i = 0; i < store->selected_count; i++)
        append_column(store, sql, &store->selected[i], limit);
    if (limit == INT64_MAX) {
        obx_sql_text_puts(sql, ", NULL FROM ");
        return;
    }
    obx_sql_text_puts(sql, ", NULLIF(GREATEST(");
    append_size(store, sql);
    obx_sql_text_puts(sql, ", ");
    obx_sql_text_int(sql, limit);
    obx_sql_text_puts(sql, "), ");
    obx_sql_text_int(sql, limit);
    obx_sql_text_puts(sql, ") FROM ");
}

/* Of a store that captures, this is the spool: first rows of before the switch, then spooled events. */
static void append_window(const struct sql_store *store, struct obx_sql_text *sql)
{
    struct sql_capture_window window = sql_capture_window(store);
    obx_sql_text_int(sql, window.after);
    if (window.last < INT64_MAX) {
        obx_sql_text_format(sql, " AND %n <= ", store->table.id);
        obx_sql_text_int(sql, window.last);
    }
}

static void append_where(struct mys_store *store, struct obx_sql_text *sql, bool spool)
{
    obx_sql_text_format(sql, " WHERE (%n > ", store->sql.table.id);
    if (sql_captures(&store->sql))
        append_window(&store->sql, sql);
    else
        obx_sql_text_int(sql, store->sql.gaps.hi);
    store->together = !spool && mys_append_gaps(&store->sql, sql, UINT64_MAX);
    obx_sql_text_puts(sql, ")");
}

static void append_positions(const struct sql_store *store, struct obx_sql_text *sql, const struct outbox_claim *claim)
{
    obx_sql_text_format(sql, " WHERE %n IN (0", store->table.id);
    for (uint32_t i = 0; i < claim->position_count; i++) {
        obx_sql_text_puts(sql, ", ");
        obx_sql_text_int(sql, (int64_t)claim->positions[i].major);
    }
    obx_sql_text_puts(sql, ")");
}

static int64_t result_limit(const struct mys_store *store, const struct sql_op *op)
{
    return (int64_t)row_limit(store, sql_claim_of(op)) + sql_claim_extra(op);
}

bool mys_put_claim(struct sql_request *request)
{
    struct sql_store *sql_store = request->store;
    struct mys_store *store = mys_store_of(sql_store);
    const struct outbox_claim *claim = sql_claim_of(request->arg);
    struct obx_sql_text *sql = request->sql;
    int64_t row_bytes = row_bytes_limit(store, claim);
    append_columns(sql_store, sql, append_size(sql_store, NULL) ? row_bytes : INT64_MAX);
    request->answer_bytes =
        row_bytes == INT64_MAX ? SQL_ANSWER_LARGE : SQL_ANSWER_BYTES + 4 * obx_sql_claim_budget_bytes(claim);
    sql_append_outbox(sql_store, sql);
    if (claim->positions)
        append_positions(sql_store, sql, claim);
    else
        append_where(store, sql, sql_capture_is_spool_claim(request->arg));
    obx_sql_text_format(sql, " ORDER BY %n LIMIT ", sql_store->table.id);
    obx_sql_text_int(sql, result_limit(store, request->arg));
    return true;
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

/* In a range of several gaps there may be a row that somebody put between them by hand: the stray scan finds it. */
static bool is_in_claim(const struct mys_store *store, const struct outbox_claim *claim, int64_t id)
{
    return claim->positions || !store->together || id > store->sql.gaps.hi ||
           obx_sql_gaps_contain(&store->sql.gaps, id);
}

/* strtoll() returns LLONG_MAX for any larger number. */
static bool is_too_high(const char *text, int64_t id)
{
    return id == INT64_MAX && text && strcmp(text, "9223372036854775807") != 0;
}

/* The ids of the batch into store->ids. False: an id that no position can hold comes first. */
static bool read_rows(struct mys_store *store, const struct sql_op *op, MYSQL_RES *result, struct sql_reading *reading)
{
    const struct outbox_claim *claim = sql_claim_of(op);
    struct sql_store *sql = &store->sql;
    uint32_t limit = row_limit(store, claim) + sql_claim_extra(op);
    struct mys_row row;
    reading->truncated = mys_count(result) >= (uint64_t)result_limit(store, op);
    while (mys_fetch(result, &row)) {
        const char *size = mys_text_of(&row, sql->selected_count + 1);
        int64_t id = mys_integer_of(&row, 0, 0);
        bool too_high = is_too_high(mys_text_of(&row, 0), id);
        if (!too_high && !is_in_claim(store, claim, id))
            continue;
        reading->oversize = size && !too_high ? strtoull(size, NULL, 10) : 0;
        if (too_high || reading->oversize || reading->rows == limit) {
            reading->truncated = true;
            return !too_high || reading->rows;
        }
        sql->ids[reading->rows++] = id;
    }
    return true;
}

int mys_read_claim(struct sql_op *op, struct sql_reading *reading, struct outbox_error *error)
{
    struct sql_store *store = op->store;
    MYSQL_RES *result = op->result;
    if (mys_columns_compare(store, result, error))
        return error->code;
    if (!obx_sql_grow(store->host, (void **)&store->ids, &store->id_room, (uint32_t)mys_count(result) + 1,
                      sizeof *store->ids))
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "claim rows from %s: out of memory", store->table_name);
    if (!read_rows(mys_store_of(store), op, result, reading))
        return mys_fail(
            error, OUTBOX_E_SCHEMA,
            "claim rows from %s: an id is above 9223372036854775807, which a relay cannot distinguish from the "
            "next; give such rows lower ids",
            store->table_name);
    return OUTBOX_OK;
}

void mys_learn(struct sql_op *op, const struct sql_reading *reading)
{
    struct mys_store *store = mys_store_of(op->store);
    const struct outbox_claim *claim = sql_claim_of(op);
    obx_sql_claim_budget_learn(&store->budget, claim, byte_limit(store, claim), reading->oversize);
}

void mys_rewind(struct sql_store *store)
{
    mys_store_of(store)->budget.row_limit = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/claim.c - a claim's parameters, and the reading of its result
 *
 * A row that is too large for the plain statement makes the next claims use the guarded one: see claim_sql.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/gaps/claim_budget.h"
#include "sql/server/unreadable.h"
#include "store.h"

enum { GUARDED_FOR = 16 }; /* claims, after a large row */

static void append_gaps(struct pg_store *store, bool none)
{
    const struct obx_sql_gap_list *list = &store->sql.gaps.hot;
    uint32_t count = none ? 0 : list->count;
    pg_array_begin(&store->lo, PG_OID_INT8, count);
    pg_array_begin(&store->hi, PG_OID_INT8, count);
    for (uint32_t i = 0; i < count; i++) {
        pg_array_int8(&store->lo, list->items[i].lo);
        pg_array_int8(&store->hi, list->items[i].hi);
    }
}

static void append_positions(struct pg_store *store, const struct outbox_claim *claim)
{
    pg_array_begin(&store->lo, PG_OID_INT8, claim->position_count);
    for (uint32_t i = 0; i < claim->position_count; i++)
        pg_array_int8(&store->lo, (int64_t)claim->positions[i].major);
}

static bool is_guarded(const struct pg_store *store, const struct outbox_claim *claim)
{
    return store->guarded && !claim->positions;
}

/* $5: of each large value in the plain statement, of all together in the guarded one. */
static void bytes_param(const struct pg_store *store, const struct outbox_claim *claim, struct sql_request *request,
                        struct pg_params *params)
{
    uint64_t bytes = obx_sql_claim_budget_bytes(claim);
    int64_t each = claim->positions ? INT64_MAX : obx_sql_claim_budget_per_row(bytes, claim->max_rows);
    request->answer_bytes =
        claim->positions || is_guarded(store, claim) ? SQL_ANSWER_LARGE : SQL_ANSWER_BYTES + 4 * bytes;
    if (is_guarded(store, claim))
        pg_param_int8(params, (int64_t)bytes);
    else
        pg_param_int4(params, each > INT32_MAX ? INT32_MAX : (int32_t)each);
}

static bool send_claim(struct sql_request *request, bool guarded, const struct pg_params *params)
{
    const struct pg_store *store = pg_store_of(request->store);
    struct obx_sql_text sql = {.host = request->store->host};
    if (!sql_unreadable_any(request->store))
        return pg_send_prepared(request, guarded ? "claim_guarded" : "claim", params);
    pg_claim_text(store, &sql, guarded);
    return pg_send_sql(request, &sql, params);
}

/* A claim by position sets `hi` to the highest possible id, and passes each position as a gap of one id. */
bool pg_put_claim(struct sql_request *request)
{
    struct pg_store *store = pg_store_of(request->store);
    const struct outbox_claim *claim = sql_claim_of(request->arg);
    struct pg_params params = {0};
    if (claim->positions)
        append_positions(store, claim);
    else
        append_gaps(store, sql_capture_is_spool_claim(request->arg));
    if (store->lo.failed || store->hi.failed)
        return false;
    struct sql_capture_window window = {store->sql.gaps.hi, INT64_MAX};
    if (sql_captures(&store->sql))
        window = sql_capture_window(&store->sql);
    pg_param_int8(&params, claim->positions ? INT64_MAX : window.after);
    pg_param_buf(&params, &store->lo);
    pg_param_buf(&params, claim->positions ? &store->lo : &store->hi);
    pg_param_int8(&params, (int64_t)sql_claim_rows(request->arg) + sql_claim_extra(request->arg));
    bytes_param(store, claim, request, &params);
    if (sql_captures(&store->sql))
        pg_param_int8(&params, window.last);
    return send_claim(request, is_guarded(store, claim), &params);
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

/* "xmin:xmax:active,active". False: no memory, or it is none. */
static bool parse_snapshot(struct pg_store *store, const char *text, struct obx_sql_snapshot *snapshot)
{
    char *at;
    uint32_t count = 0;
    *snapshot = (struct obx_sql_snapshot){.xmin = strtoull(text, &at, 10)};
    if (*at != ':')
        return false;
    snapshot->xmax = strtoull(at + 1, &at, 10);
    if (*at != ':')
        return false;
    while ((*at == ':' || *at == ',') && at[1] >= '0' && at[1] <= '9') {
        if (!obx_sql_grow(store->sql.host, (void **)&store->active, &store->active_room, count + 1,
                          sizeof *store->active))
            return false;
        store->active[count++] = strtoull(at + 1, &at, 10);
    }
    snapshot->active = store->active;
    snapshot->active_count = count;
    return snapshot->xmin && snapshot->xmax;
}

/* Row 0 has the snapshot; a mark in a later row means that the row is too large for this batch. */
static bool read_rows(struct pg_store *store, const PGresult *result, struct sql_reading *reading)
{
    int mark = (int)store->sql.selected_count + 1, rows = PQntuples(result), row = 1;
    if (!pg_rows_fit(&store->sql, result) || !parse_snapshot(store, pg_text(result, 0, mark), &reading->snapshot))
        return false;
    const char *end = strchr(pg_text(result, 0, mark), ' ');
    reading->log_end = end ? pg_wal_position(end + 1) : 0;
    while (row < rows && PQgetisnull(result, row, mark))
        row++;
    reading->first = 1;
    reading->rows = (uint32_t)row - 1;
    reading->oversize = row < rows;
    return pg_ids_read(&store->sql, result, reading->first, reading->rows);
}

int pg_read_claim(struct sql_op *op, struct sql_reading *reading, struct outbox_error *error)
{
    if (!read_rows(pg_store_of(op->store), op->result, reading))
        return pg_fail(error, OUTBOX_E_NO_MEMORY,
                       "claim rows from %s: out of memory, or a result of an unexpected form", op->store->table_name);
    reading->truncated = reading->oversize || reading->rows >= sql_claim_rows(op);
    return OUTBOX_OK;
}

void pg_learn(struct sql_op *op, const struct sql_reading *reading)
{
    struct pg_store *store = pg_store_of(op->store);
    const struct outbox_claim *claim = sql_claim_of(op);
    uint64_t cap = claim->max_bytes / claim->max_rows;
    if (reading->oversize || (store->guarded && reading->rows && PQresultMemorySize(op->result) / reading->rows > cap))
        store->guarded = GUARDED_FOR;
    else if (store->guarded)
        store->guarded--;
}

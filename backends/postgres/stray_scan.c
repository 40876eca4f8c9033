/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/stray_scan.c - looking for rows that no claim can find
 *
 * Here these were written against the contract: with an id chosen by hand, by a sequence that was set back, or with an
 * id drawn in another transaction. Ids below 1 cannot be positions; that is said once.
 */
#include "store.h"

static int send_sweep(struct pg_request *request, PGconn *pg)
{
    struct pg_store *store = request->arg;
    struct obx_sql_text sql = {.host = store->host};
    struct pg_params params = {0};
    obx_sql_text_format(&sql, "SELECT t.%n FROM ", store->table.id);
    obx_sql_text_table(&sql, store->table.schema, store->table.name);
    obx_sql_text_format(&sql, " t WHERE t.%n > $1::int8 AND t.%n <= $2::int8 ORDER BY t.%n LIMIT %d", store->table.id,
                        store->table.id, store->table.id, OBX_SQL_STRAY_SCAN_PAGE);
    pg_param_int8(&params, store->sweep.pages.cursor);
    pg_param_int8(&params, store->holes.hi);
    int fine =
        !sql.failed && PQsendQueryParams(pg, sql.data, 2, NULL, params.values, params.lengths, params.formats, 1);
    obx_sql_text_free(&sql);
    return fine;
}

static void tell_found(struct pg_store *store, const struct obx_sql_found *found)
{
    store->host->log(
        store->host, OUTBOX_LOG_WARN,
        "%u rows were written below id %lld, where all had been read (%lld to %lld): ids chosen by hand, or a "
        "sequence that was set back; they are relayed now, in no order to others",
        found->count, (long long)store->holes.hi, (long long)found->first, (long long)found->last);
    store->host->wake(store->host);
}

static void tell_unusable(struct pg_store *store, int64_t id)
{
    if (!store->sweep.told)
        store->host->log(store->host, OUTBOX_LOG_ERROR, "row %lld of %s.%s can not be relayed: ids must be above 0",
                         (long long)id, store->table.schema, store->table.name);
    store->sweep.told = true;
}

/* Without memory it is as if there had been no look. */
static void take(struct pg_request *request, PGresult *result)
{
    struct pg_store *store = request->arg;
    struct obx_sql_found found = {0};
    uint32_t rows = (uint32_t)PQntuples(result);
    bool fine = pg_ids_read(store, result, 0, rows);
    PQclear(result);
    if (!fine || !obx_sql_stray_scan_page(&store->sweep.pages, store->ids, rows, &found))
        return;
    if (rows && store->ids[0] < 1)
        tell_unusable(store, store->ids[0]);
    if (found.count)
        tell_found(store, &found);
}

static void done(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    obx_sql_stray_scan_end(&store->sweep.pages, error->code != OUTBOX_OK);
}

void pg_sweep_if_due(struct pg_store *store)
{
    struct pg_sweep *sweep = &store->sweep;
    if (!obx_sql_stray_scan_due(&sweep->pages))
        return;
    obx_sql_stray_scan_begin(&sweep->pages);
    sweep->request = (struct pg_request){
        .what = "look for rows that were missed", .send = send_sweep, .result = take, .done = done, .arg = store};
    pg_conn_submit(&store->reader, &sweep->request);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/stray_scan.c - looking for rows that no claim can find
 *
 * Here these came very late, after their hole was taken for dead, or were written with an id chosen by hand or by a
 * counter that was set back.
 */
#include "store.h"

static void put_sweep(struct mys_store *store)
{
    struct obx_sql_text *sql = &store->sweep.sql;
    obx_sql_text_clear(sql);
    obx_sql_text_format(sql, "SELECT %n FROM ", store->table.id);
    mys_table_put(store, sql);
    obx_sql_text_format(sql, " WHERE %n > ", store->table.id);
    mys_put_int(sql, store->sweep.pages.cursor);
    obx_sql_text_format(sql, " AND %n <= ", store->table.id);
    mys_put_int(sql, store->holes.hi);
    obx_sql_text_format(sql, " ORDER BY %n LIMIT %d", store->table.id, OBX_SQL_STRAY_SCAN_PAGE);
}

static void tell_found(struct mys_store *store, const struct obx_sql_found *found)
{
    store->host->log(store->host, OUTBOX_LOG_WARN,
                     "%u rows were found below id %lld, where all had been read (%lld to %lld): ids chosen by hand, a "
                     "counter that was set back, or a statement slower than gap_timeout; they are relayed now, in no "
                     "order to others",
                     found->count, (long long)store->holes.hi, (long long)found->first, (long long)found->last);
    store->host->wake(store->host);
}

/* Without memory it is as if there had been no look. */
static void take(struct mys_request *request, MYSQL_RES *result)
{
    struct mys_store *store = request->arg;
    struct obx_sql_found found = {0};
    uint32_t rows;
    if (mys_ids_read(store, result, &rows))
        obx_sql_stray_scan_page(&store->sweep.pages, store->ids, rows, &found);
    mysql_free_result(result);
    if (found.count)
        tell_found(store, &found);
}

static void done(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_store *store = request->arg;
    obx_sql_stray_scan_end(&store->sweep.pages, error->code != OUTBOX_OK);
}

void mys_sweep_if_due(struct mys_store *store)
{
    struct mys_sweep *sweep = &store->sweep;
    if (!obx_sql_stray_scan_due(&sweep->pages))
        return;
    put_sweep(store);
    if (sweep->sql.failed)
        return;
    obx_sql_stray_scan_begin(&sweep->pages);
    sweep->request = (struct mys_request){.what = "look for rows that were missed",
                                          .sql = obx_sql_text_get(&sweep->sql),
                                          .size = sweep->sql.size,
                                          .result = take,
                                          .done = done,
                                          .arg = store};
    mys_conn_submit(&store->reader, &sweep->request);
}

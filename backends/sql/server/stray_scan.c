/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/stray_scan.c - the scan for rows that no claim can find
 *
 * Such rows have an id below the highest id seen, and in no gap: an id chosen by hand, a sequence that was set back, or
 * it belonged to a gap that was retired too early. An idle relay compares the table, a page at a time, with the rows
 * that it knows. Rows that it finds are claimed next. Ids below 1 cannot be positions; the relay logs that once, at its
 * start or later.
 */
#include "sql/server/claim.h"
#include "sql/server/table.h"

enum { COUNTED = 100000 }; /* rows with ids below 1, at a start */

static bool put_page(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const char *id = store->table.id;
    struct obx_sql_text sql = sql_text(store);
    obx_sql_text_format(&sql, "SELECT %n FROM ", id);
    sql_append_outbox(store, &sql);
    obx_sql_text_format(&sql, " WHERE %n > ", id);
    obx_sql_text_int(&sql, store->strays.cursor);
    obx_sql_text_format(&sql, " AND %n <= ", id);
    obx_sql_text_int(&sql, store->gaps.hi);
    obx_sql_text_format(&sql, " ORDER BY %n LIMIT %d", id, OBX_SQL_STRAY_SCAN_PAGE);
    return store->driver->put_text(request, &sql);
}

static void report_found(struct sql_store *store, const struct obx_sql_found *found)
{
    store->host->log(store->host, OUTBOX_LOG_WARN,
                     "%u rows were found below id %lld, where all rows had been read (%lld to %lld): %s; the relay "
                     "publishes them now, without order to other events",
                     found->count, (long long)store->gaps.hi, (long long)found->first, (long long)found->last,
                     store->driver->stray_causes);
    store->host->wake(store->host);
}

/* ids: ascending; those below 1 are new, and all others of the table are above them or were noted before. */
static void note_unusable(struct sql_store *store, const int64_t *ids, uint32_t count)
{
    uint32_t low = 0;
    while (low < count && ids[low] < 1)
        low++;
    store->unusable += low;
    if (low && !store->unusable_reported)
        store->host->log(store->host, OUTBOX_LOG_ERROR, "row %lld of %s.%s can not be relayed: ids must be above 0",
                         (long long)ids[0], store->table.schema, store->outbox.name);
    store->unusable_reported = store->unusable > 0;
}

bool sql_put_low_id(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    struct obx_sql_text sql = sql_text(store);
    obx_sql_text_format(&sql, "SELECT %n FROM ", store->table.id);
    sql_append_outbox(store, &sql);
    obx_sql_text_format(&sql, " WHERE %n < 1 ORDER BY %n LIMIT %d", store->table.id, store->table.id, COUNTED);
    return store->driver->put_text(request, &sql);
}

void sql_on_low_id(struct sql_request *request, void *result)
{
    struct sql_store *store = request->store;
    uint32_t rows = 0;
    store->unusable = 0;
    if (store->driver->read_ids(store, result, &rows))
        note_unusable(store, store->ids, rows);
    store->driver->free_result(result);
}

/* Without memory the result of the scan is ignored. */
static void on_page(struct sql_request *request, void *result)
{
    struct sql_store *store = request->arg;
    struct obx_sql_found found = {0};
    uint32_t rows = 0;
    bool fine = store->driver->read_ids(store, result, &rows), lowest = store->strays.cursor < 1;
    bool first = store->strays.cursor == store->driver->before_first;
    store->driver->free_result(result);
    if (!fine || !obx_sql_stray_scan_page(&store->strays, store->ids, rows, &found))
        return;
    if (first)
        store->unusable = 0;
    if (lowest)
        note_unusable(store, store->ids, rows);
    if (found.count)
        report_found(store, &found);
}

static void done(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_store *store = request->arg;
    obx_sql_stray_scan_end(&store->strays, error->code != OUTBOX_OK);
}

void sql_stray_scan_if_due(struct sql_store *store)
{
    if (!obx_sql_stray_scan_due(&store->strays))
        return;
    obx_sql_stray_scan_begin(&store->strays);
    store->stray_request = (struct sql_request){.what = "search for missed rows",
                                                .put = put_page,
                                                .result = on_page,
                                                .done = done,
                                                .arg = store,
                                                .store = store,
                                                .sql = &store->stray_sql};
    sql_lane_submit(store->reader, &store->stray_request);
}

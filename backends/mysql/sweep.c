/*
 * backends/mysql/sweep.c - looking for rows that no claim can find
 *
 * A claim looks above the highest id seen and into holes. A row anywhere else came very late, after its hole was taken
 * for dead, or was written with an id chosen by hand or by a counter that was set back. So while there is nothing to
 * claim, the table is compared, a page at a time, with what was given and not yet settled. What is left over is told
 * of, and becomes a hole: the next claims give it.
 *
 * Beside the claims, on their connection. A settle that ends meanwhile makes a page worthless: its rows may be gone.
 */
#include <stdlib.h>

#include "store.h"

enum { PAGE = 1000 };
#define MS 1000000ull
#define COST 200 /* of the time, at most one part in so many goes into sweeps: many dead rows make them slow */

static void put_sweep(struct mys_store *store)
{
    struct obx_sql_text *sql = &store->sweep.sql;
    obx_sql_text_clear(sql);
    obx_sql_text_format(sql, "SELECT %n FROM ", store->table.id);
    mys_table_put(store, sql);
    obx_sql_text_format(sql, " WHERE %n > ", store->table.id);
    mys_put_int(sql, store->sweep.cursor);
    obx_sql_text_format(sql, " AND %n <= ", store->table.id);
    mys_put_int(sql, store->holes.hi);
    obx_sql_text_format(sql, " ORDER BY %n LIMIT %d", store->table.id, PAGE);
}

static void tell_found(struct mys_store *store, int64_t first, int64_t last, uint32_t count)
{
    store->host->log(
        store->host, OUTBOX_LOG_WARN,
        "%u rows were found below id %lld, where all had been read (%lld to %lld): ids chosen by hand, a "
        "counter that was set back, or a statement slower than hole_grace; they are relayed now, in no order "
        "to others",
        count, (long long)store->holes.hi, (long long)first, (long long)last);
}

/* Rows of this page that nobody knows of. Returns the last id of the page. */
static int64_t compare(struct mys_store *store, MYSQL_RES *result)
{
    int64_t first = 0, last = 0, id = 0;
    uint32_t count = 0;
    MYSQL_ROW row;
    while ((row = mysql_fetch_row(result))) {
        id = strtoll(row[0], NULL, 10);
        if (obx_sql_ranges_contain(&store->given, id) || obx_sql_holes_contain(&store->holes, id))
            continue;
        first = count++ ? first : id;
        last = id;
    }
    if (count && obx_sql_holes_reopen(&store->holes, first, last, store->host->now(store->host), &store->given)) {
        tell_found(store, first, last, count);
        store->host->wake(store->host);
    }
    return id;
}

static void take(struct mys_request *request, unsigned index, MYSQL_RES *result, uint64_t affected)
{
    struct mys_store *store = request->arg;
    struct mys_sweep *sweep = &store->sweep;
    bool full = mysql_num_rows(result) == PAGE;
    (void)index;
    (void)affected;
    if (sweep->settles == store->settles && !store->settling && !store->blind && !sweep->stale) {
        int64_t last = compare(store, result);
        sweep->cursor = full ? last : 0;
    }
    mysql_free_result(result);
}

static void done(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_store *store = request->arg;
    struct mys_sweep *sweep = &store->sweep;
    uint64_t now = store->host->now(store->host), took = now - sweep->begun_ns;
    uint64_t pause = sweep->cursor ? 0 : (uint64_t)store->sweep_ms * MS;
    sweep->busy = false;
    sweep->due_ns = now + (pause > took * COST ? pause : took * COST);
    if (error->code)
        sweep->cursor = 0;
}

void mys_sweep_reset(struct mys_store *store)
{
    struct mys_sweep *sweep = &store->sweep;
    sweep->cursor = 0;
    sweep->stale = sweep->busy;
    sweep->due_ns = store->host->now(store->host) + (uint64_t)store->sweep_ms * MS;
}

void mys_sweep_if_due(struct mys_store *store)
{
    struct mys_sweep *sweep = &store->sweep;
    uint64_t now = store->host->now(store->host);
    if (sweep->busy || store->blind || store->settling || now < sweep->due_ns)
        return;
    put_sweep(store);
    if (sweep->sql.failed)
        return;
    sweep->busy = true;
    sweep->stale = false;
    sweep->begun_ns = now;
    sweep->settles = store->settles;
    sweep->request = (struct mys_request){.what = "look for rows that were missed",
                                          .sql = obx_sql_text_get(&sweep->sql),
                                          .size = sweep->sql.size,
                                          .result = take,
                                          .done = done,
                                          .arg = store};
    mys_conn_submit(&store->reader, &sweep->request);
}

/*
 * backends/postgres/sweep.c - looking for rows that no claim can find
 *
 * A claim looks above the highest id seen and into holes. A row anywhere else was written against the contract: with
 * an id chosen by hand, by a sequence that was set back, or with an id drawn in another transaction. Such rows would
 * stay for ever, unnoticed. So while there is nothing to claim, the table is compared, a page at a time, with what was
 * given and not yet settled. What is left over is told of, and becomes a hole: the next claims give it.
 *
 * Beside the claims, on their connection. A settle that ends meanwhile makes a page worthless: its rows may be gone.
 */
#include "store.h"

enum { PAGE = 1000 };
#define MS 1000000ull
#define COST 200 /* of the time, at most one part in so many goes into sweeps: many dead rows make them slow */

static int send_sweep(struct pg_request *request, PGconn *pg)
{
    struct pg_store *store = request->arg;
    struct obx_sql_text sql = {.host = store->host};
    struct pg_params params = {0};
    obx_sql_text_format(&sql, "SELECT t.%n FROM ", store->table.id);
    obx_sql_text_table(&sql, store->table.schema, store->table.name);
    obx_sql_text_format(&sql, " t WHERE t.%n > $1::int8 AND t.%n <= $2::int8 ORDER BY t.%n LIMIT %d", store->table.id,
                        store->table.id, store->table.id, PAGE);
    pg_param_int8(&params, store->sweep.cursor);
    pg_param_int8(&params, store->holes.hi);
    int fine =
        !sql.failed && PQsendQueryParams(pg, sql.data, 2, NULL, params.values, params.lengths, params.formats, 1);
    obx_sql_text_free(&sql);
    return fine;
}

static void tell_found(struct pg_store *store, int64_t first, int64_t last, uint32_t count)
{
    store->host->log(
        store->host, OUTBOX_LOG_WARN,
        "%u rows were written below id %lld, where all had been read (%lld to %lld): ids chosen by hand, or a "
        "sequence that was set back; they are relayed now, in no order to others",
        count, (long long)store->holes.hi, (long long)first, (long long)last);
}

static void tell_unusable(struct pg_store *store, int64_t id)
{
    if (!store->sweep.told)
        store->host->log(store->host, OUTBOX_LOG_ERROR, "row %lld of %s.%s can not be relayed: ids must be above 0",
                         (long long)id, store->table.schema, store->table.name);
    store->sweep.told = true;
}

/* Rows of this page that nobody knows of. */
static void compare(struct pg_store *store, const PGresult *result)
{
    int64_t first = 0, last = 0;
    uint32_t count = 0;
    for (int i = 0; i < PQntuples(result); i++) {
        int64_t id = (int64_t)pg_get_int8(PQgetvalue(result, i, 0));
        if (id < 1)
            tell_unusable(store, id);
        else if (!obx_sql_ranges_contain(&store->given, id) && !obx_sql_holes_contain(&store->holes, id)) {
            first = count++ ? first : id;
            last = id;
        }
    }
    if (count && obx_sql_holes_reopen(&store->holes, first, last, store->host->now(store->host), &store->given)) {
        tell_found(store, first, last, count);
        store->host->wake(store->host);
    }
}

static void take(struct pg_request *request, PGresult *result)
{
    struct pg_store *store = request->arg;
    struct pg_sweep *sweep = &store->sweep;
    int rows = PQntuples(result);
    if (sweep->settles == store->settles && !store->settling && !store->blind && !sweep->stale) {
        compare(store, result);
        sweep->cursor = rows == PAGE ? (int64_t)pg_get_int8(PQgetvalue(result, rows - 1, 0)) : INT64_MIN;
    }
    PQclear(result);
}

static void done(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    struct pg_sweep *sweep = &store->sweep;
    uint64_t now = store->host->now(store->host), took = now - sweep->begun_ns;
    uint64_t pause = sweep->cursor == INT64_MIN ? (uint64_t)store->sweep_ms * MS : 0;
    sweep->busy = false;
    sweep->due_ns = now + (pause > took * COST ? pause : took * COST);
    if (error->code)
        sweep->cursor = INT64_MIN;
}

void pg_sweep_reset(struct pg_store *store)
{
    struct pg_sweep *sweep = &store->sweep;
    sweep->cursor = INT64_MIN;
    sweep->stale = sweep->busy;
    sweep->due_ns = store->host->now(store->host) + (uint64_t)store->sweep_ms * MS;
}

void pg_sweep_if_due(struct pg_store *store)
{
    struct pg_sweep *sweep = &store->sweep;
    uint64_t now = store->host->now(store->host);
    if (sweep->busy || store->blind || store->settling || now < sweep->due_ns)
        return;
    sweep->busy = true;
    sweep->stale = false;
    sweep->begun_ns = now;
    sweep->settles = store->settles;
    sweep->request = (struct pg_request){
        .what = "look for rows that were missed", .send = send_sweep, .result = take, .done = done, .arg = store};
    pg_conn_submit(&store->reader, &sweep->request);
}

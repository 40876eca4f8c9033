/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/long_transactions.c - telling who holds events up
 *
 * A hole that stays open is the place of an event that may still commit: its transaction is open for long, or prepared
 * and forgotten. Nothing else waits for it, but somebody should know. Asked about seldom, beside the claims.
 */
#include "store.h"

enum { PATIENCE_MS = 60000, PAUSE_MS = 300000 };
#define MS 1000000ull

/* The one that is open longest of those that have written to the outbox. $1 the relations, $2 the relay's own pid. */
static const char held_sql[] =
    "SELECT CASE WHEN l.pid IS NULL THEN 'a prepared transaction; see pg_prepared_xacts' ELSE 'pid ' || l.pid || "
    "', application \"' || coalesce(a.application_name, '?') || '\"' || "
    "coalesce(', open for ' || extract(epoch FROM clock_timestamp() - a.xact_start)::int8 || ' s', '') END "
    "FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'RowExclusiveLock' AND l.relation = ANY($1::oid[]) "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND coalesce(l.pid, 0) <> $2::int4 ORDER BY l.pid IS NOT NULL, a.xact_start LIMIT 1";

static const struct obx_sql_gap *oldest(const struct obx_sql_gaps *holes)
{
    const struct obx_sql_gap *hole = holes->cold.count ? holes->cold.items : NULL;
    if (!hole && holes->hot.count)
        hole = holes->hot.items;
    return hole;
}

static int send_held(struct pg_request *request, PGconn *pg)
{
    struct pg_store *store = request->arg;
    struct pg_params params = {0};
    pg_param_buf(&params, &store->relations);
    pg_param_int4(&params, store->server.owner_pid);
    return PQsendQueryParams(pg, held_sql, 2, NULL, params.values, params.lengths, params.formats, 1);
}

static void take(struct pg_request *request, PGresult *result)
{
    struct pg_store *store = request->arg;
    const struct obx_sql_gap *hole = oldest(&store->holes);
    if (hole && PQntuples(result) == 1 && !PQgetisnull(result, 0, 0))
        store->host->log(store->host, OUTBOX_LOG_WARN,
                         "events with ids from %lld on may still be written by a transaction that stays open: %s; all "
                         "others are relayed meanwhile",
                         (long long)hole->lo, PQgetvalue(result, 0, 0));
    PQclear(result);
}

static void done(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    (void)error;
    store->held_busy = false;
}

void pg_held_if_due(struct pg_store *store)
{
    const struct obx_sql_gap *hole = oldest(&store->holes);
    uint64_t now = store->host->now(store->host);
    if (!hole || store->held_busy || now < store->held_due_ns || now - hole->noted_ns < PATIENCE_MS * MS)
        return;
    store->held_busy = true;
    store->held_due_ns = now + PAUSE_MS * MS;
    store->held = (struct pg_request){
        .what = "ask who holds events up", .send = send_held, .result = take, .done = done, .arg = store};
    pg_conn_submit(&store->reader, &store->held);
}

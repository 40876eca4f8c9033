/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/long_transactions.c - logs which long transaction keeps gaps open
 *
 * A gap that stays open may belong to an event that still commits: its transaction is open for long, or prepared and
 * forgotten. No other event waits for it, but an operator should know. The relay queries this at most every 5 minutes.
 */
#include "store.h"

enum { OPEN_FOR_MS = 60000, PAUSE_MS = 300000 };
#define MS 1000000ull

/* The longest open transaction that has written to the outbox. $1 the relations, $2 the relay's own pid. */
static const char oldest_sql[] =
    "SELECT CASE WHEN l.pid IS NULL THEN 'a prepared transaction; see pg_prepared_xacts' ELSE 'pid ' || l.pid || "
    "', application \"' || coalesce(a.application_name, '?') || '\"' || "
    "coalesce(', open for ' || extract(epoch FROM clock_timestamp() - a.xact_start)::int8 || ' s', '') END "
    "FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'RowExclusiveLock' AND l.relation = ANY($1::oid[]) "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND coalesce(l.pid, 0) <> $2::int4 ORDER BY l.pid IS NOT NULL, a.xact_start LIMIT 1";

static const struct obx_sql_gap *oldest(const struct obx_sql_gaps *gaps)
{
    const struct obx_sql_gap *gap = gaps->cold.count ? gaps->cold.items : NULL;
    if (!gap && gaps->hot.count)
        gap = gaps->hot.items;
    return gap;
}

static bool put_question(struct sql_request *request)
{
    struct pg_store *store = request->arg;
    struct pg_params params = {0};
    pg_param_buf(&params, &store->relations);
    pg_param_int4(&params, store->server.owner_pid);
    return pg_send_text(request, oldest_sql, &params);
}

static void on_answer(struct sql_request *request, void *result)
{
    const struct sql_store *store = request->store;
    const struct obx_sql_gap *gap = oldest(&store->gaps);
    if (gap && pg_has_shape(result, 1, 1, "t") && *pg_text(result, 0, 0))
        store->host->log(store->host, OUTBOX_LOG_WARN,
                         "events with ids from %lld on may still be written by a transaction that stays open: %s; all "
                         "others are relayed meanwhile",
                         (long long)gap->lo, pg_text(result, 0, 0));
    PQclear(result);
}

static void done(struct sql_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    (void)error;
    store->long_busy = false;
}

void pg_log_long_transaction(struct sql_store *sql)
{
    struct pg_store *store = pg_store_of(sql);
    const struct obx_sql_gap *gap = oldest(&sql->gaps);
    uint64_t now = sql->host->now(sql->host);
    if (!gap || store->long_busy || now < store->long_due_ns || now - gap->noted_ns < OPEN_FOR_MS * MS)
        return;
    store->long_busy = true;
    store->long_due_ns = now + PAUSE_MS * MS;
    store->long_request = (struct sql_request){.what = "read the longest open transaction",
                                               .put = put_question,
                                               .result = on_answer,
                                               .done = done,
                                               .arg = store,
                                               .store = sql};
    sql_lane_submit(sql->reader, &store->long_request);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/inspect.c - which transactions write to the outbox now
 *
 * The locks of the table, its partitions and its sequences, in the mode that an INSERT takes, with the transaction ids
 * of the transactions that hold them. Sent just before a claim, so that the claim's snapshot is later.
 */
#include <stdlib.h>

#include "store.h"

enum { EVERY_MS = 20 }; /* how old a gap is before the locks are inspected, and how often */
#define MS 1000000ull

/* MATERIALIZED: the locks are read once. The cost does not depend on the size of the outbox. $2: the relay's own
 * session, which deletes. A prepared transaction has no pid. */
const char pg_inspect_sql[] =
    "WITH l AS MATERIALIZED (SELECT locktype, database, relation, transactionid, virtualtransaction, pid, mode "
    "FROM pg_locks WHERE granted AND locktype IN ('relation', 'transactionid')) "
    "SELECT DISTINCT r.virtualtransaction, x.transactionid::text, pg_snapshot_xmax(pg_current_snapshot())::text "
    "FROM l r LEFT JOIN l x ON x.virtualtransaction = r.virtualtransaction AND x.locktype = 'transactionid' "
    "AND x.mode = 'ExclusiveLock' "
    "WHERE r.locktype = 'relation' AND r.relation = ANY($1::oid[]) AND r.mode = 'RowExclusiveLock' "
    "AND r.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND coalesce(r.pid, 0) <> $2::int4";

bool pg_inspection_due(const struct sql_store *store)
{
    uint64_t now = store->host->now(store->host);
    return now - store->inspected_ns >= EVERY_MS * MS && obx_sql_gaps_resolution_due(&store->gaps, now, EVERY_MS * MS);
}

static bool put_inspection(struct sql_request *request)
{
    struct pg_store *store = request->arg;
    struct pg_params params = {0};
    pg_param_buf(&params, &store->relations);
    pg_param_int4(&params, store->server.owner_pid);
    return pg_send_prepared(request, "inspect", &params);
}

/* pg_locks has the lower 32 bits of a transaction id; the upper ones are taken from a recent id. */
static uint64_t widen(uint32_t xid, uint64_t near)
{
    int32_t distance = (int32_t)(xid - (uint32_t)near);
    return near + (uint64_t)(int64_t)distance;
}

/* "3/1234", or "-1/988" for a prepared transaction. */
static uint64_t name_of(const char *virtual)
{
    char *end;
    long backend = strtol(virtual, &end, 10);
    unsigned long local = *end == '/' ? strtoul(end + 1, NULL, 10) : 0;
    return (uint64_t)(uint32_t)backend << 32 | (uint32_t)local;
}

/* Without memory, or an answer, the gaps just stay open a little longer. */
static void on_locks(struct sql_request *request, void *result)
{
    struct sql_store *store = request->store;
    uint32_t count = (uint32_t)PQntuples(result);
    bool fine = pg_has_shape(result, 0, PG_ANY_ROWS, "ttt") &&
                obx_sql_grow(store->host, (void **)&store->writers, &store->writer_room, count, sizeof *store->writers);
    for (uint32_t i = 0; fine && i < count; i++) {
        struct obx_sql_writer *writer = &store->writers[i];
        uint64_t near = strtoull(pg_text(result, (int)i, 2), NULL, 10);
        writer->name = name_of(pg_text(result, (int)i, 0));
        writer->xid = 0;
        if (*pg_text(result, (int)i, 1))
            writer->xid = widen((uint32_t)strtoul(pg_text(result, (int)i, 1), NULL, 10), near);
    }
    if (fine)
        obx_sql_gaps_resolve(&store->gaps, store->writers, count);
    PQclear(result);
}

void pg_inspect_writers(struct sql_op *op, void (*then)(struct sql_op *op))
{
    struct sql_store *store = op->store;
    struct pg_store *pg = pg_store_of(store);
    store->inspected_ns = store->host->now(store->host);
    pg->inspection = (struct sql_request){.what = "inspect the locks of the outbox",
                                          .put = put_inspection,
                                          .result = on_locks,
                                          .arg = pg,
                                          .store = store};
    sql_lane_submit(store->reader, &pg->inspection);
    then(op); /* its result arrives after that of the inspection */
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/inspect.c - who writes to the outbox at the moment, and reading snapshots
 *
 * The locks of the table, its partitions and its sequences, in the mode that an INSERT takes, with the transaction
 * ids of who holds them. Sent in the same flight as a claim and before it, so that the claim's snapshot is later.
 */
#include <stdlib.h>
#include <string.h>

#include "store.h"

/* MATERIALIZED: the locks are read once. What it costs the server does not depend on the outbox. $2: the relay's own
 * sessions, which delete. A prepared transaction has no pid. */
const char pg_look_sql[] =
    "WITH l AS MATERIALIZED (SELECT locktype, database, relation, transactionid, virtualtransaction, pid, mode "
    "FROM pg_locks WHERE granted AND locktype IN ('relation', 'transactionid')) "
    "SELECT DISTINCT r.virtualtransaction, x.transactionid::text, pg_snapshot_xmax(pg_current_snapshot())::text "
    "FROM l r LEFT JOIN l x ON x.virtualtransaction = r.virtualtransaction AND x.locktype = 'transactionid' "
    "AND x.mode = 'ExclusiveLock' "
    "WHERE r.locktype = 'relation' AND r.relation = ANY($1::oid[]) AND r.mode = 'RowExclusiveLock' "
    "AND r.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND coalesce(r.pid, 0) <> $2::int4";

int pg_look_send(struct pg_store *store, PGconn *pg)
{
    struct pg_params params = {0};
    pg_param_buf(&params, &store->relations);
    pg_param_int4(&params, store->server.owner_pid);
    store->looked_ns = store->host->now(store->host);
    return PQsendQueryPrepared(pg, "look", 2, params.values, params.lengths, params.formats, 1);
}

/* pg_locks has 32 bits of a transaction id; the rest is that of one nearby. */
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

bool pg_look_take(struct pg_store *store, const PGresult *result)
{
    uint32_t count = (uint32_t)PQntuples(result);
    if (!obx_sql_grow(store->host, (void **)&store->holders, &store->holder_room, count, sizeof *store->holders))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct obx_sql_holder *holder = &store->holders[i];
        uint64_t near = strtoull(PQgetvalue(result, (int)i, 2), NULL, 10);
        holder->name = name_of(PQgetvalue(result, (int)i, 0));
        holder->xid = 0;
        if (!PQgetisnull(result, (int)i, 1))
            holder->xid = widen((uint32_t)strtoul(PQgetvalue(result, (int)i, 1), NULL, 10), near);
    }
    return obx_sql_gaps_prove(&store->holes, store->holders, count);
}

/* "xmin:xmax:active,active". False: no memory, or it is none. */
bool pg_snapshot_parse(struct pg_store *store, const char *text, struct obx_sql_snapshot *snapshot)
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
        if (!obx_sql_grow(store->host, (void **)&store->active, &store->active_room, count + 1, sizeof *store->active))
            return false;
        store->active[count++] = strtoull(at + 1, &at, 10);
    }
    snapshot->active = store->active;
    snapshot->active_count = count;
    return snapshot->xmin && snapshot->xmax;
}

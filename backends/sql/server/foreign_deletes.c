/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/foreign_deletes.c - see foreign_deletes.h */
#include "sql/server/store.h"

#define EVERY_NS 1500000000ull /* longer than deletes are reported late */
#define LOG_EVERY_NS 60000000000ull

void sql_foreign_deletes_begin(struct sql_store *store)
{
    store->foreign.measured = 0;
    store->foreign.earlier = store->foreign.latest;
    store->foreign.base = INT64_MAX;
}

static void log_found(struct sql_store *store)
{
    struct sql_foreign_deletes *foreign = &store->foreign;
    uint64_t now = store->host->now(store->host);
    if (foreign->latest <= foreign->found || now < foreign->log_ns)
        return;
    foreign->found = foreign->latest;
    foreign->log_ns = now + LOG_EVERY_NS;
    store->host->log(
        store->host, OUTBOX_LOG_WARN,
        "table %s.%s: something else than this relay has deleted rows, %lld so far; events that it deletes "
        "before the relay reads them are never published; " SQL_FOREIGN_DELETES_CAUSES "; " SQL_FOREIGN_DELETES_ADVICE,
        store->table.schema, store->outbox.name, (long long)foreign->found);
}

void sql_foreign_deletes_measure(struct sql_store *store, int64_t total)
{
    struct sql_foreign_deletes *foreign = &store->foreign;
    uint64_t now = store->host->now(store->host);
    if (total < 0 || total > INT64_MAX / 2 || (foreign->measured && now - foreign->measured_ns < EVERY_NS))
        return;
    foreign->measured_ns = now;
    if (foreign->measured >= 2) {
        int64_t others = total - foreign->own, unreported = foreign->own - foreign->before[1];
        if (others + unreported < foreign->base)
            foreign->base = others + unreported;
        int64_t found = foreign->earlier + others - foreign->base;
        if (found > foreign->latest)
            foreign->latest = found;
        log_found(store);
    } else {
        foreign->measured++;
    }
    foreign->before[1] = foreign->before[0];
    foreign->before[0] = foreign->own;
}

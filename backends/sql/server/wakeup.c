/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/wakeup.c - wake-up notifications around a claim
 *
 * A claim that requests it arms the source first: only what commits after the claim's snapshot has to wake the relay.
 * When the source cannot be armed, the flag in the claim is cleared, and the host continues to poll. A claim by
 * position arms nothing.
 */
#include "sql/server/claim.h"

static const struct sql_wakeup *source_of(const struct sql_store *store)
{
    return store->driver->wakeups[store->wakeup];
}

void sql_wakeup_before(struct sql_store *store, const struct outbox_claim *claim)
{
    const struct sql_wakeup *source = source_of(store);
    if (source && !claim->positions)
        source->before(store, claim);
}

void sql_wakeup_after(struct sql_store *store, struct outbox_claim *claim, const struct sql_reading *reading)
{
    const struct sql_wakeup *source = source_of(store);
    if (!source || claim->positions || !source->after(store, claim, reading))
        claim->flags &= ~OUTBOX_CLAIM_ARM_WAKEUP;
}

void sql_wakeup_stop(struct sql_store *store)
{
    const struct sql_wakeup *source = source_of(store);
    if (source && source->stop)
        source->stop(store);
}

void sql_wakeup_works(struct sql_store *store, const char *source)
{
    if (store->wakeup_state != SQL_WAKEUP_ACTIVE)
        store->host->log(store->host, OUTBOX_LOG_INFO, "wake-up notifications work: %s wakes the relay", source);
    store->wakeup_state = SQL_WAKEUP_ACTIVE;
}

void sql_wakeup_fails(struct sql_store *store, const struct outbox_error *error, const char *advice)
{
    if (store->wakeup_state != SQL_WAKEUP_FAILED)
        store->host->log(store->host, OUTBOX_LOG_WARN,
                         "wake-up notifications do not work; the relay polls until they do: %s%s", error->text, advice);
    store->wakeup_state = SQL_WAKEUP_FAILED;
}

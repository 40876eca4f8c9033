/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/settle.c - removing delivered rows from the outbox, behind the publisher and never in its way
 *
 * One settle is in flight; while it runs, finished batches gather and go together in the next. A settle is a commit,
 * which a database flushes to its disk, among those of the writers; so a few rows wait for more, PACE_NS at most:
 * nobody waits for them. A batch is released when all its rows are settled or left. A failure that may pass (AGAIN) is
 * tried again; any other means that the connection is gone or that another relay is the owner: the rows stay DELIVERED
 * until ownership is back, and are settled first then, if the store vouches that positions still mean the same.
 */
#include <stdlib.h>

#include "base/failpoint.h"
#include "relay/backoff.h"
#include "relay/pipeline.h"

#define LONG_NS (10000 * OBX_MS)
#define PACE_NS (20 * OBX_MS) /* from one settle to the next */
#define ENOUGH 1000           /* rows that need not wait */

static void release_finished(struct obx_relay *relay, struct obx_list *list)
{
    for (struct obx_batch *batch = OBX_LIST_FIRST(list, struct obx_batch, link), *next; batch; batch = next) {
        next = OBX_LIST_NEXT(list, batch, struct obx_batch, link);
        if (!obx_batch_finished(batch))
            continue;
        obx_list_remove(&batch->link);
        obx_batch_drop(relay, batch);
    }
}

static void take_back(struct obx_relay *relay)
{
    for (struct obx_batch *batch; (batch = OBX_LIST_LAST(&relay->settling, struct obx_batch, link));) {
        obx_list_remove(&batch->link);
        obx_list_insert_after(&relay->done, &batch->link);
    }
}

static void settled(struct obx_relay *relay)
{
    relay->settle_failures = 0;
    if (relay->settle_told) {
        relay->settle_told = false;
        OBX_RELAY_LOG(relay, OUTBOX_LOG_INFO, "store: delivered events are removed again");
        obx_link_forget_trouble(relay);
    }
    for (struct obx_list *link; (link = obx_list_pop(&relay->settling));) {
        struct obx_batch *batch = OBX_CONTAINER(link, struct obx_batch, link);
        relay->stats.settled += batch->fate_count[OBX_DELIVERED];
        obx_batch_change(batch, OBX_DELIVERED, OBX_SETTLED);
        obx_batch_drop(relay, batch);
    }
}

/* A deadlock or a wait for a lock passes, and is no news; what does not pass for long is. */
static void put_off(struct obx_relay *relay, const struct outbox_error *error)
{
    if (!relay->settle_failures++)
        relay->settle_failing_since = relay->now;
    relay->settle_at = relay->now + obx_backoff(relay->loop, relay->settle_failures, 20, 2000);
    if (relay->settle_told || relay->now - relay->settle_failing_since < LONG_NS)
        return;
    relay->settle_told = true;
    obx_link_show_trouble(relay, &relay->store, error);
    OBX_RELAY_LOG(relay, OUTBOX_LOG_WARN,
                  "store: %s; for 10 s delivered events could not be removed, which a restart would send again; trying "
                  "again until it works",
                  error->text);
}

static void settle_done(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_relay *relay = OBX_CONTAINER(call, struct obx_relay, settle_call);
    OBX_FAILPOINT(relay, after_settle);
    relay->now = obx_loop_now(relay->loop);
    if (!error->code) {
        settled(relay);
    } else {
        take_back(relay);
        if (error->code == OUTBOX_E_AGAIN)
            put_off(relay, error);
        else
            obx_link_lost(relay, &relay->store, error);
    }
    obx_relay_tick_soon(relay);
}

static bool span_room(struct obx_relay *relay, uint32_t count)
{
    if (relay->span_room >= count)
        return true;
    uint32_t room = OBX_MAX(count, relay->span_room * 2);
    struct outbox_span *spans = obx_resize(relay->spans, room * sizeof *spans);
    if (!spans)
        return false;
    relay->spans = spans;
    relay->span_room = room;
    return true;
}

/* Runs of DELIVERED rows. False: no memory for them. */
static bool add_spans(struct obx_relay *relay, const struct obx_batch *batch)
{
    for (uint32_t row = 0, rows = batch->rows->rows; row < rows;) {
        if (batch->fates[row] != OBX_DELIVERED) {
            row++;
            continue;
        }
        uint32_t first = row;
        while (row < rows && batch->fates[row] == OBX_DELIVERED)
            row++;
        if (!span_room(relay, relay->settle.span_count + 1))
            return false;
        relay->spans[relay->settle.span_count++] =
            (struct outbox_span){.batch = batch->rows, .first = first, .count = row - first};
    }
    return true;
}

static int by_first_row(const void *left, const void *right)
{
    const struct outbox_span *a = left, *b = right;
    return obx_position_compare(a->batch->positions[a->first], b->batch->positions[b->first]);
}

/* Move batches from done to settling, as many as one statement should take. */
static void gather(struct obx_relay *relay)
{
    uint32_t rows = 0;
    relay->settle = (struct outbox_settle){.struct_size = sizeof relay->settle};
    while (rows < OBX_MAX_SETTLE && !obx_list_empty(&relay->done)) {
        struct obx_batch *batch = OBX_LIST_FIRST(&relay->done, struct obx_batch, link);
        uint32_t spans = relay->settle.span_count;
        if (!add_spans(relay, batch)) {
            relay->settle.span_count = spans;
            break;
        }
        rows += batch->fate_count[OBX_DELIVERED];
        obx_list_remove(&batch->link);
        obx_list_append(&relay->settling, &batch->link);
    }
    if (relay->settle.span_count)
        qsort(relay->spans, relay->settle.span_count, sizeof *relay->spans, by_first_row);
    relay->settle.spans = relay->spans;
}

static bool has_enough(const struct obx_relay *relay)
{
    uint32_t rows = 0;
    OBX_LIST_EACH(&relay->done, batch, struct obx_batch, link)
    {
        rows += batch->fate_count[OBX_DELIVERED];
    }
    return rows >= ENOUGH;
}

/* Something waits until these rows are gone: the end, a reading from the start, keys that are retried, memory. */
static bool is_awaited(const struct obx_relay *relay)
{
    return relay->stopping || relay->rewind || relay->exact_batch ||
           relay->stats.in_flight_bytes >= (uint64_t)relay->settings.max_in_flight_bytes / 4;
}

static bool is_time(struct obx_relay *relay)
{
    if (!obx_relay_due(relay, relay->settle_at))
        return false;
    return is_awaited(relay) || has_enough(relay) || obx_relay_due(relay, relay->settled_at + PACE_NS);
}

void obx_settle_step(struct obx_relay *relay)
{
    release_finished(relay, &relay->done);
    if (!obx_link_up(&relay->store) || obx_call_busy(&relay->settle_call) || obx_list_empty(&relay->done) ||
        !is_time(relay))
        return;
    gather(relay);
    if (!relay->settle.span_count) {
        take_back(relay);
        relay->settle_at = relay->now + 10 * OBX_MS;
        obx_relay_due(relay, relay->settle_at);
        return;
    }
    relay->settle_call.done = settle_done;
    relay->settled_at = relay->now;
    relay->stats.settles++;
    OBX_FAILPOINT(relay, before_settle);
    obx_store_settle(relay->store.instance, &relay->settle_call, (uint32_t)relay->settings.store_timeout_ms,
                     &relay->settle);
}

/* Positions of the time before mean nothing any more; who was delivered will be sent again. */
void obx_settle_forget(struct obx_relay *relay)
{
    OBX_LIST_EACH(&relay->done, batch, struct obx_batch, link)
    {
        obx_batch_change(batch, OBX_DELIVERED, OBX_LEFT);
    }
    release_finished(relay, &relay->done);
}

static void renew_done(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_relay *relay = OBX_CONTAINER(call, struct obx_relay, renew_call);
    OBX_FAILPOINT(relay, after_renew);
    relay->now = obx_loop_now(relay->loop);
    if (error->code && error->code != OUTBOX_E_AGAIN)
        obx_link_lost(relay, &relay->store, error);
    obx_relay_tick_soon(relay);
}

void obx_settle_renew_step(struct obx_relay *relay)
{
    if (!obx_link_up(&relay->store) || !obx_store_can_renew(relay->store.instance) ||
        obx_call_busy(&relay->renew_call) || !obx_relay_due(relay, relay->renew_at))
        return;
    relay->renew_at = relay->now + (uint64_t)relay->settings.lease_ms * OBX_MS / 4;
    relay->renew_call.done = renew_done;
    OBX_FAILPOINT(relay, before_renew);
    obx_store_renew(relay->store.instance, &relay->renew_call, (uint32_t)relay->settings.store_timeout_ms);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/claim.c - when to ask the store for rows, how many, and what to do with the answer
 *
 * Cadence: at once after a full batch; every millisecond while rows came lately; then pauses that double up to
 * settings.idle, or, if the store has a doorbell, one look with OUTBOX_CLAIM_ARM_WAKEUP and a long sleep until it
 * rings. Bounds: the byte budget, the number of batches, the number of deferred and of rejected events; each only
 * pauses. Keys whose time has come (exact.c) go first; but when a look is due, too, the two take turns, so that keys
 * that fail again and again cannot hold up all others. A look that fails because the connection is gone is the link's
 * business; rows that there was no memory for are read again by a rewind, once the pipeline is empty.
 */
#include "base/error.h"
#include "base/failpoint.h"
#include "relay/backoff.h"
#include "relay/pipeline.h"

#define MAX_READY 8   /* batches claimed and not yet published */
#define FIRST_ROWS 64 /* of the first claim; doubles */
#define BATCH_OVERHEAD (16 * 1024)
#define ROW_OVERHEAD 192 /* message, header and fate of one row */
#define ACTIVE_NS (100 * OBX_MS)
#define ACTIVE_BELL_NS (10 * OBX_MS)
#define LOOK_NS OBX_MS
#define PARK_DELAY_NS (16 * OBX_MS)
#define PARKED_NS (1000 * OBX_MS)

static uint64_t cost(const struct outbox_batch *rows)
{
    return rows->bytes + (uint64_t)rows->rows * ROW_OVERHEAD + BATCH_OVERHEAD;
}

static bool has_bell(const struct obx_relay *relay)
{
    return obx_instance_caps(relay->store.instance) & OUTBOX_CAP_WAKE;
}

/* It may be there and not work: not set up, say. Then its store is one without. */
static bool bell_works(const struct obx_relay *relay)
{
    return has_bell(relay) && !relay->mute;
}

void obx_claim_reset(struct obx_relay *relay)
{
    relay->rewind = true;
    relay->empty = false;
    relay->claim_at = relay->now;
    relay->idle_delay = LOOK_NS;
    relay->ramp = FIRST_ROWS;
}

void obx_claim_wake(struct obx_relay *relay)
{
    uint64_t now = obx_loop_now(relay->loop);
    relay->wake = true;
    relay->active_until = now + ACTIVE_BELL_NS;
    relay->idle_delay = LOOK_NS;
    relay->claim_at = OBX_MIN(relay->claim_at, OBX_MAX(now, relay->claimed_at + LOOK_NS / 2));
}

/* The pipeline holds rows of the outbox: a rewind would give them a second time. */
static bool holds_rows(const struct obx_relay *relay)
{
    return !obx_list_empty(&relay->ready) || !obx_list_empty(&relay->flying) || !obx_list_empty(&relay->done) ||
           !obx_list_empty(&relay->settling) || !obx_list_empty(&relay->to_park) || obx_call_busy(&relay->park_call);
}

static bool may_claim(const struct obx_relay *relay)
{
    return obx_link_up(&relay->store) && !relay->stopping && !relay->halted && !obx_call_busy(&relay->claim_call) &&
           obx_dead_letter_ready(relay) && relay->to_park_count < OBX_MAX_TO_PARK && relay->ready_count < MAX_READY &&
           relay->stats.in_flight_bytes < (uint64_t)relay->settings.max_in_flight_bytes;
}

static void set_limits(struct obx_relay *relay)
{
    uint64_t memory = (uint64_t)relay->settings.max_in_flight_bytes;
    uint64_t left = memory - relay->stats.in_flight_bytes;
    relay->claim.max_bytes = OBX_MIN(left, memory / 4);
    uint64_t rows = relay->claim.max_bytes / (relay->row_bytes + ROW_OVERHEAD);
    rows = OBX_MIN(rows, (uint64_t)relay->settings.claim_rows);
    rows = OBX_MIN(rows, (uint64_t)relay->ramp);
    relay->claim.max_rows = (uint32_t)OBX_MAX(rows, 1u);
}

/* ---- the answer ------------------------------------------------------------------------------------------------- */

static void schedule_after_rows(struct obx_relay *relay, bool more)
{
    relay->active_until = relay->now + (bell_works(relay) ? ACTIVE_BELL_NS : ACTIVE_NS);
    relay->idle_delay = LOOK_NS;
    relay->claim_at = more ? relay->now : relay->claimed_at + LOOK_NS;
    if (more)
        relay->ramp = OBX_MIN(relay->ramp * 2, (uint32_t)relay->settings.claim_rows);
}

static void schedule_after_nothing(struct obx_relay *relay)
{
    relay->empty = !relay->wake;
    if (relay->asked_park)
        relay->mute = !(relay->claim.flags & OUTBOX_CLAIM_ARM_WAKEUP);
    if (relay->wake || relay->now < relay->active_until) {
        relay->claim_at = relay->claimed_at + LOOK_NS;
    } else if (relay->claim.flags & OUTBOX_CLAIM_ARM_WAKEUP) {
        relay->claim_at = relay->now + PARKED_NS;
    } else {
        relay->claim_at = relay->now + relay->idle_delay;
        relay->idle_delay = OBX_MIN(relay->idle_delay * 2, (uint64_t)relay->settings.poll_interval_max_ms * OBX_MS);
    }
}

static void estimate_row(struct obx_relay *relay, const struct outbox_batch *rows)
{
    uint64_t bytes = rows->bytes / rows->rows;
    relay->row_bytes = OBX_MAX(bytes, (relay->row_bytes * 7 + bytes) / 8);
}

/* No memory for what was claimed: the rows stay in the outbox, and will be read again from the start. */
static void give_back(struct obx_relay *relay, struct outbox_batch *rows)
{
    obx_store_release(relay->store.instance, rows);
    if (relay->claim_exact)
        obx_retry_claim_wait_again(relay,
                                   100 * OBX_MS); /* not covered: batches are recycled, an exact one takes no memory */
    else
        relay->rewind = true;
    relay->claim_at = relay->now + 10 * OBX_MS;
}

static void take(struct obx_relay *relay, struct outbox_batch *rows)
{
    struct obx_batch *batch = obx_batch_get(&relay->pool, rows);
    if (!batch) {
        give_back(relay, rows);
        return;
    }
    batch->relay = relay;
    batch->seq = relay->next_seq++;
    batch->epoch = relay->epoch;
    batch->exact = relay->claim_exact;
    relay->exact_batch |= batch->exact;
    relay->stats.claimed += rows->rows;
    relay->stats.in_flight += rows->rows;
    relay->stats.in_flight_bytes += cost(rows);
    relay->drained_told = false;
    relay->empty = false;
    obx_publish_ready(relay, batch);
}

void obx_batch_drop(struct obx_relay *relay, struct obx_batch *batch)
{
    OBX_FAILPOINT(relay, before_release);
    relay->stats.in_flight -= batch->rows->rows;
    relay->stats.in_flight_bytes -= cost(batch->rows);
    obx_store_release(relay->store.instance, batch->rows);
    if (batch->exact) {
        relay->exact_batch = false;
        obx_retry_claim_wait_again(relay, 0);
    }
    if (relay->unfinished == batch)
        relay->unfinished = NULL; /* not covered: obx_outcome_done() was here before */
    obx_batch_put(&relay->pool, batch);
}

static void claim_failed(struct obx_relay *relay, const struct outbox_error *error)
{
    if (relay->claim_exact)
        obx_retry_claim_wait_again(relay, 100 * OBX_MS);
    if (error->code == OUTBOX_E_AGAIN)
        relay->claim_at = relay->now + obx_backoff(relay->loop, 1, 20, 20);
    else
        obx_link_lost(relay, &relay->store, error);
}

static void claim_done(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_relay *relay = OBX_CONTAINER(call, struct obx_relay, claim_call);
    struct outbox_batch *rows = relay->claim.batch;
    OBX_FAILPOINT(relay, after_claim);
    relay->now = obx_loop_now(relay->loop);
    relay->claim.batch = NULL;
    if (rows && (error->code || !rows->rows || !obx_link_up(&relay->store) || relay->stopping)) {
        bool wanted = !error->code && rows->rows;
        obx_store_release(relay->store.instance, rows);
        rows = NULL;
        if (wanted && !relay->claim_exact)
            relay->rewind = true;
    }
    if (error->code) {
        claim_failed(relay, error);
    } else {
        obx_link_works(&relay->store);
        if (relay->claim_exact)
            obx_retry_claim_note(relay, rows);
        else if (rows)
            schedule_after_rows(relay, rows->flags & OUTBOX_BATCH_MORE);
        else
            schedule_after_nothing(relay);
        if (rows) {
            estimate_row(relay, rows);
            take(relay, rows);
        } else if (relay->claim_exact) {
            obx_retry_claim_wait_again(relay, 0);
        }
    }
    obx_relay_tick_soon(relay);
}

/* ---- the question ------------------------------------------------------------------------------------------------ */

static void submit(struct obx_relay *relay)
{
    relay->claim_call.done = claim_done;
    relay->claimed_at = relay->now;
    relay->wake = false;
    relay->stats.claims++;
    OBX_FAILPOINT(relay, before_claim);
    obx_store_claim(relay->store.instance, &relay->claim_call, (uint32_t)relay->settings.store_timeout_ms,
                    &relay->claim);
}

static bool claim_due_keys(struct obx_relay *relay)
{
    if (!obx_retry_claim_due(relay))
        return false;
    relay->claim = (struct outbox_claim){.struct_size = sizeof relay->claim, .positions = relay->exact};
    set_limits(relay);
    relay->claim.position_count = obx_retry_claim_collect(relay);
    relay->claim.max_rows = relay->claim.position_count;
    relay->claim_exact = true;
    submit(relay);
    return true;
}

static bool too_many_deferred(const struct obx_relay *relay)
{
    return relay->keys.events >= (uint64_t)relay->settings.max_blocked_events;
}

static void tell_too_many(struct obx_relay *relay)
{
    if (!relay->deferred_full)
        OBX_RELAY_LOG(
            relay, OUTBOX_LOG_WARN,
            "%llu events wait behind %llu blocked keys, which is max_blocked_events: nothing more is claimed until "
            "they go; see 'outbox status'",
            (unsigned long long)relay->keys.events, (unsigned long long)HASH_COUNT(relay->keys.table));
    relay->deferred_full = true;
}

static uint32_t claim_flags(const struct obx_relay *relay)
{
    uint32_t flags = relay->rewind ? OUTBOX_CLAIM_REWIND : 0;
    if (has_bell(relay) && relay->idle_delay >= PARK_DELAY_NS)
        flags |= OUTBOX_CLAIM_ARM_WAKEUP;
    return flags;
}

/* Everything comes again, so no key needs to remember anything. It must not: what was left in the outbox when the
 * store was lost may belong before the events that a key remembers. */
static bool ready_to_rewind(struct obx_relay *relay)
{
    if (holds_rows(relay))
        return false;
    obx_keys_clear(&relay->keys);
    return true;
}

/* A look may be made while a batch of keys is in flight, too; but not when it takes all the memory. Then there is room
 * for either only between one and the next, and without turns it would always be theirs. */
static bool is_turn_of_look(const struct obx_relay *relay)
{
    return relay->claim_exact && relay->now >= relay->claim_at && !too_many_deferred(relay);
}

/* The next rows, whatever their keys are. */
static void look(struct obx_relay *relay)
{
    relay->claim = (struct outbox_claim){.struct_size = sizeof relay->claim, .flags = claim_flags(relay)};
    set_limits(relay);
    relay->asked_park = relay->claim.flags & OUTBOX_CLAIM_ARM_WAKEUP;
    relay->claim_exact = false;
    relay->reread &= !relay->rewind;
    relay->rewind = false;
    submit(relay);
}

void obx_claim_step(struct obx_relay *relay)
{
    if (!may_claim(relay))
        return;
    if (relay->rewind && !ready_to_rewind(relay))
        return;
    if (!relay->rewind && !is_turn_of_look(relay) && claim_due_keys(relay))
        return;
    if (too_many_deferred(relay)) { /* not before a rewind: that has forgotten them */
        tell_too_many(relay);
        return;
    }
    relay->deferred_full = false;
    if (obx_relay_due(relay, relay->claim_at))
        look(relay);
}

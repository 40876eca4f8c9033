/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/retry_claim.c - events whose pause is over, claimed again by their positions
 *
 * Of the keys that are due, those that have waited longest come first; one such batch is in the pipeline at a time.
 * What does not fit into an answer is asked for next time, what is no longer in the outbox is forgotten. A claim that
 * failed, or an answer that there was no memory for, lets its keys wait again.
 */
#include <stdlib.h>

#include "relay/pipeline.h"

/* ---- the question ------------------------------------------------------------------------------------------------ */

static int by_position(const void *left, const void *right)
{
    const struct outbox_position *a = left, *b = right;
    return obx_position_compare(*a, *b);
}

static bool make_room(struct obx_relay *relay)
{
    if (relay->exact)
        return true;
    relay->exact_room = (uint32_t)OBX_MIN(relay->settings.claim_rows, 1000);
    relay->exact = obx_alloc(relay->exact_room * sizeof *relay->exact);
    relay->exact_limit = relay->exact_room;
    return relay->exact != NULL;
}

static void put_back_unasked(struct obx_relay *relay)
{
    struct obx_list *sending = &relay->keys.sending;
    for (struct obx_key *key = OBX_LIST_FIRST(sending, struct obx_key, link), *next; key; key = next) {
        next = OBX_LIST_NEXT(sending, key, struct obx_key, link);
        if (!key->sent)
            obx_keys_wait(&relay->keys, key, key->due.due_ns);
    }
}

/* Of a key that just came off a failure only the first event is tried; when that went well, all of them. Keys that are
 * stuck are tried by themselves: a broker may hold back whatever was sent behind an event that fails, and what always
 * stands behind the same one would never go. */
uint32_t obx_retry_claim_collect(struct obx_relay *relay)
{
    uint32_t count = 0;
    struct obx_key *key = obx_keys_next(&relay->keys);
    bool stuck = key->stuck;
    for (uint32_t looked = 0; looked < relay->exact_room && count < relay->exact_limit && key; looked++) {
        obx_keys_send(&relay->keys, key);
        key->sent = key->stuck != stuck ? 0 : key->flowing ? OBX_MIN(key->count, relay->exact_limit - count) : 1;
        for (uint32_t i = 0; i < key->sent; i++)
            relay->exact[count++] = key->events[key->first + i].position;
        key = obx_keys_next(&relay->keys);
        key = key && key->due.due_ns <= relay->now ? key : NULL;
    }
    put_back_unasked(relay);
    qsort(relay->exact, count, sizeof *relay->exact, by_position);
    return count;
}

bool obx_retry_claim_due(struct obx_relay *relay)
{
    struct obx_key *key = obx_keys_next(&relay->keys);
    if (!key || relay->exact_batch || !obx_link_up(&relay->broker) || relay->rewind)
        return false;
    if (!obx_relay_due(relay, key->due.due_ns))
        return false;
    if (make_room(relay))
        return true;
    obx_relay_due(relay, relay->now + 100 * OBX_MS);
    return false;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static bool is_among(struct outbox_position position, const struct outbox_position *sorted, uint32_t count)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (obx_position_before(sorted[middle], position))
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && !obx_position_before(position, sorted[low]);
}

/* Keys that nothing was given of keep the time since when they are due. */
static void put_back_unserved(struct obx_relay *relay, struct outbox_position last)
{
    struct obx_list *sending = &relay->keys.sending;
    for (struct obx_key *key = OBX_LIST_FIRST(sending, struct obx_key, link), *next; key; key = next) {
        next = OBX_LIST_NEXT(sending, key, struct obx_key, link);
        if (key->count && obx_position_before(last, key->events[key->first].position))
            obx_keys_wait(&relay->keys, key, key->due.due_ns);
    }
}

/* Rows come by position, keys by the time they are due: of more than what fits, the same one might be left out for
 * ever, behind keys that fail and are due again. So ask for no more than what fits: then the key that has waited
 * longest is among it. */
static void learn_what_fits(struct obx_relay *relay, const struct outbox_batch *rows)
{
    if (rows && rows->flags & OUTBOX_BATCH_MORE) {
        relay->exact_limit = rows->rows;
        put_back_unserved(relay, rows->positions[rows->rows - 1]);
    } else {
        relay->exact_limit = OBX_MIN(relay->exact_limit * 2, relay->exact_room);
    }
}

/* Of the events that were asked for, those that are no longer there: somebody removed them. An event that came behind
 * the key meanwhile was not asked for, and may stand before those that were. */
static void forget_vanished_of(struct obx_relay *relay, struct obx_key *key, const struct outbox_batch *rows)
{
    uint32_t found = rows ? rows->rows : 0;
    bool cut = rows && rows->flags & OUTBOX_BATCH_MORE;
    for (uint32_t i = 0, left = key->sent; i < key->count && left;) {
        struct outbox_position position = key->events[key->first + i].position;
        bool asked = is_among(position, relay->claim.positions, relay->claim.position_count);
        bool unknown = cut && obx_position_before(rows->positions[found - 1], position);
        left -= asked;
        if (!asked || unknown || (found && is_among(position, rows->positions, found)))
            i++;
        else
            obx_keys_gone(&relay->keys, key, position);
    }
}

static void forget_vanished(struct obx_relay *relay, const struct outbox_batch *rows)
{
    OBX_LIST_EACH(&relay->keys.sending, key, struct obx_key, link)
    {
        forget_vanished_of(relay, key, rows);
    }
}

void obx_retry_claim_note(struct obx_relay *relay, const struct outbox_batch *rows)
{
    forget_vanished(relay, rows);
    learn_what_fits(relay, rows);
}

void obx_retry_claim_wait_again(struct obx_relay *relay, uint64_t pause_ns)
{
    for (struct obx_key *key; (key = OBX_LIST_FIRST(&relay->keys.sending, struct obx_key, link));)
        obx_keys_wait(&relay->keys, key, relay->now + pause_ns);
}

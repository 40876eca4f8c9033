/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/publish.c - routing the rows of a batch and handing them to the broker, in the order of claiming
 *
 * Happy path: every waiting row becomes a message, the batch goes into flight. A row whose key waits goes behind its
 * key; a row that can never be a message, or that the broker does not admit, is rejected before anything after it is
 * sent. When a part of a batch has to wait (no memory; a broker that keeps no order takes one event of a key at a
 * time), nothing behind it is published before it is through.
 */
#include <string.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "relay/pipeline.h"

uint64_t obx_event_hash(const struct obx_relay *relay, const struct outbox_message *message,
                        struct outbox_position position)
{
    if (relay->settings.order == OBX_ORDER_GLOBAL)
        return 1;
    if (relay->settings.order == OBX_ORDER_NONE || !message->key.data)
        return obx_key_hash((struct outbox_bytes){&position, sizeof position}, (struct outbox_bytes){"", 0});
    return obx_key_hash(message->topic, message->key);
}

void obx_publish_ready(struct obx_relay *relay, struct obx_batch *batch)
{
    struct obx_list *at = relay->ready.prev;
    while (at != &relay->ready && OBX_CONTAINER(at, struct obx_batch, link)->seq > batch->seq)
        at = at->prev;
    obx_list_insert_after(at, &batch->link);
    relay->ready_count++;
}

void obx_publish_leave(struct obx_relay *relay)
{
    for (struct obx_list *link; (link = obx_list_pop(&relay->ready));) {
        struct obx_batch *batch = OBX_CONTAINER(link, struct obx_batch, link);
        relay->ready_count--;
        obx_batch_change(batch, OBX_WAITING, OBX_LEFT);
        obx_list_append(&relay->done, link);
    }
}

static bool ordered(const struct obx_relay *relay)
{
    return obx_instance_caps(relay->broker.instance) & OUTBOX_CAP_ORDERED;
}

/* Keys that this publish already has, for brokers without order: a set in the batch's arena. */
struct seen {
    uint64_t *slots; /* 0: free */
    uint32_t mask;
};

static bool seen_init(struct seen *seen, struct obx_batch *batch)
{
    uint32_t room = 16;
    while (room < batch->rows->rows * 2)
        room *= 2;
    seen->mask = room - 1;
    seen->slots = obx_arena_alloc(&batch->arena, room * sizeof *seen->slots);
    if (seen->slots)
        memset(seen->slots, 0, room * sizeof *seen->slots);
    return seen->slots != NULL;
}

static bool seen_add(struct seen *seen, uint64_t hash)
{
    hash |= !hash;
    uint32_t slot = (uint32_t)hash & seen->mask;
    for (; seen->slots[slot]; slot = (slot + 1) & seen->mask) {
        if (seen->slots[slot] == hash)
            return false;
    }
    seen->slots[slot] = hash;
    return true;
}

enum verdict { SEND, SKIP, LEFT, NO_MEMORY };

/* The row must not go now: behind its key, or behind its dead letters. */
static enum verdict hold(struct obx_relay *relay, struct obx_batch *batch, const struct outbox_message *message,
                         struct outbox_position position, uint64_t hash)
{
    if (obx_dead_letter_follows(relay, hash))
        return obx_dead_letter_add(relay, message, position, 0, "follows a dead letter of its key") ? LEFT : NO_MEMORY;
    struct obx_key *key = obx_keys_find(&relay->keys, hash);
    bool its_turn = key && batch->exact && key->sending && !obx_key_failed(key); /* the key may have failed meanwhile */
    if (!key || its_turn)
        return SEND;
    bool before = key->count && obx_position_before(position, key->events[key->first].position);
    if (!obx_keys_defer(&relay->keys, hash, position, relay->now))
        return NO_MEMORY;
    if (before && key->sending)
        obx_keys_fail(&relay->keys, key, OUTBOX_E_AGAIN); /* what is being claimed is not its first any more */
    else if (before)
        obx_keys_wait(&relay->keys, key, relay->now); /* what it has waited for is not this one's trouble */
    return LEFT;
}

static enum verdict route_row(struct obx_relay *relay, struct obx_batch *batch, uint32_t row, struct seen *seen)
{
    struct outbox_message *message = &batch->messages[batch->message_count];
    struct outbox_position position = batch->rows->positions[row];
    const struct outbox_value *values = batch->rows->values + (size_t)row * batch->rows->columns;
    struct outbox_error error;
    memset(message, 0, sizeof *message);
    int code = obx_route_row(&relay->route, values, position, &batch->arena, message, &error);
    if (code == OUTBOX_E_NO_MEMORY)
        return NO_MEMORY;
    bool hash_needed = seen->slots || obx_keys_any(&relay->keys) || relay->parked_keys;
    uint64_t hash = hash_needed ? obx_event_hash(relay, message, position) : 0;
    enum verdict verdict = hash_needed ? hold(relay, batch, message, position, hash) : SEND;
    if (verdict != SEND)
        return verdict;
    if (!code)
        code = obx_broker_admit(relay->broker.instance, message, &error);
    if (!code)
        code = OBX_FAILPOINT_ERROR(relay, admit, &error);
    if (code)
        return obx_reject(relay, message, position, &error) ? LEFT : NO_MEMORY;
    return seen->slots && !seen_add(seen, hash) ? SKIP : SEND;
}

/* False: a row had to be left WAITING, so nothing behind this batch may go. */
static bool route(struct obx_relay *relay, struct obx_batch *batch)
{
    struct seen seen = {NULL, 0};
    obx_arena_reset(&batch->arena);
    obx_route_forget(&relay->route);
    batch->errors = NULL;
    batch->message_count = 0;
    if (!ordered(relay) && !seen_init(&seen, batch))
        return false; /* not covered: no memory just here */
    for (uint32_t row = 0; row < batch->rows->rows && !relay->halted; row++) {
        if (batch->fates[row] != OBX_WAITING)
            continue;
        switch (route_row(relay, batch, row, &seen)) {
        case SEND:
            batch->row_of[batch->message_count++] = row;
            obx_batch_set_row_state(batch, row, OBX_IN_FLIGHT);
            break;
        case LEFT:
            obx_batch_set_row_state(batch, row, OBX_LEFT);
            break;
        case SKIP:
            break;
        case NO_MEMORY:
            return false;
        }
    }
    return batch->fate_count[OBX_WAITING] == 0;
}

static void fly(struct obx_relay *relay, struct obx_batch *batch)
{
    if (!relay->flying_count)
        obx_stall_heard(relay);
    obx_list_append(&relay->flying, &batch->link);
    relay->flying_count++;
    if (batch->resend)
        relay->stats.resent += batch->message_count;
    batch->resend = batch->outage = false;
    batch->publish = (struct outbox_publish){.struct_size = sizeof batch->publish,
                                             .count = batch->message_count,
                                             .messages = batch->messages,
                                             .stride = sizeof *batch->messages};
    batch->call.done = obx_outcome_done;
    batch->call.outcomes = obx_outcome_note;
    OBX_FAILPOINT(relay, before_publish);
    obx_broker_publish(relay->broker.instance, &batch->call, &batch->publish);
    OBX_FAILPOINT(relay, published);
}

/* Nothing of the batch is sent in this round. */
static void keep(struct obx_relay *relay, struct obx_batch *batch)
{
    obx_outcome_resolve(relay, batch);
    if (batch->fate_count[OBX_WAITING]) {
        obx_publish_ready(relay, batch);
        relay->publish_at = relay->now + 10 * OBX_MS;
        return;
    }
    obx_list_append(&relay->done, &batch->link);
}

void obx_publish_step(struct obx_relay *relay)
{
    uint32_t window = ordered(relay) ? OBX_MAX_FLYING : 1;
    while (!obx_list_empty(&relay->ready) && obx_link_up(&relay->broker) && !relay->stopping && !relay->halted &&
           !relay->unfinished && !relay->troubled_count && obx_dead_letter_ready(relay) &&
           relay->flying_count < window && obx_relay_due(relay, relay->publish_at)) {
        struct obx_batch *batch = OBX_CONTAINER(obx_list_pop(&relay->ready), struct obx_batch, link);
        relay->ready_count--;
        bool whole = route(relay, batch);
        if (batch->message_count) {
            if (!whole)
                relay->unfinished = batch;
            fly(relay, batch);
        } else {
            keep(relay, batch);
        }
    }
}

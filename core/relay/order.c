/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/order.c - the tables of order.h */
#include "relay/order.h"

#include <string.h>

uint64_t obx_order_key(int64_t order, const struct outbox_message *message, struct outbox_position position)
{
    if (order == OBX_ORDER_GLOBAL)
        return 1;
    if (order == OBX_ORDER_NONE || !message->key.data)
        return obx_key_hash((struct outbox_bytes){&position, sizeof position}, (struct outbox_bytes){"", 0});
    return obx_key_hash(message->topic, message->key);
}

/* ---- 1. before a publish ----------------------------------------------------------------------------------------- */

#define RETRIED_FACTS (OBX_KEY_BLOCKED | OBX_ROW_IS_RETRIED | OBX_KEY_FAILED)

/* The first rule that fits decides: of the facts in `of`, exactly `are` hold. */
static const struct {
    unsigned of, are;
    enum obx_order_step step;
} before_rules[] = {
    /* It joins the dead letters of its key. */
    {OBX_KEY_DEAD_LETTERED, OBX_KEY_DEAD_LETTERED, OBX_STEP_DEAD_LETTER},
    /* No event of its key waits. */
    {OBX_KEY_BLOCKED, 0, OBX_STEP_SEND},
    /* A retried row of its key is due. If the key failed meanwhile, the later rows wait again. */
    {RETRIED_FACTS, OBX_KEY_BLOCKED | OBX_ROW_IS_RETRIED, OBX_STEP_SEND},
    /* Its key is blocked. */
    {0, 0, OBX_STEP_BLOCK},
};

enum obx_order_step obx_order_step(unsigned facts)
{
    size_t i = 0;
    while ((facts & before_rules[i].of) != before_rules[i].are)
        i++; /* the last rule fits all */
    return before_rules[i].step;
}

/* Its key was claimed again for this batch, and not for another one since. */
static bool is_retried(const struct obx_key *key, const struct obx_batch *batch)
{
    if (!batch->is_retry || !key->retrying)
        return false;
    return key->retry_seq ? key->retry_seq == batch->seq : batch->holds_retry_slot;
}

unsigned obx_order_facts(const struct obx_stages *stages, uint64_t hash, const struct obx_batch *batch)
{
    const struct obx_key *key = obx_keys_find(stages->keys, hash);
    unsigned facts = obx_key_set_has(stages->dead_letter_keys, hash) ? OBX_KEY_DEAD_LETTERED : 0;
    if (!key)
        return facts;
    facts |= OBX_KEY_BLOCKED;
    facts |= is_retried(key, batch) ? OBX_ROW_IS_RETRIED : 0;
    facts |= obx_key_failed(key) ? OBX_KEY_FAILED : 0;
    return facts;
}

/* What to do with a key that gets a new first event: the claim of a RETRYING key is out of date, and the pause of a
 * WAITING key was for another event. */
static void restart_key(struct obx_stages *stages, struct obx_key *key)
{
    if (key->retrying)
        obx_keys_mark_failed(stages->keys, key, OUTBOX_E_AGAIN);
    else
        obx_keys_wait(stages->keys, key, stages->context.now);
}

bool obx_order_block(struct obx_stages *stages, uint64_t hash, struct outbox_position position)
{
    struct obx_key *key = obx_keys_find(stages->keys, hash);
    bool is_new_first = key && key->count && obx_position_before(position, obx_key_first(key)->position);
    if (!obx_keys_block(stages->keys, hash, position, stages->context.now))
        return false;
    if (is_new_first)
        restart_key(stages, key);
    return true;
}

bool obx_batch_keys_init(struct obx_batch_keys *keys, struct obx_batch *batch)
{
    uint32_t slots = 16;
    while (slots < batch->rows->rows * 2)
        slots *= 2;
    keys->mask = slots - 1;
    keys->slots = obx_arena_alloc(&batch->arena, slots * sizeof *keys->slots);
    if (keys->slots)
        memset(keys->slots, 0, slots * sizeof *keys->slots);
    return keys->slots != NULL;
}

bool obx_batch_keys_add(struct obx_batch_keys *keys, uint64_t key)
{
    key |= !key;
    uint32_t slot = (uint32_t)key & keys->mask;
    for (; keys->slots[slot]; slot = (slot + 1) & keys->mask) {
        if (keys->slots[slot] == key)
            return false;
    }
    keys->slots[slot] = key;
    return true;
}

/* ---- 2. after a publish ------------------------------------------------------------------------------------------ */

/* By state: the next state with OTHER_EPOCH, with NO_PUBLISH alone, and else. */
static const uint8_t after_states[OBX_ROW_STATES][3] = {
    [OBX_ROW_WAITING] = {OBX_ROW_SKIPPED, OBX_ROW_SKIPPED, OBX_ROW_WAITING}, /* left unsent in a partial publish */
    [OBX_ROW_IN_FLIGHT] = {OBX_ROW_NOT_SENT, OBX_ROW_NOT_SENT, OBX_ROW_NOT_SENT},
    [OBX_ROW_DELIVERED] = {OBX_ROW_SKIPPED, OBX_ROW_DELIVERED, OBX_ROW_DELIVERED},
    [OBX_ROW_SETTLED] = {OBX_ROW_SETTLED, OBX_ROW_SETTLED, OBX_ROW_SETTLED},
    [OBX_ROW_SKIPPED] = {OBX_ROW_SKIPPED, OBX_ROW_SKIPPED, OBX_ROW_SKIPPED},
    [OBX_ROW_RETRY] = {OBX_ROW_SKIPPED, OBX_ROW_RETRY, OBX_ROW_RETRY},
    [OBX_ROW_REJECTED] = {OBX_ROW_SKIPPED, OBX_ROW_REJECTED, OBX_ROW_REJECTED},
    [OBX_ROW_NOT_SENT] = {OBX_ROW_SKIPPED, OBX_ROW_SKIPPED, OBX_ROW_WAITING},
};

enum obx_row_state obx_order_after(enum obx_row_state state, unsigned facts)
{
    int column = facts & OBX_AFTER_OTHER_EPOCH ? 0 : facts & OBX_AFTER_NO_PUBLISH ? 1 : 2;
    return (enum obx_row_state)after_states[state][column];
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/outcomes.c - reporting outcomes to the host, and completing publishes
 *
 * Delivered messages are collected as indexes in the slot of their publish and reported in one call for each publish
 * and turn. Other outcomes are reported at once. A publish is completed only in kafka_complete_publishes(), when no
 * caller uses a pointer to one.
 */
#include "broker.h"

#define SLOTS_MIN 16u

/* ---- slots ------------------------------------------------------------------------------------------------------- */

static int grow(struct kafka_broker *self)
{
    uint32_t count = self->slot_count ? self->slot_count * 2 : SLOTS_MIN;
    struct kafka_slot *slots = self->host->resize(self->host, self->slots, count * sizeof *slots);
    if (!slots)
        return OUTBOX_E_NO_MEMORY;
    self->slots = slots;
    for (uint32_t i = self->slot_count; i < count; i++) {
        slots[i] = (struct kafka_slot){.next_free = self->free_slot};
        self->free_slot = i + 1;
    }
    self->slot_count = count;
    return OUTBOX_OK;
}

static int make_room(struct kafka_broker *self, struct kafka_slot *slot, uint32_t count)
{
    if (slot->room >= count)
        return OUTBOX_OK;
    uint32_t *indexes = self->host->resize(self->host, slot->indexes, (size_t)count * 2 * sizeof *indexes);
    if (!indexes)
        return OUTBOX_E_NO_MEMORY;
    slot->indexes = indexes;
    slot->order = indexes + count;
    slot->room = count;
    return OUTBOX_OK;
}

int kafka_open_slot(struct kafka_broker *self, struct kafka_publish *publish)
{
    if (!self->free_slot && grow(self))
        return OUTBOX_E_NO_MEMORY;
    uint32_t number = self->free_slot - 1;
    struct kafka_slot *slot = &self->slots[number];
    if (make_room(self, slot, publish->args->count))
        return OUTBOX_E_NO_MEMORY;
    self->free_slot = slot->next_free;
    slot->publish = publish;
    publish->slot = number;
    return OUTBOX_OK;
}

static void close_slot(struct kafka_broker *self, uint32_t number)
{
    struct kafka_slot *slot = &self->slots[number];
    slot->publish = NULL;
    slot->next_free = self->free_slot;
    self->free_slot = number + 1;
}

void kafka_free_slots(struct kafka_broker *self)
{
    for (uint32_t i = 0; i < self->slot_count; i++)
        self->host->release(self->host, self->slots[i].indexes);
    self->host->release(self->host, self->slots);
    self->slots = NULL;
    self->slot_count = self->free_slot = 0;
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

void kafka_publish_changed(struct kafka_broker *self, struct kafka_publish *publish)
{
    if (publish->changed)
        return;
    publish->changed = true;
    publish->next_changed = self->changed;
    self->changed = publish;
}

void kafka_note_delivered(struct kafka_broker *self, struct kafka_publish *publish, uint32_t index)
{
    if (self->exactly_once && !publish->in_transaction) {
        kafka_transaction_report_late(self, publish, index);
        return;
    }
    self->slots[publish->slot].indexes[publish->delivered++] = index;
    kafka_publish_changed(self, publish);
}

void kafka_report(struct kafka_broker *self, struct kafka_publish *publish, const uint32_t *indexes, uint32_t count,
                  uint32_t outcome, const struct outbox_error *error)
{
    struct outbox_outcomes outcomes = {
        .struct_size = sizeof outcomes, .outcome = outcome, .indexes = indexes, .count = count, .error = error};
    if (!count)
        return;
    self->host->outcomes(self->host, publish->op, &outcomes);
    publish->reported += count;
    kafka_publish_changed(self, publish);
}

static int block_key(struct kafka_broker *self, const struct kafka_topic *topic, struct kafka_publish *publish,
                     struct outbox_bytes key)
{
    if (!key.data)
        return OUTBOX_OK;
    if (!publish->has_failure && kafka_block_publish(&self->blocked, publish->number))
        return OUTBOX_E_NO_MEMORY;
    publish->has_failure = true;
    return kafka_block_key(&self->blocked, topic->hash, key, publish->number);
}

/* With order: global nothing may become visible before an event that waits: its transaction is not committed. A
 * rejected event waits, too: it goes to the dead letters, or halts the relay, before what follows it. */
static void keep_global_order(struct kafka_broker *self, uint32_t outcome, const struct outbox_error *error)
{
    bool waits = outcome == OUTBOX_RETRY || outcome == OUTBOX_REJECTED;
    if (self->exactly_once && self->order == OUTBOX_ORDER_GLOBAL && waits)
        kafka_replace_producer(self, error);
}

void kafka_report_failure(struct kafka_broker *self, const struct kafka_topic *topic, struct kafka_publish *publish,
                          uint32_t index, uint32_t outcome, const struct outbox_error *error)
{
    struct outbox_error memory;
    kafka_report(self, publish, &index, 1, outcome, error);
    keep_global_order(self, outcome, error);
    if (outcome == OUTBOX_NOT_CONNECTED ||
        !block_key(self, topic, publish, outbox_message_at(publish->args, index)->key))
        return;
    kafka_error(&memory, OUTBOX_E_NO_MEMORY, 0, "publish to topic '%s': out of memory for a key", topic->name);
    kafka_replace_producer(self, &memory);
}

static void report_delivered(struct kafka_broker *self, struct kafka_publish *publish)
{
    uint32_t count = publish->delivered;
    if (!count || publish->in_transaction)
        return;
    publish->delivered = 0;
    OUTBOX_FAILPOINT(self->host, kafka, before_report);
    kafka_report(self, publish, self->slots[publish->slot].indexes, count, OUTBOX_DELIVERED, NULL);
    OUTBOX_FAILPOINT(self->host, kafka, reported);
}

static void complete(struct kafka_broker *self, struct kafka_publish *publish)
{
    close_slot(self, publish->slot);
    if (publish->has_failure) {
        kafka_blocked_publish_completed(&self->blocked, publish->number);
        self->host->post(self->host, &self->blocked_turn);
    }
    self->host->op_done(self->host, publish->op, NULL);
}

void kafka_complete_publishes(struct kafka_broker *self)
{
    struct kafka_publish *publish;
    while ((publish = self->changed)) {
        report_delivered(self, publish);
        self->changed = publish->next_changed;
        publish->changed = false;
        if (publish->reported == publish->args->count && !publish->in_transaction)
            complete(self, publish); /* the list of the transaction names it until then */
    }
}

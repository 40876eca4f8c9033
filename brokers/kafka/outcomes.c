/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/outcomes.c - telling outcomes, and completing publishes
 *
 * Delivered messages are collected as indexes in the slot of their publish and told in one call for each publish and
 * turn. Other outcomes are told at once. A publish is completed only in kafka_tell_flush(), which nobody calls
 * while holding on to one.
 */
#include "broker.h"

/* A slot's number and the index of a message share the opaque pointer of a message. */
static int grow(struct kafka_broker *self)
{
    uint32_t count = self->slot_count ? self->slot_count * 2 : 16;
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

int kafka_open_slot(struct kafka_broker *self, struct kafka_publish *publish)
{
    struct kafka_slot *slot;
    uint32_t number, count = publish->args->count;
    if (!self->free_slot && grow(self))
        return OUTBOX_E_NO_MEMORY;
    number = self->free_slot - 1;
    slot = &self->slots[number];
    if (slot->room < count) {
        uint32_t *indexes = self->host->resize(self->host, slot->indexes, (size_t)count * 2 * sizeof *indexes);
        if (!indexes)
            return OUTBOX_E_NO_MEMORY;
        slot->indexes = indexes;
        slot->order = indexes + count;
        slot->room = count;
    }
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

static void touch(struct kafka_broker *self, struct kafka_publish *publish)
{
    if (publish->touched)
        return;
    publish->touched = true;
    publish->next_touched = self->touched;
    self->touched = publish;
}

void kafka_tell_delivered(struct kafka_broker *self, struct kafka_publish *publish, uint32_t index)
{
    self->slots[publish->slot].indexes[publish->fresh++] = index;
    touch(self, publish);
}

void kafka_tell(struct kafka_broker *self, struct kafka_publish *publish, const uint32_t *indexes, uint32_t count,
                uint32_t outcome, const struct outbox_error *error)
{
    struct outbox_outcomes outcomes = {
        .struct_size = sizeof outcomes, .outcome = outcome, .indexes = indexes, .count = count, .error = error};
    if (!count)
        return;
    self->host->outcomes(self->host, publish->op, &outcomes);
    publish->told += count;
    touch(self, publish);
}

static void tell_fresh(struct kafka_broker *self, struct kafka_publish *publish)
{
    struct outbox_outcomes outcomes = {.struct_size = sizeof outcomes,
                                       .outcome = OUTBOX_DELIVERED,
                                       .indexes = self->slots[publish->slot].indexes,
                                       .count = publish->fresh};
    if (!publish->fresh)
        return;
    OUTBOX_FAILPOINT(self->host, kafka, before_tell);
    self->host->outcomes(self->host, publish->op, &outcomes);
    OUTBOX_FAILPOINT(self->host, kafka, told);
    publish->told += publish->fresh;
    publish->fresh = 0;
}

void kafka_tell_flush(struct kafka_broker *self)
{
    struct kafka_publish *publish;
    while ((publish = self->touched)) {
        self->touched = publish->next_touched;
        publish->touched = false;
        tell_fresh(self, publish);
        if (publish->told < publish->args->count)
            continue;
        close_slot(self, publish->slot);
        if (publish->failing)
            kafka_held_completed(self, publish->number);
        self->host->op_done(self->host, publish->op, NULL);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/oracle/events.c - growing arrays and two hash indexes; fails only without memory */
#include "events.h"

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"

#define MAX_REPORTED 20

/* Room for one more element of an array that doubles. */
static bool grow(void *array, size_t count, size_t *room, size_t element)
{
    if (count < *room)
        return true;
    size_t new_room = *room ? *room * 2 : 1024;
    void *moved = obx_resize(*(void **)array, new_room * element);
    if (!moved)
        return false;
    memset((char *)moved + count * element, 0, (new_room - count) * element);
    *(void **)array = moved;
    *room = new_room;
    return true;
}

/* The slot of a hash: its own, or the free one for it. */
static uint32_t *slot_of(const struct oracle_index *index, const void *array, size_t element, XXH128_hash_t hash)
{
    for (uint64_t at = hash.low64 & (index->room - 1);; at = (at + 1) & (index->room - 1)) {
        uint32_t *slot = &index->slots[at];
        if (*slot == ORACLE_NONE)
            return slot;
        XXH128_hash_t there;
        memcpy(&there, (const char *)array + (size_t)*slot * element, sizeof there);
        if (XXH128_isEqual(there, hash))
            return slot;
    }
}

/* Keep the index at most half full. */
static bool make_room(struct oracle_index *index, const void *array, size_t count, size_t element)
{
    if ((count + 1) * 2 <= index->room)
        return true;
    struct oracle_index bigger = {.room = index->room ? index->room * 2 : 2048};
    bigger.slots = obx_resize(NULL, bigger.room * sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    memset(bigger.slots, 0xff, bigger.room * sizeof *bigger.slots);
    for (uint32_t i = 0; i < count; i++) {
        XXH128_hash_t hash;
        memcpy(&hash, (const char *)array + (size_t)i * element, sizeof hash);
        *slot_of(&bigger, array, element, hash) = i;
    }
    obx_free(index->slots);
    *index = bigger;
    return true;
}

static uint32_t find(const struct oracle_index *index, const void *array, size_t element, const void *name, size_t size)
{
    return index->room ? *slot_of(index, array, element, XXH3_128bits(name, size)) : ORACLE_NONE;
}

uint32_t oracle_event_add(struct oracle *oracle, const void *id, size_t size)
{
    if (!grow(&oracle->events, oracle->event_count, &oracle->event_room, sizeof *oracle->events) ||
        !make_room(&oracle->by_id, oracle->events, oracle->event_count, sizeof *oracle->events))
        return ORACLE_NONE;
    XXH128_hash_t hash = XXH3_128bits(id, size);
    uint32_t *slot = slot_of(&oracle->by_id, oracle->events, sizeof *oracle->events, hash);
    if (*slot != ORACLE_NONE)
        return ORACLE_NONE;
    *slot = (uint32_t)oracle->event_count++;
    oracle->events[*slot].id = hash;
    return *slot;
}

uint32_t oracle_event_find(const struct oracle *oracle, const void *id, size_t size)
{
    return find(&oracle->by_id, oracle->events, sizeof *oracle->events, id, size);
}

uint32_t oracle_key_add(struct oracle *oracle, const void *name, size_t size)
{
    if (!grow(&oracle->keys, oracle->key_count, &oracle->key_room, sizeof *oracle->keys) ||
        !make_room(&oracle->by_key, oracle->keys, oracle->key_count, sizeof *oracle->keys))
        return ORACLE_NONE;
    XXH128_hash_t hash = XXH3_128bits(name, size);
    uint32_t *slot = slot_of(&oracle->by_key, oracle->keys, sizeof *oracle->keys, hash);
    if (*slot == ORACLE_NONE) {
        *slot = (uint32_t)oracle->key_count++;
        oracle->keys[*slot].name = hash;
    }
    return *slot;
}

uint32_t oracle_key_find(const struct oracle *oracle, const void *name, size_t size)
{
    return find(&oracle->by_key, oracle->keys, sizeof *oracle->keys, name, size);
}

uint32_t oracle_transaction_add(struct oracle *oracle)
{
    if (!grow(&oracle->transactions, oracle->transaction_count, &oracle->transaction_room,
              sizeof *oracle->transactions))
        return ORACLE_NONE;
    return (uint32_t)oracle->transaction_count++;
}

void oracle_fault(struct oracle *oracle, uint64_t *counter, const char *format, ...)
{
    (*counter)++;
    if (!oracle->rules.report || oracle->reported == MAX_REPORTED)
        return;
    oracle->reported++;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(oracle->rules.report, format, arguments);
    va_end(arguments);
    fputc('\n', oracle->rules.report);
}

int oracle_new(const struct oracle_rules *rules, struct oracle **oracle)
{
    *oracle = obx_alloc(sizeof **oracle);
    if (!*oracle)
        return OUTBOX_E_NO_MEMORY;
    (*oracle)->rules = *rules;
    return OUTBOX_OK;
}

void oracle_free(struct oracle *oracle)
{
    if (!oracle)
        return;
    obx_free(oracle->events);
    obx_free(oracle->keys);
    obx_free(oracle->transactions);
    obx_free(oracle->by_id.slots);
    obx_free(oracle->by_key.slots);
    obx_free(oracle);
}

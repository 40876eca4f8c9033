/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/memory/rows.c - rows, the table of them by id, and synthetic rows
 *
 * Rows are appended with ascending ids, removed anywhere, and found by bisection. The only failure is lack of memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store.h"

#define UUID_TEXT 36

int64_t mstore_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct outbox_bytes mstore_copy(char **to, struct outbox_bytes from)
{
    if (!from.data)
        return from;
    struct outbox_bytes copy = {memcpy(*to, from.data, from.size), from.size};
    *to += from.size;
    return copy;
}

static void make_uuid(const struct mstore *store, char text[UUID_TEXT + 1])
{
    /* cppcheck-suppress duplicateAssignExpression ; two draws */
    uint64_t a = store->host->random(store->host), b = store->host->random(store->host);
    snprintf(text, UUID_TEXT + 1, "%08x-%04x-4%03x-%04x-%012" PRIx64, (unsigned)(a >> 32), (unsigned)(a >> 16) & 0xffff,
             (unsigned)a & 0xfff, (unsigned)(0x8000 | (b >> 50)), b & 0xffffffffffff);
}

static struct mstore_row *row_new(const struct mstore *store, const struct outbox_event *event)
{
    char uuid[UUID_TEXT + 1];
    const struct outbox_bytes *given[FIELD_COUNT] = {&event->event_id, &event->aggregate_type, &event->aggregate_id,
                                                     &event->type,     &event->payload,        &event->headers};
    struct outbox_bytes made = {uuid, UUID_TEXT};
    if (!event->event_id.data) {
        make_uuid(store, uuid);
        given[FIELD_EVENT_ID] = &made;
    }
    size_t size = 0;
    for (int i = 0; i < FIELD_COUNT; i++)
        size += given[i]->size;
    struct mstore_row *row = store->host->alloc(store->host, sizeof *row + size);
    if (!row)
        return NULL;
    char *at = (char *)(row + 1);
    for (int i = 0; i < FIELD_COUNT; i++)
        row->fields[i] = mstore_copy(&at, *given[i]);
    row->created_us = mstore_now_us();
    row->references = 1;
    return row;
}

void mstore_row_drop(const struct mstore *store, struct mstore_row *row)
{
    if (--row->references == 0)
        store->host->release(store->host, row);
}

/* Close the gaps in place where that frees at least half, else take twice the room. */
static int make_room(const struct mstore *store, struct mstore_table *table)
{
    if (table->end < table->room)
        return OUTBOX_OK;
    if (table->live > table->room / 2) {
        uint32_t room = table->room * 2;
        void *moved = store->host->resize(store->host, table->slots, room * sizeof *table->slots);
        if (!moved)
            return OUTBOX_E_NO_MEMORY;
        table->slots = moved;
        table->room = room;
        return OUTBOX_OK;
    }
    if (!table->slots) {
        table->slots = store->host->alloc(store->host, 64 * sizeof *table->slots);
        table->room = table->slots ? 64 : 0;
        return table->slots ? OUTBOX_OK : OUTBOX_E_NO_MEMORY;
    }
    uint32_t kept = 0;
    for (uint32_t i = table->first; i < table->end; i++) {
        if (table->slots[i].row)
            table->slots[kept++] = table->slots[i];
    }
    table->first = 0;
    table->end = kept;
    return OUTBOX_OK;
}

/* Takes the row over when it succeeds. */
static int table_append(const struct mstore *store, struct mstore_table *table, struct mstore_row *row)
{
    if (make_room(store, table))
        return OUTBOX_E_NO_MEMORY;
    table->slots[table->end++] = (struct mstore_slot){row->id, row};
    table->live++;
    return OUTBOX_OK;
}

uint32_t mstore_table_at(const struct mstore_table *table, uint64_t id)
{
    uint32_t low = table->first, high = table->end;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (table->slots[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct mstore_row *mstore_table_find(const struct mstore_table *table, uint64_t id)
{
    uint32_t at = mstore_table_at(table, id);
    return at < table->end && table->slots[at].id == id ? table->slots[at].row : NULL;
}

void mstore_table_remove(const struct mstore *store, struct mstore_table *table, uint64_t id)
{
    uint32_t at = mstore_table_at(table, id);
    if (at == table->end || table->slots[at].id != id || !table->slots[at].row)
        return;
    mstore_row_drop(store, table->slots[at].row);
    table->slots[at].row = NULL;
    table->live--;
    while (table->first < table->end && !table->slots[table->first].row)
        table->first++;
}

struct mstore_row *mstore_append(struct mstore *store, const struct outbox_event *event)
{
    struct mstore_row *row = row_new(store, event);
    if (!row)
        return NULL;
    row->id = store->next_id;
    if (table_append(store, &store->table, row)) {
        mstore_row_drop(store, row);
        return NULL;
    }
    store->next_id++;
    return row;
}

/* Make up to `rows` of the synthetic events, which were counted as pending all along. */
int mstore_generate(struct mstore *store, uint32_t rows)
{
    char key[32], payload[65536];
    size_t size = (size_t)store->payload_size;
    memset(payload, 'x', size);
    for (; rows && store->ungenerated; rows--) {
        int key_size = snprintf(key, sizeof key, "k%" PRIu64, store->next_id % (uint64_t)store->keys);
        char number[24];
        size_t digits = (size_t)snprintf(number, sizeof number, "%" PRIu64, store->next_id);
        memcpy(payload, number, digits < size ? digits : size);
        struct outbox_event event = {.struct_size = sizeof event,
                                     .aggregate_type = {"synthetic", 9},
                                     .aggregate_id = {key, (size_t)key_size},
                                     .type = {"Generated", 9},
                                     .payload = {payload, size}};
        if (!mstore_append(store, &event))
            return OUTBOX_E_NO_MEMORY;
        store->ungenerated--;
    }
    return OUTBOX_OK;
}

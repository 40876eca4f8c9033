/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/kafka/progress.c - the lists of a progress record, and what moves between them */
#include "progress.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 1024u

uint64_t kafka_progress_hash(struct outbox_bytes id)
{
    const unsigned char *bytes = id.data;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < id.size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
    return hash ^ (hash >> 33);
}

static int compare(struct outbox_position a, struct outbox_position b)
{
    if (a.major != b.major)
        return a.major < b.major ? -1 : 1;
    return a.minor < b.minor ? -1 : a.minor > b.minor;
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static int grow(const struct kafka_progress *progress, struct kafka_progress_list *list, uint32_t room)
{
    if (list->room >= room)
        return OUTBOX_OK;
    uint32_t larger = list->room ? list->room : ROOM_MIN;
    while (larger < room)
        larger *= 2;
    struct kafka_progress_entry *items =
        progress->host->resize(progress->host, list->items, larger * sizeof *list->items);
    if (!items)
        return OUTBOX_E_NO_MEMORY;
    list->items = items;
    list->room = larger;
    return OUTBOX_OK;
}

static const struct kafka_progress_entry *find(const struct kafka_progress_list *list, struct outbox_position position)
{
    uint32_t low = 0, high = list->count;
    if (!high || compare(list->items[high - 1].position, position) < 0)
        return NULL; /* the usual case */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare(list->items[middle].position, position) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return compare(list->items[low].position, position) ? NULL : &list->items[low];
}

bool kafka_progress_has(const struct kafka_progress *progress, const struct outbox_message *message)
{
    const struct kafka_progress_entry *entry = find(&progress->recovered, message->position);
    return entry && entry->hash == kafka_progress_hash(message->id);
}

bool kafka_progress_reused(const struct kafka_progress *progress, const struct outbox_message *message)
{
    const struct kafka_progress_entry *entry = find(&progress->recovered, message->position);
    return entry && entry->hash != kafka_progress_hash(message->id);
}

int kafka_progress_reserve(struct kafka_progress *progress)
{
    return grow(progress, &progress->current, progress->current.count + 1);
}

void kafka_progress_add(struct kafka_progress *progress, const struct outbox_message *message)
{
    progress->current.items[progress->current.count++] =
        (struct kafka_progress_entry){message->position, kafka_progress_hash(message->id)};
}

/* ---- settled ----------------------------------------------------------------------------------------------------- */

void kafka_progress_settled(struct kafka_progress *progress, const struct outbox_position *positions, uint32_t count)
{
    struct kafka_progress_positions *settled = &progress->settled;
    if (settled->count + count > settled->room) {
        uint32_t room = (settled->count + count) * 2;
        struct outbox_position *items =
            progress->host->resize(progress->host, settled->items, room * sizeof *settled->items);
        if (!items)
            return;
        settled->items = items;
        settled->room = room;
    }
    if (count)
        memcpy(settled->items + settled->count, positions, count * sizeof *positions);
    settled->count += count;
}

void kafka_progress_take_settled(struct kafka_progress *progress)
{
    struct kafka_progress_positions taken = progress->taken;
    progress->taken = progress->settled;
    progress->settled = taken;
    progress->settled.count = 0;
}

void kafka_progress_end_commit(struct kafka_progress *progress, bool committed)
{
    if (!committed)
        kafka_progress_settled(progress, progress->taken.items, progress->taken.count);
    progress->taken.count = 0;
}

/* ---- what is in the outbox --------------------------------------------------------------------------------------- */

static void forget_unseen(struct kafka_progress *progress)
{
    progress->host->release(progress->host, progress->unseen);
    progress->unseen = NULL;
    progress->unseen_count = 0;
}

void kafka_progress_rewind(struct kafka_progress *progress)
{
    const struct kafka_progress_list *recovered = &progress->recovered;
    progress->rewound = true;
    forget_unseen(progress);
    if (recovered->count)
        progress->unseen = progress->host->resize(progress->host, NULL, recovered->count * sizeof *progress->unseen);
    if (!progress->unseen)
        return;
    for (uint32_t i = 0; i < recovered->count; i++)
        progress->unseen[i] = (struct kafka_progress_unseen){.position = recovered->items[i].position};
    progress->unseen_count = recovered->count;
}

int kafka_progress_refresh(struct kafka_progress *progress)
{
    return progress->rewound ? kafka_progress_recover(progress) : OUTBOX_OK;
}

/* The first one at or after the position. */
static uint32_t find_unseen(const struct kafka_progress *progress, struct outbox_position position)
{
    uint32_t low = 0, high = progress->unseen_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare(progress->unseen[middle].position, position) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void kafka_progress_present(struct kafka_progress *progress, const struct outbox_position *positions, uint32_t count)
{
    for (uint32_t i = 0; progress->unseen_count && i < count; i++) {
        uint32_t at = find_unseen(progress, positions[i]);
        if (at < progress->unseen_count && !compare(progress->unseen[at].position, positions[i]))
            progress->unseen[at].seen = true;
    }
}

void kafka_progress_complete(struct kafka_progress *progress)
{
    for (uint32_t i = 0; i < progress->unseen_count; i++)
        if (!progress->unseen[i].seen)
            kafka_progress_settled(progress, &progress->unseen[i].position, 1);
    forget_unseen(progress);
}

/* ---- folding ----------------------------------------------------------------------------------------------------- */

static int by_position(const void *left, const void *right)
{
    const struct outbox_position *a = left, *b = right;
    return compare(*a, *b);
}

static int by_entry_position(const void *left, const void *right)
{
    const struct kafka_progress_entry *a = left, *b = right;
    return compare(a->position, b->position);
}

static void remove_taken(struct kafka_progress *progress)
{
    struct kafka_progress_list *known = &progress->known;
    struct kafka_progress_positions *taken = &progress->taken;
    uint32_t kept = 0, t = 0;
    qsort(taken->items, taken->count, sizeof *taken->items, by_position);
    for (uint32_t i = 0; i < known->count; i++) {
        while (t < taken->count && compare(taken->items[t], known->items[i].position) < 0)
            t++;
        if (t == taken->count || compare(taken->items[t], known->items[i].position))
            known->items[kept++] = known->items[i];
    }
    known->count = kept;
}

/* From the end, in place. Of equal positions the later event stays: the position was used again. */
static void merge_current(struct kafka_progress *progress)
{
    struct kafka_progress_list *known = &progress->known, *current = &progress->current;
    uint32_t k = known->count, c = current->count, to = k + c;
    while (c) {
        int order = k ? compare(known->items[k - 1].position, current->items[c - 1].position) : -1;
        if (!order)
            k--;
        known->items[--to] = order > 0 ? known->items[--k] : current->items[--c];
    }
    if (to > k)
        memmove(known->items + k, known->items + to, (known->count + current->count - to) * sizeof *known->items);
    known->count = known->count + current->count - (to - k);
    current->count = 0;
}

static void limit(struct kafka_progress *progress)
{
    struct kafka_progress_list *known = &progress->known;
    uint32_t over = known->count > KAFKA_PROGRESS_MAX ? known->count - KAFKA_PROGRESS_MAX : 0;
    if (!over)
        return;
    memmove(known->items, known->items + over, KAFKA_PROGRESS_MAX * sizeof *known->items);
    known->count = KAFKA_PROGRESS_MAX;
    progress->forgotten += over;
}

int kafka_progress_fold(struct kafka_progress *progress)
{
    struct kafka_progress_list *current = &progress->current;
    if (progress->taken.count)
        remove_taken(progress);
    if (grow(progress, &progress->known, progress->known.count + current->count))
        return OUTBOX_E_NO_MEMORY;
    if (current->count)
        qsort(current->items, current->count, sizeof *current->items, by_entry_position);
    merge_current(progress);
    limit(progress);
    return OUTBOX_OK;
}

int kafka_progress_recover(struct kafka_progress *progress)
{
    struct kafka_progress_list *known = &progress->known;
    if (grow(progress, &progress->recovered, known->count))
        return OUTBOX_E_NO_MEMORY;
    if (known->count)
        memcpy(progress->recovered.items, known->items, known->count * sizeof *known->items);
    progress->recovered.count = known->count;
    progress->rewound = false;
    return OUTBOX_OK;
}

void kafka_progress_clear(struct kafka_progress *progress)
{
    progress->recovered.count = progress->known.count = progress->current.count = 0;
}

static void free_list(struct kafka_progress *progress, struct kafka_progress_list *list)
{
    progress->host->release(progress->host, list->items);
    *list = (struct kafka_progress_list){0};
}

static void free_positions(struct kafka_progress *progress, struct kafka_progress_positions *list)
{
    progress->host->release(progress->host, list->items);
    *list = (struct kafka_progress_positions){0};
}

void kafka_progress_close(struct kafka_progress *progress)
{
    free_list(progress, &progress->recovered);
    free_list(progress, &progress->known);
    free_list(progress, &progress->current);
    free_positions(progress, &progress->taken);
    progress->forgotten = 0;
}

void kafka_progress_forget(struct kafka_progress *progress)
{
    free_positions(progress, &progress->settled);
    forget_unseen(progress);
}

void kafka_progress_free(struct kafka_progress *progress)
{
    if (!progress->host)
        return;
    kafka_progress_close(progress);
    kafka_progress_forget(progress);
}

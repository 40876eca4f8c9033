/* SPDX-License-Identifier: Apache-2.0 */
/* writers/common/window_set.c - see window_set.h */
#include "window_set.h"

#include <stdlib.h>
#include <string.h>

#include "window_position.h"

enum { ROOM_MIN = 256 };

static bool may_come_again(const struct window_event *event)
{
    return !window_before(event->position, event->source->low);
}

/* Where the index has this id, or may have it. Ids may grow with time, so all of their bits count. */
static uint32_t *slot_of(const struct window_set *set, const uint8_t *id)
{
    uint64_t half[2];
    memcpy(half, id, sizeof half);
    uint64_t hash = (half[0] ^ (half[1] * 0x9e3779b97f4a7c15u)) * 0xff51afd7ed558ccdu;
    uint32_t mask = 2 * set->room - 1;
    for (uint32_t at = (uint32_t)(hash >> 32) & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &set->index[at];
        if (!*slot || !memcmp(set->events[*slot - 1].id, id, INBOX_ID_SIZE))
            return slot;
    }
}

static void remove_passed(struct window_set *set)
{
    uint32_t kept = 0;
    for (uint32_t i = set->first; i < set->count; i++)
        if (may_come_again(&set->events[i]))
            set->events[kept++] = set->events[i];
    set->first = 0;
    set->count = kept;
    memset(set->index, 0, 2 * (size_t)set->room * sizeof *set->index);
    for (uint32_t i = 0; i < kept; i++)
        *slot_of(set, set->events[i].id) = i + 1;
}

static bool grow(struct window_set *set)
{
    uint32_t room = set->room ? 2 * set->room : ROOM_MIN;
    struct window_event *events = realloc(set->events, room * sizeof *events);
    if (!events)
        return false;
    set->events = events;
    uint32_t *index = realloc(set->index, 2 * (size_t)room * sizeof *index);
    if (!index)
        return false;
    set->index = index;
    set->room = room;
    remove_passed(set);
    return true;
}

bool window_set_reserve(struct window_set *set)
{
    if (set->count < set->room)
        return true;
    if (set->room)
        remove_passed(set);
    return set->count < set->room / 2 || grow(set);
}

struct window_event *window_set_find(const struct window_set *set, const uint8_t *id)
{
    uint32_t *slot = set->room ? slot_of(set, id) : NULL;
    struct window_event *event = slot && *slot > set->first ? &set->events[*slot - 1] : NULL; /* before: it has left */
    return event && may_come_again(event) ? event : NULL;
}

void window_set_add(struct window_set *set, const struct window_event *event)
{
    set->events[set->count++] = *event;
    *slot_of(set, event->id) = set->count;
}

const struct window_event *window_set_first(struct window_set *set)
{
    while (set->first < set->count && !may_come_again(&set->events[set->first]))
        set->first++;
    return set->first < set->count ? &set->events[set->first] : NULL;
}

void window_set_forget(struct window_set *set, struct window_source *source)
{
    source->low = (struct outbox_position){UINT64_MAX, UINT64_MAX};
    if (set->room)
        remove_passed(set);
    source->used = false;
}

struct window_source *window_set_source(struct window_set *set, uint64_t number, int64_t silent_before)
{
    struct window_source *place = set->sources;
    for (struct window_source *source = set->sources; source < set->sources + WINDOW_SOURCES; source++) {
        if (source->used && source->number == number)
            return source;
        if (place->used && (!source->used || source->last < place->last))
            place = source;
    }
    if (place->used && place->last >= silent_before)
        return NULL;
    if (place->used)
        window_set_forget(set, place);
    *place = (struct window_source){.used = true, .number = number};
    return place;
}

void window_set_free(struct window_set *set)
{
    free(set->events);
    free(set->index);
}

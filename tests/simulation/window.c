/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/window.c - see window.h */
#include "window.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "oracle.h"
#include "sim.h"

struct entry {
    uint64_t position;
    bool kept, stray, applied;
};

static struct {
    uint64_t epoch, low, older_low;
    uint32_t nonce, room;
    struct entry *entries; /* by event */
} window;

void window_init(void)
{
    memset(&window, 0, sizeof window); /* the world of the former run is freed, with its memory */
}

void window_read_header(const struct outbox_message *message, struct window_mark *mark)
{
    char text[128];
    uint64_t source;
    *mark = (struct window_mark){0};
    if (!sim->plan.position)
        return;
    const struct outbox_header *header = &message->headers[message->header_count - 1];
    snprintf(text, sizeof text, "%.*s", (int)header->value.size, (const char *)header->value.data);
    if (sscanf(text, "%16" SCNx64 ".%" SCNx64 "-%8" SCNx32 ".%" SCNx64 ".%" SCNx64, &source, &mark->epoch, &mark->nonce,
               &mark->position, &mark->low) != 5)
        sim_fail("the header with the position is '%s'", text);
}

/* Grows with the events. */
static struct entry *entry_of(uint32_t event)
{
    if (event >= window.room) {
        uint32_t room = OBX_MAX(event + 1, sim->db->room);
        window.entries = obx_resize(window.entries, room * sizeof *window.entries);
        memset(window.entries + window.room, 0, (room - window.room) * sizeof *window.entries);
        window.room = room;
    }
    return &window.entries[event];
}

static void note_ownership(const struct window_mark *mark)
{
    bool newer = mark->epoch > window.epoch || (mark->epoch == window.epoch && mark->nonce != window.nonce);
    if (!newer)
        return;
    window.older_low = OBX_MAX(window.older_low, window.low);
    window.epoch = mark->epoch;
    window.nonce = mark->nonce;
    window.low = 0;
    for (uint32_t i = 0; i < window.room; i++)
        window.entries[i].stray = false;
}

static bool is_duplicate(const struct entry *entry, const struct window_mark *mark)
{
    bool is_older = mark->epoch < window.epoch;
    uint64_t low = is_older ? OBX_MAX(window.low, window.older_low) : window.low;
    return entry->kept || (mark->position >= mark->low && mark->position < low);
}

static void forget(const struct window_mark *mark)
{
    if (mark->epoch < window.epoch || mark->low <= window.low)
        return;
    window.low = mark->low;
    for (uint32_t i = 0; i < window.room; i++)
        window.entries[i].kept =
            window.entries[i].kept && (window.entries[i].stray || window.entries[i].position >= window.low);
}

static bool is_judged(const struct sim_event *event)
{
    return !event->lost && !event->returned && !event->ever_dead;
}

void window_appended(uint32_t number, const struct window_mark *mark)
{
    if (!mark->epoch)
        return;
    struct entry *entry = entry_of(number);
    note_ownership(mark);
    bool duplicate = is_duplicate(entry, mark), judged = is_judged(sim_event(number));
    SIM_TRACE("the window %s event %u, position %lu, low %lu", duplicate ? "drops" : "applies", number,
              (unsigned long)mark->position, (unsigned long)mark->low);
    if (judged && duplicate && !entry->applied)
        sim_fail("window: the first occurrence of event %u is dropped", number);
    if (judged && !duplicate && entry->applied)
        sim_fail("window: event %u is applied twice", number);
    if (!duplicate) {
        *entry = (struct entry){
            .position = mark->position, .kept = true, .stray = mark->position < mark->low, .applied = true};
    }
    forget(mark);
}

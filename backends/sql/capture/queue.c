/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/capture/queue.c - see queue.h */
#include "sql/capture/queue.h"

#include <string.h>

static const struct outbox_host *host_of(const struct sql_capture_queue *queue)
{
    return queue->memory.host;
}

static struct sql_capture_commit *commit_at(const struct sql_capture_queue *queue, uint32_t index)
{
    return &queue->commits[(queue->head + index) & (queue->room - 1)];
}

void sql_capture_queue_reset(struct sql_capture_queue *queue, int64_t last)
{
    sql_capture_list_drop(&queue->memory, &queue->events);
    queue->head = queue->count = queue->visible = 0;
    queue->last = queue->low = last;
    queue->ready = 0;
    queue->advanced = false;
}

void sql_capture_queue_free(struct sql_capture_queue *queue)
{
    if (!host_of(queue))
        return;
    sql_capture_queue_reset(queue, 0);
    host_of(queue)->release(host_of(queue), queue->commits);
    queue->commits = NULL;
    queue->room = 0;
    obx_sql_ranges_free(host_of(queue), &queue->done);
    sql_capture_memory_free(&queue->memory);
}

/* ---- in ---------------------------------------------------------------------------------------------------------- */

/* The ring is unrolled into the larger one. */
static bool grow(struct sql_capture_queue *queue)
{
    uint32_t room = queue->room ? queue->room * 2 : 1024;
    if (queue->count < queue->room)
        return true;
    struct sql_capture_commit *commits = host_of(queue)->alloc(host_of(queue), (size_t)room * sizeof *commits);
    if (!commits)
        return false;
    for (uint32_t i = 0; i < queue->count; i++)
        commits[i] = *commit_at(queue, i);
    host_of(queue)->release(host_of(queue), queue->commits);
    queue->commits = commits;
    queue->room = room;
    queue->head = 0;
    return true;
}

/* Numbers the list's events, and appends those that are not in the table. Returns how many. */
static uint64_t number_events(struct sql_capture_queue *queue, struct sql_capture_list *list)
{
    struct sql_capture_event *event;
    uint64_t before = queue->events.count;
    while ((event = sql_capture_list_take(list))) {
        event->order = (uint64_t)++queue->last;
        if (queue->done.count && obx_sql_ranges_contain(&queue->done, queue->last))
            sql_capture_event_drop(&queue->memory, event);
        else
            sql_capture_list_append(&queue->events, event);
    }
    return queue->events.count - before;
}

bool sql_capture_queue_commit(struct sql_capture_queue *queue, struct sql_capture_list *events,
                              const uint64_t marks[SQL_CAPTURE_MARKS], uint64_t index, bool whole)
{
    if (!grow(queue))
        return false;
    struct sql_capture_commit *commit = commit_at(queue, queue->count);
    *commit =
        (struct sql_capture_commit){.first = queue->last + 1, .count = events->count, .index = index, .whole = whole};
    memcpy(commit->marks, marks, sizeof commit->marks);
    commit->kept = number_events(queue, events);
    queue->count++;
    queue->advanced = false;
    return true;
}

void sql_capture_queue_advance(struct sql_capture_queue *queue, const uint64_t marks[SQL_CAPTURE_MARKS])
{
    memcpy(queue->advanced_marks, marks, sizeof queue->advanced_marks);
    queue->advanced = true;
}

/* ---- out --------------------------------------------------------------------------------------------------------- */

const struct sql_capture_commit *sql_capture_queue_hidden(const struct sql_capture_queue *queue)
{
    return queue->visible < queue->count ? commit_at(queue, queue->visible) : NULL;
}

void sql_capture_queue_make_visible(struct sql_capture_queue *queue)
{
    queue->ready += commit_at(queue, queue->visible++)->kept;
}

struct sql_capture_event *sql_capture_queue_take(struct sql_capture_queue *queue)
{
    if (!queue->ready)
        return NULL;
    queue->ready--;
    return sql_capture_list_take(&queue->events);
}

/* ---- what is not needed any more --------------------------------------------------------------------------------- */

static int64_t end_of(const struct sql_capture_commit *commit)
{
    return commit->first + (int64_t)commit->count - 1;
}

/* Numbers after `low` that are in the table are passed as well: no claim of the log returns them. Only what was read:
 * the others are still to be recognised. */
static int64_t over_done(struct sql_capture_queue *queue, int64_t low)
{
    const struct obx_sql_ranges *spooled = &queue->done;
    while (low < queue->last && spooled->count && spooled->items[0].lo <= low + 1) {
        int64_t lo = spooled->items[0].lo, hi = spooled->items[0].hi;
        hi = hi < queue->last ? hi : queue->last;
        low = hi > low ? hi : low;
        if (lo > hi || !obx_sql_ranges_remove(host_of(queue), &queue->done, lo, hi))
            break;
    }
    return low;
}

uint64_t sql_capture_queue_pass(struct sql_capture_queue *queue, int64_t low,
                                void (*pass)(void *arg, const uint64_t marks[SQL_CAPTURE_MARKS]), void *arg)
{
    low = low > queue->low ? low : queue->low;
    queue->low = over_done(queue, low < queue->last ? low : queue->last);
    while (queue->count && end_of(commit_at(queue, 0)) <= queue->low) {
        struct sql_capture_commit *commit = commit_at(queue, 0);
        if (!commit->whole && queue->count == 1)
            break; /* its next part begins after it */
        if (commit->whole)
            pass(arg, commit->marks);
        queue->head = (queue->head + 1) & (queue->room - 1);
        queue->count--;
        if (queue->visible) /* 0: all its events are in the table, so none had to become visible */
            queue->visible--;
    }
    if (!queue->count || commit_at(queue, 0)->first > queue->low + 1)
        return 0;
    return commit_at(queue, 0)->index + (uint64_t)(queue->low + 1 - commit_at(queue, 0)->first);
}

bool sql_capture_queue_is_idle(const struct sql_capture_queue *queue)
{
    return queue->advanced && !queue->count && queue->low >= queue->last;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/capture/memory.c - see memory.h */
#include "sql/capture/memory.h"

/* ---- chunks ------------------------------------------------------------------------------------------------------ */

static unsigned char *bytes_of(struct sql_capture_chunk *chunk)
{
    return (unsigned char *)(chunk + 1);
}

static struct sql_capture_chunk *chunk_new(struct sql_capture_memory *memory, uint32_t size)
{
    struct sql_capture_chunk *chunk = memory->spare;
    if (chunk && size <= chunk->size) {
        memory->spare = chunk->next;
        memory->spare_count--;
    } else {
        chunk = memory->host->alloc(memory->host, sizeof *chunk + size);
        if (!chunk)
            return NULL;
        chunk->size = size;
    }
    chunk->used = chunk->events = chunk->held = 0;
    return chunk;
}

static void chunk_leave(struct sql_capture_memory *memory, struct sql_capture_chunk *chunk)
{
    if (--chunk->events)
        return;
    if (chunk->size != SQL_CAPTURE_CHUNK || memory->spare_count >= SQL_CAPTURE_SPARE_MAX) {
        memory->host->release(memory->host, chunk);
        return;
    }
    chunk->next = memory->spare;
    memory->spare = chunk;
    memory->spare_count++;
}

/* The chunk that has room; a large event's own. */
static struct sql_capture_chunk *chunk_for(struct sql_capture_memory *memory, uint32_t size)
{
    struct sql_capture_chunk *chunk = memory->current;
    if (size > SQL_CAPTURE_CHUNK / 4)
        return chunk_new(memory, size);
    if (chunk && chunk->size - chunk->used >= size)
        return chunk;
    if (!(chunk = chunk_new(memory, SQL_CAPTURE_CHUNK)))
        return NULL;
    if (memory->current)
        chunk_leave(memory, memory->current);
    chunk->events = 1;
    return memory->current = chunk;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

struct sql_capture_event *sql_capture_event_new(struct sql_capture_memory *memory, uint32_t size)
{
    if (size > UINT32_MAX - sizeof(struct sql_capture_event) - 8)
        return NULL;
    uint32_t need = (uint32_t)(sizeof(struct sql_capture_event) + size + 7) & ~7u;
    struct sql_capture_chunk *chunk = chunk_for(memory, need);
    if (!chunk)
        return NULL;
    struct sql_capture_event *event = (struct sql_capture_event *)(void *)(bytes_of(chunk) + chunk->used);
    chunk->used += need;
    chunk->events++;
    event->next = NULL;
    event->chunk = chunk;
    event->order = 0;
    event->size = size;
    event->format = 0;
    return event;
}

void sql_capture_event_drop(struct sql_capture_memory *memory, struct sql_capture_event *event)
{
    chunk_leave(memory, event->chunk);
}

void sql_capture_memory_free(struct sql_capture_memory *memory)
{
    struct sql_capture_chunk *chunk = memory->current;
    memory->current = NULL;
    if (chunk)
        chunk_leave(memory, chunk);
    while ((chunk = memory->spare)) {
        memory->spare = chunk->next;
        memory->host->release(memory->host, chunk);
    }
    memory->spare_count = 0;
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

void sql_capture_list_append(struct sql_capture_list *list, struct sql_capture_event *event)
{
    event->next = NULL;
    if (list->tail)
        list->tail->next = event;
    else
        list->head = event;
    list->tail = event;
    list->count++;
    list->bytes += sql_capture_event_bytes(event);
}

struct sql_capture_event *sql_capture_list_take(struct sql_capture_list *list)
{
    struct sql_capture_event *event = list->head;
    if (!event)
        return NULL;
    list->head = event->next;
    if (!list->head)
        list->tail = NULL;
    list->count--;
    list->bytes -= sql_capture_event_bytes(event);
    return event;
}

uint64_t sql_capture_list_skip(struct sql_capture_memory *memory, struct sql_capture_list *list, uint64_t count)
{
    uint64_t skipped = 0;
    for (; skipped < count && list->head; skipped++)
        sql_capture_event_drop(memory, sql_capture_list_take(list));
    return skipped;
}

void sql_capture_list_drop(struct sql_capture_memory *memory, struct sql_capture_list *list)
{
    sql_capture_list_skip(memory, list, UINT64_MAX);
}

/* Most often one follows the other as a whole. */
void sql_capture_list_merge(struct sql_capture_list *list, struct sql_capture_list *from)
{
    struct sql_capture_list merged = {0};
    if (!from->head)
        return;
    if (!list->tail || list->tail->order < from->head->order) {
        *(list->tail ? &list->tail->next : &list->head) = from->head;
        list->tail = from->tail;
        list->count += from->count;
        list->bytes += from->bytes;
        *from = (struct sql_capture_list){0};
        return;
    }
    while (list->head || from->head) {
        bool first = list->head && (!from->head || list->head->order < from->head->order);
        sql_capture_list_append(&merged, sql_capture_list_take(first ? list : from));
    }
    *list = merged;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/capture/memory.h - memory for events that were read from a log: chunks that are used again
 *
 * A reader copies each event into a chunk, and nothing is allocated per event. A chunk is free again when its last
 * event was dropped; some free chunks are kept. An event larger than a chunk has a chunk of its own. One event that
 * stays long, of a long transaction, keeps its chunk: so chunks are small. All on the loop thread.
 */
#ifndef OBX_BACKENDS_SQL_CAPTURE_MEMORY_H
#define OBX_BACKENDS_SQL_CAPTURE_MEMORY_H

#include <outbox/plugin.h>

enum { SQL_CAPTURE_CHUNK = 64 << 10, SQL_CAPTURE_SPARE_MAX = 64 };

struct sql_capture_chunk {
    struct sql_capture_chunk *next; /* of the spare ones */
    uint32_t size, used;            /* bytes after this header */
    uint32_t events;                /* in it, that were not dropped; the memory's own use counts as one */
    uint32_t held;                  /* of them, of transactions that are open: the source counts */
};

/* One event. `data` is the source's: it alone writes and reads it. Aligned to 8 bytes. */
struct sql_capture_event {
    struct sql_capture_event *next; /* of its list */
    struct sql_capture_chunk *chunk;
    uint64_t order;  /* in the log, by which those of one transaction are merged; once committed, its number */
    uint32_t size;   /* of data */
    uint32_t format; /* of data: the source's; which columns a row has, for instance */
    unsigned char data[];
};

struct sql_capture_memory {
    const struct outbox_host *host;
    struct sql_capture_chunk *current, *spare;
    uint32_t spare_count;
};

/* An event with room for so many bytes; NULL: no memory. */
struct sql_capture_event *sql_capture_event_new(struct sql_capture_memory *memory, uint32_t size);
void sql_capture_event_drop(struct sql_capture_memory *memory, struct sql_capture_event *event);
void sql_capture_memory_free(struct sql_capture_memory *memory); /* all events were dropped */

/* What an event counts for, in bytes. */
static inline uint64_t sql_capture_event_bytes(const struct sql_capture_event *event)
{
    return sizeof *event + event->size;
}

/* ---- lists of events: of one transaction, or of one subtransaction ----------------------------------------------- */

struct sql_capture_list {
    struct sql_capture_event *head, *tail; /* ascending by `order` */
    uint64_t count, bytes;
};

void sql_capture_list_append(struct sql_capture_list *list, struct sql_capture_event *event);
struct sql_capture_event *sql_capture_list_take(struct sql_capture_list *list); /* the first; NULL: it is empty */
void sql_capture_list_drop(struct sql_capture_memory *memory, struct sql_capture_list *list); /* all of them */
/* The first `count`: they were passed before a restart. Returns how many there were. */
uint64_t sql_capture_list_skip(struct sql_capture_memory *memory, struct sql_capture_list *list, uint64_t count);
/* `from` is empty afterwards. */
void sql_capture_list_merge(struct sql_capture_list *list, struct sql_capture_list *from);

#endif

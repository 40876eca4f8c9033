/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/common/window_set.h - the events of a partition that may come again, by id, and the low marks of their
 * outboxes
 *
 * Events are in the order of their offsets. Those that the mark of their source has passed are removed when there is no
 * more room; the first of the others is where the set begins. Memory: 64 to 128 bytes an event. No I/O; one thread.
 */
#ifndef OBX_WRITERS_COMMON_WINDOW_SET_H
#define OBX_WRITERS_COMMON_WINDOW_SET_H

#include "inbox.h"
#include "window_header.h"

enum { WINDOW_SOURCES = 16 };

/* An outbox. Marks of different sources are not compared. */
struct window_source {
    bool used;
    uint64_t number, epoch, nonce; /* the latest ownership */
    struct outbox_position low;    /* its mark */
    struct outbox_position older;  /* the highest mark of those before it */
    int64_t marked;                /* the offset of the last message that carried the higher one of them */
    int64_t last;                  /* the offset of its last message */
};

struct window_event {
    uint8_t id[INBOX_ID_SIZE];
    struct outbox_position position;
    int64_t offset;               /* of its first message */
    struct window_source *source; /* of its last message */
};

struct window_set {
    struct window_source sources[WINDOW_SOURCES];
    struct window_event *events; /* first .. count - 1 of `room` */
    uint32_t first, count, room;
    uint32_t *index; /* 2 * room: 1 + the number of an event; 0: free */
};

void window_set_free(struct window_set *set);

/* A new source may take the place of the one that is silent for the longest time, if that sent nothing at or after
 * `silent_before`. NULL: none is silent for so long. */
struct window_source *window_set_source(struct window_set *set, uint64_t number, int64_t silent_before);
/* Its events leave, too. */
void window_set_forget(struct window_set *set, struct window_source *source);

/* NULL: it is not there. */
struct window_event *window_set_find(const struct window_set *set, const uint8_t *id);
/* Room for one more; false: no memory. */
bool window_set_reserve(struct window_set *set);
void window_set_add(struct window_set *set, const struct window_event *event);
/* The first event that may come again; NULL: none. */
const struct window_event *window_set_first(struct window_set *set);

#endif

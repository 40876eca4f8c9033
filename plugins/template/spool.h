/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/template/spool.h - a directory in which every file is one event
 *
 * The name of a file is its position, twenty digits, never used twice: our own writer takes microseconds since 1970.
 * It appears by link(2) or rename(2), complete or not at all, so that a reader never sees half of it. Inside are lines
 * `name: value`, then, unless the payload is null, an empty line and the payload as it is:
 *
 *     aggregatetype: order
 *     aggregateid: 42
 *     type: Created
 *
 *     {"total": 7}
 *
 * All functions block: they are for worker threads. They give 0, or -1 and errno.
 */
#ifndef OBX_PLUGINS_TEMPLATE_SPOOL_H
#define OBX_PLUGINS_TEMPLATE_SPOOL_H

#include <outbox/plugin_util.h>

/* The columns that this store has, in the order of spool_fields[]. */
enum spool_field {
    SPOOL_EVENT_ID,
    SPOOL_AGGREGATE_TYPE,
    SPOOL_AGGREGATE_ID,
    SPOOL_TYPE,
    SPOOL_HEADERS,
    SPOOL_CREATED_AT,
    SPOOL_PAYLOAD, /* not a line, but what follows them */
    SPOOL_ID,      /* the position */
    SPOOL_FIELDS
};
extern const char *const spool_fields[SPOOL_FIELDS];

int64_t spool_now_us(void);

/* Sorted positions. Zero it first; memory comes from the host. */
struct spool_list {
    uint64_t *items;
    size_t count, room;
};
int spool_list_add(const struct outbox_host *host, struct spool_list *list, uint64_t position);
void spool_list_free(const struct outbox_host *host, struct spool_list *list);
int spool_read_dir(const struct outbox_host *host, int dir, struct spool_list *list);

struct spool_event {
    char *memory; /* owned; what the fields point to */
    size_t size;
    struct outbox_bytes fields[SPOOL_FIELDS]; /* data NULL: null; not used: SPOOL_ID */
};
/* errno ENOENT: it is gone. */
int spool_load(const struct outbox_host *host, int dir, uint64_t position, struct spool_event *event);
int spool_remove(int dir, uint64_t position); /* fine when it is gone */

/* Write one event into a file with a name of its own that no reader looks at; then give it the first free position
 * behind *last. The temporary file is gone afterwards, whatever happened. */
#define SPOOL_TEMPORARY 32
int spool_write(const struct outbox_host *host, int dir, const struct outbox_event *event,
                char temporary[SPOOL_TEMPORARY]);
int spool_publish(int dir, const char *temporary, uint64_t *last);

#endif

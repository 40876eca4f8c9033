/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/template/spool.h - a directory in which every file is one event
 *
 * The name of a file is its position: twenty digits, never used twice. This writer takes microseconds since 1970. A
 * file appears by link(2) or rename(2), so a reader never sees half of it. It has lines `name: value`; unless the
 * payload is null, an empty line and the payload follow:
 *
 *     aggregatetype: order
 *     aggregateid: 42
 *     type: Created
 *
 *     {"total": 7}
 *
 * All functions block: call them on a worker thread. They give 0, or -1 and errno.
 */
#ifndef OBX_PLUGINS_TEMPLATE_SPOOL_H
#define OBX_PLUGINS_TEMPLATE_SPOOL_H

#include <outbox/plugin_util.h>

/* The columns of this store, in the order of spool_fields[]. */
enum spool_field {
    SPOOL_EVENT_ID,
    SPOOL_AGGREGATE_TYPE,
    SPOOL_AGGREGATE_ID,
    SPOOL_TYPE,
    SPOOL_HEADERS,
    SPOOL_CREATED_AT,
    SPOOL_PAYLOAD, /* follows the lines */
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
    char *memory; /* owned; the fields point into it */
    size_t size;
    struct outbox_bytes fields[SPOOL_FIELDS]; /* data NULL: null; SPOOL_ID is not used */
};
/* ENOENT: the file is gone. */
int spool_load(const struct outbox_host *host, int dir, uint64_t position, struct spool_event *event);
int spool_remove(int dir, uint64_t position); /* succeeds if it is gone */

/* Writes one event into a temporary file, which readers ignore; then gives it the first free position after *last. The
 * temporary file is gone afterwards, also after a failure. */
#define SPOOL_TEMPORARY 32
int spool_write(const struct outbox_host *host, int dir, const struct outbox_event *event,
                char temporary[SPOOL_TEMPORARY]);
int spool_publish(int dir, const char *temporary, uint64_t *last);

#endif

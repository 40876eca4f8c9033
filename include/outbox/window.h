/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/window.h - the inbox of level 2, for consumers of Kafka: a window in memory, one row for each partition
 *
 * The relay has `route: { position: true }`: each message then has a header `outbox-position`. The window of a
 * partition holds the events that may come again. The database holds two offsets: where to go on, and where the window
 * begins.
 *
 * Happy path, for each partition that this consumer is assigned:
 *
 *     outbox_pg_window_open()            or outbox_mysql_window_open(): reads the row
 *     outbox_window_seek()               from where to read the partition; then for each batch, in one transaction:
 *         outbox_window_judge()          each message in the order of the partition; apply those that are new
 *         outbox_pg_window_save()        or outbox_mysql_window_save(), once, before the commit
 *     outbox_window_close()              the partition is revoked
 *
 * Failure modes: after a rollback, and after each error of a judge or a save, close the window and open it again. The
 * window is then read again from the partition. A save that finds the row of another consumer is OUTBOX_E_FENCED.
 *
 * What it needs and promises: docs/INBOX.md. A window is used by one thread at a time.
 */
#ifndef OUTBOX_WINDOW_H
#define OUTBOX_WINDOW_H

#include <outbox/error.h>
#include <outbox/event.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OUTBOX_WINDOW_HEADER "outbox-position"

struct outbox_window;

/* A partition, and who reads it. Set struct_size to sizeof(struct outbox_window_place). Everything is copied. */
struct outbox_window_place {
    uint32_t struct_size;
    uint32_t span;        /* messages of the partition that a window may reach over; 0: 1,000,000 */
    const char *consumer; /* 1 to 64 printable ASCII characters without spaces */
    const char *topic;    /* 1 to 249 such characters */
    int32_t partition;
    int32_t partitions; /* that the topic has now */
    int64_t log_start;  /* the first offset that the broker still has: the low watermark */
    int64_t log_end;    /* the offset of the next message: the high watermark */
};

enum outbox_window_verdict {
    OUTBOX_WINDOW_DUPLICATE = 0, /* it was applied before; or it was read again only to fill the window */
    OUTBOX_WINDOW_NEW = 1,       /* apply it */
    OUTBOX_WINDOW_BY_ID = 2      /* it has no position: outbox_pg_inbox_take() or outbox_mysql_inbox_take() decides */
};

/* The offset of the first message to judge. */
OUTBOX_API int64_t outbox_window_seek(const struct outbox_window *window);

/*
 * Judge a message: is its event new?
 *
 * offset    its offset, greater than that of the message before
 * position  its header OUTBOX_WINDOW_HEADER; null: it has none
 * event_id  its header `id`: a UUID of 36 characters, or of 32 without hyphens
 * verdict   gets the verdict; OUTBOX_WINDOW_DUPLICATE after a failure
 * error     gets the reason of a failure; may be NULL
 *
 * Returns OUTBOX_OK or
 *     INVALID        the offset is not the next one; the event id is not a UUID
 *     UNSUPPORTED    the message has no such header: its relay lacks `route: { position: true }`. Or the message at the
 *                    beginning of the window is gone: the topic is compacted
 *     CORRUPT        the header is not what a relay sends
 *     FULL           the window reaches over more than `span` messages: the relay holds an event back for so long
 *     NO_MEMORY
 * No I/O.
 */
OUTBOX_API int outbox_window_judge(struct outbox_window *window, int64_t offset, struct outbox_bytes position,
                                   struct outbox_bytes event_id, enum outbox_window_verdict *verdict,
                                   struct outbox_error *error);

OUTBOX_API void outbox_window_close(struct outbox_window *window); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif

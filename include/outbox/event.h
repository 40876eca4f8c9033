/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/event.h - one event, as an application adds it to its outbox
 *
 * Shared by the writers' libraries (outbox/postgres.h, outbox/mysql.h, outbox/sqlite.h) and by the plugin ABI
 * (outbox/plugin.h). An application that only adds events needs nothing else.
 */
#ifndef OUTBOX_EVENT_H
#define OUTBOX_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include <outbox/error.h> /* OUTBOX_API */

#ifdef __cplusplus
extern "C" {
#endif

/* Borrowed bytes. data == NULL is null, which differs from empty. */
struct outbox_bytes {
    const void *data;
    size_t size;
};

/* An event to add. Set struct_size to sizeof(struct outbox_event); every field is borrowed during the call. */
struct outbox_event {
    uint32_t struct_size;
    struct outbox_bytes event_id;       /* null: the database's default */
    struct outbox_bytes aggregate_type; /* required, like the next two */
    struct outbox_bytes aggregate_id;
    struct outbox_bytes type;
    struct outbox_bytes payload; /* null: SQL NULL */
    struct outbox_bytes headers; /* a JSON object; null: none */
};

#ifdef __cplusplus
}
#endif
#endif

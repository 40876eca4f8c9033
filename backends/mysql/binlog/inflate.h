/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/inflate.h - compressed events: whole transactions of MySQL (zstd), single events of MariaDB
 * (zlib)
 *
 * A transaction of MySQL is unpacked event by event, so that a huge one needs no more memory than its largest event.
 */
#ifndef OBX_BACKENDS_MYSQL_BINLOG_INFLATE_H
#define OBX_BACKENDS_MYSQL_BINLOG_INFLATE_H

#include "event.h"

struct mys_payload {
    const struct outbox_host *host;
    void *zstd; /* the stream's state; NULL: not used yet */
    struct mys_cursor packed;
    bool plain;            /* stored as it is */
    unsigned char *buffer; /* owned; bytes at .. have are unpacked and not read */
    uint32_t room;
    size_t at, have;
};

void mys_payload_init(struct mys_payload *payload, const struct outbox_host *host);
void mys_payload_free(struct mys_payload *payload);
/* Between two transactions: frees a buffer above this size. */
void mys_payload_shrink(struct mys_payload *payload, uint32_t room);
/* body: of a TRANSACTION_PAYLOAD; it must stay until the last event was read. Errors: E_SCHEMA, E_UNSUPPORTED. */
int mys_payload_open(struct mys_payload *payload, struct mys_cursor body, struct outbox_error *error);
/* The next event, without a checksum, until the next call. data NULL: there are no more. Errors: E_SCHEMA, NO_MEMORY.
 */
int mys_payload_next(struct mys_payload *payload, struct outbox_bytes *event, struct outbox_error *error);

/* MariaDB: the event's head of `head` bytes as it is, and what follows unpacked; in *buffer, owned by the caller. */
int mys_unpack(const struct outbox_host *host, struct mys_cursor body, size_t head, unsigned char **buffer,
               uint32_t *room, struct mys_cursor *unpacked, struct outbox_error *error);
/* The bytes before the packed part. 0: the event cannot be read. */
size_t mys_packed_rows_head(struct mys_cursor body, bool v2);
size_t mys_packed_query_head(struct mys_cursor body);

#endif

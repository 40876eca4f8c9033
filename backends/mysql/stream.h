/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/stream.h - the server's binlog as a stream of events, by either client library
 *
 * Both libraries block while they read it, so a separate thread uses this (listen.c). shutdown(2) of the descriptor by
 * another thread ends a wait. stream_mariadb.c and stream_oracle.c, as with client.h.
 */
#ifndef OBX_BACKENDS_MYSQL_STREAM_H
#define OBX_BACKENDS_MYSQL_STREAM_H

#include "client.h"

struct mys_stream;

struct mys_stream_from {
    const char *file;
    uint32_t position;
    uint32_t server_id; /* this relay's number among the server's replicas; must be unique */
};

/* On `mysql`, which is connected and can do nothing else from then on. NULL: see *error. */
struct mys_stream *mys_stream_open(const struct outbox_host *host, MYSQL *mysql, const struct mys_stream_from *from,
                                   struct outbox_error *error);
/* Blocks until the next event, which is valid until the next call. data NULL: an event that the library could not read.
 * False: the stream has ended, see *error. */
bool mys_stream_next(struct mys_stream *stream, struct outbox_bytes *event, struct outbox_error *error);
void mys_stream_close(struct mys_stream *stream); /* NULL is fine; the connection is the caller's to close */

/* For capture/dump.c, with TLS: sends the command (a number of the protocol) with these bytes. Blocks. NULL: see
 * *error.
 */
struct mys_dump_stream;
struct mys_dump_stream *mys_dump_stream_open(const struct outbox_host *host, MYSQL *mysql, unsigned command,
                                             struct outbox_bytes bytes, struct outbox_error *error);
/* The next packet; data NULL: the stream has ended, or broke. */
struct outbox_bytes mys_dump_stream_packet(struct mys_dump_stream *stream);
void mys_dump_stream_free(struct mys_dump_stream *stream); /* NULL is fine; the connection stays */

#endif

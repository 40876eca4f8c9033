/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/stream_oracle.c - the binlog over Oracle's mysql_binlog_ functions
 *
 * They return each event unparsed, with one byte before it.
 */
#include "stream.h"

#include <string.h>

#include "error.h"

struct mys_stream {
    const struct outbox_host *host;
    MYSQL *mysql;
    MYSQL_RPL rpl;
};

struct mys_stream *mys_stream_open(const struct outbox_host *host, MYSQL *mysql, const struct mys_stream_from *from,
                                   struct outbox_error *error)
{
    struct mys_stream *stream = host->alloc(host, sizeof *stream);
    if (!stream) {
        mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: out of memory");
        return NULL;
    }
    *stream = (struct mys_stream){.host = host,
                                  .mysql = mysql,
                                  .rpl = {.file_name_length = strlen(from->file),
                                          .file_name = from->file,
                                          .start_position = from->position,
                                          .server_id = from->server_id}};
    if (!mysql_binlog_open(mysql, &stream->rpl))
        return stream;
    mys_error_of(error, "read the binlog", mysql);
    host->release(host, stream);
    return NULL;
}

bool mys_stream_next(struct mys_stream *stream, struct outbox_bytes *event, struct outbox_error *error)
{
    *event = (struct outbox_bytes){0};
    if (mysql_binlog_fetch(stream->mysql, &stream->rpl)) {
        mys_error_of(error, "read the binlog", stream->mysql);
        return false;
    }
    if (!stream->rpl.size) {
        mys_fail(error, OUTBOX_E_NOT_CONNECTED, "read the binlog: the server has ended the stream");
        return false;
    }
    *event = (struct outbox_bytes){stream->rpl.buffer + 1, stream->rpl.size - 1};
    return true;
}

void mys_stream_close(struct mys_stream *stream)
{
    if (!stream)
        return;
    mysql_binlog_close(stream->mysql, &stream->rpl);
    stream->host->release(stream->host, stream);
}

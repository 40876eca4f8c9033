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

/* ---- capture ----------------------------------------------------------------------------------------------------- */

struct mys_dump_stream {
    const struct outbox_host *host;
    MYSQL *mysql;
    MYSQL_RPL rpl;
    size_t set_size;
    unsigned char set[];
};

static void put_set(MYSQL_RPL *rpl, unsigned char *to)
{
    const struct mys_dump_stream *stream = rpl->gtid_set_arg;
    memcpy(to, stream->set, stream->set_size);
}

/* The bytes are those of COM_BINLOG_DUMP_GTID (flags, server id, no name, position, size, set) or of COM_BINLOG_DUMP.
 */
struct mys_dump_stream *mys_dump_stream_open(const struct outbox_host *host, MYSQL *mysql, unsigned command,
                                             struct outbox_bytes bytes, struct outbox_error *error)
{
    enum { DUMP_GTID = 0x1e, SET_AT = 22, ID_AT = 2, ID_AT_OF_DUMP = 6 };
    bool by_gtid = command == DUMP_GTID;
    size_t set_size = by_gtid ? bytes.size - SET_AT : 0;
    struct mys_dump_stream *stream = host->alloc(host, sizeof *stream + set_size);
    if (!stream) {
        mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: out of memory");
        return NULL;
    }
    uint32_t id;
    memcpy(&id, (const char *)bytes.data + (by_gtid ? ID_AT : ID_AT_OF_DUMP), sizeof id);
    *stream = (struct mys_dump_stream){.host = host, .mysql = mysql, .set_size = set_size};
    memcpy(stream->set, (const char *)bytes.data + (by_gtid ? SET_AT : 0), set_size);
    stream->rpl = (MYSQL_RPL){.file_name = "", .start_position = 4, .server_id = id};
    if (by_gtid) {
        stream->rpl.flags = MYSQL_RPL_GTID;
        stream->rpl.gtid_set_encoded_size = set_size;
        stream->rpl.fix_gtid_set = put_set;
        stream->rpl.gtid_set_arg = stream;
    }
    if (!mysql_binlog_open(mysql, &stream->rpl))
        return stream;
    mys_error_of(error, "read the binlog", mysql);
    mys_dump_stream_free(stream);
    return NULL;
}

struct outbox_bytes mys_dump_stream_packet(struct mys_dump_stream *stream)
{
    if (mysql_binlog_fetch(stream->mysql, &stream->rpl) || !stream->rpl.size)
        return (struct outbox_bytes){0};
    return (struct outbox_bytes){stream->rpl.buffer, stream->rpl.size};
}

void mys_dump_stream_free(struct mys_dump_stream *stream)
{
    if (stream)
        stream->host->release(stream->host, stream);
}

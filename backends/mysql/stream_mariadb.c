/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/stream_mariadb.c - the binlog over MariaDB Connector/C's mariadb_rpl_ functions
 *
 * The library reads and parses each event; only the raw bytes are used here. It fails at an unknown event (newer MySQL
 * servers have some), but the connection stays usable and the stream continues.
 */
#include "stream.h"

#include <errmsg.h>
#include <mariadb_rpl.h>
#include <string.h>

#include "error.h"

struct mys_stream {
    const struct outbox_host *host;
    MYSQL *mysql;
    MARIADB_RPL *rpl;
    MARIADB_RPL_EVENT *event;
};

struct mys_stream *mys_stream_open(const struct outbox_host *host, MYSQL *mysql, const struct mys_stream_from *from,
                                   struct outbox_error *error)
{
    struct mys_stream *stream = host->alloc(host, sizeof *stream);
    MARIADB_RPL *rpl = stream ? mariadb_rpl_init(mysql) : NULL;
    if (!rpl) {
        mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: out of memory");
        host->release(host, stream);
        return NULL;
    }
    *stream = (struct mys_stream){.host = host, .mysql = mysql, .rpl = rpl};
    mariadb_rpl_optionsv(rpl, MARIADB_RPL_FILENAME, from->file, strlen(from->file));
    mariadb_rpl_optionsv(rpl, MARIADB_RPL_START, (unsigned long)from->position);
    mariadb_rpl_optionsv(rpl, MARIADB_RPL_SERVER_ID, (unsigned)from->server_id);
    if (!mariadb_rpl_open(rpl))
        return stream;
    mys_error_of(error, "read the binlog", mysql);
    mys_stream_close(stream);
    return NULL;
}

static bool only_unknown(const struct mys_stream *stream)
{
    unsigned number = mysql_errno(stream->mysql);
    return (!number || number > CER_MIN_ERROR) && (int)mysql_get_socket(stream->mysql) >= 0;
}

bool mys_stream_next(struct mys_stream *stream, struct outbox_bytes *event, struct outbox_error *error)
{
    MARIADB_RPL_EVENT *used = stream->event; /* the library frees it when it fails */
    *event = (struct outbox_bytes){0};
    stream->event = mariadb_rpl_fetch(stream->rpl, used);
    if (stream->event) {
        size_t size = stream->event->raw_data_size - stream->event->raw_data_ofs;
        *event = (struct outbox_bytes){stream->event->raw_data + stream->event->raw_data_ofs, size};
        return true;
    }
    if (only_unknown(stream))
        return true;
    mys_error_of(error, "read the binlog", stream->mysql);
    return false;
}

void mys_stream_close(struct mys_stream *stream)
{
    if (!stream)
        return;
    if (stream->event)
        mariadb_free_rpl_event(stream->event);
    mariadb_rpl_close(stream->rpl);
    stream->host->release(stream->host, stream);
}

/* ---- capture ----------------------------------------------------------------------------------------------------- */

/* Exported by the library, but in no header. A packet of several pieces comes as one. */
/* NOLINTNEXTLINE(readability-redundant-declaration): some releases have it in a header */
unsigned long STDCALL mysql_net_read_packet(MYSQL *mysql);

struct mys_dump_stream {
    const struct outbox_host *host;
    MYSQL *mysql;
};

struct mys_dump_stream *mys_dump_stream_open(const struct outbox_host *host, MYSQL *mysql, unsigned command,
                                             struct outbox_bytes bytes, struct outbox_error *error)
{
    enum { NO_ANSWER = 1 };
    struct mys_dump_stream *stream = host->alloc(host, sizeof *stream);
    if (!stream) {
        mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: out of memory");
        return NULL;
    }
    *stream = (struct mys_dump_stream){.host = host, .mysql = mysql};
    if (!mysql->methods->db_command(mysql, (enum enum_server_command)command, bytes.data, bytes.size, NO_ANSWER, NULL))
        return stream;
    mys_error_of(error, "read the binlog", mysql);
    mys_dump_stream_free(stream);
    return NULL;
}

/* A refusal of the server is a packet for the library, and an error: it is given on as the packet that it was. */
struct outbox_bytes mys_dump_stream_packet(struct mys_dump_stream *stream)
{
    enum { REFUSED = 0xff };
    unsigned long size = mysql_net_read_packet(stream->mysql);
    if (size != (unsigned long)-1)
        return (struct outbox_bytes){stream->mysql->net.read_pos, size};
    if (mysql_errno(stream->mysql) < CER_MIN_ERROR && stream->mysql->net.read_pos &&
        *stream->mysql->net.read_pos == REFUSED)
        return (struct outbox_bytes){stream->mysql->net.read_pos, 9 + strlen(mysql_error(stream->mysql))};
    return (struct outbox_bytes){0};
}

void mys_dump_stream_free(struct mys_dump_stream *stream)
{
    if (stream)
        stream->host->release(stream->host, stream);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/dump_open.c - connecting, checking the position, and requesting the stream; all may block
 *
 * The position is checked before the stream is requested: a MySQL server sends its whole log to a client whose position
 * has transactions that it does not know (M11), and names only the missing transactions when log was purged (M10).
 */
#include "dump_open.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "mysql/result.h"
#include "mysql/stream.h"

enum { DUMP = 0x12, DUMP_GTID = 0x1e, TEXT_MAX = 100 };

/* ---- blocking statements ----------------------------------------------------------------------------------------- */

/* The connect was non-blocking. */
static void let_wait(const struct mys_client *client, unsigned timeout_s)
{
    int fd = mys_fd(client), flags = fcntl(fd, F_GETFL);
    struct timeval limit = {.tv_sec = (time_t)timeout_s};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (flags >= 0)
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

static bool run(struct mys_dump_job *job, const char *what, const char *sql)
{
    MYSQL *mysql = job->attempt.client.mysql;
    if (!mysql_real_query(mysql, sql, (unsigned long)strlen(sql))) {
        mysql_free_result(mysql_store_result(mysql));
        return true;
    }
    mys_error_of(&job->error, what, mysql);
    return false;
}

static MYSQL_RES *query(struct mys_dump_job *job, const char *what, const char *sql)
{
    MYSQL *mysql = job->attempt.client.mysql;
    MYSQL_RES *result = mysql_query(mysql, sql) ? NULL : mysql_store_result(mysql);
    if (!result)
        mys_error_of(&job->error, what, mysql);
    return result;
}

/* ---- the session ------------------------------------------------------------------------------------------------- */

/* A stream that is paused because a broker is down must not be ended by the server: its write may wait for a day. */
static bool prepare(struct mys_dump_job *job)
{
    struct obx_sql_text *sql = &job->sql;
    obx_sql_text_clear(sql);
    obx_sql_text_puts(sql, "SET NAMES utf8mb4, net_write_timeout = 86400, "
                           "@master_binlog_checksum = @@global.binlog_checksum, "
                           "@source_binlog_checksum = @@global.binlog_checksum, "
                           "@master_heartbeat_period = 2000000000, @source_heartbeat_period = 2000000000");
    if (job->mariadb) {
        obx_sql_text_puts(sql, ", @mariadb_slave_capability = 4, @slave_gtid_strict_mode = 1, "
                               "@slave_gtid_ignore_duplicates = 0, @slave_connect_state = '");
        mys_gtid_set_print(&job->from, sql);
        obx_sql_text_puts(sql, "'");
    }
    if (sql->failed)
        mys_fail(&job->error, OUTBOX_E_NO_MEMORY, "read the binlog: out of memory");
    return !sql->failed && run(job, "prepare to read the binlog", obx_sql_text_get(sql));
}

/* ---- the position ------------------------------------------------------------------------------------------------ */

enum { CHECKSUM, FOLD, EXECUTED, PURGED, MODE, IDENTITY, FACTS };

static const char facts_mysql[] =
    "SELECT @@global.binlog_checksum, @@lower_case_table_names, @@global.gtid_executed, @@global.gtid_purged, "
    "@@global.gtid_mode, CONCAT_WS(' ', @@hostname, @@port, @@server_id, @@datadir, @@server_uuid)";
static const char facts_mariadb[] =
    "SELECT @@global.binlog_checksum, @@lower_case_table_names, @@global.gtid_binlog_pos, '', 'ON', CONCAT_WS(' ', "
    "@@hostname, @@port, @@server_id, @@datadir)";

static const char *cut(struct obx_sql_text *text, const struct mys_gtid_set *set)
{
    obx_sql_text_clear(text);
    mys_gtid_set_print(set, text);
    if (text->size > TEXT_MAX && text->data)
        snprintf(text->data + TEXT_MAX - 3, 4, "...");
    return obx_sql_text_get(text);
}

static void fail_unknown(struct mys_dump_job *job, const char *executed)
{
    mys_fail(
        &job->error, OUTBOX_E_SCHEMA,
        "read the binlog: the server has not executed transactions whose events were published: it was restored from "
        "a backup, or is another server. Compare what was published with the tables, then set a position: see \"A "
        "position that is lost\" in CAPTURE-MYSQL.md. Published up to %s; executed %.*s",
        cut(&job->sql, &job->done), OUTBOX_CUT(*executed ? executed : "nothing", 100));
}

static void fail_purged(struct mys_dump_job *job, const char *purged)
{
    mys_fail(
        &job->error, OUTBOX_E_SCHEMA,
        "read the binlog: the server has purged events that were not published; they are lost. Publish them from the "
        "application's tables, then set a position: see \"A position that is lost\" in CAPTURE-MYSQL.md. The relay "
        "needs "
        "the log after %s; purged is %.*s",
        cut(&job->sql, &job->from), OUTBOX_CUT(purged, 100));
}

static bool covers(struct mys_dump_job *job, const char *text, const struct mys_gtid_set *part, bool reversed)
{
    struct mys_gtid_set set;
    mys_gtid_set_init(&set, job->host, job->mariadb);
    bool parsed = mys_gtid_set_parse(&set, text);
    bool covered = parsed && (reversed ? mys_gtid_set_covers(part, &set) : mys_gtid_set_covers(&set, part));
    mys_gtid_set_free(&set);
    if (!parsed)
        mys_fail(&job->error, OUTBOX_E_SCHEMA, "read the binlog: the server's position \"%.*s\" cannot be read",
                 OUTBOX_CUT(text, 160));
    return covered;
}

static void validate(struct mys_dump_job *job, const struct mys_row *row)
{
    const char *executed = mys_text_of(row, EXECUTED), *purged = mys_text_of(row, PURGED);
    const char *mode = mys_text_of(row, MODE), *identity = mys_text_of(row, IDENTITY);
    const char *checksum = mys_text_of(row, CHECKSUM);
    job->facts.has_checksums = checksum && strcasecmp(checksum, "NONE") != 0;
    job->facts.fold_case = mys_integer_of(row, FOLD, 0) != 0;
    if (!identity || strcmp(identity, job->identity) != 0)
        mys_fail(&job->error, OUTBOX_E_NOT_CONNECTED,
                 "read the binlog: this connection is to another server than the owner's (%.*s); it connects again",
                 OUTBOX_CUT(identity ? identity : "?", 100));
    else if (!mode || strcasecmp(mode, "ON") != 0)
        mys_fail(&job->error, OUTBOX_E_UNSUPPORTED,
                 "read the binlog: gtid_mode is %.*s, and capture needs ON: set enforce_gtid_consistency = ON, then "
                 "gtid_mode step by step: OFF_PERMISSIVE, ON_PERMISSIVE, ON",
                 OUTBOX_CUT(mode ? mode : "?", 20));
    else if (!covers(job, executed ? executed : "", &job->done, false) && !job->error.code)
        fail_unknown(job, executed ? executed : "");
    else if (!job->error.code && !job->mariadb && !covers(job, purged ? purged : "", &job->from, true) &&
             !job->error.code)
        fail_purged(job, purged ? purged : "");
}

static bool check_position(struct mys_dump_job *job)
{
    MYSQL_RES *result = query(job, "read the position of the binlog", job->mariadb ? facts_mariadb : facts_mysql);
    struct mys_row row;
    if (result && mys_first(result, &row) && row.columns == FACTS)
        validate(job, &row);
    else if (result)
        sql_bad_shape(&job->error, "read the position of the binlog");
    mysql_free_result(result);
    return !job->error.code;
}

/* ---- the request ------------------------------------------------------------------------------------------------- */

static void put(struct obx_sql_text *bytes, uint64_t number, unsigned size)
{
    char little[8];
    for (unsigned i = 0; i < size; i++, number >>= 8)
        little[i] = (char)number;
    obx_sql_text_add(bytes, little, size);
}

/* MySQL: flags, server id, no file name, position 4, the set. */
static void put_dump_gtid(struct mys_dump_job *job, struct obx_sql_text *bytes)
{
    enum { BY_GTID = 4 };
    struct obx_sql_text set = {.host = job->host};
    mys_gtid_set_encode(&job->from, &set);
    put(bytes, BY_GTID, 2);
    put(bytes, job->server_id, 4);
    put(bytes, 0, 4);
    put(bytes, 4, 8);
    put(bytes, set.size, 4);
    obx_sql_text_add(bytes, obx_sql_text_get(&set), set.size);
    bytes->failed |= set.failed;
    obx_sql_text_free(&set);
}

/* MariaDB: position 4 of no file; the session has the GTIDs. */
static void put_dump(struct mys_dump_job *job, struct obx_sql_text *bytes)
{
    put(bytes, 4, 4);
    put(bytes, 0, 2);
    put(bytes, job->server_id, 4);
}

static bool write_all(int fd, const void *data, size_t size)
{
    const char *bytes = data;
    while (size) {
        ssize_t written = send(fd, bytes, size, MSG_NOSIGNAL);
        if (written <= 0)
            return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

/* Without TLS: the library knows nothing of it. */
static void send_plain(struct mys_dump_job *job, unsigned command, const struct obx_sql_text *bytes)
{
    size_t size = bytes->size + 1u;
    const unsigned char head[] = {size & 255, size >> 8 & 255, size >> 16 & 255, 0, (unsigned char)command};
    int fd = mys_fd(&job->attempt.client);
    if (!write_all(fd, head, sizeof head) || !write_all(fd, obx_sql_text_get(bytes), bytes->size))
        mys_fail(&job->error, OUTBOX_E_NOT_CONNECTED, "read the binlog: the request could not be sent");
}

static void request(struct mys_dump_job *job)
{
    unsigned command = job->mariadb ? DUMP : DUMP_GTID;
    obx_sql_text_clear(&job->sql);
    if (job->mariadb)
        put_dump(job, &job->sql);
    else
        put_dump_gtid(job, &job->sql);
    const struct outbox_bytes bytes = {obx_sql_text_get(&job->sql), job->sql.size};
    if (job->sql.failed)
        mys_fail(&job->error, OUTBOX_E_NO_MEMORY, "read the binlog: out of memory");
    else if (mysql_get_ssl_cipher(job->attempt.client.mysql))
        job->stream = mys_dump_stream_open(job->host, job->attempt.client.mysql, command, bytes, &job->error);
    else
        send_plain(job, command, &job->sql);
}

void mys_dump_make(struct mys_dump_job *job)
{
    mys_attempt_make(&job->attempt);
    job->error = job->attempt.error;
    if (job->error.code)
        return;
    let_wait(&job->attempt.client, job->attempt.target.timeout_s);
    if (prepare(job) && check_position(job))
        request(job);
    if (job->error.code)
        mys_close(&job->attempt.client, true);
}

/* ---- the thread, with TLS ---------------------------------------------------------------------------------------- */

/* As the server sends it: pieces of at most 2^24 - 1 bytes, each with its size before it. */
static bool pass_on(int fd, const unsigned char *packet, size_t size)
{
    enum { PIECE = 0xffffff };
    size_t piece;
    do {
        piece = size < PIECE ? size : PIECE;
        const unsigned char head[4] = {piece & 255, piece >> 8 & 255, piece >> 16 & 255, 0};
        if (!write_all(fd, head, sizeof head) || !write_all(fd, packet, piece))
            return false;
        packet += piece;
        size -= piece;
    } while (piece == PIECE);
    return true;
}

static void *read_tls(void *arg)
{
    struct mys_dump_job *job = arg;
    struct outbox_bytes packet;
    pthread_setname_np(pthread_self(), "outbox-binlog");
    mysql_thread_init();
    let_wait(&job->attempt.client, 0); /* no limit: the loop ends a silent connection */
    do
        packet = mys_dump_stream_packet(job->stream);
    while (packet.data && pass_on(job->ends[1], packet.data, packet.size));
    shutdown(job->ends[1], SHUT_RDWR);
    mysql_thread_end();
    job->host->post(job->host, &job->ended);
    return NULL;
}

int mys_dump_start_thread(struct mys_dump_job *job, struct outbox_error *error)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, job->ends)) {
        job->ends[0] = job->ends[1] = -1;
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: no descriptors for the thread that reads it");
    }
    fcntl(job->ends[0], F_SETFL, O_NONBLOCK);
    if (pthread_create(&job->thread, NULL, read_tls, job))
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: no thread for it");
    job->has_thread = true;
    return OUTBOX_OK;
}

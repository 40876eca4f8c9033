/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/listen.c - the thread that reads the binlog from its end, and reports commits to the loop
 *
 * While the relay wants it: connect, read the end position of the binlog, read the events after it, report. A stream
 * that cannot be opened, or that breaks, is opened again after a pause that doubles. The server sends a heartbeat when
 * it has nothing else, so that a dead connection is noticed.
 *
 * To the server this thread is a replica. The server ends a replica's stream when another replica with the same number
 * connects. So each stream draws a new random number from a range that is rarely used.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "wakeup.h"
#include "binlog.h"
#include "error.h"
#include "result.h"
#include "stream.h"

#define PAUSE_MIN_NS UINT64_C(100000000)
#define PAUSE_MAX_NS UINT64_C(5000000000)
#define SERVER_IDS UINT32_C(0x6f000000) /* and the 2^24 above */

static bool is_over(struct mys_wakeup *wakeup)
{
    return atomic_load(&wakeup->attempt.abandoned);
}

/* ---- queries ----------------------------------------------------------------------------------------------------- */

static MYSQL_RES *query(MYSQL *mysql, const char *sql)
{
    return mysql_query(mysql, sql) ? NULL : mysql_store_result(mysql);
}

/* Requests events without checksums and with heartbeats, and sets the capabilities of this replica. */
static bool init_replica_session(MYSQL *mysql, struct outbox_error *error)
{
    static const char sql[] = "SET NAMES utf8mb4, @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE', "
                              "@master_heartbeat_period = 2000000000, @source_heartbeat_period = 2000000000, "
                              "@mariadb_slave_capability = 4";
    if (!mysql_query(mysql, sql))
        return true;
    mys_error_of(error, "prepare to read the binlog", mysql);
    return false;
}

static MYSQL_RES *query_end(MYSQL *mysql)
{
    enum { NO_SUCH_STATEMENT = 1064 };
    MYSQL_RES *result = query(mysql, "SHOW MASTER STATUS");
    if (!result && mysql_errno(mysql) == NO_SUCH_STATEMENT)
        result = query(mysql, "SHOW BINARY LOG STATUS"); /* MySQL since 8.2 */
    return result;
}

static bool is_among(const char *list, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == size && !strncasecmp(at, name, size))
            return true;
    return false;
}

/* File, position, databases that are logged (none: all), databases that are not. */
static bool validate_end(const struct mys_wakeup *wakeup, const struct mys_row *row, struct mys_stream_from *from,
                         struct outbox_error *error)
{
    enum { FILE_NAME, POSITION, ONLY, NOT };
    uint64_t position = (uint64_t)mys_integer_of(row, POSITION, 0);
    const char *only = mys_text_of(row, ONLY);
    if (row->columns <= NOT || !mys_text_of(row, FILE_NAME))
        mys_fail(error, OUTBOX_E_UNSUPPORTED, "read the binlog: the server writes none; start it with log_bin");
    else if ((only && *only && !is_among(only, wakeup->schema)) || is_among(mys_text_of(row, NOT), wakeup->schema))
        mys_fail(error, OUTBOX_E_UNSUPPORTED,
                 "read the binlog: the server does not log database %s; check binlog_do_db and binlog_ignore_db",
                 wakeup->schema);
    else if (position > UINT32_MAX)
        mys_fail(error, OUTBOX_E_UNSUPPORTED,
                 "read the binlog: file %s is larger than 4 GiB; it can be read again when the next one begins",
                 mys_text_of(row, FILE_NAME));
    else
        from->position = (uint32_t)position;
    return !error->code;
}

static struct mys_stream *open_stream(struct mys_wakeup *wakeup, MYSQL *mysql, struct outbox_error *error)
{
    char file[512] = "";
    const struct outbox_host *host = wakeup->host;
    struct mys_stream_from from = {.file = file, .server_id = SERVER_IDS | (uint32_t)(host->random(host) >> 40)};
    MYSQL_RES *result = init_replica_session(mysql, error) ? query_end(mysql) : NULL;
    struct mys_row row;
    mys_fetch(result, &row);
    if (result && validate_end(wakeup, &row, &from, error))
        snprintf(file, sizeof file, "%s", mys_text_of(&row, 0));
    else if (!error->code)
        mys_error_of(error, "read the end of the binlog", mysql);
    mysql_free_result(result);
    return error->code ? NULL : mys_stream_open(host, mysql, &from, error);
}

/* ---- reporting -----------------------------------------------------------------------------------------------------
 */

static void report_armed(struct mys_wakeup *wakeup)
{
    pthread_mutex_lock(&wakeup->lock);
    wakeup->armed = true;
    wakeup->seen_ns = wakeup->host->now(wakeup->host); /* commits logged a moment ago may not be visible yet */
    wakeup->error.code = OUTBOX_OK;
    pthread_mutex_unlock(&wakeup->lock);
    wakeup->host->post(wakeup->host, &wakeup->news);
}

static void report_end(struct mys_wakeup *wakeup, const struct outbox_error *error)
{
    pthread_mutex_lock(&wakeup->lock);
    wakeup->pending_wakeup |= wakeup->armed && wakeup->sleeping; /* else the relay would sleep long without a source */
    wakeup->armed = false;
    wakeup->fd = -1;
    wakeup->error = *error;
    pthread_mutex_unlock(&wakeup->lock);
    wakeup->host->post(wakeup->host, &wakeup->news);
}

static void report_commit(struct mys_wakeup *wakeup)
{
    pthread_mutex_lock(&wakeup->lock);
    wakeup->seen_ns = wakeup->host->now(wakeup->host);
    bool first = wakeup->sleeping && !wakeup->pending_wakeup;
    wakeup->pending_wakeup |= first;
    pthread_mutex_unlock(&wakeup->lock);
    if (first)
        wakeup->host->post(wakeup->host, &wakeup->news);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void read_stream(struct mys_wakeup *wakeup, struct mys_stream *stream, struct outbox_error *error)
{
    struct mys_binlog_matcher matcher = {.schema = wakeup->schema, .table = wakeup->table};
    struct outbox_bytes event;
    bool armed = false;
    while (mys_stream_next(stream, &event, error) && !is_over(wakeup)) {
        if (!armed)
            report_armed(wakeup);
        armed = true;
        if (mys_binlog_matcher_feed(&matcher, event))
            report_commit(wakeup);
    }
}

/* The connect was non-blocking. After that, Connector/C's TLS reads fail instead of blocking. */
static void let_wait(const struct mys_client *client, unsigned timeout_s)
{
    int fd = mys_fd(client), flags = fcntl(fd, F_GETFL);
    struct timeval silence = {.tv_sec = (time_t)timeout_s};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    if (flags >= 0)
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

/* From now on the loop can end a wait. */
static bool publish_descriptor(struct mys_wakeup *wakeup, const struct mys_client *client)
{
    pthread_mutex_lock(&wakeup->lock);
    wakeup->fd = is_over(wakeup) ? -1 : mys_fd(client);
    pthread_mutex_unlock(&wakeup->lock);
    return wakeup->fd >= 0;
}

static void read_once(struct mys_wakeup *wakeup, struct outbox_error *error)
{
    struct mys_client *client = &wakeup->attempt.client;
    mys_attempt_make(&wakeup->attempt);
    *error = wakeup->attempt.error;
    if (error->code)
        return;
    let_wait(client, wakeup->target.timeout_s);
    struct mys_stream *stream = publish_descriptor(wakeup, client) ? open_stream(wakeup, client->mysql, error) : NULL;
    if (stream)
        read_stream(wakeup, stream, error);
    mys_stream_close(stream);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static void wait_until(struct mys_wakeup *wakeup, uint64_t when_ns)
{
    uint64_t now = wakeup->host->now(wakeup->host);
    struct timespec when;
    if (!wakeup->wanted) {
        pthread_cond_wait(&wakeup->changed, &wakeup->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &when);
    uint64_t ns = (uint64_t)when.tv_nsec + (when_ns > now ? when_ns - now : 0);
    when.tv_sec += (time_t)(ns / 1000000000);
    when.tv_nsec = (long)(ns % 1000000000);
    pthread_cond_timedwait(&wakeup->changed, &wakeup->lock, &when);
}

/* Waits until the stream is wanted and the pause is over. False: the thread must end. */
static bool next(struct mys_wakeup *wakeup, uint64_t not_before_ns)
{
    pthread_mutex_lock(&wakeup->lock);
    while (!wakeup->stop && (!wakeup->wanted || wakeup->host->now(wakeup->host) < not_before_ns))
        wait_until(wakeup, not_before_ns);
    bool go = !wakeup->stop;
    if (go)
        mys_attempt_begin(&wakeup->attempt, wakeup->host, &wakeup->target, wakeup->timeout_ms);
    pthread_mutex_unlock(&wakeup->lock);
    return go;
}

void *mys_listen(void *arg)
{
    struct mys_wakeup *wakeup = arg;
    uint64_t not_before_ns = 0, pause_ns = PAUSE_MIN_NS;
    struct outbox_error error;
    pthread_setname_np(pthread_self(), "outbox-binlog");
    mysql_thread_init();
    while (next(wakeup, not_before_ns)) {
        read_once(wakeup, &error);
        pause_ns = wakeup->armed ? PAUSE_MIN_NS : pause_ns * 2 < PAUSE_MAX_NS ? pause_ns * 2 : PAUSE_MAX_NS;
        not_before_ns = is_over(wakeup) ? 0
                                        : wakeup->host->now(wakeup->host) + pause_ns / 2 +
                                              wakeup->host->random(wakeup->host) % (pause_ns / 2);
        if (is_over(wakeup))
            error.code = OUTBOX_OK;
        report_end(wakeup, &error);
        mys_close(&wakeup->attempt.client, true);
    }
    mysql_thread_end();
    pthread_mutex_lock(&wakeup->lock);
    wakeup->ended = true;
    pthread_mutex_unlock(&wakeup->lock);
    wakeup->host->post(wakeup->host, &wakeup->news);
    return NULL;
}

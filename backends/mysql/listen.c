/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/listen.c - the thread of the wakeup: reads the binlog from its end on, and tells of commits
 *
 * While it is wanted: connect, ask where the binlog ends, be sent what comes behind, tell. A stream that breaks, or
 * cannot be had, is tried again after a pause that doubles. The server sends a heartbeat when it has nothing else, so
 * that a silence is noticed.
 *
 * The server knows us as one of its replicas, and ends the stream of a replica when another of the same number comes.
 * So the number is drawn anew each time, from a range that nobody is likely to use.
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
#include "stream.h"

#define PAUSE_MIN_NS UINT64_C(100000000)
#define PAUSE_MAX_NS UINT64_C(5000000000)
#define SERVER_IDS UINT32_C(0x6f000000) /* and the 2^24 above */

static bool is_over(struct mys_bell *bell)
{
    return atomic_load(&bell->attempt.abandoned);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static MYSQL_RES *ask(MYSQL *mysql, const char *sql)
{
    return mysql_query(mysql, sql) ? NULL : mysql_store_result(mysql);
}

/* Also where the log goes without a checksum behind each event, and what the server may assume about us. */
static bool introduce(MYSQL *mysql, struct outbox_error *error)
{
    static const char sql[] = "SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE', "
                              "@master_heartbeat_period = 2000000000, @source_heartbeat_period = 2000000000, "
                              "@mariadb_slave_capability = 4";
    if (!mysql_query(mysql, sql))
        return true;
    mys_error_of(error, "prepare to read the binlog", mysql);
    return false;
}

static MYSQL_RES *ask_where(MYSQL *mysql)
{
    enum { NO_SUCH_STATEMENT = 1064 };
    MYSQL_RES *result = ask(mysql, "SHOW MASTER STATUS");
    if (!result && mysql_errno(mysql) == NO_SUCH_STATEMENT)
        result = ask(mysql, "SHOW BINARY LOG STATUS"); /* MySQL since 8.2 */
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
static bool judge_where(const struct mys_bell *bell, MYSQL_ROW row, struct mys_stream_from *from,
                        struct outbox_error *error)
{
    unsigned long long position = row ? strtoull(row[1], NULL, 10) : 0;
    if (!row)
        mys_fail(error, OUTBOX_E_UNSUPPORTED, "read the binlog: the server writes none; start it with log_bin");
    else if ((row[2] && *row[2] && !is_among(row[2], bell->schema)) || is_among(row[3], bell->schema))
        mys_fail(error, OUTBOX_E_UNSUPPORTED,
                 "read the binlog: the server leaves database %s out of it; look at binlog_do_db and binlog_ignore_db",
                 bell->schema);
    else if (position > UINT32_MAX)
        mys_fail(error, OUTBOX_E_UNSUPPORTED,
                 "read the binlog: file %s is larger than 4 GiB; it can be read again when the next one begins",
                 row[0]);
    else
        from->position = (uint32_t)position;
    return !error->code;
}

static struct mys_stream *open_stream(struct mys_bell *bell, MYSQL *mysql, struct outbox_error *error)
{
    char file[512] = "";
    const struct outbox_host *host = bell->host;
    struct mys_stream_from from = {.file = file, .server_id = SERVER_IDS | (uint32_t)(host->random(host) >> 40)};
    MYSQL_RES *result = introduce(mysql, error) ? ask_where(mysql) : NULL;
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    if (result && judge_where(bell, row, &from, error))
        snprintf(file, sizeof file, "%s", row[0]);
    else if (!error->code)
        mys_error_of(error, "ask where the binlog ends", mysql);
    mysql_free_result(result);
    return error->code ? NULL : mys_stream_open(host, mysql, &from, error);
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static void tell_armed(struct mys_bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    bell->armed = true;
    bell->heard_ns = bell->host->now(bell->host); /* what was logged a moment ago may not be seen yet */
    bell->error.code = OUTBOX_OK;
    pthread_mutex_unlock(&bell->lock);
    bell->host->post(bell->host, &bell->news);
}

static void tell_over(struct mys_bell *bell, const struct outbox_error *error)
{
    pthread_mutex_lock(&bell->lock);
    bell->rung |= bell->armed && bell->dozing; /* or nobody would look for long */
    bell->armed = false;
    bell->fd = -1;
    bell->error = *error;
    pthread_mutex_unlock(&bell->lock);
    bell->host->post(bell->host, &bell->news);
}

static void ring(struct mys_bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    bell->heard_ns = bell->host->now(bell->host);
    bool first = bell->dozing && !bell->rung;
    bell->rung |= first;
    pthread_mutex_unlock(&bell->lock);
    if (first)
        bell->host->post(bell->host, &bell->news);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void hear(struct mys_bell *bell, struct mys_stream *stream, struct outbox_error *error)
{
    struct mys_ear ear = {.schema = bell->schema, .table = bell->table};
    struct outbox_bytes event;
    bool armed = false;
    while (mys_stream_next(stream, &event, error) && !is_over(bell)) {
        if (!armed)
            tell_armed(bell);
        armed = true;
        if (mys_ear_hears(&ear, event))
            ring(bell);
    }
}

/* The connection was made without waiting, after which Connector/C's reads over TLS fail where they should wait. */
static void let_wait(const struct mys_client *client, unsigned timeout_s)
{
    int fd = mys_fd(client), flags = fcntl(fd, F_GETFL);
    struct timeval silence = {.tv_sec = (time_t)timeout_s};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    if (flags >= 0)
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

/* From now on the loop can end our waiting. */
static bool show_descriptor(struct mys_bell *bell, const struct mys_client *client)
{
    pthread_mutex_lock(&bell->lock);
    bell->fd = is_over(bell) ? -1 : mys_fd(client);
    pthread_mutex_unlock(&bell->lock);
    return bell->fd >= 0;
}

static void read_once(struct mys_bell *bell, struct outbox_error *error)
{
    struct mys_client *client = &bell->attempt.client;
    mys_attempt_make(&bell->attempt);
    *error = bell->attempt.error;
    if (error->code)
        return;
    let_wait(client, bell->target.timeout_s);
    struct mys_stream *stream = show_descriptor(bell, client) ? open_stream(bell, client->mysql, error) : NULL;
    if (stream)
        hear(bell, stream, error);
    mys_stream_close(stream);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static void wait_until(struct mys_bell *bell, uint64_t when_ns)
{
    uint64_t now = bell->host->now(bell->host);
    struct timespec when;
    if (!bell->wanted) {
        pthread_cond_wait(&bell->changed, &bell->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &when);
    uint64_t ns = (uint64_t)when.tv_nsec + (when_ns > now ? when_ns - now : 0);
    when.tv_sec += (time_t)(ns / 1000000000);
    when.tv_nsec = (long)(ns % 1000000000);
    pthread_cond_timedwait(&bell->changed, &bell->lock, &when);
}

/* Until it is wanted, and the pause is over. False: to end. */
static bool next(struct mys_bell *bell, uint64_t not_before_ns)
{
    pthread_mutex_lock(&bell->lock);
    while (!bell->stop && (!bell->wanted || bell->host->now(bell->host) < not_before_ns))
        wait_until(bell, not_before_ns);
    bool go = !bell->stop;
    if (go)
        mys_attempt_begin(&bell->attempt, bell->host, &bell->target, bell->timeout_ms);
    pthread_mutex_unlock(&bell->lock);
    return go;
}

void *mys_listen(void *arg)
{
    struct mys_bell *bell = arg;
    uint64_t not_before_ns = 0, pause_ns = PAUSE_MIN_NS;
    struct outbox_error error;
    mysql_thread_init();
    while (next(bell, not_before_ns)) {
        read_once(bell, &error);
        pause_ns = bell->armed ? PAUSE_MIN_NS : pause_ns * 2 < PAUSE_MAX_NS ? pause_ns * 2 : PAUSE_MAX_NS;
        not_before_ns = is_over(bell) ? 0
                                      : bell->host->now(bell->host) + pause_ns / 2 +
                                            bell->host->random(bell->host) % (pause_ns / 2);
        if (is_over(bell))
            error.code = OUTBOX_OK;
        tell_over(bell, &error);
        mys_close(&bell->attempt.client, true);
    }
    mysql_thread_end();
    pthread_mutex_lock(&bell->lock);
    bell->ended = true;
    pthread_mutex_unlock(&bell->lock);
    bell->host->post(bell->host, &bell->news);
    return NULL;
}

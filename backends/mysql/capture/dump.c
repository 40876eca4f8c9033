/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/dump.c - the stream of a binlog on the loop
 *
 * A packet: three bytes of size, a number, then one byte of kind and the event. An event of 2^24 - 1 bytes and more
 * comes in several packets, which are joined in the buffer. While paused nothing is read, so TCP holds the server.
 */
#include "dump.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dump_open.h"
#include "error.h"
#include "mysql/stream.h"

enum { ROOM = 256 << 10, ROOM_KEPT = 2 << 20, HEAD = 4, PIECE = 0xffffff, SILENT_TICKS = 3 };
#define TICK_US UINT64_C(5000000)
#define SERVER_IDS UINT32_C(0x6f000000) /* and the 2^24 above */
#define EVENT_MAX ((size_t)1 << 30)

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void free_job(struct mys_dump_job *job)
{
    struct mys_dump *owner = job->owner;
    if (job->has_thread)
        pthread_join(job->thread, NULL);
    for (int i = 0; i < 2; i++)
        if (job->ends[i] >= 0)
            close(job->ends[i]);
    mys_dump_stream_free(job->stream);
    mys_close(&job->attempt.client, true);
    mys_gtid_set_free(&job->from);
    mys_gtid_set_free(&job->done);
    obx_sql_text_free(&job->sql);
    job->host->release(job->host, job);
    owner->works--;
    owner->idle(owner->arg);
}

static void on_thread_ended(struct outbox_task *task)
{
    struct mys_dump_job *job = task->arg;
    if (!job->dump)
        free_job(job);
    else
        job->has_thread = false, pthread_join(job->thread, NULL); /* the loop reads the end of the pair */
}

/* A job that a worker or a thread still uses is freed when that has ended. */
static void let_go(struct mys_dump_job *job, bool opening)
{
    job->dump = NULL;
    atomic_store(&job->attempt.abandoned, true);
    if (opening)
        return;
    if (job->has_thread) {
        shutdown(mys_fd(&job->attempt.client), SHUT_RDWR);
        shutdown(job->ends[0], SHUT_RDWR);
    } else {
        free_job(job);
    }
}

void mys_dump_close(struct mys_dump *dump)
{
    struct mys_dump_job *job = dump->job;
    bool opening = job && !dump->watch;
    dump->job = NULL;
    dump->host->watch_close(dump->watch);
    dump->watch = NULL;
    dump->host->timer_close(dump->timer);
    dump->host->timer_close(dump->turn);
    dump->timer = dump->turn = NULL;
    dump->at = dump->have = dump->packet = 0;
    dump->paused = false;
    if (job)
        let_go(job, opening);
}

void mys_dump_free(struct mys_dump *dump)
{
    if (!dump->host)
        return;
    dump->host->release(dump->host, dump->buffer);
    dump->buffer = NULL;
    dump->room = 0;
}

static void fail(struct mys_dump *dump, const struct outbox_error *error)
{
    struct outbox_error kept = *error;
    mys_dump_close(dump);
    dump->failed(dump->arg, &kept);
}

static void fail_lost(struct mys_dump *dump, const char *why)
{
    struct outbox_error error;
    mys_fail(&error, OUTBOX_E_NOT_CONNECTED, "read the binlog: %s", why);
    fail(dump, &error);
}

/* ---- packets ----------------------------------------------------------------------------------------------------- */

static size_t piece_at(const struct mys_dump *dump, size_t at)
{
    return (size_t)mys_little(dump->buffer + at, 3);
}

/* Bytes that the packet at `at` needs in the buffer, its pieces included; as far as is known. */
static size_t wanted(const struct mys_dump *dump, bool *whole)
{
    size_t end = dump->at;
    *whole = false;
    for (;;) {
        if (dump->have - end < HEAD)
            return end + HEAD - dump->at;
        size_t piece = piece_at(dump, end);
        end += HEAD + piece;
        if (end > dump->have)
            return end - dump->at;
        if (piece < PIECE) {
            *whole = true;
            return end - dump->at;
        }
    }
}

/* Removes the heads between pieces. Returns the size of the event with the first head. */
static size_t join(struct mys_dump *dump, size_t size)
{
    size_t piece = piece_at(dump, dump->at), to = dump->at + HEAD + piece, from = to, end = dump->at + size;
    while (piece == PIECE && from < end) {
        piece = piece_at(dump, from);
        memmove(dump->buffer + to, dump->buffer + from + HEAD, piece);
        to += piece;
        from += HEAD + piece;
    }
    return to - dump->at;
}

/* Many refusals have the number 1236. Most pass: another stream with this number, an event that a full disk has cut. */
static bool is_about_position(const char *text, size_t size)
{
    static const char *const parts[] = {"purged", "not in the master's binlog", "Could not find", "not find the"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (memmem(text, size, parts[i], strlen(parts[i])))
            return true;
    return false;
}

/* The server's refusal: number, '#' and state, text. */
static void fail_by_server(struct mys_dump *dump, const unsigned char *packet, size_t size)
{
    enum { FATAL = 1236, DENIED = 1227, DENIED_HOST = 1045, BEFORE_TEXT = 9 };
    struct outbox_error error;
    unsigned number = size > 3 ? (unsigned)mys_little(packet + 1, 2) : 0;
    const char *text = size > BEFORE_TEXT ? (const char *)packet + BEFORE_TEXT : "";
    int length = size > BEFORE_TEXT ? (int)(size - BEFORE_TEXT < 300 ? size - BEFORE_TEXT : 300) : 0;
    bool lost = number == FATAL && is_about_position(text, (size_t)length);
    if (number == DENIED || number == DENIED_HOST)
        mys_fail(&error, OUTBOX_E_PERMISSION,
                 "read the binlog: %.*s (%u); run GRANT REPLICATION SLAVE, REPLICATION "
                 "CLIENT ON *.* for this user",
                 length, text, number);
    else if (lost)
        mys_fail(&error, OUTBOX_E_SCHEMA,
                 "read the binlog: %.*s (%u): the log does not have the relay's position any more. Find out what is "
                 "lost, then set a position: see \"A position that is lost\" in CAPTURE-MYSQL.md",
                 length, text, number);
    else
        mys_fail(&error, OUTBOX_E_NOT_CONNECTED, "read the binlog: %.*s (%u)", length, text, number);
    error.native = (int32_t)number;
    fail(dump, &error);
}

static enum mys_dump_answer take(struct mys_dump *dump, size_t size)
{
    enum { OK = 0, END = 0xfe, REFUSED = 0xff, END_MAX = 9 };
    const unsigned char *packet = dump->buffer + dump->at + HEAD;
    size -= HEAD;
    if (size && packet[0] == OK)
        return dump->event(dump->arg, (struct outbox_bytes){packet + 1, size - 1});
    if (size && packet[0] == REFUSED)
        fail_by_server(dump, packet, size);
    else if (size && packet[0] == END && size < END_MAX)
        fail_lost(dump, "the server has ended the stream");
    else
        fail_lost(dump, "the server sent a packet of an unknown kind");
    return MYS_DUMP_CLOSED;
}

/* Whole packets that are in the buffer; then it waits for more. */
static void drain(struct mys_dump *dump)
{
    bool whole = false;
    size_t size;
    while (size = wanted(dump, &whole), whole) {
        size_t joined = join(dump, size);
        dump->packet = size;
        enum mys_dump_answer answer = take(dump, joined);
        if (answer == MYS_DUMP_CLOSED)
            return;
        dump->paused = answer != MYS_DUMP_NEXT;
        if (answer == MYS_DUMP_TURN)
            mys_dump_go_on_soon(dump);
        if (dump->paused)
            break;
        dump->at += size;
        dump->packet = 0;
    }
    if (!dump->paused)
        dump->host->watch_arm(dump->watch, OUTBOX_READABLE);
    dump->drained(dump->arg); /* may close it */
}

/* ---- the socket -------------------------------------------------------------------------------------------------- */

/* So that there is room for the packet at `at`, and for as much as the socket gives. What a large one needed is given
 * back. */
static bool make_room(struct mys_dump *dump)
{
    bool whole;
    size_t need = wanted(dump, &whole) + ROOM;
    memmove(dump->buffer, dump->buffer + dump->at, dump->have - dump->at);
    dump->have -= dump->at;
    dump->at = 0;
    if (need <= dump->room && (dump->room <= ROOM_KEPT || need > ROOM_KEPT / 2))
        return true;
    unsigned char *grown = need < 2 * EVENT_MAX ? dump->host->resize(dump->host, dump->buffer, need) : NULL;
    if (!grown)
        return need <= dump->room;
    dump->buffer = grown;
    dump->room = need;
    return true;
}

static void receive(struct mys_dump *dump)
{
    struct outbox_error error;
    if (!make_room(dump)) {
        mys_fail(&error, OUTBOX_E_NO_MEMORY, "read the binlog: no memory for an event");
        fail(dump, &error);
        return;
    }
    ssize_t got = recv(dump->fd, dump->buffer + dump->have, dump->room - dump->have, MSG_DONTWAIT);
    if (got == 0) {
        fail_lost(dump, "the server has closed the connection");
        return;
    }
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        fail_lost(dump, "the connection is broken");
        return;
    }
    dump->have += got > 0 ? (size_t)got : 0;
    dump->bytes += got > 0 ? (uint64_t)got : 0;
    dump->heard = true;
    drain(dump);
}

static void on_readable(void *arg, uint32_t events)
{
    (void)events;
    receive(arg);
}

static void on_tick(void *arg)
{
    struct mys_dump *dump = arg;
    dump->silent_ticks = dump->heard || dump->paused ? 0 : dump->silent_ticks + 1;
    dump->heard = false;
    if (dump->silent_ticks >= SILENT_TICKS)
        fail_lost(dump, "the server sends no heartbeat; check the network");
    else
        dump->host->timer_set(dump->timer, TICK_US);
}

void mys_dump_go_on(struct mys_dump *dump)
{
    if (!dump->paused || !dump->watch)
        return;
    enum mys_dump_answer answer = dump->event(dump->arg, (struct outbox_bytes){0});
    if (answer == MYS_DUMP_TURN) {
        mys_dump_go_on_soon(dump);
        dump->drained(dump->arg);
    }
    if (answer != MYS_DUMP_NEXT)
        return;
    dump->paused = false;
    dump->at += dump->packet;
    dump->packet = 0;
    drain(dump);
}

void mys_dump_go_on_soon(struct mys_dump *dump)
{
    if (dump->turn)
        dump->host->timer_set(dump->turn, 0);
}

static void on_turn(void *arg)
{
    mys_dump_go_on(arg);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int begin_reading(struct mys_dump *dump, struct mys_dump_job *job, struct outbox_error *error)
{
    const struct outbox_host *host = dump->host;
    bool tls = mysql_get_ssl_cipher(job->attempt.client.mysql) != NULL;
    if (tls && mys_dump_start_thread(job, error))
        return error->code;
    dump->fd = tls ? job->ends[0] : mys_fd(&job->attempt.client);
    fcntl(dump->fd, F_SETFL, fcntl(dump->fd, F_GETFL) | O_NONBLOCK);
    if (host->watch_open(host, dump->fd, on_readable, dump, &dump->watch) ||
        host->timer_open(host, on_tick, dump, &dump->timer) || host->timer_open(host, on_turn, dump, &dump->turn))
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: the loop has no memory for it");
    return OUTBOX_OK;
}

static void connect_on_worker(struct outbox_work *work)
{
    mysql_thread_init();
    mys_dump_make(work->arg);
    mysql_thread_end();
}

static void connected(struct outbox_work *work)
{
    struct mys_dump_job *job = work->arg;
    struct mys_dump *dump = job->dump;
    if (!dump) {
        free_job(job);
        return;
    }
    struct outbox_error error = job->error;
    if (error.code || begin_reading(dump, job, &error)) {
        dump->job = NULL;
        if (dump->watch)
            dump->job = job;
        else
            let_go(job, false);
        fail(dump, &error);
        return;
    }
    struct mys_dump_facts facts = job->facts;
    dump->heard = true;
    dump->silent_ticks = 0;
    dump->bytes = 0;
    dump->host->timer_set(dump->timer, TICK_US);
    dump->host->watch_arm(dump->watch, OUTBOX_READABLE);
    dump->opened(dump->arg, &facts);
}

static bool copy_set(struct mys_gtid_set *to, const struct mys_gtid_set *from)
{
    mys_gtid_set_init(to, from->host, from->mariadb);
    mys_gtid_set_copy(to, from);
    return !to->failed;
}

static struct mys_dump_job *new_job(struct mys_dump *dump, const struct mys_target *target, uint64_t timeout_ms,
                                    const struct mys_dump_from *from)
{
    const struct outbox_host *host = dump->host;
    struct mys_dump_job *job = host->alloc(host, sizeof *job);
    if (!job)
        return NULL;
    job->work = (struct outbox_work){.work = connect_on_worker, .done = connected, .arg = job};
    job->ended = (struct outbox_task){.run = on_thread_ended, .arg = job};
    job->dump = job->owner = dump;
    job->host = host;
    job->ends[0] = job->ends[1] = -1;
    job->mariadb = from->from->mariadb;
    job->server_id = SERVER_IDS | (uint32_t)(host->random(host) >> 40);
    job->sql = (struct obx_sql_text){.host = host, .dialect = OBX_SQL_MYSQL};
    snprintf(job->identity, sizeof job->identity, "%s", from->identity);
    mys_attempt_begin(&job->attempt, host, target, timeout_ms);
    dump->works++;
    if (copy_set(&job->from, from->from) && copy_set(&job->done, from->done))
        return job;
    free_job(job);
    return NULL;
}

void mys_dump_open(struct mys_dump *dump, const struct mys_target *target, uint64_t timeout_ms,
                   const struct mys_dump_from *from)
{
    struct outbox_error error;
    if (!dump->buffer && (dump->buffer = dump->host->alloc(dump->host, 2 * (size_t)ROOM)))
        dump->room = 2 * (size_t)ROOM;
    struct mys_dump_job *job = dump->buffer ? new_job(dump, target, timeout_ms, from) : NULL;
    dump->job = job;
    if (job && !dump->host->offload(dump->host, &job->work))
        return;
    dump->job = NULL;
    if (job)
        free_job(job);
    mys_fail(&error, OUTBOX_E_NO_MEMORY, "read the binlog: no memory or no worker thread to connect");
    fail(dump, &error);
}

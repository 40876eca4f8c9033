/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/redis/connection.c - one connection to the server
 *
 * Happy path: a worker looks the name up, hiredis connects without blocking, login.c goes on. hiredis reports what it
 * waits for (addRead, addWrite), and the host's watch waits for it.
 *
 * Failure modes:
 *   an address does not answer          after 3 s the next one is tried
 *   no address answers                  start fails; the host tries again
 *   no answer for `timeout`             the connection ends: what was sent is UNKNOWN, and the host restarts
 *   the server is silent while idle     a PING every 3 s finds it
 */
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "broker.h"

enum { PING_US = 3000000, CONNECT_MS = 3000 };

/* ---- the watch --------------------------------------------------------------------------------------------------- */

static void arm(struct redis_broker *broker)
{
    if (broker->watch && !broker->in_hiredis)
        broker->host->watch_arm(broker->watch, broker->interest);
}

static void add_read(void *arg)
{
    struct redis_broker *broker = arg;
    broker->interest |= OUTBOX_READABLE;
    arm(broker);
}

static void stop_read(void *arg)
{
    struct redis_broker *broker = arg;
    broker->interest &= ~OUTBOX_READABLE;
    arm(broker);
}

static void add_write(void *arg)
{
    struct redis_broker *broker = arg;
    broker->interest |= OUTBOX_WRITABLE;
    arm(broker);
}

static void stop_write(void *arg)
{
    struct redis_broker *broker = arg;
    broker->interest &= ~OUTBOX_WRITABLE;
    arm(broker);
}

/* The context is about to be freed, with its descriptor. */
static void clean_up(void *arg)
{
    struct redis_broker *broker = arg;
    broker->host->watch_close(broker->watch);
    broker->watch = NULL;
    broker->connection = NULL;
}

static void ready(void *arg, uint32_t events)
{
    struct redis_broker *broker = arg;
    broker->in_hiredis = true;
    if (events & OUTBOX_READABLE && broker->connection)
        redisAsyncHandleRead(broker->connection);
    if (events & OUTBOX_WRITABLE && broker->connection)
        redisAsyncHandleWrite(broker->connection);
    broker->in_hiredis = false;
    if (broker->refused) {
        broker->refused = false;
        redis_connect_next(broker);
    }
    arm(broker);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

void redis_disconnect(struct redis_broker *broker)
{
    redisAsyncContext *connection = broker->connection;
    broker->ready = false;
    broker->connection = NULL; /* before the replies that are missing */
    broker->host->timer_clear(broker->timer);
    if (connection)
        redisAsyncFree(connection);
}

static void free_addresses(struct redis_broker *broker)
{
    if (broker->address_list)
        freeaddrinfo(broker->address_list);
    broker->address_list = broker->addresses = NULL;
}

static void end_start(struct redis_broker *broker, const struct outbox_error *error)
{
    outbox_op_t op = broker->start_op;
    broker->start_op = 0;
    if (!broker->looking_up)
        free_addresses(broker);
    broker->host->op_done(broker->host, op, error);
}

void redis_start_failed(struct redis_broker *broker, const struct outbox_error *error)
{
    struct outbox_error copy = *error;
    if (!broker->start_op)
        return;
    end_start(broker, &copy);
    redis_disconnect(broker);
}

void redis_started(struct redis_broker *broker)
{
    broker->ready = true;
    broker->host->timer_set(broker->timer, PING_US);
    end_start(broker, NULL);
}

void redis_connection_lost(struct redis_broker *broker, const struct outbox_error *error)
{
    bool was_ready = broker->ready;
    redis_disconnect(broker);
    if (broker->start_op)
        redis_start_failed(broker, error);
    else if (was_ready && !broker->stop_op)
        broker->host->lost(broker->host, error);
}

static void on_disconnected(const redisAsyncContext *connection, int status)
{
    struct redis_broker *broker = connection->data;
    struct outbox_error error;
    if (status == REDIS_OK || !broker->ready)
        return;
    outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "connection to %s: %s", broker->name, connection->errstr);
    redis_connection_lost(broker, &error);
}

/* ---- commands and their deadline --------------------------------------------------------------------------------- */

void redis_note_reply(struct redis_broker *broker)
{
    broker->commands--;
    broker->last_reply_ns = broker->host->now(broker->host);
}

void redis_send(struct redis_broker *broker, redisCallbackFn *done, void *arg, int count, const char **words,
                const size_t *sizes)
{
    if (!broker->commands++)
        broker->last_reply_ns = broker->host->now(broker->host);
    if (!broker->connection || redisAsyncCommandArgv(broker->connection, done, arg, count, words, sizes) != REDIS_OK)
        done(broker->connection, NULL, arg);
}

static void on_pong(redisAsyncContext *connection, void *answer, void *arg)
{
    (void)connection, (void)answer;
    redis_note_reply(arg);
}

/* Each 3 s: is an answer late? Is the server there? */
static void check_silence(struct redis_broker *broker)
{
    static const char *words[] = {"PING"};
    static const size_t sizes[] = {4};
    struct outbox_error error;
    uint64_t silent_ms = (broker->host->now(broker->host) - broker->last_reply_ns) / 1000000;
    if (broker->commands && silent_ms >= (uint64_t)broker->timeout_ms) {
        outbox_error_set(&error, OUTBOX_E_TIMEOUT, "%s has not answered for %llu ms", broker->name,
                         (unsigned long long)silent_ms);
        redis_connection_lost(broker, &error);
        return;
    }
    broker->host->timer_set(broker->timer, PING_US);
    if (!broker->commands)
        redis_send(broker, on_pong, broker, 1, words, sizes);
}

static void on_timer(void *arg)
{
    struct redis_broker *broker = arg;
    if (!broker->start_op) {
        check_silence(broker);
        return;
    }
    outbox_error_set(&broker->start_error, OUTBOX_E_TIMEOUT, "connect to %s: no answer within %d ms", broker->name,
                     CONNECT_MS);
    redis_disconnect(broker);
    redis_connect_next(broker);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static void on_connected(const redisAsyncContext *connection, int status)
{
    struct redis_broker *broker = connection->data;
    if (status == REDIS_OK) {
        redis_log_in(broker);
        return;
    }
    outbox_error_set(&broker->start_error, OUTBOX_E_NOT_CONNECTED, "connect to %s: %s", broker->name,
                     connection->errstr);
    broker->refused = true;
}

static bool attach(struct redis_broker *broker, redisAsyncContext *connection, struct outbox_error *error)
{
    const struct outbox_host *host = broker->host;
    if (!connection)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "connect to %s: out of memory", broker->name), false;
    if (connection->err) {
        outbox_error_set(error, OUTBOX_E_NOT_CONNECTED, "connect to %s: %s", broker->name, connection->errstr);
    } else if (host->watch_open(host, connection->c.fd, ready, broker, &broker->watch)) {
        outbox_error_set(error, OUTBOX_E_NO_MEMORY, "connect to %s: out of memory", broker->name);
    } else if (!broker->tls || redis_tls_begin(broker, connection, error) == OUTBOX_OK) {
        broker->connection = connection;
        broker->interest = 0;
        connection->data = connection->ev.data = broker;
        connection->ev.addRead = add_read;
        connection->ev.delRead = stop_read;
        connection->ev.addWrite = add_write;
        connection->ev.delWrite = stop_write;
        connection->ev.cleanup = clean_up;
        redisAsyncSetDisconnectCallback(connection, on_disconnected);
        redisAsyncSetConnectCallback(connection, on_connected);
        host->timer_set(broker->timer, (uint64_t)CONNECT_MS * 1000);
        return true;
    }
    host->watch_close(broker->watch);
    broker->watch = NULL;
    redisAsyncFree(connection);
    return false;
}

static void warn_of_clear_text(struct redis_broker *broker, const char *address)
{
    bool local = !strncmp(address, "127.", 4) || !strcmp(address, "::1");
    if (!broker->password || broker->tls || local || broker->warned)
        return;
    broker->warned = true;
    broker->host->log(broker->host, OUTBOX_LOG_WARN, "the password goes to %s without encryption; set tls: true",
                      address);
}

/* The next address that the name has. */
void redis_connect_next(struct redis_broker *broker)
{
    struct addrinfo *at;
    char text[64];
    if (!broker->start_error.code)
        outbox_error_set(&broker->start_error, OUTBOX_E_NOT_CONNECTED, "connect to %s: it has no address",
                         broker->name);
    while ((at = broker->addresses)) {
        broker->addresses = at->ai_next;
        if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST))
            continue;
        warn_of_clear_text(broker, text);
        if (attach(broker, redisAsyncConnect(text, broker->port), &broker->start_error))
            return;
    }
    redis_start_failed(broker, &broker->start_error);
}

static void look_up(struct outbox_work *work)
{
    struct redis_broker *broker = work->arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    struct addrinfo *list = NULL;
    int failed = getaddrinfo(broker->name, NULL, &hints, &list);
    broker->address_list = list;
    if (failed)
        outbox_error_set(&broker->start_error, OUTBOX_E_NOT_CONNECTED, "look up %s: %s", broker->name,
                         gai_strerror(failed));
}

static void looked_up(struct outbox_work *work)
{
    struct redis_broker *broker = work->arg;
    broker->looking_up = false;
    broker->addresses = broker->address_list;
    if (broker->start_op)
        redis_connect_next(broker);
    else
        free_addresses(broker);
    redis_end_stop(broker);
}

static void begin_lookup(struct redis_broker *broker)
{
    struct outbox_error error;
    broker->lookup = (struct outbox_work){.work = look_up, .done = looked_up, .arg = broker};
    broker->looking_up = !broker->host->offload(broker->host, &broker->lookup);
    if (broker->looking_up)
        return;
    outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "look up %s: no worker thread is available", broker->name);
    redis_start_failed(broker, &error);
}

void redis_connect(struct redis_broker *broker)
{
    struct outbox_error error = {.code = OUTBOX_OK};
    broker->start_error = error;
    if (!broker->timer && broker->host->timer_open(broker->host, on_timer, broker, &broker->timer)) {
        outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "connect to %s: out of memory", broker->name);
        redis_start_failed(broker, &error);
    } else if (broker->socket) {
        snprintf(broker->name, sizeof broker->name, "%s", broker->socket);
        if (!attach(broker, redisAsyncConnectUnix(broker->socket), &error))
            redis_start_failed(broker, &error);
    } else if (!broker->looking_up) { /* an earlier start may still look the name up */
        begin_lookup(broker);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/dial.c - connecting, on a worker or on a thread that may wait
 *
 * Name resolution, loading certificates and parts of the TLS handshake block in both client libraries. So a worker, or
 * the thread that reads the binlog, makes the whole connect. Except for name resolution it waits with poll(), so an
 * abandoned attempt ends within milliseconds and a slow attempt ends at its deadline.
 */
#include "dial.h"

#include <poll.h>
#include <stdio.h>

#include "error.h"
#include "sql/server/store.h"

enum { POLL_MS = 20 }; /* how often it polls whether it was abandoned */

struct mys_dial {
    struct outbox_work work;
    struct mys_conn *conn;
    struct mys_attempt attempt; /* the worker's until done */
    void (*done)(struct mys_conn *conn, struct mys_client *client, const struct outbox_error *error);
};

/* "db1:3306 as relay" */
static void describe(const struct mys_target *target, char to[160])
{
    if (target->host)
        snprintf(to, 160, "%.*s:%u as %.*s", OUTBOX_CUT(target->host, 80), target->port,
                 OUTBOX_CUT(target->user ? target->user : "?", 40));
    else
        snprintf(to, 160, "%.*s as %.*s", OUTBOX_CUT(target->socket ? target->socket : "the local socket", 80),
                 OUTBOX_CUT(target->user ? target->user : "?", 40));
}

static uint32_t wait_for(const struct mys_attempt *attempt, struct mys_wait wait)
{
    struct pollfd poll_fd = {.fd = mys_fd(&attempt->client)};
    if (wait.events & OUTBOX_READABLE)
        poll_fd.events |= POLLIN;
    if (wait.events & OUTBOX_WRITABLE)
        poll_fd.events |= POLLOUT;
    int ready = poll(&poll_fd, 1, wait.again_us ? 1 : POLL_MS);
    if (ready <= 0)
        return 0;
    if (poll_fd.revents & (POLLERR | POLLHUP | POLLNVAL))
        return wait.events;
    return (poll_fd.revents & POLLIN ? OUTBOX_READABLE : 0) | (poll_fd.revents & POLLOUT ? OUTBOX_WRITABLE : 0);
}

/* Until it is connected, fails, is too slow or abandoned. */
static void step(struct mys_attempt *attempt, const char *where)
{
    struct mys_wait wait = mys_connect(&attempt->client, &attempt->target, 0);
    while (mys_waits(wait)) {
        uint32_t events = wait_for(attempt, wait);
        if (atomic_load(&attempt->abandoned)) {
            mys_fail(&attempt->error, OUTBOX_E_CANCELED, "connect to %s: canceled", where);
            return;
        }
        if (attempt->host->now(attempt->host) > attempt->deadline_ns) {
            mys_fail(&attempt->error, OUTBOX_E_TIMEOUT,
                     "connect to %s: no response in time; check the network and the server", where);
            return;
        }
        if (events || wait.again_us)
            wait = mys_connect(&attempt->client, &attempt->target, events);
    }
}

/* A TLS handshake that fails is like a wrong password: trying again does not help. */
static void fail_connect(struct mys_attempt *attempt, const char *what)
{
    enum { TLS_ERROR = 2026 };
    mys_error_of(&attempt->error, what, attempt->client.mysql);
    if (attempt->error.native != TLS_ERROR)
        return;
    mys_fail(&attempt->error, OUTBOX_E_PERMISSION,
             "%s: %s (%d); set tls_ca to the authority that signed the server's certificate, name the host as the "
             "certificate does, renew it if it has expired, and turn TLS on at the server",
             what, mysql_error(attempt->client.mysql), TLS_ERROR);
    attempt->error.native = TLS_ERROR;
}

static void validate(struct mys_attempt *attempt, const char *where)
{
    char what[200];
    snprintf(what, sizeof what, "connect to %s", where);
    if (attempt->client.failed)
        fail_connect(attempt, what);
    else if (attempt->target.tls && !mysql_get_ssl_cipher(attempt->client.mysql))
        mys_fail(&attempt->error, OUTBOX_E_PERMISSION,
                 "%s: the server does not offer TLS, which tls: requires; turn TLS on at the server", what);
    else
        mys_finish_connect(&attempt->client);
}

void mys_attempt_begin(struct mys_attempt *attempt, const struct outbox_host *host, const struct mys_target *target,
                       uint64_t timeout_ms)
{
    *attempt = (struct mys_attempt){.host = host, .target = *target};
    snprintf(attempt->host_name, sizeof attempt->host_name, "%s", target->host ? target->host : "");
    attempt->target.host = target->host ? attempt->host_name : NULL;
    attempt->deadline_ns = host->now(host) + timeout_ms * 1000000;
}

void mys_attempt_make(struct mys_attempt *attempt)
{
    char where[160];
    describe(&attempt->target, where);
    if (!mys_new(&attempt->client, &attempt->target)) {
        mys_fail(&attempt->error, OUTBOX_E_NO_MEMORY, "connect to %s: out of memory", where);
        return;
    }
    step(attempt, where);
    if (!attempt->error.code)
        validate(attempt, where);
    if (attempt->error.code)
        mys_close(&attempt->client, true);
}

/* ---- on a worker ------------------------------------------------------------------------------------------------- */

static void connect_on_worker(struct outbox_work *work)
{
    struct mys_dial *dial = work->arg;
    mysql_thread_init();
    mys_attempt_make(&dial->attempt);
    mysql_thread_end();
}

static void connected(struct outbox_work *work)
{
    struct mys_dial *dial = work->arg;
    struct mys_conn *conn = dial->conn;
    const struct outbox_host *host = dial->attempt.host;
    struct mys_client client = dial->attempt.client;
    struct outbox_error error = dial->attempt.error;
    bool abandoned = atomic_load(&dial->attempt.abandoned);
    void (*done)(struct mys_conn *, struct mys_client *, const struct outbox_error *) = dial->done;
    conn->dials--;
    host->release(host, dial);
    if (abandoned) {
        mys_close(&client, true);
        conn->lane.store->when_idle(conn->lane.store);
        return;
    }
    conn->dial = NULL;
    done(conn, &client, &error);
}

int mys_dial(struct mys_conn *conn, const struct mys_target *target, uint64_t timeout_ms,
             void (*done)(struct mys_conn *conn, struct mys_client *client, const struct outbox_error *error),
             struct outbox_error *error)
{
    const struct outbox_host *host = conn->lane.host;
    struct mys_dial *dial = host->alloc(host, sizeof *dial);
    if (!dial)
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "connect: out of memory");
    dial->work = (struct outbox_work){.work = connect_on_worker, .done = connected, .arg = dial};
    dial->conn = conn;
    dial->done = done;
    mys_attempt_begin(&dial->attempt, host, target, timeout_ms);
    if (host->offload(host, &dial->work)) {
        host->release(host, dial);
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "connect: no worker thread is available");
    }
    conn->dial = dial;
    conn->dials++;
    return OUTBOX_OK;
}

void mys_dial_abandon(struct mys_conn *conn)
{
    if (conn->dial)
        atomic_store(&conn->dial->attempt.abandoned, true);
    conn->dial = NULL;
}

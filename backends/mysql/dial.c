/*
 * backends/mysql/dial.c - connecting, on a worker
 *
 * Looking up names, loading certificates and parts of the TLS handshake block in either client library, so that all of
 * the connect is done by a worker. It does not block there either, but for names: it waits with poll(), so that an
 * abandoned attempt ends within a moment, and one that is too slow ends at its deadline.
 */
#include "dial.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>

#include "error.h"

enum { LOOK_MS = 20 }; /* how often it looks whether it is still wanted */

struct mys_dial {
    struct outbox_work work;
    const struct outbox_host *host; /* of the plugin */
    struct mys_conn *conn;
    struct mys_target target;
    char host_name[256]; /* the store's own may change while an abandoned attempt goes on */
    uint64_t deadline_ns;
    struct mys_client client; /* the worker's until done */
    atomic_bool abandoned;
    struct outbox_error error;
    void (*done)(struct mys_conn *conn, struct mys_client *client, const struct outbox_error *error);
};

/* "db1:3306 as relay" */
static void spell(const struct mys_target *target, char to[160])
{
    if (target->host)
        snprintf(to, 160, "%.80s:%u as %.40s", target->host, target->port, target->user ? target->user : "?");
    else
        snprintf(to, 160, "%.80s as %.40s", target->socket ? target->socket : "the local socket",
                 target->user ? target->user : "?");
}

static uint32_t wait_for(const struct mys_dial *dial, struct mys_wait wait)
{
    struct pollfd look = {.fd = mys_fd(&dial->client)};
    if (wait.events & OUTBOX_READABLE)
        look.events |= POLLIN;
    if (wait.events & OUTBOX_WRITABLE)
        look.events |= POLLOUT;
    int ready = poll(&look, 1, wait.again_us ? 1 : LOOK_MS);
    if (ready <= 0)
        return 0;
    if (look.revents & (POLLERR | POLLHUP | POLLNVAL))
        return wait.events;
    return (look.revents & POLLIN ? OUTBOX_READABLE : 0) | (look.revents & POLLOUT ? OUTBOX_WRITABLE : 0);
}

/* Until it stands, fails, is too slow or not wanted any more. */
static void step(struct mys_dial *dial, const char *where)
{
    struct mys_wait wait = mys_connect(&dial->client, &dial->target, 0);
    while (mys_waits(wait)) {
        uint32_t events = wait_for(dial, wait);
        if (atomic_load(&dial->abandoned)) {
            mys_fail(&dial->error, OUTBOX_E_CANCELED, "connect to %s: canceled", where);
            return;
        }
        if (dial->host->now(dial->host) > dial->deadline_ns) {
            mys_fail(&dial->error, OUTBOX_E_TIMEOUT,
                     "connect to %s: no answer in time; look at the network and the server", where);
            return;
        }
        if (events || wait.again_us)
            wait = mys_connect(&dial->client, &dial->target, events);
    }
}

static void judge(struct mys_dial *dial, const char *where)
{
    char what[200];
    snprintf(what, sizeof what, "connect to %s", where);
    if (dial->client.failed)
        mys_error_of(&dial->error, what, dial->client.mysql);
    else if (dial->target.tls && !mysql_get_ssl_cipher(dial->client.mysql))
        mys_fail(&dial->error, OUTBOX_E_NOT_CONNECTED,
                 "%s: the server does not speak TLS, which tls: asks for; set it up there, or say tls: off", what);
    else
        mys_settle_down(&dial->client);
}

static void connect_it(struct outbox_work *work)
{
    struct mys_dial *dial = work->arg;
    char where[160];
    mysql_thread_init();
    spell(&dial->target, where);
    if (!mys_new(&dial->client, &dial->target)) {
        mys_fail(&dial->error, OUTBOX_E_NO_MEMORY, "connect to %s: out of memory", where);
    } else {
        step(dial, where);
        if (!dial->error.code)
            judge(dial, where);
        if (dial->error.code)
            mys_close(&dial->client, true);
    }
    mysql_thread_end();
}

static void connected(struct outbox_work *work)
{
    struct mys_dial *dial = work->arg;
    struct mys_conn *conn = dial->conn;
    conn->dials--;
    if (atomic_load(&dial->abandoned)) {
        mys_close(&dial->client, true);
        dial->host->release(dial->host, dial);
        conn->idle(conn);
        return;
    }
    struct mys_client client = dial->client;
    struct outbox_error error = dial->error;
    void (*done)(struct mys_conn *, struct mys_client *, const struct outbox_error *) = dial->done;
    conn->dial = NULL;
    dial->host->release(dial->host, dial);
    done(conn, &client, &error);
}

int mys_dial(struct mys_conn *conn, const struct mys_target *target, uint64_t timeout_ms,
             void (*done)(struct mys_conn *conn, struct mys_client *client, const struct outbox_error *error),
             struct outbox_error *error)
{
    const struct outbox_host *host = conn->host;
    struct mys_dial *dial = host->alloc(host, sizeof *dial);
    if (!dial)
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "connect: out of memory");
    dial->work = (struct outbox_work){.work = connect_it, .done = connected, .arg = dial};
    dial->host = host;
    dial->conn = conn;
    dial->target = *target;
    snprintf(dial->host_name, sizeof dial->host_name, "%s", target->host ? target->host : "");
    dial->target.host = target->host ? dial->host_name : NULL;
    dial->deadline_ns = host->now(host) + timeout_ms * 1000000;
    dial->done = done;
    if (host->offload(host, &dial->work)) {
        host->release(host, dial);
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "connect: no worker to do it");
    }
    conn->dial = dial;
    conn->dials++;
    return OUTBOX_OK;
}

void mys_dial_abandon(struct mys_conn *conn)
{
    if (conn->dial)
        atomic_store(&conn->dial->abandoned, true);
    conn->dial = NULL;
}

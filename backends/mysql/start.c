/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/start.c - connecting
 *
 * For each host: the owner's connection, a look at the server and the table, then the reader's -> ready. A host that
 * does not answer, or whose server is read-only, gives way to the next; what else is wrong would be so on each of
 * them. Each start begins anew: names are looked up again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum { TLS_AUTO, TLS_OFF, TLS_REQUIRE, TLS_VERIFY };

/* ---- hosts ------------------------------------------------------------------------------------------------------- */

static unsigned host_count(const struct mys_store *store)
{
    unsigned count = 1;
    for (const char *at = store->hosts; at && *at; at++)
        count += *at == ',';
    return count;
}

/* Host `index` without its port, which is returned; 0: not a port. "[::1]:3306", "db1:3306", "db1", "::1". */
static long host_of(const struct mys_store *store, unsigned index, char *to, size_t size)
{
    const char *at = store->hosts;
    for (; index; index--)
        at = strchr(at, ',') + 1;
    while (*at == ' ')
        at++;
    size_t length = strcspn(at, ","), colon;
    snprintf(to, size, "%.*s", (int)length, at);
    char *close = strchr(to, ']'), *port = close ? strchr(close, ':') : strchr(to, ':');
    long number = (long)store->port;
    if (port && (close || !strchr(port + 1, ':'))) {
        char *end;
        number = strtol(port + 1, &end, 10);
        if (*end || number > 65535)
            number = 0;
        *port = '\0';
    }
    if (to[0] == '[' && close) {
        colon = (size_t)(close - to);
        memmove(to, to + 1, colon - 1);
        to[colon - 1] = '\0';
    }
    return number;
}

bool mys_hosts_fit(const struct mys_store *store, struct outbox_error *error)
{
    char host[256];
    if (!store->hosts == !store->socket) {
        mys_fail(error, OUTBOX_E_CONFIG, "store: %s; set either host: or socket:",
                 store->hosts ? "both a host and a socket are given" : "no server is given");
        return false;
    }
    for (unsigned i = 0; store->hosts && i < host_count(store); i++)
        if (host_of(store, i, host, sizeof host) < 1 || !*host) {
            mys_fail(error, OUTBOX_E_CONFIG, "host: \"%s\" is no list of hosts; write for example db1,db2:3307",
                     store->hosts);
            return false;
        }
    return true;
}

static bool is_local(const char *host)
{
    return !strcmp(host, "localhost") || !strncmp(host, "127.", 4) || !strcmp(host, "::1");
}

struct mys_target mys_target(struct mys_store *store, bool statements)
{
    struct mys_target target = {.socket = store->socket,
                                .user = store->user,
                                .password = store->password,
                                .database = store->database,
                                .tls_ca = store->tls_ca,
                                .tls_cert = store->tls_cert,
                                .tls_key = store->tls_key,
                                .statements = statements,
                                .timeout_s = (unsigned)((store->connect_ms + 999) / 1000)};
    bool local = true;
    if (store->hosts) {
        target.port = (unsigned)host_of(store, store->host_at, store->host_name, sizeof store->host_name);
        local = is_local(store->host_name);
        /* "localhost" means the socket to the libraries; with a port given it is meant as a host */
        target.host = strcmp(store->host_name, "localhost") ? store->host_name : "127.0.0.1";
    }
    target.tls_verify = store->tls == TLS_VERIFY || (store->tls == TLS_AUTO && !local);
    target.tls = target.tls_verify || store->tls == TLS_REQUIRE;
    return target;
}

static void warn_insecure(const struct mys_store *store)
{
    if (store->hosts && !is_local(store->host_name) && (store->tls == TLS_OFF || store->tls == TLS_REQUIRE))
        store->host->log(
            store->host, OUTBOX_LOG_WARN,
            "tls: %s with a host that is not this machine: whoever sits between here and the server can read "
            "and change events; set tls: verify and tls_ca",
            store->tls == TLS_OFF ? "off" : "require");
}

/* ---- the end of it ----------------------------------------------------------------------------------------------- */

static void try_host(struct mys_store *store);

static void finish(struct mys_store *store, const struct outbox_error *error)
{
    outbox_op_t op = store->start_op;
    store->start_op = 0;
    store->start = NULL;
    store->phase = error->code ? MYS_STOPPED : MYS_STARTED;
    if (error->code)
        mys_close_all(store, error);
    store->host->op_done(store->host, op, error);
    mys_stop_if_idle(store);
}

void mys_start_done(struct mys_store *store)
{
    static const struct outbox_error none;
    OUTBOX_FAILPOINT(store->host, mysql, connected);
    mys_claim_rewind(store);
    finish(store, &none);
}

static bool another_may_do(const struct outbox_error *error)
{
    return error->code == OUTBOX_E_NOT_CONNECTED || error->code == OUTBOX_E_TIMEOUT ||
           error->code == OUTBOX_E_READ_ONLY;
}

void mys_start_failed(struct mys_store *store, const struct outbox_error *error)
{
    struct outbox_error kept = *error;
    if (!store->start_op || store->failing)
        return;
    store->failing = true; /* what is in flight on the other connection fails as well, and comes by here */
    mys_conn_close(&store->owner, &kept);
    mys_conn_close(&store->reader, &kept);
    store->failing = false;
    if (!another_may_do(&kept) || store->host_at + 1 >= host_count(store)) {
        finish(store, &kept);
        return;
    }
    store->host->log(store->host, OUTBOX_LOG_DEBUG, "%s; trying the next host", kept.text);
    store->host_at++;
    try_host(store);
}

void mys_start_cancel(struct mys_store *store)
{
    struct outbox_error error;
    mys_fail(&error, OUTBOX_E_CANCELED, "connect: canceled");
    if (store->start_op)
        finish(store, &error);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void owner_connected(struct mys_conn *conn, const struct outbox_error *error)
{
    struct mys_store *store = conn->arg;
    if (error->code)
        mys_start_failed(store, error);
    else
        mys_session_begin(store);
}

static void reader_connected(struct mys_conn *conn, const struct outbox_error *error)
{
    struct mys_store *store = conn->arg;
    if (error->code)
        mys_start_failed(store, error);
    else
        mys_session_reader(store);
}

static void lost(struct mys_conn *conn, const struct outbox_error *error)
{
    struct mys_store *store = conn->arg;
    if (conn == &store->owner)
        store->owns = false;
    if (store->start_op)
        mys_start_failed(store, error);
    else if (store->phase == MYS_STARTED)
        store->host->lost(store->host, error);
}

static void idle(struct mys_conn *conn)
{
    mys_stop_if_idle(conn->arg);
}

static void connect_one(struct mys_store *store, struct mys_conn *conn, const char *name,
                        void (*connected)(struct mys_conn *conn, const struct outbox_error *error))
{
    struct outbox_error error;
    struct mys_target target = mys_target(store, conn == &store->owner);
    uint32_t dials = conn->dials;
    *conn = (struct mys_conn){.host = store->host,
                              .name = name,
                              .connected = connected,
                              .lost = lost,
                              .idle = idle,
                              .arg = store,
                              .dials = dials};
    if (OUTBOX_FAILPOINT_ERROR(store->host, mysql, before_connect, &error) ||
        mys_conn_open(conn, &target, (uint64_t)store->connect_ms, &error))
        mys_start_failed(store, &error);
}

void mys_start_connect_reader(struct mys_store *store)
{
    connect_one(store, &store->reader, "reader", reader_connected);
}

static void try_host(struct mys_store *store)
{
    connect_one(store, &store->owner, "owner", owner_connected);
}

void mys_start(void *self, outbox_op_t op, const struct outbox_store_start *start)
{
    struct mys_store *store = self;
    struct outbox_error error;
    mys_fail(&error, OUTBOX_E_NOT_CONNECTED, "connect: starting anew");
    mys_close_all(store, &error);
    store->phase = MYS_STARTING;
    store->start_op = op;
    store->start = start;
    store->host_at = 0;
    if (store->hosts)
        host_of(store, 0, store->host_name, sizeof store->host_name);
    warn_insecure(store);
    try_host(store);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/hosts.c - the hosts of the configuration, and the TLS mode of each
 *
 * A worker looks the name of a host up as it connects, at each attempt.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/loopback.h"
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

bool mys_hosts_are_valid(const struct mys_store *store, struct outbox_error *error)
{
    char host[256];
    if (!store->hosts == !store->socket) {
        mys_fail(error, OUTBOX_E_CONFIG, "store: %s; set either host: or socket:",
                 store->hosts ? "both a host and a socket are given" : "no server is given");
        return false;
    }
    for (unsigned i = 0; store->hosts && i < host_count(store); i++)
        if (host_of(store, i, host, sizeof host) < 1 || !*host) {
            mys_fail(error, OUTBOX_E_CONFIG, "host: \"%s\" is not a list of hosts; write for example db1,db2:3307",
                     store->hosts);
            return false;
        }
    return true;
}

/* "localhost" is connected to as 127.0.0.1, without a look-up. */
static bool is_local(const char *host)
{
    return !strcmp(host, "localhost") || obx_sql_is_loopback(host);
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
                                .timeout_s = (unsigned)((store->sql.connect_ms + 999) / 1000)};
    bool local = true;
    if (store->hosts) {
        target.port = (unsigned)host_of(store, store->sql.candidate, store->host_name, sizeof store->host_name);
        local = is_local(store->host_name);
        /* "localhost" means the socket to the libraries; with a port given it is meant as a host */
        target.host = strcmp(store->host_name, "localhost") ? store->host_name : "127.0.0.1";
    }
    target.tls_verify = store->tls == TLS_VERIFY || (store->tls == TLS_AUTO && !local);
    target.tls = target.tls_verify || store->tls == TLS_REQUIRE;
    target.ask_for_key = local;
    return target;
}

static void warn_insecure(const struct mys_store *store)
{
    if (store->hosts && !is_local(store->host_name) && (store->tls == TLS_OFF || store->tls == TLS_REQUIRE))
        store->sql.host->log(
            store->sql.host, OUTBOX_LOG_WARN,
            "tls: %s with a host that is not this machine: an attacker between here and the server can read and "
            "change events; set tls: verify and tls_ca",
            store->tls == TLS_OFF ? "off" : "require");
}

uint32_t mys_candidates(const struct sql_store *store)
{
    return host_count(mys_store_in(store));
}

void mys_resolve(struct sql_store *sql)
{
    static const struct outbox_error none;
    struct mys_store *store = mys_store_of(sql);
    if (store->hosts)
        host_of(store, 0, store->host_name, sizeof store->host_name);
    warn_insecure(store);
    sql_start_resolved(sql, &none);
}

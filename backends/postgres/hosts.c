/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/hosts.c - the hosts of the conninfo, and their addresses
 *
 * libpq resolves names in a blocking call, and its non-blocking connect has no timeout per host. So the hosts become
 * candidates with numeric addresses, found by a worker (resolve.c), which the store tries one by one.
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "dsn.h"
#include "error.h"
#include "sql/loopback.h"

/* The n-th of a list with commas; a list of one stands for all. "" when there are not so many. */
static void nth(const char *list, unsigned n, char *to, size_t size)
{
    to[0] = '\0';
    if (!list)
        return;
    if (!strchr(list, ','))
        n = 0;
    for (; n && list; n--) {
        list = strchr(list, ',');
        list = list ? list + 1 : NULL;
    }
    if (list)
        snprintf(to, size, "%.*s", (int)strcspn(list, ","), list);
}

unsigned pg_dsn_items(const char *list)
{
    unsigned count = 1;
    for (; list && *list; list++)
        count += *list == ',';
    return count;
}

static bool is_socket(const char *host)
{
    return !*host || *host == '/' || *host == '@';
}

/* libpq connects to the address where there is one, whatever the host is called. */
bool pg_candidate_is_local(const struct pg_candidate *candidate)
{
    return *candidate->address ? obx_sql_is_loopback(candidate->address) : is_socket(candidate->host);
}

void pg_target_list_candidates(struct pg_target *target)
{
    const char *hosts = pg_dsn_value(target, "host", "PGHOST");
    const char *addresses = pg_dsn_value(target, "hostaddr", "PGHOSTADDR");
    const char *ports = pg_dsn_value(target, "port", "PGPORT");
    unsigned count = pg_dsn_items(hosts ? hosts : addresses);
    target->candidate_count = 0;
    for (unsigned i = 0; i < count && i < PG_CANDIDATES; i++) {
        struct pg_candidate *candidate = &target->candidates[target->candidate_count++];
        nth(hosts, i, candidate->host, sizeof candidate->host);
        nth(addresses, i, candidate->address, sizeof candidate->address);
        nth(ports, i, candidate->port, sizeof candidate->port);
    }
}

static void note_security(struct pg_target *target)
{
    const char *mode = pg_dsn_value(target, "sslmode", "PGSSLMODE");
    target->insecure = false;
    for (uint32_t i = 0; i < target->candidate_count; i++)
        if (!pg_candidate_is_local(&target->candidates[i]) && mode && strcmp(mode, "verify-full"))
            target->insecure = true;
}

/* Each address of one host, as a separate candidate. */
static int resolve_one(const struct pg_candidate *from, struct pg_candidate *to, uint32_t room, uint32_t *count)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int status = getaddrinfo(from->host, NULL, &hints, &list);
    for (struct addrinfo *a = list; !status && a && *count < room; a = a->ai_next) {
        struct pg_candidate *candidate = &to[*count];
        *candidate = *from;
        if (!getnameinfo(a->ai_addr, a->ai_addrlen, candidate->address, sizeof candidate->address, NULL, 0,
                         NI_NUMERICHOST))
            ++*count;
    }
    if (list)
        freeaddrinfo(list);
    return status;
}

int pg_target_resolve(struct pg_target *target, struct outbox_error *error)
{
    struct pg_candidate found[PG_CANDIDATES];
    uint32_t count = 0;
    pg_target_list_candidates(target);
    pg_fail(error, OUTBOX_E_CONFIG, "connect: the dsn names no host");
    for (uint32_t i = 0; i < target->candidate_count && count < PG_CANDIDATES; i++) {
        const struct pg_candidate *candidate = &target->candidates[i];
        if (is_socket(candidate->host) || *candidate->address) {
            found[count++] = *candidate;
            continue;
        }
        int status = resolve_one(candidate, found, PG_CANDIDATES, &count);
        if (status)
            pg_fail(error, OUTBOX_E_NOT_CONNECTED, "resolve host %s: %s; correct host in the dsn", candidate->host,
                    gai_strerror(status));
    }
    if (!count)
        return error->code;
    memcpy(target->candidates, found, count * sizeof *found);
    target->candidate_count = count;
    note_security(target);
    error->code = OUTBOX_OK;
    return OUTBOX_OK;
}

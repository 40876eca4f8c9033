/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/dsn.c - the conninfo: secure defaults, and what each connection gets of it
 *
 * A connection gets the options of the dsn, the address of one host (hosts.c), and defaults of the relay. The options
 * that would make libpq choose a host, or block, are left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "dsn.h"
#include "error.h"

enum { CONNECT_MOST_S = 24 * 60 * 60 };

const char *pg_dsn_value(const struct pg_target *target, const char *keyword, const char *variable)
{
    for (const PQconninfoOption *o = target->parsed; o->keyword; o++)
        if (!strcmp(o->keyword, keyword) && o->val && *o->val)
            return o->val;
    const char *value = variable ? getenv(variable) : NULL;
    return value && *value ? value : NULL;
}

static unsigned put(struct pg_target *target, unsigned at, const char *keyword, const char *value)
{
    for (unsigned i = 0; i < at; i++)
        if (!strcmp(target->keywords[i], keyword))
            return at; /* set already */
    if (!value || at + 1 >= PG_KEYWORDS)
        return at;
    target->keywords[at] = keyword;
    target->values[at] = value;
    target->keywords[at + 1] = NULL;
    return at + 1;
}

static bool ours(const char *keyword)
{
    static const char *const list[] = {
        "host", "hostaddr", "port", "target_session_attrs", "load_balance_hosts", "connect_timeout", "client_encoding"};
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++)
        if (!strcmp(keyword, list[i]))
            return true;
    return false;
}

void pg_target_choose(struct pg_target *target, uint32_t index, enum pg_target_use use)
{
    const struct pg_candidate *candidate = &target->candidates[index];
    unsigned at = 0;
    target->keywords[0] = NULL;
    if (use != PG_FOR_STATEMENTS) {
        at = put(target, at, "replication", use == PG_FOR_LOG ? "true" : "database");
        at = put(target, at, "application_name", target->wakeup);
        at = put(target, at, "options", *target->options ? target->options : NULL);
    }
    for (const PQconninfoOption *o = target->parsed; o->keyword; o++)
        if (o->val && *o->val && !ours(o->keyword)) /* libpq treats an empty value as absent */
            at = put(target, at, o->keyword, o->val);
    at = put(target, at, "host", *candidate->host ? candidate->host : NULL);
    at = put(target, at, "hostaddr", *candidate->address ? candidate->address : NULL);
    at = put(target, at, "port", *candidate->port ? candidate->port : NULL);
    at = put(target, at, "client_encoding", "UTF8");
    at = put(target, at, "target_session_attrs", "any"); /* whatever the environment has */
    at = put(target, at, "application_name", target->application);
    at = put(target, at, "keepalives_idle", "30");
    at = put(target, at, "keepalives_interval", "10");
    at = put(target, at, "keepalives_count", "3");
    at = put(target, at, "tcp_user_timeout", "30000");
    if (!getenv("PGGSSENCMODE"))
        at = put(target, at, "gssencmode", "disable"); /* it may wait for a ticket server */
    if (!getenv("PGSSLMODE") && !pg_candidate_is_local(candidate))
        put(target, at, "sslmode", "verify-full");
}

const char *pg_target_ignored(const struct pg_target *target, unsigned index, const char **why)
{
    static const struct {
        const char *keyword, *fine, *also_fine, *why;
    } all[] = {
        {"client_encoding", "UTF8", "UTF-8", "the relay takes all texts as UTF-8"},
        {"load_balance_hosts", "disable", "disable", "the relay tries the hosts in the order in which they stand"},
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        const char *value = pg_dsn_value(target, all[i].keyword, NULL);
        if (!value || !strcasecmp(value, all[i].fine) || !strcasecmp(value, all[i].also_fine) || index--)
            continue;
        *why = all[i].why;
        return all[i].keyword;
    }
    return NULL;
}

/* A server that shuts down waits for the receivers of its log; the first option bounds the wait. The others are for the
 * values of rows (capture/rows.c). */
static void bound_wakeup(struct pg_target *target)
{
    const char *options = pg_dsn_value(target, "options", "PGOPTIONS");
    int size = snprintf(target->options, sizeof target->options,
                        "-c wal_sender_timeout=10s %s -c datestyle=ISO -c timezone=UTC -c bytea_output=hex",
                        options ? options : "");
    if (size >= (int)sizeof target->options)
        target->options[0] = '\0'; /* use those of the conninfo alone */
}

/* The server keeps 63 bytes. By default the name is "outbox RELAY@HOST:PID": pg_describe_owner() reads it. */
static void name_connections(struct pg_target *target, const char *application, const char *relay)
{
    char host[OUTBOX_PROCESS_HOST];
    outbox_host_name(host, sizeof host);
    snprintf(target->application, sizeof target->application, "outbox %.*s@%s:%ld", OUTBOX_CUT(relay, 20), host,
             (long)getpid());
    snprintf(target->wakeup, sizeof target->wakeup, "outbox %.*s wakeup", OUTBOX_CUT(relay, 40));
    if (!application)
        return;
    snprintf(target->application, sizeof target->application, "%.*s", OUTBOX_CUT(application, 63));
    snprintf(target->wakeup, sizeof target->wakeup, "%.*s wakeup", OUTBOX_CUT(application, 47));
}

int pg_target_parse(struct pg_target *target, const char *dsn, const char *application, const char *relay,
                    struct outbox_error *error)
{
    char *why = NULL;
    pg_target_free(target);
    if (pg_dsn_check_scheme(dsn ? dsn : "", error))
        return error->code;
    target->parsed = PQconninfoParse(dsn ? dsn : "", &why);
    if (!target->parsed) {
        pg_dsn_refuse(why, error);
        PQfreemem(why);
        return error->code;
    }
    if (pg_dsn_check(target, error))
        return error->code;
    name_connections(target, application, relay);
    const char *seconds = pg_dsn_value(target, "connect_timeout", "PGCONNECT_TIMEOUT");
    long wish = seconds ? strtol(seconds, NULL, 10) : 0;
    target->connect_ms = wish > CONNECT_MOST_S ? CONNECT_MOST_S * 1000ll : wish < 0 ? 0 : wish * 1000ll;
    bound_wakeup(target);
    pg_target_list_candidates(target);
    return OUTBOX_OK;
}

void pg_target_free(struct pg_target *target)
{
    if (target->parsed)
        PQconninfoFree(target->parsed);
    target->parsed = NULL;
    target->candidate_count = 0;
}

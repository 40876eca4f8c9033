/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/dsn_check.c - what a conninfo may not have, and what to write in its place
 *
 * libpq reports such errors as it connects, where they look temporary, or quotes them in full. No text has a value of
 * the conninfo: a misplaced value may be a password.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dsn.h"
#include "error.h"

static bool is_port(const char *text, size_t size)
{
    char copy[8], *end;
    if (!size)
        return true; /* the usual one */
    if (size >= sizeof copy)
        return false;
    snprintf(copy, sizeof copy, "%.*s", (int)size, text);
    long port = strtol(copy, &end, 10);
    return port >= 1 && port <= 65535 && !end[strspn(end, " ")];
}

static bool are_ports(const struct pg_target *target)
{
    const char *hosts = pg_dsn_value(target, "host", "PGHOST");
    const char *addresses = pg_dsn_value(target, "hostaddr", "PGHOSTADDR");
    const char *ports = pg_dsn_value(target, "port", "PGPORT");
    if (ports && strchr(ports, ',') && pg_dsn_items(ports) != pg_dsn_items(hosts ? hosts : addresses))
        return false;
    for (const char *at = ports; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (!is_port(at, strcspn(at, ",")))
            return false;
    return true;
}

static bool is_sslmode(const char *mode)
{
    static const char *const all[] = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
    for (size_t i = 0; mode && i < sizeof all / sizeof *all; i++)
        if (!strcmp(mode, all[i]))
            return true;
    return !mode;
}

static bool is_number(const char *text)
{
    char *end;
    if (!text)
        return true;
    strtol(text, &end, 10);
    return end != text && !end[strspn(end, " ")];
}

/* A relay must write, and selects the writable server itself: so target_session_attrs is removed. */
static bool is_for_writing(const char *attributes)
{
    return !attributes || !strcmp(attributes, "any") || !strcmp(attributes, "read-write") ||
           !strcmp(attributes, "primary");
}

/* libpq would read the service file, and resolve the host that it names, on the loop thread. */
static bool hides_host(const struct pg_target *target)
{
    return pg_dsn_value(target, "service", "PGSERVICE") && !pg_dsn_value(target, "host", "PGHOST") &&
           !pg_dsn_value(target, "hostaddr", "PGHOSTADDR");
}

/* An @ in the password of a URI ends the password: the rest would be a host, and be shown in errors. */
static bool has_at_sign(const struct pg_target *target)
{
    const char *hosts = pg_dsn_value(target, "host", "PGHOST");
    const char *addresses = pg_dsn_value(target, "hostaddr", "PGHOSTADDR");
    return (hosts && *hosts != '/' && *hosts != '@' && strchr(hosts, '@')) || (addresses && strchr(addresses, '@'));
}

int pg_dsn_check(const struct pg_target *target, struct outbox_error *error)
{
    if (hides_host(target))
        return pg_fail(error, OUTBOX_E_CONFIG,
                       "dsn: a service (service=, PGSERVICE) hides its host from the relay, which resolves "
                       "hosts itself; write host= as well");
    if (has_at_sign(target))
        return pg_fail(error, OUTBOX_E_CONFIG,
                       "dsn: a host has an @, which is probably a part of the password; write it as %%40 in a URI");
    if (!are_ports(target))
        return pg_fail(error, OUTBOX_E_CONFIG,
                       "dsn: port is neither one number from 1 to 65535 nor a list with one for each host");
    if (!is_sslmode(pg_dsn_value(target, "sslmode", "PGSSLMODE")))
        return pg_fail(error, OUTBOX_E_CONFIG,
                       "dsn: there is no such sslmode; write verify-full, or verify-ca, require, prefer, allow or "
                       "disable");
    if (!is_number(pg_dsn_value(target, "connect_timeout", "PGCONNECT_TIMEOUT")))
        return pg_fail(error, OUTBOX_E_CONFIG, "dsn: connect_timeout is not a number of seconds");
    if (!is_for_writing(pg_dsn_value(target, "target_session_attrs", "PGTARGETSESSIONATTRS")))
        return pg_fail(error, OUTBOX_E_CONFIG,
                       "dsn: target_session_attrs is neither any nor read-write nor primary; leave it out: of several "
                       "hosts the relay takes the one that can be written, and refuses standbys");
    return OUTBOX_OK;
}

/* Of other clients: libpq has none of them. */
static const struct {
    const char *name, *cure;
} foreign[] = {
    {"schema", "write the schema into the option table"},
    {"currentSchema", "write the schema into the option table"},
    {"connection_limit", "leave it out"},
    {"pool_timeout", "leave it out"},
    {"socket_timeout", "leave it out"},
    {"statement_cache_size", "leave it out"},
    {"pgbouncer", "leave it out"},
    {"sslaccept", "write sslmode=verify-full"},
    {"sslidentity", "write sslcert and sslkey"},
    {"loginTimeout", "write connect_timeout"},
    {"socketTimeout", "leave it out"},
    {"connectTimeout", "write connect_timeout"},
    {"ApplicationName", "write application_name"},
    {"prepareThreshold", "leave it out"},
    {"stringtype", "leave it out"},
    {"reWriteBatchedInserts", "leave it out"},
    {"tcpKeepAlive", "write keepalives=1"},
    {"prepared_statement_cache_size", "leave it out"},
    {"async_fallback", "leave it out"},
    {"command_timeout", "leave it out"},
    {"charset", "leave it out"},
    {"serverTimezone", "leave it out"},
};

/* Schemes of Java, Python and others, such as jdbc:postgresql://. A scheme is no secret; USER:PASSWORD:// is no scheme.
 */
int pg_dsn_check_scheme(const char *dsn, struct outbox_error *error)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.-_";
    size_t java = strncmp(dsn, "jdbc:", 5) ? 0 : 5, size = java + strspn(dsn + java, letters);
    if (size == java || strncmp(dsn + size, "://", 3))
        return OUTBOX_OK;
    int length = size > 40 ? 40 : (int)size;
    if ((length == 10 && !strncmp(dsn, "postgresql", 10)) || (length == 8 && !strncmp(dsn, "postgres", 8)))
        return OUTBOX_OK;
    return pg_fail(error, OUTBOX_E_CONFIG,
                   "dsn: '%.*s:' is no scheme of libpq; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE", length,
                   dsn);
}

/* libpq's text may quote a part of the conninfo, the password even: not shown. Known names of parameters are. */
int pg_dsn_refuse(const char *why, struct outbox_error *error)
{
    char quoted[64];
    for (size_t i = 0; why && i < sizeof foreign / sizeof *foreign; i++) {
        snprintf(quoted, sizeof quoted, "\"%s\"", foreign[i].name);
        if (strstr(why, quoted))
            return pg_fail(error, OUTBOX_E_CONFIG, "dsn: libpq has no parameter %s; %s", quoted, foreign[i].cure);
    }
    return pg_fail(error, OUTBOX_E_CONFIG,
                   "dsn: not a conninfo string%s; write for example host=db.example dbname=shop user=relay, or "
                   "postgresql://relay@db.example/shop",
                   why && strstr(why, "missing \"=\"") ? ": a \"=\" is missing" : "");
}

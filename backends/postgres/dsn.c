/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/dsn.c - the conninfo: secure defaults, and names looked up off the loop
 *
 * libpq resolves names in a blocking call, and its non-blocking connect has no timeout per host. So the hosts of the
 * conninfo become candidates with numeric addresses, which the store tries one by one.
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "error.h"
#include "sql/loopback.h"
#include "target.h"

enum { CONNECT_MOST_S = 24 * 60 * 60 };

static const char *value_of(const struct pg_target *target, const char *keyword, const char *variable)
{
    for (const PQconninfoOption *o = target->parsed; o->keyword; o++)
        if (!strcmp(o->keyword, keyword) && o->val && *o->val)
            return o->val;
    const char *value = variable ? getenv(variable) : NULL;
    return value && *value ? value : NULL;
}

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

static unsigned items(const char *list)
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
static bool is_local(const struct pg_candidate *candidate)
{
    return *candidate->address ? obx_sql_is_loopback(candidate->address) : is_socket(candidate->host);
}

static void list_candidates(struct pg_target *target)
{
    const char *hosts = value_of(target, "host", "PGHOST"), *addresses = value_of(target, "hostaddr", "PGHOSTADDR");
    const char *ports = value_of(target, "port", "PGPORT");
    unsigned count = items(hosts ? hosts : addresses);
    target->candidate_count = 0;
    for (unsigned i = 0; i < count && i < PG_CANDIDATES; i++) {
        struct pg_candidate *candidate = &target->candidates[target->candidate_count++];
        nth(hosts, i, candidate->host, sizeof candidate->host);
        nth(addresses, i, candidate->address, sizeof candidate->address);
        nth(ports, i, candidate->port, sizeof candidate->port);
    }
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
    if (!getenv("PGSSLMODE") && !is_local(candidate))
        put(target, at, "sslmode", "verify-full");
}

static void note_security(struct pg_target *target)
{
    const char *mode = value_of(target, "sslmode", "PGSSLMODE");
    target->insecure = false;
    for (uint32_t i = 0; i < target->candidate_count; i++)
        if (!is_local(&target->candidates[i]) && mode && strcmp(mode, "verify-full"))
            target->insecure = true;
}

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
    const char *hosts = value_of(target, "host", "PGHOST"), *addresses = value_of(target, "hostaddr", "PGHOSTADDR");
    const char *ports = value_of(target, "port", "PGPORT");
    if (ports && strchr(ports, ',') && items(ports) != items(hosts ? hosts : addresses))
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
    return value_of(target, "service", "PGSERVICE") && !value_of(target, "host", "PGHOST") &&
           !value_of(target, "hostaddr", "PGHOSTADDR");
}

/* An @ in the password of a URI ends the password: the rest would be a host, and be shown in errors. */
static bool has_at_sign(const struct pg_target *target)
{
    const char *hosts = value_of(target, "host", "PGHOST"), *addresses = value_of(target, "hostaddr", "PGHOSTADDR");
    return (hosts && *hosts != '/' && *hosts != '@' && strchr(hosts, '@')) || (addresses && strchr(addresses, '@'));
}

/* Errors that libpq reports only when it connects, where they would look temporary. The values are not shown: a
 * misplaced value of a conninfo may be a password. */
static int check_values(const struct pg_target *target, struct outbox_error *error)
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
    if (!is_sslmode(value_of(target, "sslmode", "PGSSLMODE")))
        return pg_fail(error, OUTBOX_E_CONFIG,
                       "dsn: there is no such sslmode; write verify-full, or verify-ca, require, prefer, allow or "
                       "disable");
    if (!is_number(value_of(target, "connect_timeout", "PGCONNECT_TIMEOUT")))
        return pg_fail(error, OUTBOX_E_CONFIG, "dsn: connect_timeout is not a number of seconds");
    if (!is_for_writing(value_of(target, "target_session_attrs", "PGTARGETSESSIONATTRS")))
        return pg_fail(error, OUTBOX_E_CONFIG,
                       "dsn: target_session_attrs is neither any nor read-write nor primary; leave it out: of several "
                       "hosts the relay takes the one that can be written, and refuses standbys");
    return OUTBOX_OK;
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
        const char *value = value_of(target, all[i].keyword, NULL);
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
    const char *options = value_of(target, "options", "PGOPTIONS");
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
static int check_scheme(const char *dsn, struct outbox_error *error)
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
static int refuse_conninfo(const char *why, struct outbox_error *error)
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

int pg_target_parse(struct pg_target *target, const char *dsn, const char *application, const char *relay,
                    struct outbox_error *error)
{
    char *why = NULL;
    pg_target_free(target);
    if (check_scheme(dsn ? dsn : "", error))
        return error->code;
    target->parsed = PQconninfoParse(dsn ? dsn : "", &why);
    if (!target->parsed) {
        refuse_conninfo(why, error);
        PQfreemem(why);
        return error->code;
    }
    if (check_values(target, error))
        return error->code;
    name_connections(target, application, relay);
    const char *seconds = value_of(target, "connect_timeout", "PGCONNECT_TIMEOUT");
    long wish = seconds ? strtol(seconds, NULL, 10) : 0;
    target->connect_ms = wish > CONNECT_MOST_S ? CONNECT_MOST_S * 1000ll : wish < 0 ? 0 : wish * 1000ll;
    bound_wakeup(target);
    list_candidates(target);
    return OUTBOX_OK;
}

void pg_target_free(struct pg_target *target)
{
    if (target->parsed)
        PQconninfoFree(target->parsed);
    target->parsed = NULL;
    target->candidate_count = 0;
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
    list_candidates(target);
    pg_fail(error, OUTBOX_E_CONFIG, "connect: the dsn names no host");
    for (uint32_t i = 0; i < target->candidate_count && count < PG_CANDIDATES; i++) {
        const struct pg_candidate *candidate = &target->candidates[i];
        if (is_socket(candidate->host) || *candidate->address) {
            found[count++] = *candidate;
            continue;
        }
        int status = resolve_one(candidate, found, PG_CANDIDATES, &count);
        if (status)
            pg_fail(error, OUTBOX_E_NOT_CONNECTED, "resolve host %s: %s", candidate->host, gai_strerror(status));
    }
    if (!count)
        return error->code;
    memcpy(target->candidates, found, count * sizeof *found);
    target->candidate_count = count;
    note_security(target);
    error->code = OUTBOX_OK;
    return OUTBOX_OK;
}

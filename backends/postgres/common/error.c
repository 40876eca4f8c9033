/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/common/error.c - SQLSTATEs become codes; texts become one line, with advice where there is any */
#include "error.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *prefix; /* of the SQLSTATE; the first that fits counts */
    int code;
    const char *advice;
} states[] = {
    {"08", OUTBOX_E_NOT_CONNECTED, ""},
    {"57014", OUTBOX_E_TIMEOUT, ""},
    {"57P", OUTBOX_E_NOT_CONNECTED, ""},
    {"53300", OUTBOX_E_NOT_CONNECTED, "; a relay needs two connections, with wakeup: wal three"},
    {"53100", OUTBOX_E_FULL, "; free space on the server's disk"},
    {"53", OUTBOX_E_AGAIN, ""},
    {"40", OUTBOX_E_AGAIN, ""},
    {"55P03", OUTBOX_E_AGAIN, ""},
    {"55", OUTBOX_E_AGAIN, ""},
    {"25006", OUTBOX_E_READ_ONLY, "; connect to the primary server"},
    {"25P", OUTBOX_E_NOT_CONNECTED, ""},
    {"42501", OUTBOX_E_PERMISSION, "; see 'outbox init --print-grants'"},
    {"28P01", OUTBOX_E_PERMISSION, "; correct user and password in the dsn"},
    {"28", OUTBOX_E_PERMISSION, ""}, /* the server's text names the role, or pg_hba.conf */
    {"42P01", OUTBOX_E_NOT_FOUND, "; run 'outbox init'"},
    {"3F000", OUTBOX_E_NOT_FOUND, "; create the schema"},
    {"3D000", OUTBOX_E_NOT_FOUND, "; create the database, or correct dbname in the dsn"},
    {"42703", OUTBOX_E_SCHEMA, "; see 'outbox check'"},
    {"42804", OUTBOX_E_SCHEMA, "; see 'outbox check'"},
    {"0A000", OUTBOX_E_SCHEMA, ""},
    {"22", OUTBOX_E_INVALID, ""},
    {"23", OUTBOX_E_INVALID, ""},
    {"XX001", OUTBOX_E_CORRUPT, ""},
    {"XX002", OUTBOX_E_CORRUPT, ""},
    {"58", OUTBOX_E_IO, ""},
    {"", OUTBOX_E_IO, ""}, /* all others have no special meaning for a relay */
};

static unsigned find(const char *state)
{
    unsigned i = 0;
    while (strncmp(state, states[i].prefix, strlen(states[i].prefix)) != 0)
        i++;
    return i;
}

static void set_state(struct outbox_error *error, const char *state)
{
    snprintf(error->state, sizeof error->state, "%s", state);
}

/* Joins the lines of libpq's text, without the location in the server's source. */
static void one_line(char *to, size_t size, const char *from)
{
    size_t at = 0;
    const char *location = strstr(from, "\nLOCATION:");
    for (; *from && from != location && at + 2 < size; from++) {
        if (at && from[0] == '\n' && from[1] == '\t')
            to[at++] = ';'; /* libpq goes on in an indented line */
        else if (*from != '\n' && *from != '\t')
            to[at++] = *from;
        else if (at && to[at - 1] != ' ')
            to[at++] = ' ';
    }
    to[at] = '\0';
    while (at && (isspace((unsigned char)to[at - 1]) || to[at - 1] == '.'))
        to[--at] = '\0';
}

/* Not a function or a trigger that the statement has run: then there is a context. The name is of the server's source,
 * and is not translated. */
static bool is_own_chr(const PGresult *result)
{
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    return function && !strcmp(function, "chr") && !PQresultErrorField(result, PG_DIAG_CONTEXT);
}

void pg_error_of_result(struct outbox_error *error, const char *what, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    char own[300];
    if (!state)
        state = "08006"; /* libpq's own: the connection */
    one_line(own, sizeof own, PQresultErrorMessage(result));
    pg_fail(error, states[find(state)].code, "%s: %s%s%s (%s)%s", what, text ? text : own, detail ? ": " : "",
            detail ? detail : "", state, states[find(state)].advice);
    error->native = is_own_chr(result) ? PG_NATIVE_CHR : 0;
    set_state(error, state);
}

struct pg_where pg_where(const PGconn *pg)
{
    struct pg_where where;
    const char *host = PQhost(pg), *port = PQport(pg), *user = PQuser(pg);
    snprintf(where.text, sizeof where.text, "%.*s:%.*s as %.*s",
             OUTBOX_CUT(host && *host ? host : "the local socket", 80), OUTBOX_CUT(port ? port : "", 8),
             OUTBOX_CUT(user ? user : "?", 40));
    return where;
}

/* "FATAL: 28P01" in the text of a refused connection. The language of the words varies; this form does not. */
static void find_state(const char *text, char state[6])
{
    state[0] = '\0';
    for (const char *at = strstr(text, ":  "); at; at = strstr(at + 3, ":  ")) {
        size_t length = 0;
        while (isalnum((unsigned char)at[3 + length]))
            length++;
        if (length == 5) {
            memcpy(state, at + 3, 5);
            state[5] = '\0';
        }
    }
}

/* Refusals by libpq itself: they have no SQLSTATE, and are permanent like a wrong password. */
static const char *advice_on_refusal(const char *text)
{
    static const struct {
        const char *words, *advice;
    } known[] = {
        {"certificate verify failed",
         "; set sslrootcert to the authority that signed the server's certificate, or renew a certificate that has "
         "expired: see openssl s_client -starttls postgres"},
        {"does not match host name", "; name the host in the dsn as its certificate does"},
        {"root certificate file", "; write the certificate of the authority into that file, or set sslrootcert"},
        {"no password supplied", "; set password in the dsn"},
        {"server does not support SSL", "; turn ssl on at the server"},
    };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(text, known[i].words))
            return known[i].advice;
    return NULL;
}

void pg_error_of_conn(struct outbox_error *error, const char *what, const PGconn *pg)
{
    char text[300], state[6];
    one_line(text, sizeof text, PQerrorMessage(pg));
    find_state(text, state);
    const char *refusal = advice_on_refusal(text);
    if (refusal && !state[0]) {
        pg_fail(error, OUTBOX_E_PERMISSION, "%s (%s): %s%s", what, pg_where(pg).text, text, refusal);
        set_state(error, "08001");
        return;
    }
    pg_fail(error, state[0] ? states[find(state)].code : OUTBOX_E_NOT_CONNECTED, "%s (%s): %s%s", what,
            pg_where(pg).text, text[0] ? text : "the connection is gone", state[0] ? states[find(state)].advice : "");
    set_state(error, state[0] ? state : "08006");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/postgres.c - the suite's server is Postgres */
#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/postgres.h>

#include "server.h"

struct session {
    PGconn *pg;
};

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static struct session *connect_at(int port)
{
    char dsn[120];
    struct session *session = malloc(sizeof *session);
    snprintf(dsn, sizeof dsn, "host=127.0.0.1 port=%d user=outbox dbname=outbox sslmode=disable connect_timeout=20",
             port);
    session->pg = PQconnectdb(dsn);
    return session;
}

struct session *session_open_at(int port)
{
    struct session *session = connect_at(port);
    cr_assert_eq(PQstatus(session->pg), CONNECTION_OK, "%s", PQerrorMessage(session->pg));
    session_run(session, "SET client_min_messages = warning");
    return session;
}

struct session *session_open_if(int port)
{
    struct session *session = connect_at(port);
    if (PQstatus(session->pg) == CONNECTION_OK)
        return session;
    session_close(session);
    return NULL;
}

void session_close(struct session *session)
{
    PQfinish(session->pg);
    free(session);
}

static bool succeeded(const PGresult *result)
{
    return PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
}

int64_t session_run(struct session *session, const char *statement)
{
    PGresult *result = PQexec(session->pg, statement);
    int64_t number = -1;
    cr_assert(succeeded(result), "%s: %s", statement, PQerrorMessage(session->pg));
    if (PQntuples(result) && PQnfields(result))
        number = strtoll(PQgetvalue(result, 0, PQnfields(result) - 1), NULL, 10);
    PQclear(result);
    return number;
}

bool session_try(struct session *session, const char *statement)
{
    PGresult *result = PQexec(session->pg, statement);
    bool done = succeeded(result);
    PQclear(result);
    return done;
}

void *session_handle(struct session *session)
{
    return session->pg;
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

void server_section(struct obx_buf *to, const struct server_place *place)
{
    char port[12];
    snprintf(port, sizeof port, "%d", server_port());
    obx_buf_printf(to, "store:\n  plugin: postgres\n  dsn: host=%s port=%s user=%s password=outbox dbname=outbox %s\n",
                   place->hosts ? place->hosts : "127.0.0.1", place->ports ? place->ports : port,
                   place->user ? place->user : "outbox", place->more ? place->more : "");
}

void server_make_user(struct session *session, const char *name, const char *limits)
{
    char sql[200];
    snprintf(sql, sizeof sql, "CREATE ROLE %s LOGIN PASSWORD 'outbox' %s", name, limits);
    session_run(session, sql);
}

void server_grant(struct session *session, const char *what, const char *table, const char *user)
{
    char sql[200];
    snprintf(sql, sizeof sql, "GRANT %s ON %s TO %s", what, table, user);
    session_run(session, sql);
}

static void end_session(struct session *session, const char *holds_a_lock)
{
    char sql[300];
    snprintf(sql, sizeof sql,
             "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.application_name LIKE 'outbox %%' AND "
             "%s (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory')",
             holds_a_lock);
    session_run(session, sql);
}

void server_end_owner(struct session *session, const char *table)
{
    (void)table;
    end_session(session, "EXISTS");
}

void server_end_reader(struct session *session, const char *table)
{
    (void)table;
    end_session(session, "NOT EXISTS");
}

void server_begin(struct session *session, const char *name)
{
    (void)name;
    session_run(session, "BEGIN");
}

void server_prepare(struct session *session, const char *name)
{
    char sql[100];
    snprintf(sql, sizeof sql, "PREPARE TRANSACTION '%s'", name);
    session_run(session, sql);
}

void server_end(struct session *session, const char *name, bool prepared, bool commit)
{
    char sql[100];
    const char *verb = commit ? "COMMIT" : "ROLLBACK";
    if (prepared)
        snprintf(sql, sizeof sql, "%s PREPARED '%s'", verb, name);
    session_run(session, prepared ? sql : verb);
}

int server_add(struct session *session, const char *table, const struct outbox_event *event, int64_t *id,
               struct outbox_error *error)
{
    return outbox_pg_add(session->pg, table, event, id, error);
}

int server_add_many(struct session *session, const char *table, const struct outbox_event *const *events,
                    uint32_t count, struct outbox_error *error)
{
    return outbox_pg_add_many(session->pg, table, events, count, error);
}

int server_add_by_statement(struct session *session, const char *table, const struct outbox_event *event,
                            struct outbox_error *error)
{
    enum { TEXT = 25 };
    struct outbox_pg_statement *s;
    int64_t id = 0;
    int code = outbox_pg_statement(table, event, TEXT, true, &s, error);
    if (code)
        return code;
    cr_assert(PQsendQueryParams(session->pg, s->sql, s->count, NULL, s->values, s->lengths, s->formats, 1));
    outbox_pg_statement_free(s);
    PGresult *result = PQgetResult(session->pg);
    code = outbox_pg_inserted(result, table, &id, error);
    cr_expect(code || id > 0);
    PQclear(result);
    cr_assert_null(PQgetResult(session->pg));
    return code;
}

int server_inbox_take(struct session *session, const struct outbox_bytes *ids, size_t count, bool *is_new,
                      struct outbox_error *error)
{
    return outbox_pg_inbox_take(session->pg, "suite", ids, count, is_new, error);
}

int server_window_open(struct session *session, const struct outbox_window_place *place, struct outbox_window **window,
                       struct outbox_error *error)
{
    return outbox_pg_window_open(session->pg, place, window, error);
}

int server_window_save(struct session *session, struct outbox_window *window, struct outbox_error *error)
{
    return outbox_pg_window_save(session->pg, window, error);
}

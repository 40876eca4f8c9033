/* SPDX-License-Identifier: Apache-2.0 */
/* tests/inbox/postgres.c - the inbox of a consumer on Postgres */
#include <outbox/postgres.h>

#include "window_row.h"

const char client_begin[] = "BEGIN", client_begin_repeatable[] = "BEGIN ISOLATION LEVEL REPEATABLE READ";
const char client_store[] = "{ plugin: postgres, dsn: \"${OUTBOX_TEST_PG}\" }";
const bool client_writers_wait = true;
const unsigned client_again_per_mille = 0;

struct session {
    PGconn *pg;
};

static void ignore(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

struct session *client_open(const char *user)
{
    char dsn[300];
    struct session *session = calloc(1, sizeof *session);
    snprintf(dsn, sizeof dsn, "%s%s%s", getenv("OUTBOX_TEST_PG"), user ? " user=" : "", user ? user : "");
    session->pg = PQconnectdb(dsn);
    cr_assert_eq(PQstatus(session->pg), CONNECTION_OK, "%s", PQerrorMessage(session->pg));
    PQsetNoticeProcessor(session->pg, ignore, NULL);
    return session;
}

void client_close(struct session *session)
{
    PQfinish(session->pg);
    free(session);
}

int64_t client_run(struct session *session, const char *sql)
{
    PGresult *result = PQexec(session->pg, sql);
    int64_t value = INT64_MIN;
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        value = PQntuples(result) ? atoll(PQgetvalue(result, 0, 0)) : 0;
    else if (PQresultStatus(result) == PGRES_COMMAND_OK)
        value = atoll(PQcmdTuples(result));
    else
        fprintf(stderr, "# %s: %s", sql, PQerrorMessage(session->pg));
    PQclear(result);
    return value;
}

int client_take(struct session *session, const char *consumer, const struct outbox_bytes *ids, size_t count,
                bool *is_new, struct outbox_error *error)
{
    return outbox_pg_inbox_take(session->pg, consumer, ids, count, is_new, error);
}

int client_take_unconnected(const char *consumer, struct outbox_error *error)
{
    return outbox_pg_inbox_take(NULL, consumer, NULL, 0, NULL, error);
}

int client_window_open(struct session *session, const struct outbox_window_place *place, struct outbox_window **window,
                       struct outbox_error *error)
{
    return outbox_pg_window_open(session->pg, place, window, error);
}

int client_window_save(struct session *session, struct outbox_window *window, struct outbox_error *error)
{
    return outbox_pg_window_save(session->pg, window, error);
}

int64_t client_prune(struct session *session)
{
    return client_run(session, "SELECT outbox_inbox_prune()");
}

void client_age(struct session *session, const char *consumer, int days)
{
    char sql[200];
    snprintf(sql, sizeof sql, "UPDATE outbox_inbox SET received_on = received_on - %d WHERE consumer = '%s'", days,
             consumer);
    run(session, sql);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/inbox/sqlite.c - the inbox of a consumer on SQLite */
#include <outbox/sqlite.h>

#include "fixture.h"

const char client_begin[] = "BEGIN IMMEDIATE", client_begin_repeatable[] = "";
const char client_store[] = "{ plugin: sqlite, path: \"${INBOX_DIR}/consumer.db\" }";
const bool client_writers_wait = false;
const unsigned client_again_per_mille = 0;

struct session {
    sqlite3 *db;
};

struct session *client_open(const char *user)
{
    char path[200];
    struct session *session = calloc(1, sizeof *session);
    (void)user;
    snprintf(path, sizeof path, "%s/consumer.db", getenv("INBOX_DIR"));
    cr_assert_eq(sqlite3_open(path, &session->db), SQLITE_OK);
    sqlite3_busy_timeout(session->db, 20000);
    return session;
}

void client_close(struct session *session)
{
    cr_assert_eq(sqlite3_close(session->db), SQLITE_OK, "take() left a statement open");
    free(session);
}

int64_t client_run(struct session *session, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(session->db, sql, -1, &statement, NULL) != SQLITE_OK) {
        fprintf(stderr, "# %s: %s\n", sql, sqlite3_errmsg(session->db));
        return INT64_MIN;
    }
    int code = sqlite3_step(statement);
    int64_t value = code == SQLITE_ROW    ? sqlite3_column_int64(statement, 0)
                    : code == SQLITE_DONE ? sqlite3_changes(session->db)
                                          : INT64_MIN;
    if (value == INT64_MIN)
        fprintf(stderr, "# %s: %s\n", sql, sqlite3_errmsg(session->db));
    sqlite3_finalize(statement);
    return value;
}

int client_take(struct session *session, const char *consumer, const struct outbox_bytes *ids, size_t count,
                bool *is_new, struct outbox_error *error)
{
    return outbox_sqlite_inbox_take(session->db, consumer, ids, count, is_new, error);
}

int client_take_unconnected(const char *consumer, struct outbox_error *error)
{
    return outbox_sqlite_inbox_take(NULL, consumer, NULL, 0, NULL, error);
}

int64_t client_prune(struct session *session)
{
    return client_run(session, "DELETE FROM outbox_inbox WHERE (event_id, consumer) IN (SELECT event_id, consumer FROM "
                               "outbox_inbox WHERE received_on < date('now', '-7 days') LIMIT 1000)");
}

void client_age(struct session *session, const char *consumer, int days)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "UPDATE outbox_inbox SET received_on = date(received_on, '-%d days') WHERE consumer = '%s'", days,
             consumer);
    run(session, sql);
}

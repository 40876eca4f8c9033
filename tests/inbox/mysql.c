/* SPDX-License-Identifier: Apache-2.0 */
/* tests/inbox/mysql.c - the inbox of a consumer on MySQL and MariaDB */
#include <outbox/mysql.h>

#include "window_row.h"

const char client_begin[] = "BEGIN", client_begin_repeatable[] = "START TRANSACTION WITH CONSISTENT SNAPSHOT";
const char client_store[] = "{ plugin: mysql, host: 127.0.0.1, port: \"${OUTBOX_TEST_MYSQL_PORT}\", user: outbox, "
                            "password: outbox, database: outbox }";
const bool client_writers_wait = true;
const unsigned client_again_per_mille = 100; /* InnoDB passes gap locks on when a row is rolled back */

struct session {
    MYSQL *mysql;
};

/* A user "...+found" has CLIENT_FOUND_ROWS, as some applications set it. */
struct session *client_open(const char *user)
{
    struct session *session = calloc(1, sizeof *session);
    bool found = user && !strcmp(user, "+found");
    session->mysql = mysql_init(NULL);
    cr_assert_not_null(mysql_real_connect(session->mysql, "127.0.0.1", found || !user ? "outbox" : user, "outbox",
                                          "outbox", (unsigned)atoi(getenv("OUTBOX_TEST_MYSQL_PORT")), NULL,
                                          found ? CLIENT_FOUND_ROWS : 0),
                       "%s", mysql_error(session->mysql));
    return session;
}

void client_close(struct session *session)
{
    mysql_close(session->mysql);
    free(session);
}

int64_t client_run(struct session *session, const char *sql)
{
    if (mysql_query(session->mysql, sql)) {
        fprintf(stderr, "# %s: %s\n", sql, mysql_error(session->mysql));
        return INT64_MIN;
    }
    MYSQL_RES *result = mysql_store_result(session->mysql);
    if (!result)
        return (int64_t)mysql_affected_rows(session->mysql);
    MYSQL_ROW row = mysql_fetch_row(result);
    int64_t value = row && row[0] ? atoll(row[0]) : 0;
    mysql_free_result(result);
    return value;
}

int client_take(struct session *session, const char *consumer, const struct outbox_bytes *ids, size_t count,
                bool *is_new, struct outbox_error *error)
{
    return outbox_mysql_inbox_take(session->mysql, consumer, ids, count, is_new, error);
}

int client_take_unconnected(const char *consumer, struct outbox_error *error)
{
    return outbox_mysql_inbox_take(NULL, consumer, NULL, 0, NULL, error);
}

int client_window_open(struct session *session, const struct outbox_window_place *place, struct outbox_window **window,
                       struct outbox_error *error)
{
    return outbox_mysql_window_open(session->mysql, place, window, error);
}

int client_window_save(struct session *session, struct outbox_window *window, struct outbox_error *error)
{
    return outbox_mysql_window_save(session->mysql, window, error);
}

/* As docs/INBOX.md has it. READ COMMITTED: a prune locks no gap that a consumer inserts into. */
int64_t client_prune(struct session *session)
{
    int64_t failed = client_run(session, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    return failed == INT64_MIN ? failed
                               : client_run(session, "DELETE FROM outbox_inbox WHERE received_on < UTC_DATE() - "
                                                     "INTERVAL 7 DAY LIMIT 1000");
}

void client_age(struct session *session, const char *consumer, int days)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "UPDATE outbox_inbox SET received_on = received_on - INTERVAL %d DAY WHERE consumer = '%s'", days,
             consumer);
    run(session, sql);
}

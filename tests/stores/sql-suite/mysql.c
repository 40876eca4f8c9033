/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/mysql.c - the suite's server is MariaDB or MySQL */
#include <criterion/criterion.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/mysql.h>

#include "server.h"

struct session {
    MYSQL *mysql;
};

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static struct session *connect_at(int port, bool *connected)
{
    struct session *session = malloc(sizeof *session);
    session->mysql = mysql_init(NULL);
    mysql_options(session->mysql, MYSQL_OPT_CONNECT_TIMEOUT, &(unsigned){20});
    *connected = mysql_real_connect(session->mysql, "127.0.0.1", "outbox", "outbox", "outbox", (unsigned)port, NULL, 0);
    return session;
}

struct session *session_open_at(int port)
{
    bool connected;
    struct session *session = connect_at(port, &connected);
    cr_assert(connected, "%s", mysql_error(session->mysql));
    return session;
}

struct session *session_open_if(int port)
{
    bool connected;
    struct session *session = connect_at(port, &connected);
    if (connected)
        return session;
    session_close(session);
    return NULL;
}

void session_close(struct session *session)
{
    mysql_close(session->mysql);
    free(session);
}

int64_t session_run(struct session *session, const char *statement)
{
    int64_t number = -1;
    cr_assert_eq(mysql_query(session->mysql, statement), 0, "%s: %s", statement, mysql_error(session->mysql));
    MYSQL_RES *result = mysql_store_result(session->mysql);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    if (row && row[mysql_num_fields(result) - 1])
        number = strtoll(row[mysql_num_fields(result) - 1], NULL, 10);
    mysql_free_result(result);
    return number;
}

bool session_try(struct session *session, const char *statement)
{
    bool done = !mysql_query(session->mysql, statement);
    mysql_free_result(mysql_store_result(session->mysql));
    return done;
}

void *session_handle(struct session *session)
{
    return session->mysql;
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

static void put_item(struct obx_buf *to, const char **list)
{
    size_t length = strcspn(*list, ",");
    obx_buf_add(to, *list, length);
    *list += length + ((*list)[length] == ',');
}

void server_section(struct obx_buf *to, const struct server_place *place)
{
    char port[12];
    snprintf(port, sizeof port, "%d", server_port());
    const char *hosts = place->hosts ? place->hosts : "127.0.0.1", *ports = place->ports ? place->ports : port;
    obx_buf_puts(to, "store:\n  plugin: mysql\n  host: \"");
    for (const char *comma = ""; *hosts; comma = ",") {
        obx_buf_puts(to, comma);
        put_item(to, &hosts);
        obx_buf_puts(to, ":");
        put_item(to, &ports);
    }
    obx_buf_printf(to, "\"\n  user: %s\n  password: outbox\n  database: outbox\n",
                   place->user ? place->user : "outbox");
}

void server_make_user(struct session *session, const char *name, const char *limits)
{
    char sql[200];
    snprintf(sql, sizeof sql, "CREATE USER %s@'%%' IDENTIFIED BY 'outbox' %s", name, limits);
    session_run(session, sql);
}

void server_grant(struct session *session, const char *what, const char *table, const char *user)
{
    char sql[200];
    snprintf(sql, sizeof sql, "GRANT %s ON outbox.%s TO %s@'%%'", what, table, user);
    session_run(session, sql);
}

static long long owner_of(struct session *session, const char *table)
{
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT IS_USED_LOCK('outbox:outbox.%s')", table);
    return session_run(session, sql);
}

static void end_session(struct session *session, long long id)
{
    char sql[64];
    snprintf(sql, sizeof sql, "KILL %lld", id);
    session_run(session, sql);
}

void server_end_owner(struct session *session, const char *table)
{
    end_session(session, owner_of(session, table));
}

/* It connects right after the owner. */
void server_end_reader(struct session *session, const char *table)
{
    end_session(session, owner_of(session, table) + 1);
}

static void run_xa(struct session *session, const char *verb, const char *name, const char *more)
{
    char sql[100];
    snprintf(sql, sizeof sql, "XA %s '%s'%s", verb, name, more);
    session_run(session, sql);
}

void server_begin(struct session *session, const char *name)
{
    run_xa(session, "START", name, "");
}

void server_prepare(struct session *session, const char *name)
{
    run_xa(session, "END", name, "");
    run_xa(session, "PREPARE", name, "");
}

void server_end(struct session *session, const char *name, bool prepared, bool commit)
{
    if (!prepared)
        run_xa(session, "END", name, "");
    run_xa(session, commit ? "COMMIT" : "ROLLBACK", name, commit && !prepared ? " ONE PHASE" : "");
}

int server_add(struct session *session, const char *table, const struct outbox_event *event, int64_t *id,
               struct outbox_error *error)
{
    return outbox_mysql_add(session->mysql, table, event, id, error);
}

int server_add_many(struct session *session, const char *table, const struct outbox_event *const *events,
                    uint32_t count, struct outbox_error *error)
{
    return outbox_mysql_add_many(session->mysql, table, events, count, error);
}

int server_add_by_statement(struct session *session, const char *table, const struct outbox_event *event,
                            struct outbox_error *error)
{
    char *sql;
    size_t size;
    int code = outbox_mysql_statement(table, &event, 1, &sql, &size, error);
    if (code)
        return code;
    cr_assert_eq(mysql_real_query(session->mysql, sql, size), 0, "%s", mysql_error(session->mysql));
    cr_assert_eq(mysql_affected_rows(session->mysql), 1);
    outbox_mysql_statement_free(sql);
    return OUTBOX_OK;
}

int server_inbox_take(struct session *session, const struct outbox_bytes *ids, size_t count, bool *is_new,
                      struct outbox_error *error)
{
    return outbox_mysql_inbox_take(session->mysql, "suite", ids, count, is_new, error);
}

int server_window_open(struct session *session, const struct outbox_window_place *place, struct outbox_window **window,
                       struct outbox_error *error)
{
    return outbox_mysql_window_open(session->mysql, place, window, error);
}

int server_window_save(struct session *session, struct outbox_window *window, struct outbox_error *error)
{
    return outbox_mysql_window_save(session->mysql, window, error);
}

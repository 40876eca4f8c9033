/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/server.h - what differs among the servers that the suite runs on
 *
 * The cases are written once. Each program of the suite is linked with postgres.c or with mysql.c, and started with a
 * server by tests/stores/postgres/with-server or tests/stores/mysql/with-server. Where an SQL text or the text of an
 * error differs, the case has both: BY_SERVER("for Postgres", "for MySQL and MariaDB").
 *
 * A session is a plain blocking connection, as writers have it: the test decides step by step who commits when.
 */
#ifndef OBX_TESTS_STORES_SQL_SUITE_SERVER_H
#define OBX_TESTS_STORES_SQL_SUITE_SERVER_H

#include <outbox/plugin.h>
#include <outbox/window.h>

#include "base/buf.h"

enum server_kind { POSTGRES, MARIADB, MYSQL_SERVER };
enum server_kind server_kind(void);

#define BY_SERVER(postgres, mysql) (server_kind() == POSTGRES ? (postgres) : (mysql))
#define BY_KIND(postgres, mariadb, mysql) (server_kind() == MARIADB ? (mariadb) : BY_SERVER(postgres, mysql))

/* ---- the server's process ---------------------------------------------------------------------------------------- */

int server_port(void);
const char *server_dir(void);                    /* where its data is */
void server_do(const char *verb);                /* of tests/services: stop, kill, restart, pause, resume */
void server_standby(const char *verb, int port); /* of tests/stores/postgres/standby and tests/stores/mysql/standby */

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

struct session;
struct session *session_open(void);
struct session *session_open_at(int port);
struct session *session_open_if(int port); /* NULL: there is no connection */
void session_close(struct session *session);
/* The last column of the first row, or -1. Fails the test if the statement fails. */
int64_t session_run(struct session *session, const char *statement);
bool session_try(struct session *session, const char *statement); /* false: the statement failed */
void *session_handle(struct session *session);                    /* PGconn or MYSQL */

/* ---- the store --------------------------------------------------------------------------------------------------- */

/* Where a store connects to. NULL: as the test's server has it. */
struct server_place {
    const char *hosts, *ports; /* lists of the same length, with commas */
    const char *user;
    const char *more; /* Postgres: appended to the conninfo */
};
/* The section `store:` but for its table. */
void server_section(struct obx_buf *to, const struct server_place *place);

/* A role that may log in with the password "outbox", and no more; `limits` are appended. */
void server_make_user(struct session *session, const char *name, const char *limits);
void server_grant(struct session *session, const char *what, const char *table, const char *user);
/* End the database session that owns the outbox, or the session that reads it. */
void server_end_owner(struct session *session, const char *table);
void server_end_reader(struct session *session, const char *table);

/* Transactions that can be prepared; `name` is theirs, in the session that began them. */
void server_begin(struct session *session, const char *name);
void server_prepare(struct session *session, const char *name);
void server_end(struct session *session, const char *name, bool prepared, bool commit);

/* The writer's library. */
int server_add(struct session *session, const char *table, const struct outbox_event *event, int64_t *id,
               struct outbox_error *error);
int server_add_many(struct session *session, const char *table, const struct outbox_event *const *events,
                    uint32_t count, struct outbox_error *error);
/* Sends a statement that the library has made, into a table with a payload of type text. */
int server_add_by_statement(struct session *session, const char *table, const struct outbox_event *event,
                            struct outbox_error *error);

/* The same library for consumers: the inbox of both levels. */
int server_inbox_take(struct session *session, const struct outbox_bytes *ids, size_t count, bool *is_new,
                      struct outbox_error *error);
int server_window_open(struct session *session, const struct outbox_window_place *place, struct outbox_window **window,
                       struct outbox_error *error);
int server_window_save(struct session *session, struct outbox_window *window, struct outbox_error *error);

#endif

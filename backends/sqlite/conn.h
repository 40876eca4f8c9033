/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/conn.h - one connection to the database file, its prepared statements, and its wait for locks
 *
 * The lowest layer of the store: it knows SQLite and the host's clock, and neither ops nor tables. One thread uses a
 * connection at a time, so SQLite's own mutex is off.
 *
 * Happy path: lite_conn_init() once, lite_conn_open(), lite_prepare(), lite_step() for each execution,
 * lite_conn_close(). Failure modes: every function fills `error` and returns its code. A wait for another connection's
 * lock ends after busy_timeout_ms, or as soon as *canceled is set.
 */
#ifndef OBX_BACKENDS_SQLITE_CONN_H
#define OBX_BACKENDS_SQLITE_CONN_H

#include <stdatomic.h>
#include <stdbool.h>

#include <sqlite3.h>

#include <outbox/plugin_util.h>

enum lite_statement {
    STATEMENT_NEXT,      /* READ lane: rows with ids from ?1 to ?2, at most ?3 */
    STATEMENT_POSITION,  /* READ lane: the row with id ?1 */
    STATEMENT_BEGIN,     /* WRITE lane, like all that follow */
    STATEMENT_COMMIT,    /* */
    STATEMENT_SAVEPOINT, /* around one dead letter */
    STATEMENT_UNDO,      /* what the savepoint covers */
    STATEMENT_RELEASE,   /* the savepoint */
    STATEMENT_EPOCH,     /* the epoch in the relay table */
    STATEMENT_DELETE,    /* rows with ids from ?1 to ?2 */
    STATEMENT_REMAINING, /* how many rows with ids from ?1 to ?2 there are; also reads their pages into the cache */
    STATEMENT_DEAD,      /* insert a dead letter */
    STATEMENT_COUNT
};

struct lite_conn {
    sqlite3 *db; /* owned; NULL: closed */
    const struct outbox_host *host;
    const char *path;            /* of the option; for errors */
    const atomic_bool *canceled; /* of the op that runs; NULL: no op runs */
    uint64_t busy_timeout_ms;    /* the longest wait for one lock */
    uint64_t busy_until_ns;      /* the end of the wait that goes on */
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

void lite_conn_init(struct lite_conn *conn, const struct outbox_host *host, const char *path, uint64_t busy_timeout_ms);
/* what: begins the error text, "open outbox database". create: make the file if it does not exist. */
int lite_conn_open(struct lite_conn *conn, bool create, const char *what, struct outbox_error *error);
void lite_conn_close(struct lite_conn *conn); /* finalizes the statements, too; harmless on a closed connection */

/* Fill `error` with SQLite's reason for `code`. Returns the code of outbox. */
int lite_fail(const struct lite_conn *conn, int code, const char *what, struct outbox_error *error);
int lite_fail_memory(const struct lite_conn *conn, const char *what, struct outbox_error *error);

/* sql comes from sqlite3_mprintf() or is NULL, which means that there was no memory for it. The caller frees it. */
int lite_prepare(struct lite_conn *conn, enum lite_statement which, const char *sql, const char *what,
                 struct outbox_error *error);
/* A statement for one use, the caller's to finalize; frees sql. NULL: error is filled. */
sqlite3_stmt *lite_prepare_once(struct lite_conn *conn, char *sql, const char *what, struct outbox_error *error);
/* Execute a statement that gives no rows, or one row that nobody reads. */
int lite_step(struct lite_conn *conn, enum lite_statement which, const char *what, struct outbox_error *error);
/* Execute any SQL; frees sql, which is as for lite_prepare(). */
int lite_exec(struct lite_conn *conn, char *sql, const char *what, struct outbox_error *error);
/* The number in the first column of the first row, -1 if there is none or it is NULL; frees sql. */
int64_t lite_query_int64(struct lite_conn *conn, char *sql, const char *what, struct outbox_error *error);
/* Ends the transaction if one is open. */
void lite_rollback(struct lite_conn *conn);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/writer/postgres.c - the writer's database: Postgres, reconnects until it succeeds
 *
 * If the connection breaks before COMMIT is sent, the transaction is rolled back. If it breaks at
 * COMMIT, the outcome is unknown. Transactions that a lost connection left prepared are rolled back at the next one.
 * With OUTBOX_TEST_CAPTURE events are not rows, but messages of TABLE_emit().
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "writer.h"

struct writer_db {
    const char *where, *table;
    unsigned prepared; /* transactions so far */
    char *insert;      /* owned; up to the values */
    PGconn *connection;
    bool in_doubt; /* the last transaction may be prepared */
};

static bool print_error(struct writer_db *db, const char *what)
{
    fprintf(stderr, "writer: %s: %s", what, PQerrorMessage(db->connection));
    return false;
}

static bool run(struct writer_db *db, const char *sql)
{
    PGresult *result = PQexec(db->connection, sql);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return ok || print_error(db, sql);
}

static bool connect_once(struct writer_db *db)
{
    char sql[64];
    PQfinish(db->connection);
    db->connection = PQconnectdb(db->where);
    if (PQstatus(db->connection) != CONNECTION_OK || !run(db, "set client_min_messages = warning"))
        return false;
    snprintf(sql, sizeof sql, "rollback prepared 'writer-%d-%p-%u'", (int)getpid(), (void *)db, db->prepared);
    return !db->in_doubt || run(db, sql) || PQstatus(db->connection) == CONNECTION_OK; /* it may have ended */
}

static bool connect_again(struct writer_db *db)
{
    return writer_keep_trying(db, connect_once) || print_error(db, "connect");
}

struct writer_db *writer_db_open(const char *where, const char *table)
{
    struct writer_db *db = calloc(1, sizeof *db);
    if (!db || !(db->insert = writer_insert_text(table))) {
        free(db);
        return NULL;
    }
    db->where = where;
    db->table = table;
    /* two writers may create the table at the same time: try twice */
    static const char keys[] = "create table if not exists writer_keys (key text primary key, n bigint not null)";
    if (connect_again(db) && (run(db, keys) || run(db, keys))) /* NOLINT(misc-redundant-expression) */
        return db;
    writer_db_close(db);
    return NULL;
}

void writer_db_close(struct writer_db *db)
{
    PQfinish(db->connection);
    free(db->insert);
    free(db);
}

bool writer_db_begin(struct writer_db *db, bool prepares)
{
    (void)prepares;
    return run(db, "begin") || (connect_again(db) && run(db, "begin"));
}

bool writer_db_draw(struct writer_db *db, struct writer_event *event)
{
    const char *const values[] = {event->key};
    PGresult *result = PQexecParams(db->connection,
                                    "insert into writer_keys as k (key, n) values ($1, 1) "
                                    "on conflict (key) do update set n = k.n + 1 returning n",
                                    1, NULL, values, NULL, NULL, 0);
    bool ok = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
    if (ok)
        event->sequence = (uint32_t)strtoul(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return ok || print_error(db, "draw a place within the key");
}

static bool emit(struct writer_db *db, const struct writer_event *event)
{
    char sql[200];
    const char *const values[] = {event->key, event->payload, event->id};
    const int lengths[] = {0, (int)event->size, 0}, formats[] = {0, 1, 0};
    snprintf(sql, sizeof sql, "select %s_emit('order', $1, 'placed', $2::%s, null, $3::uuid)", db->table,
             event->binary ? "bytea" : "text");
    PGresult *result = PQexecParams(db->connection, sql, 3, NULL, values, lengths, formats, 0);
    bool ok = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    return ok || print_error(db, "emit an event");
}

static bool emit_all(struct writer_db *db, const struct writer_event *events, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!emit(db, &events[i]))
            return false;
    return true;
}

/* The payload is sent in binary format, which is the same for text and bytea. */
bool writer_db_insert(struct writer_db *db, const struct writer_event *events, unsigned count)
{
    const char *values[3 * WRITER_STATEMENT_MAX];
    int lengths[3 * WRITER_STATEMENT_MAX] = {0}, formats[3 * WRITER_STATEMENT_MAX] = {0};
    char sql[300 + 60 * WRITER_STATEMENT_MAX];
    if (getenv("OUTBOX_TEST_CAPTURE"))
        return emit_all(db, events, count);
    int used = snprintf(sql, 300, "%s", db->insert);
    for (unsigned i = 0; i < count; i++) {
        used += sprintf(sql + used, "%s ($%u::uuid, 'order', $%u, 'placed', $%u)", i ? "," : "", 3 * i + 1, 3 * i + 2,
                        3 * i + 3);
        values[3 * i] = events[i].id;
        values[3 * i + 1] = events[i].key;
        values[3 * i + 2] = events[i].payload;
        lengths[3 * i + 2] = (int)events[i].size;
        formats[3 * i + 2] = 1;
    }
    PGresult *result = PQexecParams(db->connection, sql, 3 * (int)count, NULL, values, lengths, formats, 0);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return ok || print_error(db, "insert events");
}

bool writer_db_undo(struct writer_db *db, const struct writer_event *event)
{
    return run(db, "savepoint undone") && writer_db_insert(db, event, 1) && run(db, "rollback to savepoint undone");
}

static bool prepare(struct writer_db *db, char sql[64])
{
    snprintf(sql, 64, "prepare transaction 'writer-%d-%p-%u'", (int)getpid(), (void *)db, ++db->prepared);
    db->in_doubt = true;
    if (!run(db, sql))
        return false;
    snprintf(sql, 64, "commit prepared 'writer-%d-%p-%u'", (int)getpid(), (void *)db, db->prepared);
    return true;
}

enum writer_end writer_db_commit(struct writer_db *db, bool prepares)
{
    char sql[64] = "commit";
    if (prepares && !prepare(db, sql))
        return WRITER_IN_DOUBT;
    PGresult *result = PQexec(db->connection, sql);
    db->in_doubt = PQstatus(db->connection) != CONNECTION_OK;
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    bool rolled_back = ok && strcmp(PQcmdStatus(result), "ROLLBACK") == 0;
    bool refused = !ok && PQresultErrorField(result, PG_DIAG_SQLSTATE) && PQstatus(db->connection) == CONNECTION_OK;
    PQclear(result);
    if (ok)
        return rolled_back ? WRITER_ROLLED_BACK : WRITER_COMMITTED;
    print_error(db, "commit");
    return refused ? WRITER_ROLLED_BACK : WRITER_IN_DOUBT;
}

void writer_db_rollback(struct writer_db *db)
{
    if (PQstatus(db->connection) == CONNECTION_OK)
        run(db, "rollback");
}

bool writer_db_left(struct writer_db *db, const char *table)
{
    char sql[200];
    snprintf(sql, sizeof sql, "select event_id from %s order by id", table);
    PGresult *result = PQexec(db->connection, sql);
    bool ok = PQresultStatus(result) == PGRES_TUPLES_OK;
    for (int i = 0; ok && i < PQntuples(result); i++)
        puts(PQgetvalue(result, i, 0));
    PQclear(result);
    return ok || print_error(db, "read what is left");
}

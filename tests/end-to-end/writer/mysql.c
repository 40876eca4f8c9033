/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/writer/mysql.c - the writer's database: MySQL or MariaDB, reconnects until it succeeds
 *
 * WHERE is the port on this machine. If the connection breaks before COMMIT is sent, the transaction is rolled back. If
 * it breaks at COMMIT, the outcome is unknown. In two phases: XA. A transaction that a lost connection left prepared is
 * rolled back as soon as the server has ended that connection; until then the others are ordinary ones.
 */
#include <mysql.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "writer.h"

struct writer_db {
    unsigned port;
    char *insert; /* owned; up to the values */
    MYSQL *connection;
    unsigned prepared; /* XA transactions so far */
    bool xa;           /* the open transaction is one */
    bool in_doubt;     /* the last one may be prepared */
    char xid[64];      /* its name, quoted */
};

static bool print_error(struct writer_db *db, const char *what)
{
    fprintf(stderr, "writer: %s: %s\n", what, db->connection ? mysql_error(db->connection) : "no connection");
    return false;
}

static bool run(struct writer_db *db, const char *sql)
{
    return (db->connection && !mysql_query(db->connection, sql)) || print_error(db, sql);
}

static bool connect_once(struct writer_db *db)
{
    if (db->connection)
        mysql_close(db->connection);
    db->connection = mysql_init(NULL);
    return db->connection &&
           mysql_real_connect(db->connection, "127.0.0.1", "outbox", "outbox", "outbox", db->port, NULL, 0) &&
           run(db, "set session transaction isolation level read committed");
}

static bool connect_again(struct writer_db *db)
{
    return writer_keep_trying(db, connect_once) || print_error(db, "connect");
}

/* ---- two phases -------------------------------------------------------------------------------------------------- */

static bool run_xa(struct writer_db *db, const char *verb)
{
    char sql[100];
    snprintf(sql, sizeof sql, "xa %s %s", verb, db->xid);
    return run(db, sql);
}

/* Is it still prepared, and held by no connection? Unknown: it may be. */
static bool is_prepared(struct writer_db *db)
{
    bool found = mysql_query(db->connection, "xa recover") != 0;
    MYSQL_RES *result = found ? NULL : mysql_store_result(db->connection);
    MYSQL_ROW row;
    while (result && (row = mysql_fetch_row(result)))
        found |= !strncmp(row[3], db->xid + 1, strlen(db->xid) - 2);
    mysql_free_result(result);
    return found;
}

static void settle_doubt(struct writer_db *db)
{
    if (!db->in_doubt || mysql_ping(db->connection))
        return;
    run_xa(db, "rollback"); /* it may have ended */
    db->in_doubt = is_prepared(db);
}

static bool start_xa(struct writer_db *db)
{
    snprintf(db->xid, sizeof db->xid, "'writer-%d-%p-%u'", (int)getpid(), (void *)db, ++db->prepared);
    db->xa = run_xa(db, "start");
    return db->xa;
}

static enum writer_end commit_xa(struct writer_db *db)
{
    db->in_doubt = true;
    if (!run_xa(db, "end") || !run_xa(db, "prepare") || !run_xa(db, "commit"))
        return WRITER_IN_DOUBT;
    db->in_doubt = false;
    return WRITER_COMMITTED;
}

/* Rolls back what writers that were killed have left prepared. False: there was some. */
static bool roll_back_orphans(struct writer_db *db)
{
    MYSQL_RES *result = mysql_query(db->connection, "xa recover") ? NULL : mysql_store_result(db->connection);
    MYSQL_ROW row;
    bool none = true;
    while (result && (row = mysql_fetch_row(result))) {
        char sql[120];
        int pid = !strncmp(row[3], "writer-", 7) ? atoi(row[3] + 7) : 0;
        if (pid <= 0 || !kill(pid, 0))
            continue;
        snprintf(sql, sizeof sql, "xa rollback '%.80s'", row[3]);
        run(db, sql); /* not while the server still has its connection */
        none = false;
    }
    mysql_free_result(result);
    return none;
}

struct writer_db *writer_db_open(const char *where, const char *table)
{
    struct writer_db *db = calloc(1, sizeof *db);
    if (!db || !(db->insert = writer_insert_text(table))) {
        free(db);
        return NULL;
    }
    db->port = (unsigned)strtoul(where, NULL, 10);
    static const char keys[] = "create table if not exists writer_keys (k varchar(64) primary key, n bigint not null)";
    if (connect_again(db) && run(db, keys)) {
        for (int i = 0; i < 50 && !roll_back_orphans(db); i++)
            usleep(100000);
        return db;
    }
    writer_db_close(db);
    return NULL;
}

/* No transaction stays prepared: it would hold rows, and the log. */
void writer_db_close(struct writer_db *db)
{
    for (int i = 0; i < 300 && db->in_doubt; i++) {
        settle_doubt(db);
        usleep(db->in_doubt ? 100000 : 0);
        if (mysql_ping(db->connection))
            connect_again(db);
    }
    if (db->connection)
        mysql_close(db->connection);
    free(db->insert);
    free(db);
}

static bool begin_once(struct writer_db *db, bool prepares)
{
    settle_doubt(db);
    db->xa = false;
    return prepares && !db->in_doubt ? start_xa(db) : run(db, "begin");
}

bool writer_db_begin(struct writer_db *db, bool prepares)
{
    return begin_once(db, prepares) || (connect_again(db) && begin_once(db, prepares));
}

bool writer_db_draw(struct writer_db *db, struct writer_event *event)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "insert into writer_keys (k, n) values ('%s', last_insert_id(1)) on duplicate key update n = "
             "last_insert_id(n + 1)",
             event->key);
    if (!run(db, sql))
        return false;
    event->sequence = (uint32_t)mysql_insert_id(db->connection);
    return true;
}

/* Returns the end of the text. */
static char *append_event(char *sql, const struct writer_event *event)
{
    sql += sprintf(sql, "('%s', 'order', '%s', 'placed', ", event->id, event->key);
    if (!event->payload)
        return sql + sprintf(sql, "null)");
    sql += sprintf(sql, "x'");
    sql += mysql_hex_string(sql, event->payload, (unsigned long)event->size);
    return sql + sprintf(sql, "')");
}

bool writer_db_insert(struct writer_db *db, const struct writer_event *events, unsigned count)
{
    size_t room = strlen(db->insert) + 1;
    for (unsigned i = 0; i < count; i++)
        room += 2 * events[i].size + 200;
    char *sql = malloc(room), *end = sql ? sql + sprintf(sql, "%s", db->insert) : NULL;
    for (unsigned i = 0; sql && i < count; i++) {
        *end++ = i ? ',' : ' ';
        end = append_event(end, &events[i]);
    }
    bool ok =
        sql && (!mysql_real_query(db->connection, sql, (unsigned long)(end - sql)) || print_error(db, "insert events"));
    free(sql);
    return ok;
}

/* Error codes of the client library: the connection is lost. Error codes of the server: it refused. */
bool writer_db_undo(struct writer_db *db, const struct writer_event *event)
{
    return run(db, "savepoint undone") && writer_db_insert(db, event, 1) && run(db, "rollback to savepoint undone");
}

enum writer_end writer_db_commit(struct writer_db *db, bool prepares)
{
    (void)prepares; /* none does while the outcome of one is unknown */
    if (db->xa)
        return commit_xa(db);
    if (!mysql_query(db->connection, "commit"))
        return WRITER_COMMITTED;
    print_error(db, "commit");
    unsigned number = mysql_errno(db->connection);
    bool gone = number == 1053 || number == 1927 || (number >= 2000 && number < 3000);
    return gone ? WRITER_IN_DOUBT : WRITER_ROLLED_BACK;
}

void writer_db_rollback(struct writer_db *db)
{
    if (mysql_ping(db->connection))
        return;
    if (db->xa)
        run_xa(db, "end");
    if (!db->xa || !run_xa(db, "rollback"))
        run(db, "rollback");
}

bool writer_db_left(struct writer_db *db, const char *table)
{
    char sql[200];
    snprintf(sql, sizeof sql, "select event_id from %s order by id", table);
    if (!run(db, sql))
        return false;
    MYSQL_RES *result = mysql_store_result(db->connection);
    MYSQL_ROW row;
    while (result && (row = mysql_fetch_row(result)))
        puts(row[0]);
    mysql_free_result(result);
    return result || print_error(db, "read what is left");
}

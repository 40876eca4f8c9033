/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/check.c - what is wrong, or will be, and what to do about it
 *
 * A list of probes, one after the other: each is a statement without effect, and what is found is told from its result
 * or its refusal.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

static void say(const struct mys_op *op, enum outbox_log_level level, const char *advice, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void say(const struct mys_op *op, enum outbox_log_level level, const char *advice, const char *format, ...)
{
    const struct outbox_check *check = op->in;
    char text[400];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    check->report(check->arg, level, text, advice);
}

/* ---- the server -------------------------------------------------------------------------------------------------- */

static void put_server(const struct mys_store *store, struct obx_sql_text *sql)
{
    (void)store;
    obx_sql_text_puts(sql,
                      "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', 'sync_binlog', "
                      "'binlog_format', 'binlog_row_image', 'auto_increment_increment', "
                      "'read_only') AND (Variable_name NOT LIKE 'binlog%' OR @@log_bin)");
}

static bool is(MYSQL_ROW row, const char *name)
{
    return !strcmp(row[0], name);
}

static void tell_server(struct mys_op *op)
{
    const struct mys_server *server = &op->store->server;
    MYSQL_ROW row;
    say(op, OUTBOX_LOG_INFO, NULL, "%s %s, database %s as user %s", server->mariadb ? "MariaDB" : "MySQL",
        server->version, op->store->table.schema, server->user);
    while (op->result && (row = mysql_fetch_row(op->result))) {
        if (is(row, "read_only") && strcmp(row[1], "OFF") != 0)
            say(op, OUTBOX_LOG_ERROR, "name the primary server in host:", "the server is read-only, as a replica is");
        if (is(row, "innodb_flush_log_at_trx_commit") && strcmp(row[1], "1") != 0)
            say(op, OUTBOX_LOG_WARN, "set innodb_flush_log_at_trx_commit = 1",
                "innodb_flush_log_at_trx_commit is %s: a crash of the server undoes what was committed last, events "
                "that were published already among it",
                row[1]);
        if (is(row, "binlog_format") && !strcmp(row[1], "STATEMENT"))
            say(op, OUTBOX_LOG_ERROR, "set binlog_format = ROW",
                "binlog_format is STATEMENT: the server refuses what a relay deletes at READ COMMITTED");
        if (is(row, "binlog_row_image") && !strcmp(row[1], "FULL"))
            say(op, OUTBOX_LOG_INFO,
                "set binlog_row_image = MINIMAL, or NOBLOB, where no reader of the binlog wants them",
                "binlog_row_image is FULL: each event is written to the binlog a second time as it is removed, which "
                "is most of what large events cost the server");
        if (is(row, "auto_increment_increment") && strcmp(row[1], "1") != 0)
            say(op, OUTBOX_LOG_WARN, "set auto_increment_increment = 1 where only one server is written to",
                "auto_increment_increment is %s: rows cannot be deleted in runs, which takes several times as long",
                row[1]);
    }
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void tell_id(const struct mys_op *op)
{
    const struct mys_table *table = &op->store->table;
    const struct mys_column *id = mys_column_find(table, table->id);
    char advice[600];
    snprintf(
        advice, sizeof advice,
        "ALTER TABLE `%s`.`%s` ADD COLUMN seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE; and set columns: { id: "
        "seq%s }",
        table->schema, op->store->name, id ? ", event_id: id" : "");
    if (!id || (strcmp(id->base, "bigint") != 0 && strcmp(id->base, "int") != 0))
        say(op, OUTBOX_LOG_ERROR, advice, "table %s.%s has no BIGINT column that orders its rows: `%s` is %s",
            table->schema, op->store->name, table->id, id ? id->type : "not there");
    else if (strcmp(id->base, "int") == 0)
        say(op, OUTBOX_LOG_WARN, "make it BIGINT UNSIGNED", "column `%s` is of type %s: it will run out of numbers",
            table->id, id->type);
}

/* Unique indexes that begin with the id; triggers on delete. */
static void put_table(const struct mys_store *store, struct obx_sql_text *sql)
{
    const struct mys_table *table = &store->table;
    obx_sql_text_format(sql,
                        "SELECT (SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = %l AND "
                        "table_name = %l AND column_name = %l AND seq_in_index = 1 AND non_unique = 0), "
                        "(SELECT COUNT(*) FROM information_schema.triggers WHERE event_object_schema = %l AND "
                        "event_object_table = %l AND event_manipulation = 'DELETE')",
                        table->schema, store->name, table->id, table->schema, store->name);
}

static void tell_table(struct mys_op *op)
{
    const struct mys_store *store = op->store;
    const struct mys_table *table = &store->table;
    const char *payload = obx_sql_column(&store->column_names, "payload");
    char advice[600];
    if (strcmp(table->kind, "BASE TABLE") != 0)
        say(op, OUTBOX_LOG_ERROR, "name the table itself", "%s.%s is no table", table->schema, store->name);
    snprintf(advice, sizeof advice, "ALTER TABLE `%s`.`%s` ENGINE = InnoDB", table->schema, store->name);
    if (*table->engine && strcmp(table->engine, "InnoDB") != 0)
        say(op, OUTBOX_LOG_ERROR, advice, "the engine of %s.%s is %s, which has no transactions", table->schema,
            store->name, table->engine);
    tell_id(op);
    snprintf(advice, sizeof advice, "CREATE UNIQUE INDEX %s_by_%s ON `%s`.`%s` (`%s`)", store->name, table->id,
             table->schema, store->name, table->id);
    if (mys_column_find(table, table->id) && !mys_number(op->result, 0, 0))
        say(op, OUTBOX_LOG_ERROR, advice, "column `%s` has no unique index: every claim would read the whole table",
            table->id);
    if (!mys_column_find(table, payload))
        say(op, OUTBOX_LOG_WARN, "name the column that is under columns: { payload: NAME }",
            "table %s.%s has no column `%s`", table->schema, store->name, payload);
    if (mys_number(op->result, 1, 0))
        say(op, OUTBOX_LOG_WARN, "drop them if they are not meant to run for each relayed event",
            "table %s.%s has %lld triggers on delete, which run when the relay removes events", table->schema,
            store->name, (long long)mys_number(op->result, 1, 0));
}

/* ---- what the user may do ---------------------------------------------------------------------------------------- */

static const char grants[] = "see 'outbox init --print-grants'";

static void put_delete(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "EXPLAIN DELETE FROM ");
    mys_table_put(store, sql);
    obx_sql_text_puts(sql, " WHERE 1 = 0");
}

static void put_select(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "EXPLAIN SELECT * FROM ");
    mys_table_put(store, sql);
}

static void put_relay(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "EXPLAIN UPDATE ");
    mys_relay_put(store, sql);
    obx_sql_text_puts(sql, " SET epoch = epoch WHERE id = 1");
}

static void put_dead(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "EXPLAIN DELETE FROM ");
    mys_dead_put(store, sql);
    obx_sql_text_puts(sql, " WHERE 1 = 0");
}

static void put_locks(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "SELECT COUNT(*), (SELECT COUNT(*) FROM ");
    mys_table_put(store, sql);
    obx_sql_text_format(sql,
                        " WHERE 1 = 0) FROM performance_schema.metadata_locks WHERE OBJECT_SCHEMA = %l AND "
                        "OBJECT_NAME = %l",
                        store->table.schema, store->name);
}

/* The locks cannot be seen: what else there is. */
static void tell_without_locks(struct mys_op *op, const char *hint)
{
    const struct mys_server *server = &op->store->server;
    if (server->statements_visible)
        say(op, OUTBOX_LOG_INFO, NULL, "what others run can be seen (PROCESS): late rows come in order");
    else
        say(op, OUTBOX_LOG_INFO, hint,
            "who still writes cannot be seen: a row that is inserted more than gap_timeout after its id was drawn (a "
            "slow INSERT .. SELECT) comes late, and in no order to others; and many unused ids make claims slow");
}

static void tell_locks(struct mys_op *op)
{
    const struct mys_server *server = &op->store->server;
    if (server->galera)
        say(op, OUTBOX_LOG_INFO, "let all who write to the outbox write on one node",
            "this is a node of a Galera cluster: a row that another node's transaction commits more than gap_timeout "
            "after its id was drawn comes late, and in no order to others");
    else if (mys_number(op->result, 0, 0))
        say(op, OUTBOX_LOG_INFO, NULL, "metadata_locks can be read: late rows come in order however late they are");
    else
        tell_without_locks(op, "switch performance_schema on, with the instrument wait/lock/metadata/sql/mdl");
}

static void no_locks(struct mys_op *op, const struct outbox_error *error)
{
    (void)error;
    tell_without_locks(op, op->store->server.mariadb
                               ? "GRANT PROCESS ON *.*; see 'outbox init --print-grants'"
                               : "GRANT SELECT ON performance_schema.metadata_locks; see 'outbox init --print-grants'");
}

/* Whether there is a binlog, and whether the user may read it: two rights. */
static void put_bell(const struct mys_store *store, struct obx_sql_text *sql)
{
    (void)store;
    obx_sql_text_puts(sql, "SELECT @@log_bin, (SELECT COUNT(DISTINCT privilege_type = 'REPLICATION SLAVE') FROM "
                           "information_schema.user_privileges WHERE privilege_type IN ('REPLICATION SLAVE', "
                           "'REPLICATION CLIENT', 'BINLOG MONITOR') AND grantee = CONCAT(QUOTE(SUBSTRING_INDEX("
                           "CURRENT_USER(), '@', 1)), '@', QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1))))");
}

static void tell_bell(struct mys_op *op)
{
    static const char how[] = "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.*; see 'outbox init --print-grants'";
    bool wanted = op->store->doorbell == MYS_DOORBELL_BINLOG, may = mys_number(op->result, 1, 0) == 2;
    if (!mys_number(op->result, 0, 0)) {
        if (wanted)
            say(op, OUTBOX_LOG_WARN, "start the server with log_bin, or set wakeup: off",
                "the server writes no binlog, which wakeup: binlog reads: an idle relay polls");
    } else if (wanted && may) {
        say(op, OUTBOX_LOG_INFO, NULL, "the binlog can be read: commits wake an idle relay");
    } else if (wanted) {
        say(op, OUTBOX_LOG_WARN, how,
            "user %s was not granted what wakeup: binlog needs to read the binlog: an idle relay polls",
            op->store->server.user);
    } else {
        say(op, OUTBOX_LOG_INFO, may ? "set wakeup: binlog" : "set wakeup: binlog, and grant what it needs",
            "an idle relay polls; commits could wake it (user %s %s the binlog)", op->store->server.user,
            may ? "may read" : "was not granted to read");
    }
}

/* What else is there to tell? */
static void no_bell(struct mys_op *op, const struct outbox_error *error)
{
    say(op, OUTBOX_LOG_WARN, NULL, "whether the binlog can be read is not known: %s", error->text);
}

static void refused(struct mys_op *op, const struct outbox_error *error)
{
    say(op, OUTBOX_LOG_ERROR, error->code == OUTBOX_E_NOT_FOUND ? "run 'outbox init'" : grants, "%s", error->text);
}

static void no_dead(struct mys_op *op, const struct outbox_error *error)
{
    if (error->code == OUTBOX_E_NOT_FOUND)
        say(op, OUTBOX_LOG_WARN, "run 'outbox init'", "there is no dead-letter table %s: nothing can be parked",
            op->store->dead_table);
    else
        say(op, OUTBOX_LOG_WARN, grants, "user %s may not delete from the dead-letter table %s", op->store->server.user,
            op->store->dead_table);
}

/* ---- one after the other ----------------------------------------------------------------------------------------- */

static const struct probe {
    const char *what;
    void (*put)(const struct mys_store *store, struct obx_sql_text *sql);
    void (*tell)(struct mys_op *op); /* may be NULL */
    void (*refused)(struct mys_op *op, const struct outbox_error *error);
} probes[] = {
    {"look at the server", put_server, tell_server, refused},
    {"look at the table", put_table, tell_table, refused},
    {"read events", put_select, NULL, refused},
    {"delete events", put_delete, NULL, refused},
    {"own the outbox", put_relay, NULL, refused},
    {"look at the dead-letter table", put_dead, NULL, no_dead},
    {"look at the locks", put_locks, tell_locks, no_locks},
    {"look at the binlog", put_bell, tell_bell, no_bell},
};
enum { PROBES = sizeof probes / sizeof *probes };

static void next(struct mys_op *op);

static void probed(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    const struct probe *probe = &probes[op->number++];
    if (error->code == OUTBOX_E_NOT_CONNECTED || error->code == OUTBOX_E_NO_MEMORY ||
        error->code == OUTBOX_E_CANCELED) {
        mys_op_finish(op, error);
        return;
    }
    if (error->code)
        probe->refused(op, error);
    else if (probe->tell)
        probe->tell(op);
    next(op);
}

static void next(struct mys_op *op)
{
    static const struct outbox_error none;
    const struct mys_store *store = op->store;
    if (op->number == 1 && !store->table.exists)
        say(op, OUTBOX_LOG_ERROR, "run 'outbox init', or name the database: table: DATABASE.TABLE",
            "there is no table %s in database %s", store->table_name, store->table.schema);
    if (op->number == PROBES || (op->number == 1 && !store->table.exists)) {
        mys_op_finish(op, &none);
        return;
    }
    mysql_free_result(op->result);
    op->result = NULL;
    obx_sql_text_clear(&op->sql);
    probes[op->number].put(store, &op->sql);
    mys_op_submit(op, &op->store->owner, probes[op->number].what, mys_keep, probed);
}

void mys_check(void *self, outbox_op_t id, const struct outbox_check *check)
{
    struct mys_op *op = mys_op(self, id);
    op->in = check;
    next(op);
}

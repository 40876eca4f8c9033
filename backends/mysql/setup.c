/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/setup.c - the tables as SQL: made by setup, or only printed
 *
 * The outbox is made when there is none; one that exists is never altered. The dead-letter table takes the types of
 * the outbox's columns, so that what is parked can be replayed byte by byte. The relay table has one row: who owns the
 * outbox, for the how many-th time.
 */
#include <string.h>

#include "store.h"

#define STORAGE "\n) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin"

static const char *named(const struct mys_store *store, const char *logical)
{
    return obx_sql_column(&store->column_names, logical);
}

static void outbox_sql(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
    mys_table_put(store, sql);
    obx_sql_text_format(sql,
                        " (\n    %n BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,\n"
                        "    %n CHAR(36) CHARACTER SET ascii NOT NULL DEFAULT (UUID()),\n"
                        "    %n VARCHAR(255) NOT NULL,\n    %n VARCHAR(255) NOT NULL,\n    %n VARCHAR(255) NOT NULL,\n"
                        "    %n LONGBLOB,\n    %n JSON,\n"
                        "    %n TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)" STORAGE,
                        named(store, "id"), named(store, "event_id"), named(store, "aggregatetype"),
                        named(store, "aggregateid"), named(store, "type"), named(store, "payload"),
                        named(store, "headers"), named(store, "created_at"));
}

/* A column of the dead-letter table, of the same type as the outbox's, or of what that is by default. */
static void put_like(const struct mys_store *store, struct obx_sql_text *sql, const char *logical,
                     const char *default_value)
{
    const struct mys_column *column = mys_column_of(store, logical);
    bool text = column && *column->charset && strcmp(column->base, "json") != 0;
    obx_sql_text_format(sql, "    %n %s", logical, column ? column->type : default_value);
    if (text)
        obx_sql_text_format(sql, " CHARACTER SET %s", column->charset);
    obx_sql_text_puts(sql, " NULL,\n");
}

static void dead_sql(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
    mys_dead_put(store, sql);
    obx_sql_text_puts(sql, " (\n    number BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,\n"
                           "    outbox_id BIGINT UNSIGNED NOT NULL,\n");
    put_like(store, sql, "event_id", "CHAR(36) CHARACTER SET ascii");
    put_like(store, sql, "aggregatetype", "VARCHAR(255)");
    put_like(store, sql, "aggregateid", "VARCHAR(255)");
    put_like(store, sql, "type", "VARCHAR(255)");
    put_like(store, sql, "payload", "LONGBLOB");
    put_like(store, sql, "headers", "JSON");
    put_like(store, sql, "created_at", "TIMESTAMP(6)");
    obx_sql_text_puts(sql,
                      "    topic TEXT,\n    `key` LONGBLOB,\n    reason TEXT NOT NULL,\n    attempts BIGINT NOT NULL,\n"
                      "    died_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),\n    rest JSON" STORAGE);
}

static void relay_sql(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
    mys_relay_put(store, sql);
    obx_sql_text_puts(sql, " (\n    id TINYINT UNSIGNED NOT NULL PRIMARY KEY,\n    epoch BIGINT UNSIGNED NOT NULL,\n"
                           "    owner VARCHAR(96) NOT NULL DEFAULT '',\n"
                           "    since TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)" STORAGE);
}

static void row_sql(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "INSERT IGNORE INTO ");
    mys_relay_put(store, sql);
    obx_sql_text_puts(sql, " (id, epoch) VALUES (1, 0)");
}

static void (*const statements[])(const struct mys_store *store, struct obx_sql_text *sql) = {outbox_sql, dead_sql,
                                                                                              relay_sql, row_sql};
enum { STATEMENTS = sizeof statements / sizeof *statements };

/* What comes next on this store is to know the new table: its look comes behind the statements that make it. */
static void take(struct mys_request *request, MYSQL_RES *result)
{
    struct mys_store *store = ((struct mys_op *)request->arg)->store;
    if (request->index == STATEMENTS)
        mys_table_read(store, result);
    else if (request->index == STATEMENTS + 1)
        mys_columns_read(store, result, &store->start_error);
    mysql_free_result(result);
}

static void set_up(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    mys_op_finish(op, error->code ? error : &op->store->start_error);
}

void mys_setup(void *self, outbox_op_t id)
{
    struct mys_op *op = mys_op(self, id);
    op->store->start_error.code = OUTBOX_OK;
    for (int i = 0; i < STATEMENTS; i++) {
        statements[i](op->store, &op->sql);
        obx_sql_text_puts(&op->sql, "; ");
    }
    mys_put_table_look(op->store, &op->sql);
    mys_op_submit(op, &op->store->owner, "set up the tables", take, set_up);
}

/* ---- print ------------------------------------------------------------------------------------------------------- */

static void put_user(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(sql, " TO %l@'%%';\n", store->user);
}

static void grants_sql(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "-- the relay\nGRANT SELECT, DELETE ON ");
    mys_table_put(store, sql);
    put_user(store, sql);
    obx_sql_text_puts(sql, "GRANT SELECT, UPDATE ON ");
    mys_relay_put(store, sql);
    put_user(store, sql);
    obx_sql_text_puts(sql, "GRANT SELECT, INSERT, DELETE ON ");
    mys_dead_put(store, sql);
    put_user(store, sql);
    obx_sql_text_puts(sql,
                      "-- better: the relay then sees who still writes, and need not judge late rows by their age\n"
                      "GRANT SELECT ON performance_schema.metadata_locks");
    put_user(store, sql);
    obx_sql_text_puts(sql,
                      "-- MariaDB without a performance schema: the same, by what others run\nGRANT PROCESS ON *.*");
    put_user(store, sql);
    obx_sql_text_puts(sql, "-- only for wakeup: binlog\nGRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.*");
    put_user(store, sql);
    obx_sql_text_puts(sql, "-- only for 'outbox add' and 'outbox dead replay'\nGRANT INSERT ON ");
    mys_table_put(store, sql);
    put_user(store, sql);
    obx_sql_text_puts(sql, "-- each application that writes events\nGRANT INSERT ON ");
    mys_table_put(store, sql);
    obx_sql_text_puts(sql, " TO 'application'@'%';");
}

int mys_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
              struct outbox_error *error)
{
    struct mys_store *store = self;
    struct obx_sql_text sql = {.host = store->host, .dialect = OBX_SQL_MYSQL};
    if (what == OUTBOX_PRINT_GRANTS)
        grants_sql(store, &sql);
    for (int i = 0; i < STATEMENTS && what == OUTBOX_PRINT_SQL; i++) {
        statements[i](store, &sql);
        obx_sql_text_puts(&sql, i + 1 < STATEMENTS ? ";\n" : ";");
    }
    bool failed = sql.failed;
    if (!failed)
        obx_sql_text_tell(&sql, line, arg);
    obx_sql_text_free(&sql);
    return failed ? mys_fail(error, OUTBOX_E_NO_MEMORY, "print the tables: out of memory") : OUTBOX_OK;
}

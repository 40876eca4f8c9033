/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/setup.c - the tables as SQL, and the grants; the relay table has one row: epoch and owner */
#include <string.h>

#include "store.h"

#define STORAGE "\n) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin"

static const char *named(const struct sql_store *store, const char *logical)
{
    return obx_sql_column(&store->column_names, logical);
}

static void outbox_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
    sql_append_outbox(store, sql);
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
static void append_like(const struct sql_store *store, struct obx_sql_text *sql, const char *logical,
                        const char *default_value)
{
    const struct sql_column *column = sql_column_of(store, logical);
    bool text = column && *column->charset && strcmp(column->base, "json") != 0;
    obx_sql_text_format(sql, "    %n %s", logical, column ? column->type : default_value);
    if (text)
        obx_sql_text_format(sql, " CHARACTER SET %s", column->charset);
    obx_sql_text_puts(sql, " NULL,\n");
}

static void dead_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
    sql_append_dead(store, sql);
    obx_sql_text_puts(sql, " (\n    number BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,\n"
                           "    outbox_id BIGINT UNSIGNED NOT NULL,\n");
    append_like(store, sql, "event_id", "CHAR(36) CHARACTER SET ascii");
    append_like(store, sql, "aggregatetype", "VARCHAR(255)");
    append_like(store, sql, "aggregateid", "VARCHAR(255)");
    append_like(store, sql, "type", "VARCHAR(255)");
    append_like(store, sql, "payload", "LONGBLOB");
    append_like(store, sql, "headers", "JSON");
    append_like(store, sql, "created_at", "TIMESTAMP(6)");
    obx_sql_text_puts(sql,
                      "    topic TEXT,\n    `key` LONGBLOB,\n    reason TEXT NOT NULL,\n    attempts BIGINT NOT NULL,\n"
                      "    died_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),\n    rest JSON" STORAGE);
}

static void relay_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
    mys_append_relay(store, sql);
    obx_sql_text_puts(sql, " (\n    id TINYINT UNSIGNED NOT NULL PRIMARY KEY,\n    epoch BIGINT UNSIGNED NOT NULL,\n"
                           "    owner VARCHAR(96) NOT NULL DEFAULT '',\n"
                           "    since TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)" STORAGE);
}

static void row_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "INSERT IGNORE INTO ");
    mys_append_relay(store, sql);
    obx_sql_text_puts(sql, " (id, epoch) VALUES (1, 0)");
}

static void (*const statements[])(const struct sql_store *store, struct obx_sql_text *sql) = {outbox_sql, dead_sql,
                                                                                              relay_sql, row_sql};
enum { STATEMENTS = sizeof statements / sizeof *statements };

bool mys_statement(const struct sql_store *store, struct obx_sql_text *sql, int index)
{
    if (index >= STATEMENTS)
        return false;
    obx_sql_text_clear(sql);
    statements[index](store, sql);
    return true;
}

bool mys_put_setup(struct sql_request *request)
{
    for (int i = 0; i < STATEMENTS; i++) {
        statements[i](request->store, request->sql);
        obx_sql_text_puts(request->sql, "; ");
    }
    mys_append_probe(request->store, request->sql);
    return true;
}

void mys_setup_result(struct sql_request *request, void *result)
{
    if (request->index >= STATEMENTS)
        mys_on_probe(request->store, result, request->index - STATEMENTS);
    else
        mysql_free_result(result);
}

/* ---- grants ------------------------------------------------------------------------------------------------------ */

static void append_user(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(sql, " TO %l@'%%';\n", mys_store_in(store)->user);
}

void mys_put_grants(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "-- the relay\nGRANT SELECT, DELETE ON ");
    sql_append_outbox(store, sql);
    append_user(store, sql);
    obx_sql_text_puts(sql, "GRANT SELECT, UPDATE ON ");
    mys_append_relay(store, sql);
    append_user(store, sql);
    obx_sql_text_puts(sql, "GRANT SELECT, INSERT, DELETE ON ");
    sql_append_dead(store, sql);
    append_user(store, sql);
    obx_sql_text_puts(
        sql,
        "-- better: the relay then sees which transactions still write, and need not judge late rows by their age\n"
        "GRANT SELECT ON performance_schema.metadata_locks");
    append_user(store, sql);
    obx_sql_text_puts(sql,
                      "-- MariaDB without a performance schema: the same, by what others run\nGRANT PROCESS ON *.*");
    append_user(store, sql);
    obx_sql_text_puts(sql, "-- only for wakeup: binlog\nGRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.*");
    append_user(store, sql);
    obx_sql_text_puts(sql, "-- only for 'outbox add' and 'outbox dead replay'\nGRANT INSERT ON ");
    sql_append_outbox(store, sql);
    append_user(store, sql);
    obx_sql_text_puts(sql, "-- each application that writes events\nGRANT INSERT ON ");
    sql_append_outbox(store, sql);
    obx_sql_text_puts(sql, " TO 'application'@'%';");
}

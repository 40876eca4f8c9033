/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/setup.c - the SQL of the tables and of the grants; the relay table has one row: epoch and owner */
#include <string.h>

#include "store.h"

#define STORAGE "\n) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin"

static void create_outbox(const struct sql_store *store, struct obx_sql_text *sql)
{
    static const char *const types[] = {"BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY",
                                        "CHAR(36) CHARACTER SET ascii NOT NULL DEFAULT (UUID())",
                                        "VARCHAR(255) NOT NULL",
                                        "VARCHAR(255) NOT NULL",
                                        "VARCHAR(255) NOT NULL",
                                        "LONGBLOB",
                                        "JSON",
                                        "TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"};
    sql_append_create_outbox(store, sql, types, STORAGE);
}

static void create_dead(const struct sql_store *store, struct obx_sql_text *sql)
{
    static const char *const types[] = {"CHAR(36) CHARACTER SET ascii",
                                        "VARCHAR(255)",
                                        "VARCHAR(255)",
                                        "VARCHAR(255)",
                                        "LONGBLOB",
                                        "JSON",
                                        "TIMESTAMP(6)"};
    sql_append_create_dead(
        store, sql,
        " (\n    number BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,\n    outbox_id BIGINT UNSIGNED NOT "
        "NULL,\n",
        types, " NULL",
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

static void (*const statements[])(const struct sql_store *store,
                                  struct obx_sql_text *sql) = {create_outbox, create_dead, relay_sql, row_sql};
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
        sql, "-- better: the relay then sees which transactions still write, and need not retire gaps by their age\n"
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/setup.c - the options of capture, and the tables that it adds
 *
 * The captured table is made with ENGINE=BLACKHOLE if it does not exist. MySQL refuses DEFAULT (UUID()) there, so a
 * trigger fills in the event id. The spool has the columns of the captured table. The row of the position is made last,
 * with what is executed then: events that are committed after `init` are relayed, whenever the relay starts.
 */
#include <stdio.h>
#include <string.h>

#include "mysql/store.h"

int mys_capture_init(struct mys_store *store, struct outbox_error *error)
{
    struct mys_capture *capture = &store->capture;
    struct sql_store *sql = &store->sql;
    if (!mys_captures(capture))
        return OUTBOX_OK;
    if (sql_capture_init(sql, &mys_capture_source, error))
        return error->code;
    capture->table = sql->outbox;
    sql->inserts = &capture->table;
    mys_gtid_set_init(&capture->layout.known_at, sql->host, false);
    mys_gtid_set_init(&capture->layout.searched, sql->host, false);
    mys_gtid_set_init(&capture->horizon, sql->host, false);
    if (snprintf(sql->outbox.name, sizeof sql->outbox.name, "%.*s_spool", OUTBOX_CUT(capture->table.name, 50)) !=
        (int)strlen(capture->table.name) + 6)
        return mys_fail(error, OUTBOX_E_CONFIG, "table: \"%s\" is too long for capture: 50 characters at most",
                        sql->table_name);
    return OUTBOX_OK;
}

void mys_capture_fini(struct mys_store *store)
{
    struct mys_capture *capture = &store->capture;
    const struct outbox_host *host = store->sql.host;
    if (!mys_captures(capture))
        return;
    mys_transactions_reset(store);
    mys_dump_free(&capture->dump);
    mys_reader_free(&capture->reader);
    mys_position_free(&capture->position);
    mys_gtid_set_free(&capture->layout.known_at);
    mys_gtid_set_free(&capture->layout.searched);
    mys_gtid_set_free(&capture->horizon);
    host->release(host, capture->wanted);
    host->release(host, capture->selected);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static const struct sql_table_name *captured(const struct sql_store *store)
{
    return &mys_store_in(store)->capture.table;
}

/* IF NOT EXISTS, for a captured table may be there, with a trigger of its own or none. Not for an InnoDB table: it has
 * a default value, and a trigger waits for all who write to the table, while others wait for it. */
static void trigger_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    if (!strcmp(mys_store_in(store)->capture.engine, "InnoDB")) {
        obx_sql_text_puts(sql, "DO 0");
        return;
    }
    const char *event_id = obx_sql_column(&store->column_names, "event_id");
    struct sql_table_name name = *captured(store);
    snprintf(name.name, sizeof name.name, "%.*s_event_id", OUTBOX_CUT(captured(store)->name, 55));
    obx_sql_text_puts(sql, "CREATE TRIGGER IF NOT EXISTS ");
    sql_append_table(store, sql, &name);
    obx_sql_text_puts(sql, " BEFORE INSERT ON ");
    sql_append_inserts(store, sql);
    obx_sql_text_format(sql, " FOR EACH ROW SET NEW.%n = IF(NEW.%n = '', CAST(UUID() AS CHAR(36)), NEW.%n)", event_id,
                        event_id, event_id);
}

static void spool_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
    sql_append_outbox(store, sql);
    obx_sql_text_puts(sql, " LIKE ");
    sql_append_inserts(store, sql);
}

/* The spool numbers its rows itself. The captured table may have that column, of any type; or another primary key and
 * no such column, as Debezium's has. No server has an ALTER with conditions, so the text is chosen by a SELECT. */
static void alter_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    static const char type[] = "BIGINT UNSIGNED NOT NULL AUTO_INCREMENT";
    struct obx_sql_text modify = sql_text(store), add = sql_text(store);
    obx_sql_text_puts(&modify, "ALTER TABLE ");
    sql_append_outbox(store, &modify);
    obx_sql_text_puts(&add, obx_sql_text_get(&modify));
    obx_sql_text_format(&modify, " MODIFY %n %s, ENGINE = InnoDB", store->table.id, type);
    obx_sql_text_format(&add, " DROP PRIMARY KEY, ADD COLUMN %n %s PRIMARY KEY FIRST, ENGINE = InnoDB", store->table.id,
                        type);
    obx_sql_text_format(sql,
                        "SET @outbox_spool = (SELECT IF(COUNT(*), %l, %l) FROM information_schema.columns WHERE "
                        "table_schema = %l AND table_name = %l AND column_name = %l)",
                        obx_sql_text_get(&modify), obx_sql_text_get(&add), sql_schema_of(store, &store->outbox),
                        store->outbox.name, store->table.id);
    sql->failed = sql->failed || modify.failed || add.failed;
    obx_sql_text_free(&modify);
    obx_sql_text_free(&add);
}

static void prepare_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    (void)store;
    obx_sql_text_puts(sql, "PREPARE outbox_spool FROM @outbox_spool");
}

static void execute_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    (void)store;
    obx_sql_text_puts(sql, "EXECUTE outbox_spool");
}

static void position_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    sql_capture_append_create(store, sql, "LONGTEXT", "BIGINT",
                              "\n) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin");
}

/* The variable of each server is in a comment that the other one does not execute. */
static void position_row_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "INSERT IGNORE INTO ");
    sql_capture_append_table(store, sql);
    obx_sql_text_puts(sql, " (id");
    for (int i = SQL_CAPTURE_IDENTITY; i < SQL_CAPTURE_COLUMNS; i++)
        obx_sql_text_format(sql, ", %n", sql_capture_columns[i]);
    obx_sql_text_puts(sql, ") VALUES (1, @@hostname, @@global.");
    obx_sql_text_puts(sql, "/*M! gtid_binlog_pos */ /*!80000 gtid_executed */, 0, GREATEST(");
    obx_sql_text_int(sql, SQL_CAPTURE_BASE);
    obx_sql_text_format(sql, ", (SELECT COALESCE(MAX(%n), 0) FROM ", store->table.id);
    sql_append_outbox(store, sql);
    obx_sql_text_puts(sql, "), (SELECT COALESCE(MAX(outbox_id), 0) FROM ");
    sql_append_dead(store, sql);
    obx_sql_text_puts(sql, ")), 0, 0)"); /* numbers are never used twice */
}

static void (*const statements[])(const struct sql_store *store, struct obx_sql_text *sql) = {
    trigger_sql, spool_sql, alter_sql, prepare_sql, execute_sql, position_sql, position_row_sql};

unsigned mys_capture_statements(const struct sql_store *store)
{
    return mys_captures(&mys_store_in(store)->capture) ? sizeof statements / sizeof *statements : 0;
}

void mys_capture_statement(const struct sql_store *store, struct obx_sql_text *sql, unsigned index)
{
    statements[index](store, sql);
}

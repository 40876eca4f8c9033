/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/setup.c - the SQL of the tables and of the grants; the relay table has two rows:
 * the epoch and the owner; and the session and the name of a process that wishes to own the outbox */
#include <string.h>

#include "store.h"

#define STORAGE "\n) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin"

static const char *payload_type(const struct sql_store *store)
{
    static const char *const types[] = {
        [SQL_PAYLOAD_TEXT] = "LONGTEXT", [SQL_PAYLOAD_JSON] = "JSON", [SQL_PAYLOAD_BYTEA] = "LONGBLOB"};
    return types[store->payload_type];
}

/* JSON that the relay reads as headers. */
static void append_headers_check(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *headers = obx_sql_column(&store->column_names, "headers");
    obx_sql_text_format(sql, ",\n    CHECK (JSON_TYPE(%n) IN ('OBJECT', 'NULL') OR JSON_LENGTH(%n) = 0)", headers,
                        headers);
}

static void outbox_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *const types[] = {"BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY",
                                 "CHAR(36) CHARACTER SET ascii NOT NULL DEFAULT (UUID())",
                                 "VARCHAR(255) NOT NULL",
                                 "VARCHAR(255) NOT NULL",
                                 "VARCHAR(255) NOT NULL",
                                 payload_type(store),
                                 "JSON",
                                 "TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"};
    sql_append_create_outbox(store, sql, types);
    append_headers_check(store, sql);
    obx_sql_text_puts(sql, STORAGE);
}

/* MySQL refuses DEFAULT (UUID()) with this engine: a trigger fills the id in. */
static void captured_sql(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *const types[] = {"BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY",
                                 "CHAR(36) CHARACTER SET ascii NOT NULL DEFAULT ''",
                                 "VARCHAR(255) NOT NULL",
                                 "VARCHAR(255) NOT NULL",
                                 "VARCHAR(255) NOT NULL",
                                 payload_type(store),
                                 "JSON",
                                 "TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"};
    sql_append_create_outbox(store, sql, types);
    append_headers_check(store, sql);
    obx_sql_text_puts(sql, "\n) ENGINE = BLACKHOLE DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin");
}

static void create_outbox(const struct sql_store *store, struct obx_sql_text *sql)
{
    if (mys_captures(&mys_store_in(store)->capture))
        captured_sql(store, sql);
    else
        outbox_sql(store, sql);
}

static void create_dead(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *const types[] = {"CHAR(36) CHARACTER SET ascii",
                                 "VARCHAR(255)",
                                 "VARCHAR(255)",
                                 "VARCHAR(255)",
                                 payload_type(store),
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
    obx_sql_text_puts(sql, " (id, epoch) VALUES (1, 0), (2, 0)");
}

static void (*const statements[])(const struct sql_store *store,
                                  struct obx_sql_text *sql) = {create_outbox, create_dead, relay_sql, row_sql};
enum { STATEMENTS = sizeof statements / sizeof *statements };

static unsigned statement_count(const struct sql_store *store)
{
    return STATEMENTS + mys_capture_statements(store);
}

static void append_statement(const struct sql_store *store, struct obx_sql_text *sql, unsigned index)
{
    if (index < STATEMENTS)
        statements[index](store, sql);
    else
        mys_capture_statement(store, sql, index - STATEMENTS);
}

bool mys_statement(const struct sql_store *store, struct obx_sql_text *sql, int index)
{
    if (index >= (int)statement_count(store))
        return false;
    obx_sql_text_clear(sql);
    append_statement(store, sql, (unsigned)index);
    return true;
}

bool mys_put_setup(struct sql_request *request)
{
    for (unsigned i = 0; i < statement_count(request->store); i++) {
        append_statement(request->store, request->sql, i);
        obx_sql_text_puts(request->sql, "; ");
    }
    mys_append_probe(request->store, request->sql);
    if (!sql_captures(request->store))
        return true;
    obx_sql_text_puts(request->sql, "; ");
    return mys_put_captured(request);
}

void mys_setup_result(struct sql_request *request, void *result)
{
    unsigned count = statement_count(request->store);
    enum { PROBES = 2 };
    if (request->index >= count + PROBES)
        mys_take_captured(mys_store_of(request->store), result, request->index - count - PROBES);
    else if (request->index >= count)
        mys_on_probe(request->store, result, request->index - count);
    else
        mysql_free_result(result);
}

/* ---- what is there -------------------------------------------------------------------------------------------------
 */

void mys_append_missing(const struct sql_store *store, struct obx_sql_text *sql)
{
    const struct sql_table_name *names[] = {&store->outbox, &store->dead, &mys_store_in(store)->relay_table};
    enum { NAMES = sizeof names / sizeof *names };
    obx_sql_text_format(sql, "SELECT %d - COUNT(*) FROM information_schema.tables WHERE ", NAMES);
    for (unsigned i = 0; i < NAMES; i++)
        obx_sql_text_format(sql, "%s(table_schema = %l AND table_name = %l)", i ? " OR " : "",
                            sql_schema_of(store, names[i]), names[i]->name);
}

void mys_append_alike(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(
        sql,
        "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE table_type = "
        "'BASE TABLE' AND table_schema = %l AND LOWER(REPLACE(table_name, '_', '')) = "
        "LOWER(REPLACE(%l, '_', '')) LIMIT 1",
        sql_schema_of(store, &store->outbox), store->outbox.name);
}

/* ---- grants ------------------------------------------------------------------------------------------------------ */

static void append_user(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(sql, " TO %l@'%%';\n", mys_store_in(store)->user);
}

/* What the configuration does not need is a comment, so that the text can be sent to a server as it is. */
static void append_optional(const struct sql_store *store, struct obx_sql_text *sql, const char *why, const char *what,
                            bool needed)
{
    obx_sql_text_format(sql, "-- %s\n%sGRANT %s", why, needed ? "" : "-- ", what);
    append_user(store, sql);
}

/* The spool is an outbox that the relay fills. Its columns are read while the captured table is held fast. */
static void append_capture(const struct sql_store *store, struct obx_sql_text *sql)
{
    if (!sql_captures(store))
        return;
    obx_sql_text_puts(sql, "GRANT INSERT, UPDATE ON ");
    sql_append_outbox(store, sql);
    append_user(store, sql);
    obx_sql_text_puts(sql, "GRANT SELECT ON ");
    sql_append_inserts(store, sql);
    append_user(store, sql);
    obx_sql_text_puts(sql, "GRANT SELECT, UPDATE ON ");
    sql_capture_append_table(store, sql);
    append_user(store, sql);
}

void mys_put_grants(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "-- the relay\nGRANT SELECT, DELETE ON ");
    sql_append_outbox(store, sql);
    append_user(store, sql);
    append_capture(store, sql);
    obx_sql_text_puts(sql, "GRANT SELECT, UPDATE ON ");
    mys_append_relay(store, sql);
    append_user(store, sql);
    obx_sql_text_puts(sql, "GRANT SELECT, INSERT, DELETE ON ");
    sql_append_dead(store, sql);
    append_user(store, sql);
    append_optional(
        store, sql,
        "better, on MySQL: the relay then sees which transactions still write, and retires no gap by its age",
        "SELECT ON performance_schema.metadata_locks", false);
    append_optional(store, sql, "MariaDB without a performance schema: the same, by what others run", "PROCESS ON *.*",
                    false);
    append_optional(store, sql, "better: the relay then notices rows that something else deletes",
                    "SELECT ON performance_schema.table_io_waits_summary_by_table", false);
    append_optional(store, sql, "for wakeup: binlog and capture: binlog",
                    "REPLICATION SLAVE, REPLICATION CLIENT ON *.*",
                    store->wakeup == MYS_WAKEUP_BINLOG || sql_captures(store));
    obx_sql_text_puts(sql, "-- for 'outbox add' and 'outbox dead replay'\n-- GRANT INSERT ON ");
    sql_append_inserts(store, sql);
    append_user(store, sql);
    obx_sql_text_puts(sql, "-- each application that writes events\n");
    sql_append_writer_grants(store, sql, "'application'@'%'");
}

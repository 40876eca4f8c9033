/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/columns.c - the columns of the captured table, and which of them an event keeps
 *
 * An event keeps each column that the spool has, too, so that a spooled event is whole. Texts must be in UTF-8 or
 * ASCII: the log has their bytes as the column stores them, and no server converts them.
 */
#include <string.h>
#include <strings.h>

#include "mysql/store.h"

enum { AT_ENGINE, AT_EXECUTED, AT_COLUMNS };

bool mys_put_captured(struct sql_request *request)
{
    const struct mys_store *store = mys_store_in(request->store);
    struct obx_sql_text *sql = request->sql;
    const char *schema = sql_schema_of(request->store, &store->capture.table);
    obx_sql_text_format(sql,
                        "SELECT engine FROM information_schema.tables WHERE table_schema = %l AND table_name = %l; "
                        "SELECT %s; ",
                        schema, store->capture.table.name,
                        store->server.mariadb ? "@@gtid_binlog_pos" : "@@global.gtid_executed");
    return mys_put_columns(request, &store->capture.table);
}

static bool is_unsigned(const struct mys_row *row)
{
    const char *type = mys_text_of(row, 2);
    return type && strstr(type, "unsigned");
}

static enum mys_log_as read_as(const struct sql_column *column)
{
    if (!strcmp(column->base, "uuid"))
        return MYS_LOG_AS_MARIADB_UUID;
    if (!strcmp(column->base, "inet4"))
        return MYS_LOG_AS_INET4;
    if (!strcmp(column->base, "inet6"))
        return MYS_LOG_AS_INET6;
    return mys_column_is_binary(column) ? MYS_LOG_AS_BYTES : MYS_LOG_AS_TEXT;
}

static bool is_readable(const char *charset)
{
    return !charset || !*charset || !strncmp(charset, "utf8", 4) || !strcmp(charset, "ascii") ||
           !strcmp(charset, "binary");
}

static int refuse_charset(struct mys_store *store, const char *name, const char *charset)
{
    return mys_fail(&store->sql.start_error, OUTBOX_E_SCHEMA,
                    "inspect table %s: column \"%.*s\" is in the character set %.*s, and the binlog has its bytes as "
                    "they are; run ALTER TABLE %s CONVERT TO CHARACTER SET utf8mb4",
                    store->capture.table.name, OUTBOX_CUT(name, 64), OUTBOX_CUT(charset, 32),
                    store->capture.table.name);
}

static void add_column(struct mys_store *store, const struct mys_row *row, uint32_t ordinal, uint32_t *room)
{
    struct mys_capture *capture = &store->capture;
    const char *name = mys_text_of(row, 0), *charset = mys_text_of(row, 3);
    const struct sql_column *column = name ? sql_column_find(&store->sql.table, name) : NULL;
    if (!column || column->generated || !strcmp(name, store->sql.table.id))
        return;
    if (!is_readable(charset)) {
        refuse_charset(store, name, charset);
        return;
    }
    if (!obx_sql_grow(store->sql.host, (void **)&capture->wanted, room, capture->wanted_count + 1,
                      sizeof *capture->wanted)) {
        mys_fail(&store->sql.start_error, OUTBOX_E_NO_MEMORY, "inspect the captured table: out of memory");
        return;
    }
    struct mys_log_wanted *wanted = &capture->wanted[capture->wanted_count++];
    *wanted = (struct mys_log_wanted){.as = read_as(column), .ordinal = ordinal, .is_unsigned = is_unsigned(row)};
    snprintf(wanted->name, sizeof wanted->name, "%s", name);
}

static void read_columns(struct mys_store *store, MYSQL_RES *result)
{
    struct mys_capture *capture = &store->capture;
    struct mys_row row;
    uint32_t room = 0;
    store->sql.host->release(store->sql.host, capture->wanted);
    capture->wanted = NULL;
    capture->wanted_count = capture->table_columns = 0;
    while (mys_fetch(result, &row))
        add_column(store, &row, capture->table_columns++, &room);
}

void mys_take_captured(struct mys_store *store, void *result, unsigned index)
{
    struct mys_row row;
    bool first = index != AT_COLUMNS && mys_first(result, &row);
    const char *text = first ? mys_text_of(&row, 0) : NULL;
    store->capture.layout.known_at.mariadb = store->server.mariadb;
    if (index == AT_ENGINE)
        mys_copy(store->capture.engine, sizeof store->capture.engine, text);
    else if (index == AT_EXECUTED && !mys_gtid_set_parse(&store->capture.layout.known_at, text ? text : ""))
        mys_gtid_set_clear(&store->capture.layout.known_at);
    else if (index == AT_COLUMNS)
        read_columns(store, result);
    store->capture.layout.altered_by.number = 0;
    mysql_free_result(result);
}

void mys_on_captured(struct sql_request *request, void *result)
{
    mys_take_captured(mys_store_of(request->store), result, request->index);
}

/* The transaction has read the table, so no other session defines it anew until its end: what is executed and the
 * columns belong together. */
enum { LOCK_STATEMENTS = 2 };

bool mys_put_captured_locked(struct sql_request *request)
{
    const struct mys_store *store = mys_store_in(request->store);
    const struct sql_table_name *table = &store->capture.table;
    obx_sql_text_format(request->sql, "START TRANSACTION; SELECT 1 FROM %n.%n LIMIT 0; ",
                        sql_schema_of(request->store, table), table->name);
    mys_put_captured(request);
    obx_sql_text_puts(request->sql, "; COMMIT");
    return true;
}

void mys_on_captured_locked(struct sql_request *request, void *result)
{
    if (request->index < LOCK_STATEMENTS)
        mysql_free_result(result);
    else
        mys_take_captured(mys_store_of(request->store), result, request->index - LOCK_STATEMENTS);
}

/* ---- which value of an event is which column of the route -------------------------------------------------------- */

static uint16_t find_wanted(struct mys_capture *capture, const struct sql_selected *selected)
{
    for (uint32_t i = 0; i < capture->wanted_count; i++) {
        if (strcasecmp(capture->wanted[i].name, selected->name) != 0)
            continue;
        if (selected->encoding == MYS_AS_UUID)
            capture->wanted[i].as = MYS_LOG_AS_UUID;
        return (uint16_t)i;
    }
    return MYS_NOT_WANTED;
}

static int choose(struct sql_store *store, struct outbox_error *error)
{
    struct mys_capture *capture = &mys_store_of(store)->capture;
    store->host->release(store->host, capture->selected);
    capture->selected = store->host->alloc(store->host, (store->selected_count + 1) * sizeof *capture->selected);
    if (!capture->selected)
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "inspect the captured table: out of memory");
    for (uint32_t i = 0; i < store->selected_count; i++)
        capture->selected[i] = find_wanted(capture, &store->selected[i]);
    return OUTBOX_OK;
}

void mys_validate_captured(struct sql_store *store, struct outbox_error *error)
{
    const struct mys_capture *capture = &mys_store_in(store)->capture;
    const char *schema = store->table.schema, *name = capture->table.name;
    if (error->code || !mys_captures(capture) || !sql_start_is_for_relaying(store))
        return;
    if (!*capture->engine)
        mys_fail(error, OUTBOX_E_NOT_FOUND, "inspect table %s.%s: it does not exist; run 'outbox init'", schema, name);
    else if (strcmp(capture->engine, "BLACKHOLE") && strcmp(capture->engine, "InnoDB"))
        mys_fail(error, OUTBOX_E_UNSUPPORTED,
                 "inspect table %s.%s: its engine is %s, whose rows stay in the log when a transaction is rolled back; "
                 "run ALTER TABLE %s.%s ENGINE = BLACKHOLE",
                 schema, name, capture->engine, schema, name);
    else
        choose(store, error);
}

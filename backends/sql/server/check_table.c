/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/check_table.c - findings about the columns of the outbox, which the start has read
 *
 * A column that is added to a table with rows numbers them in an order of the server's, which is not the order in which
 * they were written. So a statement that adds one is given for an empty table only.
 */
#include "sql/server/check_table.h"

#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- the column of the id ---------------------------------------------------------------------------------------- */

static bool is_small_number(const char *base)
{
    static const char *const all[] = {"tinyint", "smallint", "mediumint", "int", "21", "23"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(base, all[i]))
            return true;
    return false;
}

/* A column that draws its values from a counter: the only one that MySQL allows, or one that will do. */
static const struct sql_column *numbered_column(const struct sql_table *table)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        if (table->columns[i].numbered)
            return &table->columns[i];
    return NULL;
}

static const struct sql_column *column_of_other_case(const struct sql_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        if (!strcasecmp(table->columns[i].name, name))
            return &table->columns[i];
    return NULL;
}

static bool can_order(const struct sql_store *store, const struct sql_column *column)
{
    return column && !strcmp(column->base, store->driver->id_base);
}

/* Wide enough for each id that there will ever be. */
static void append_widening(const struct sql_store *store, struct obx_sql_text *sql, const struct sql_column *column)
{
    obx_sql_text_puts(sql, "ALTER TABLE ");
    sql_append_outbox(store, sql);
    if (store->driver->dialect == OBX_SQL_POSTGRES)
        obx_sql_text_format(sql, " ALTER COLUMN %n TYPE bigint;", column->name);
    else
        obx_sql_text_format(sql, " MODIFY COLUMN %n BIGINT%s NOT NULL%s;", column->name,
                            strstr(column->type, "unsigned") ? " UNSIGNED" : "",
                            column->numbered ? " AUTO_INCREMENT" : "");
}

static void report_widening(const struct sql_op *op, const struct sql_column *column)
{
    const struct sql_store *store = op->store;
    struct sql_cure cure = sql_cure(op, "the statement rewrites the table: run it while nobody writes");
    append_widening(store, &cure.command, column);
    sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure,
                   "column \"%s\" of table %s.%s is %s, and the relay needs a %s to order the rows by", column->name,
                   store->table.schema, store->outbox.name, column->type, store->driver->id_type);
    sql_cure_free(&cure);
}

/* The table has a column that orders its rows; the configuration names another. */
static void report_other_name(const struct sql_op *op, const struct sql_column *column, const struct sql_column *id)
{
    char advice[2 * SQL_NAME + 80];
    const struct sql_store *store = op->store;
    snprintf(advice, sizeof advice, "set columns: { id: %s%s }", column->name, id ? ", event_id: id" : "");
    sql_check_report(op, OUTBOX_SEVERITY_ERROR, advice,
                     "table %s.%s has no %s column \"%s\" that orders its rows; \"%s\" does", store->table.schema,
                     store->outbox.name, store->driver->id_type, store->table.id, column->name);
}

static void report_unordered(const struct sql_op *op, const struct sql_column *id, bool has_rows)
{
    const struct sql_store *store = op->store;
    char advice[160];
    struct sql_cure cure = sql_cure(op, advice);
    if (has_rows)
        snprintf(advice, sizeof advice,
                 "a new column would number the rows in no order: begin with a new table, as docs/%s.md describes",
                 store->driver->dialect == OBX_SQL_POSTGRES ? "POSTGRES" : "MYSQL");
    else
        snprintf(advice, sizeof advice, "add a column, and set columns: { id: seq%s }", id ? ", event_id: id" : "");
    if (!has_rows) {
        obx_sql_text_puts(&cure.command, "ALTER TABLE ");
        sql_append_outbox(store, &cure.command);
        obx_sql_text_format(&cure.command, " ADD COLUMN seq %s;", store->driver->add_id);
    }
    sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure, "table %s.%s has no %s column that orders its rows: \"%s\" is %s",
                   store->table.schema, store->outbox.name, store->driver->id_type, store->table.id,
                   id ? id->type : "not there");
    sql_cure_free(&cure);
}

static void report_id(const struct sql_op *op, bool has_rows)
{
    const struct sql_store *store = op->store;
    const struct sql_table *table = &store->table;
    const struct sql_column *id = sql_column_find(table, table->id), *numbered = numbered_column(table);
    const struct sql_column *other = id ? NULL : column_of_other_case(table, table->id);
    if (can_order(store, id))
        return;
    if (can_order(store, other))
        report_other_name(op, other, NULL);
    else if (id && is_small_number(id->base))
        report_widening(op, id);
    else if (can_order(store, numbered))
        report_other_name(op, numbered, id);
    else if (numbered && is_small_number(numbered->base)) {
        report_widening(op, numbered);
        report_other_name(op, numbered, id);
    } else
        report_unordered(op, id, has_rows);
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

static void report_payload(const struct sql_op *op)
{
    const struct sql_store *store = op->store;
    if (!sql_column_of(store, "payload"))
        sql_check_report(op, OUTBOX_SEVERITY_WARNING, "name the column that is under columns: { payload: NAME }",
                         "table %s.%s has no column \"%s\"", store->table.schema, store->outbox.name,
                         obx_sql_column(&store->column_names, "payload"));
}

static bool is_text(const struct sql_column *column)
{
    static const char *const texts[] = {"25",       "1043", "1042",       "char",    "varchar",
                                        "tinytext", "text", "mediumtext", "longtext"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!strcmp(column->base, texts[i]))
            return true;
    return false;
}

static void report_created_at(const struct sql_op *op)
{
    const struct sql_store *store = op->store;
    const struct outbox_check *check = op->in;
    const struct sql_column *column = sql_column_of(store, "created_at");
    bool used = OUTBOX_HAS_MEMBER(check, flags) && (check->flags & OUTBOX_CHECK_TIMESTAMP);
    if (column && is_text(column))
        sql_check_report(op, used ? OUTBOX_SEVERITY_ERROR : OUTBOX_SEVERITY_WARNING,
                         "set route: { timestamp: \"\" }, or name a column of a time type under columns: { created_at: "
                         "NAME }",
                         "column \"%s\" of table %s.%s is %s: the relay cannot take the time of an event from a text%s",
                         column->name, store->table.schema, store->outbox.name, column->type,
                         used ? ", and rejects the event" : "");
}

/* ---- the probe --------------------------------------------------------------------------------------------------- */

static bool put_any_row(struct sql_request *request)
{
    struct obx_sql_text sql = sql_text(request->store);
    obx_sql_text_puts(&sql, "SELECT 1 FROM ");
    sql_append_outbox(request->store, &sql);
    obx_sql_text_puts(&sql, " LIMIT 1");
    return request->store->driver->put_text(request, &sql);
}

static void report_columns(struct sql_op *op)
{
    report_id(op, sql_check_number(op, 0, 0) != 0);
    report_payload(op);
    report_created_at(op);
}

/* The rights are findings of other probes. To be careful, there are rows. */
static bool report_columns_alone(struct sql_op *op, const struct outbox_error *error)
{
    if (error->code == OUTBOX_E_NOT_CONNECTED)
        return false;
    if (!op->store->table.column_count)
        return true; /* MySQL hides all of them from a user without rights */
    report_id(op, true);
    report_payload(op);
    report_created_at(op);
    return true;
}

/* ---- the time of the newest event -------------------------------------------------------------------------------- */

static const struct sql_column *time_column(const struct sql_op *op)
{
    const struct outbox_check *check = op->in;
    const struct sql_column *column = sql_column_of(op->store, "created_at");
    bool used = OUTBOX_HAS_MEMBER(check, flags) && (check->flags & OUTBOX_CHECK_TIMESTAMP);
    return used && column && !is_text(column) && sql_column_find(&op->store->table, op->store->table.id) ? column
                                                                                                         : NULL;
}

static bool put_newest(struct sql_request *request)
{
    const struct sql_op *op = sql_op_of(request);
    const struct sql_column *column = time_column(op);
    struct obx_sql_text sql = sql_text(op->store);
    obx_sql_text_puts(&sql, "SELECT ");
    if (column) {
        obx_sql_text_format(&sql, op->store->driver->epoch_us, column->name);
        obx_sql_text_puts(&sql, " FROM ");
        sql_append_outbox(op->store, &sql);
        obx_sql_text_format(&sql, " ORDER BY %n DESC LIMIT 1", op->store->table.id);
    } else {
        obx_sql_text_puts(&sql, "NULL");
    }
    return op->store->driver->put_text(request, &sql);
}

/* One hour is what Kafka allows by default. */
static void report_newest(struct sql_op *op)
{
    enum { HOUR_S = 3600 };
    const struct sql_store *store = op->store;
    const struct sql_column *column = time_column(op); /* NULL: any time in the answer is a lie */
    int64_t now_s = (int64_t)time(NULL), newest_s = sql_check_number(op, 0, INT64_MIN) / 1000000;
    if (column && newest_s > now_s + HOUR_S)
        sql_check_report(
            op, OUTBOX_SEVERITY_WARNING,
            "store UTC, or use a column with a time zone; or set route: { timestamp: \"\" }; Kafka also has "
            "timestamp_out_of_range: clamp",
            "the time of the newest event of table %s.%s (column \"%s\") is %lld minutes ahead of this "
            "machine's clock: Kafka refuses an event that is more than an hour ahead",
            store->table.schema, store->outbox.name, column->name, (long long)(newest_s - now_s) / 60);
}

static bool ignore_refusal(struct sql_op *op, const struct outbox_error *error)
{
    (void)op;
    return error->code != OUTBOX_E_NOT_CONNECTED;
}

const struct sql_probe sql_column_probes[] = {
    {"inspect the columns", put_any_row, NULL, report_columns, report_columns_alone, 1},
    {"read the time of the newest event", put_newest, NULL, report_newest, ignore_refusal, 1},
    {.what = NULL},
};

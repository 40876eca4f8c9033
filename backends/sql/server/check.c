/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/check.c - the findings of `outbox check`: defects, risks, and advice
 *
 * The driver's first probe is about the server; then come findings about the columns, which the start has read; then
 * the probes about the table and the rights. Without a table the probes about it are skipped.
 */
#include <string.h>

#include "sql/server/table.h"
#include "sql/server/verbs.h"

void sql_check_report(const struct sql_op *op, enum outbox_log_level level, const char *advice, const char *format, ...)
{
    const struct outbox_check *check = op->in;
    char text[400];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    check->report(check->arg, level, text, advice);
}

bool sql_check_refused(struct sql_op *op, const struct outbox_error *error)
{
    sql_check_report(op, OUTBOX_LOG_ERROR,
                     error->code == OUTBOX_E_NOT_FOUND ? "run 'outbox init'" : "see 'outbox init --print-grants'", "%s",
                     error->text);
    return true;
}

bool sql_check_no_dead(struct sql_op *op, const struct outbox_error *error)
{
    const char *table = op->store->dead.name;
    if (error->code == OUTBOX_E_NOT_FOUND)
        sql_check_report(op, OUTBOX_LOG_WARN, "run 'outbox init'",
                         "there is no dead-letter table %s: nothing can be dead-lettered", table);
    else
        sql_check_report(op, OUTBOX_LOG_WARN, "see 'outbox init --print-grants'",
                         "the relay's user may not read, insert into and delete from the dead-letter table %s", table);
    return true;
}

int64_t sql_check_number(const struct sql_op *op, unsigned column, int64_t default_value)
{
    const struct sql_driver *driver = op->store->driver;
    struct sql_row row = {.result = op->result};
    return op->result && driver->next_row(&row) ? driver->number(&row, column, default_value) : default_value;
}

void sql_check_unindexed(const struct sql_op *op, const char *advice)
{
    if (sql_column_find(&op->store->table, op->store->table.id))
        sql_check_report(op, OUTBOX_LOG_ERROR, advice,
                         "column \"%s\" has no unique index: every claim would read the whole table",
                         op->store->table.id);
}

bool sql_put_low_count(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    struct obx_sql_text sql = sql_text(store);
    obx_sql_text_puts(&sql, "SELECT count(*) FROM ");
    sql_append_outbox(store, &sql);
    obx_sql_text_format(&sql, " WHERE %n < 1", store->table.id);
    return store->driver->put_text(request, &sql);
}

void sql_report_low_count(struct sql_op *op)
{
    long long rows = (long long)sql_check_number(op, 0, 0);
    if (rows)
        sql_check_report(op, OUTBOX_LOG_ERROR, "give them ids of 1 and above",
                         "%lld rows of table %s.%s have ids below 1; the relay never publishes them", rows,
                         op->store->table.schema, op->store->outbox.name);
}

/* Other probes report a column that is not there, and rights that are missing. */
bool sql_low_count_refused(struct sql_op *op, const struct outbox_error *error)
{
    (void)op;
    return error->code != OUTBOX_E_NOT_CONNECTED;
}

static void report_id(const struct sql_op *op)
{
    const struct sql_store *store = op->store;
    const struct sql_table *table = &store->table;
    const struct sql_column *id = sql_column_find(table, table->id);
    struct obx_sql_text advice = {.host = store->host, .dialect = store->driver->dialect};
    if (id && !strcmp(id->base, store->driver->id_base))
        return;
    obx_sql_text_puts(&advice, "ALTER TABLE ");
    sql_append_outbox(store, &advice);
    obx_sql_text_format(&advice, " ADD COLUMN seq %s; and set columns: { id: seq%s }", store->driver->add_id,
                        id ? ", event_id: id" : "");
    sql_check_report(op, OUTBOX_LOG_ERROR, obx_sql_text_get(&advice),
                     "table %s.%s has no %s column that orders its rows: \"%s\" is %s", table->schema,
                     store->outbox.name, store->driver->id_type, table->id, id ? id->type : "not there");
    obx_sql_text_free(&advice);
}

static void report_payload(const struct sql_op *op)
{
    const struct sql_store *store = op->store;
    if (!sql_column_of(store, "payload"))
        sql_check_report(op, OUTBOX_LOG_WARN, "name the column that is under columns: { payload: NAME }",
                         "table %s.%s has no column \"%s\"", store->table.schema, store->outbox.name,
                         obx_sql_column(&store->column_names, "payload"));
}

static void end(struct sql_op *op)
{
    if (op->store->driver->check_end)
        op->store->driver->check_end(op);
    else
        sql_op_complete(op, NULL);
}

static void report_missing(const struct sql_op *op)
{
    const struct sql_store *store = op->store;
    char advice[80];
    snprintf(advice, sizeof advice, "run 'outbox init', or name the %s: table: %s.TABLE", store->driver->schema,
             store->driver->SCHEMA);
    sql_check_report(op, OUTBOX_LOG_ERROR, advice, "there is no table %s in database %s", store->table_name,
                     store->driver->place_of(store));
}

static void report_table(struct sql_op *op)
{
    const struct sql_store *store = op->store;
    if (store->table.exists && store->table.is_table) {
        report_id(op);
        report_payload(op);
        sql_probes_run(op, store->driver->table_probes, end);
        return;
    }
    if (store->table.exists)
        sql_check_report(op, OUTBOX_LOG_ERROR, "name the table itself", "%s.%s is no table", store->table.schema,
                         store->outbox.name);
    else
        report_missing(op);
    end(op);
}

void sql_check(void *self, outbox_op_t id, const struct outbox_check *check)
{
    struct sql_op *op = sql_op_begin(self, id);
    op->in = check;
    sql_probes_run(op, op->store->driver->server_probes, report_table);
}

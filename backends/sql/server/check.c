/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/check.c - the findings of `outbox check`: defects, risks, and advice
 *
 * The driver's first probe is about the server; then come findings about the columns, which the start has read; then
 * the probes about the table and the rights. Without a table the probes about it are skipped. With OUTBOX_CHECK_ROWS
 * only single rows are looked at.
 */
#include <string.h>

#include "sql/server/check_rows.h"
#include "sql/server/check_table.h"
#include "sql/server/check_trial.h"

/* What a probe is about: the server, until the questions about the table begin. */
static void name_subject(const struct sql_op *op, char *to, size_t size)
{
    const struct sql_store *store = op->store;
    if (op->probing_server)
        snprintf(to, size, "server");
    else if (store->table.exists)
        snprintf(to, size, "table %s.%s", store->table.schema, store->outbox.name);
    else
        snprintf(to, size, "table %s", store->table_name);
}

void sql_check_find(const struct sql_op *op, enum outbox_severity severity, const struct sql_cure *cure,
                    const char *format, ...)
{
    const struct outbox_check *check = op->in;
    char text[600], subject[200];
    struct outbox_finding finding = {
        .struct_size = sizeof finding, .severity = severity, .subject = subject, .reason = text};
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    name_subject(op, subject, sizeof subject);
    if (cure) {
        finding.advice = cure->advice;
        finding.command = cure->command.size && !cure->command.failed ? cure->command.data : NULL;
        finding.code = cure->code;
    }
    check->report(check->arg, &finding);
}

void sql_check_report(const struct sql_op *op, enum outbox_severity severity, const char *advice, const char *format,
                      ...)
{
    const struct sql_cure cure = {.advice = advice};
    char text[600];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    sql_check_find(op, severity, &cure, "%s", text);
}

struct sql_cure sql_cure(const struct sql_op *op, const char *advice)
{
    return (struct sql_cure){.advice = advice, .command = sql_text(op->store)};
}

void sql_cure_free(struct sql_cure *cure)
{
    obx_sql_text_free(&cure->command);
}

bool sql_check_refused(struct sql_op *op, const struct outbox_error *error)
{
    bool absent = error->code == OUTBOX_E_NOT_FOUND;
    const struct sql_cure cure = {.advice = absent ? "run 'outbox init'" : "see 'outbox init --print-grants'",
                                  .code = error->code};
    sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure, "%s", error->text);
    return true;
}

bool sql_check_no_dead(struct sql_op *op, const struct outbox_error *error)
{
    const char *table = op->store->dead.name;
    if (error->code == OUTBOX_E_NOT_FOUND)
        sql_check_report(op, OUTBOX_SEVERITY_WARNING, "run 'outbox init'",
                         "there is no dead-letter table %s: nothing can be dead-lettered", table);
    else
        sql_check_report(op, OUTBOX_SEVERITY_WARNING, "see 'outbox init --print-grants'",
                         "the relay's user may not read, insert into and delete from the dead-letter table %s", table);
    return true;
}

int64_t sql_check_number(const struct sql_op *op, unsigned column, int64_t default_value)
{
    const struct sql_driver *driver = op->store->driver;
    struct sql_row row = {.result = op->result};
    return op->result && driver->next_row(&row) ? driver->number(&row, column, default_value) : default_value;
}

static struct outbox_bytes text_at(const struct sql_op *op, const struct sql_row *row, unsigned column)
{
    return op->store->driver->cell(row, column);
}

/* NULL: there is none. */
static const char *copied(char *to, size_t size, struct outbox_bytes text)
{
    sql_copy_cell(to, size, text);
    return text.data ? to : NULL;
}

void sql_report_findings(struct sql_op *op)
{
    enum { SEVERITY, REASON, ADVICE, COMMAND };
    struct sql_row row = {.result = op->result};
    while (op->result && op->store->driver->next_row(&row)) {
        char reason[600], advice[300];
        struct sql_cure cure = sql_cure(op, copied(advice, sizeof advice, text_at(op, &row, ADVICE)));
        struct outbox_bytes command = text_at(op, &row, COMMAND);
        if (command.data)
            obx_sql_text_add(&cure.command, command.data, command.size);
        int64_t severity = op->store->driver->number(&row, SEVERITY, OUTBOX_SEVERITY_OK);
        bool denied = severity == SQL_DENIED;
        cure.code = denied ? OUTBOX_E_PERMISSION : 0;
        if (copied(reason, sizeof reason, text_at(op, &row, REASON)))
            sql_check_find(op, denied ? OUTBOX_SEVERITY_ERROR : (enum outbox_severity)severity, &cure, "%s", reason);
        sql_cure_free(&cure);
    }
}

void sql_note_removal_facts(struct sql_op *op)
{
    struct sql_row row = {.result = op->result};
    op->removal_suspect |= op->result && op->store->driver->next_row(&row);
}

void sql_report_removal_findings(struct sql_op *op)
{
    sql_note_removal_facts(op);
    sql_report_findings(op);
}

bool sql_put_low_count(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    struct obx_sql_text sql = sql_text(store);
    obx_sql_text_format(&sql, "SELECT count(*), min(%n), max(%n) FROM ", store->table.id, store->table.id);
    sql_append_outbox(store, &sql);
    obx_sql_text_format(&sql, " WHERE %n < 1", store->table.id);
    return store->driver->put_text(request, &sql);
}

/* Moves them behind all others, in their order. A counter gives the ids, where there is one: it must know of them. */
static void append_raising(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *schema = store->table.schema, *table = store->outbox.name, *id = store->table.id;
    const struct sql_column *column = sql_column_find(&store->table, id);
    if (store->driver->dialect == OBX_SQL_POSTGRES && column && column->numbered)
        obx_sql_text_format(sql,
                            "DO $outbox$ DECLARE outbox_low_id bigint; BEGIN FOR outbox_low_id IN SELECT %n FROM %n.%n "
                            "WHERE %n < 1 ORDER BY %n LOOP UPDATE %n.%n SET %n = DEFAULT WHERE %n = outbox_low_id; END "
                            "LOOP; END $outbox$;",
                            id, schema, table, id, id, schema, table, id, id);
    else if (store->driver->dialect == OBX_SQL_POSTGRES)
        obx_sql_text_format(sql,
                            "UPDATE %n.%n o SET %n = m.high + 1 + o.%n - m.low FROM (SELECT greatest(max(%n), 0) high, "
                            "min(%n) low FROM %n.%n) m WHERE o.%n < 1;",
                            schema, table, id, id, id, id, schema, table, id);
    else
        obx_sql_text_format(sql,
                            "UPDATE %n.%n o JOIN (SELECT GREATEST(MAX(%n), 0) high, MIN(%n) low FROM %n.%n) m SET o.%n "
                            "= m.high + 1 + o.%n - m.low WHERE o.%n < 1; ALTER TABLE %n.%n AUTO_INCREMENT = 1;",
                            schema, table, id, id, schema, table, id, id, id, schema, table);
}

void sql_report_low_count(struct sql_op *op)
{
    const struct sql_driver *driver = op->store->driver;
    struct sql_row row = {.result = op->result};
    long long rows = op->result && driver->next_row(&row) ? (long long)driver->number(&row, 0, 0) : 0;
    struct sql_cure cure = sql_cure(op, "give them ids of 1 and above");
    append_raising(op->store, &cure.command);
    if (rows)
        sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure,
                       "%lld rows of table %s.%s have ids below 1, from %lld to %lld; the relay never publishes them",
                       rows, op->store->table.schema, op->store->outbox.name, (long long)driver->number(&row, 1, 0),
                       (long long)driver->number(&row, 2, 0));
    sql_cure_free(&cure);
}

/* Other probes report a column that is not there, and rights that are missing. */
bool sql_low_count_refused(struct sql_op *op, const struct outbox_error *error)
{
    (void)op;
    return error->code != OUTBOX_E_NOT_CONNECTED;
}

static bool wants_rows_only(const struct sql_op *op)
{
    const struct outbox_check *check = op->in;
    return OUTBOX_HAS_MEMBER(check, flags) && check->flags & OUTBOX_CHECK_ROWS;
}

static void end(struct sql_op *op)
{
    if (op->store->driver->check_end && !wants_rows_only(op))
        op->store->driver->check_end(op);
    else
        sql_op_complete(op, NULL);
}

static void try_rows(struct sql_op *op)
{
    sql_check_trial(op, end);
}

static void inspect_rows(struct sql_op *op)
{
    sql_check_rows(op, try_rows);
}

static void inspect_table(struct sql_op *op)
{
    sql_probes_run(op, op->store->driver->table_probes, inspect_rows);
}

static void report_missing(const struct sql_op *op)
{
    const struct sql_store *store = op->store;
    char advice[80];
    snprintf(advice, sizeof advice, "run 'outbox init', or name the %s: table: %s.TABLE", store->driver->schema,
             store->driver->SCHEMA);
    sql_check_report(op, OUTBOX_SEVERITY_ERROR, advice, "there is no table %s in database %s", store->table_name,
                     store->driver->place_of(store));
}

static void report_table(struct sql_op *op)
{
    const struct sql_store *store = op->store;
    op->probing_server = false;
    if (store->table.exists && store->table.is_table) {
        sql_probes_run(op, sql_column_probes, inspect_table);
        return;
    }
    if (store->table.exists)
        sql_check_report(op, OUTBOX_SEVERITY_ERROR, "name the table itself", "%s.%s is no table", store->table.schema,
                         store->outbox.name);
    else
        report_missing(op);
    end(op);
}

void sql_check(void *self, outbox_op_t id, const struct outbox_check *check)
{
    struct sql_op *op = sql_op_begin(self, id);
    op->in = check;
    op->probing_server = !wants_rows_only(op);
    if (op->probing_server)
        sql_probes_run(op, op->store->driver->server_probes, report_table);
    else if (op->store->table.exists && op->store->table.is_table)
        sql_probes_run(op, op->store->driver->row_probes, try_rows);
    else
        end(op);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/check_rows.c - the values that some columns have in pending rows, each combination once
 *
 * Of the first rows: those of blocked keys are among them. Not read where a column is missing, which is a finding of
 * its own, or has no text that the server and the relay agree on.
 */
#include "sql/server/check_rows.h"

#include <string.h>

enum { ROWS_READ = 100000, COMBINATIONS = 1000, MOST_COLUMNS = 32 };

static const struct sql_column *column_at(const struct sql_op *op, unsigned index)
{
    const struct outbox_check *check = op->in;
    return sql_column_find(&op->store->table, obx_sql_column(&op->store->column_names, check->columns[index]));
}

static bool is_requested(const struct sql_op *op)
{
    const struct outbox_check *check = op->in;
    unsigned count = 0;
    if (!OUTBOX_HAS_MEMBER(check, row_arg) || !check->columns || !check->row)
        return false;
    for (; check->columns[count]; count++) {
        const struct sql_column *column = column_at(op, count);
        if (!column || !strcmp(column->type, "bytea"))
            return false;
    }
    return count && count <= MOST_COLUMNS && sql_column_find(&op->store->table, op->store->table.id);
}

/* Names and collations must not merge two texts that differ. */
static bool put_rows(struct sql_request *request)
{
    const struct sql_op *op = sql_op_of(request);
    const struct sql_store *store = op->store;
    const struct outbox_check *check = op->in;
    bool postgres = store->driver->dialect == OBX_SQL_POSTGRES;
    struct obx_sql_text sql = sql_text(store);
    for (unsigned i = 0; check->columns[i]; i++)
        obx_sql_text_format(&sql, postgres ? "%s%n::text" : "%sCAST(CONVERT(%n USING utf8mb4) AS BINARY)",
                            i ? ", " : "SELECT DISTINCT ", column_at(op, i)->name);
    obx_sql_text_puts(&sql, " FROM (SELECT * FROM ");
    sql_append_outbox(store, &sql);
    obx_sql_text_format(&sql, " ORDER BY %n LIMIT %d) r LIMIT %d", store->table.id, ROWS_READ, COMBINATIONS);
    return store->driver->put_text(request, &sql);
}

static void report_rows(struct sql_op *op)
{
    const struct sql_driver *driver = op->store->driver;
    const struct outbox_check *check = op->in;
    struct sql_row row = {.result = op->result};
    while (op->result && driver->next_row(&row)) {
        struct outbox_bytes texts[MOST_COLUMNS];
        for (unsigned i = 0; check->columns[i]; i++)
            texts[i] = driver->cell(&row, i);
        check->row(check->row_arg, texts);
    }
}

/* What is missing or may not be read is a finding of other probes. */
static bool refused(struct sql_op *op, const struct outbox_error *error)
{
    (void)op;
    return error->code != OUTBOX_E_NOT_CONNECTED;
}

void sql_check_rows(struct sql_op *op, void (*then)(struct sql_op *op))
{
    static const struct sql_probe probes[] = {{"read topics of events", put_rows, NULL, report_rows, refused},
                                              {.what = NULL}};
    static const struct sql_probe none[] = {{.what = NULL}};
    sql_probes_run(op, is_requested(op) ? probes : none, then);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/setup.c - creates the tables, or prints their SQL
 *
 * Creates the outbox if it does not exist; an existing one is never altered. The dead-letter table gets the types of
 * the outbox's columns, so that a dead letter can be replayed byte by byte. Afterwards the table is inspected again,
 * for the next verb on this store.
 */
#include <stdio.h>
#include <string.h>

#include "sql/server/table.h"
#include "sql/server/verbs.h"

void sql_append_create_outbox(const struct sql_store *store, struct obx_sql_text *sql, const char *const *types)
{
    obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
    sql_append_inserts(store, sql);
    obx_sql_text_format(sql, " (\n    %n %s", obx_sql_column(&store->column_names, "id"), *types++);
    for (int i = 0; i < OBX_SQL_COLUMNS; i++)
        obx_sql_text_format(sql, ",\n    %n %s", obx_sql_column(&store->column_names, obx_sql_columns[i]), types[i]);
}

void sql_append_create_dead(const struct sql_store *store, struct obx_sql_text *sql, const char *begin,
                            const char *const *types, const char *null, const char *end)
{
    obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
    sql_append_dead(store, sql);
    obx_sql_text_puts(sql, begin);
    for (int i = 0; i < OBX_SQL_COLUMNS; i++) {
        const struct sql_column *column = sql_column_of(store, obx_sql_columns[i]);
        obx_sql_text_format(sql, "    %s %s", obx_sql_columns[i], column ? column->type : types[i]);
        if (column && *column->charset)
            obx_sql_text_format(sql, " CHARACTER SET %s", column->charset);
        obx_sql_text_format(sql, "%s,\n", null);
    }
    obx_sql_text_puts(sql, end);
}

/* ---- a user without the right to create tables ---------------------------------------------------------------------
 */

static bool put_missing(struct sql_request *request)
{
    struct obx_sql_text sql = sql_text(request->store);
    request->store->driver->append_missing(request->store, &sql);
    return request->store->driver->put_text(request, &sql);
}

/* The refusal is kept in start_error. Without an answer it stands. */
static void on_missing(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct outbox_error *refusal = &op->store->start_error;
    char *advice = strstr(refusal->text, "; see 'outbox init --print-grants'");
    if (!error->code && sql_check_number(op, 0, 1) == 0)
        refusal->code = OUTBOX_OK; /* all is there: there was nothing to do */
    else {
        size_t used = advice ? (size_t)(advice - refusal->text) : strlen(refusal->text);
        snprintf(refusal->text + used, sizeof refusal->text - used,
                 "; run 'outbox init' as the owner of the tables, or let the owner run what 'outbox init --print-sql' "
                 "prints");
    }
    sql_op_complete(op, refusal);
}

static void create(struct sql_op *op);

static void set_up(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    const struct outbox_error *verdict = error->code ? error : &op->store->start_error;
    if (!verdict->code && op->store->driver->setup_goes_on && op->store->driver->setup_goes_on(op)) {
        create(op);
        return;
    }
    if (error->code != OUTBOX_E_PERMISSION) {
        sql_op_complete(op, verdict);
        return;
    }
    op->store->start_error = *error;
    op->request.text = NULL;
    op->request.transaction = false;
    sql_op_submit(op, op->store->owner, "search for the tables", put_missing, sql_op_store_result, on_missing);
}

static void create(struct sql_op *op)
{
    const struct sql_driver *driver = op->store->driver;
    op->store->start_error.code = OUTBOX_OK;
    sql_op_submit(op, op->store->owner, "set up the tables", driver->put_setup, driver->setup_result, set_up);
}

/* ---- a table with a like name --------------------------------------------------------------------------------------
 */

static bool put_alike(struct sql_request *request)
{
    struct obx_sql_text sql = sql_text(request->store);
    request->store->driver->append_alike(request->store, &sql);
    return request->store->driver->put_text(request, &sql);
}

/* The application writes to that one: a new, empty table would be relayed, and nothing would ever come. */
static void on_alike(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    const struct sql_driver *driver = op->store->driver;
    struct sql_row row = {.result = op->result};
    if (error->code) {
        sql_op_complete(op, error);
        return;
    }
    if (op->result && driver->next_row(&row)) {
        struct outbox_bytes name = driver->cell(&row, 0);
        sql_op_fail(op, OUTBOX_E_CONFIG,
                    "set up the tables: there is no table %s, but there is %.*s; set table: %.*s if that one is meant, "
                    "or else run what 'outbox init --print-sql' prints",
                    op->store->table_name, (int)name.size, (const char *)name.data, (int)name.size,
                    (const char *)name.data);
        return;
    }
    sql_op_drop_result(op);
    obx_sql_text_clear(&op->sql);
    create(op);
}

void sql_setup(void *self, outbox_op_t id)
{
    struct sql_op *op = sql_op_begin(self, id);
    if (op->store->table.exists)
        create(op);
    else
        sql_op_submit(op, op->store->owner, "search for other tables", put_alike, sql_op_store_result, on_alike);
}

/* Line by line; the text is used up. */
static bool print_text(struct obx_sql_text *sql, void (*line)(void *arg, const char *text), void *arg)
{
    bool fine = !sql->failed;
    if (fine)
        obx_sql_text_lines(sql, line, arg);
    return fine;
}

int sql_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
              struct outbox_error *error)
{
    const struct sql_store *store = self;
    struct obx_sql_text sql = {.host = store->host, .dialect = store->driver->dialect};
    bool fine = true;
    if (what == OUTBOX_PRINT_GRANTS) {
        store->driver->put_grants(store, &sql);
        fine = print_text(&sql, line, arg);
    }
    if (what == OUTBOX_PRINT_INBOX_SQL || what == OUTBOX_PRINT_INBOX_GRANTS) {
        sql_append_inbox(store, &sql, what);
        fine = print_text(&sql, line, arg);
    }
    for (int i = 0; what == OUTBOX_PRINT_SQL && fine && store->driver->statement(store, &sql, i); i++) {
        obx_sql_text_puts(&sql, ";");
        fine = print_text(&sql, line, arg);
    }
    obx_sql_text_free(&sql);
    return fine ? OUTBOX_OK : outbox_error_set(error, OUTBOX_E_NO_MEMORY, "print the tables: out of memory");
}

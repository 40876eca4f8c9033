/* SPDX-License-Identifier: Apache-2.0 */
/* writers/postgres/statement.c - see statement.h; the statement, its arrays and its copies of values are one block */
#include "statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "writer.h"

static void append(char **to, const char *text)
{
    size_t size = strlen(text);
    memcpy(*to, text, size + 1);
    *to += size;
}

static void append_name(char **to, const char *name, size_t size)
{
    *(*to)++ = '"';
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '"')
            *(*to)++ = '"';
        *(*to)++ = name[i];
    }
    append(to, "\"");
}

static void append_table(char **to, const char *table)
{
    const char *dot = strchr(table, '.');
    if (dot) {
        append_name(to, table, (size_t)(dot - table));
        append(to, ".");
        table = dot + 1;
    }
    append_name(to, table, strlen(table));
}

/* What the texts below need at most, with every character of the table's name doubled. */
static size_t sql_room(const char *table)
{
    return 2 * strlen(table) + 600;
}

static void write_insert(char *to, const char *table, const struct outbox_event *event, bool returning_id)
{
    char number[32];
    int count = 0;
    append(&to, "INSERT INTO ");
    append_table(&to, table);
    for (int i = 0; i < EVENT_COLUMNS; i++) {
        if (!obx_event_has(event, i))
            continue;
        append(&to, count++ ? ", " : " (");
        append(&to, obx_event_columns[i]);
    }
    for (int i = 1; i <= count; i++) {
        snprintf(number, sizeof number, "%s$%d", i > 1 ? ", " : ") VALUES (", i);
        append(&to, number);
    }
    append(&to, returning_id ? ") RETURNING id" : ")");
}

/* The name of the function: TABLE with the suffix, quoted. */
static void append_function(char **to, const char *table)
{
    append_table(to, table);
    --*to; /* the quote */
    append(to, "_emit\"");
}

static void write_emit(char *to, const char *table, const struct outbox_event *event)
{
    static const char *const types[EVENT_COLUMNS] = {"uuid", "text", "text", "text", "bytea", "jsonb"};
    char number[80];
    int count = 0;
    append(&to, "SELECT ");
    append_function(&to, table);
    for (int i = 0; i < EVENT_COLUMNS; i++) {
        if (!obx_event_has(event, i))
            continue;
        snprintf(number, sizeof number, "%s%s => $%d::pg_catalog.%s", count ? ", " : "(", obx_event_columns[i],
                 count + 1, types[i]);
        append(&to, number);
        count++;
    }
    append(&to, ")");
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

/* Is the binary form of this type the bytes themselves? */
static bool is_plain(Oid type)
{
    enum { JSON = 114, VARCHAR = 1043 };
    return type == PG_OID_BYTEA || type == PG_OID_TEXT || type == VARCHAR || type == JSON;
}

static bool is_copied(const struct outbox_event *event, int column, Oid payload_type)
{
    return obx_event_value(event, column).data && !(column == EVENT_PAYLOAD && is_plain(payload_type));
}

static size_t copies_room(const struct outbox_event *event, Oid payload_type)
{
    size_t size = 0;
    for (int i = 0; i < EVENT_COLUMNS; i++)
        size += is_copied(event, i, payload_type) ? obx_event_value(event, i).size + 1 : 0;
    return size;
}

/* False: there is a NUL in it. */
static bool add_text(struct pg_params *params, struct outbox_bytes value, char *copy)
{
    if (value.size && memchr(value.data, 0, value.size))
        return false;
    if (value.size)
        memcpy(copy, value.data, value.size);
    copy[value.size] = '\0';
    pg_param_text(params, copy);
    params->formats[params->count - 1] = 0;
    return true;
}

/* Returns EVENT_COLUMNS, or the column whose text has a NUL in it. */
static int add_params(const struct outbox_event *event, Oid payload_type, struct pg_params *params, char *room)
{
    for (int i = 0; i < EVENT_COLUMNS; i++) {
        struct outbox_bytes value = obx_event_value(event, i);
        if (!obx_event_has(event, i))
            continue;
        if (!is_copied(event, i, payload_type)) {
            pg_param_bytes(params, value);
            continue;
        }
        if (!add_text(params, value, room))
            return i;
        room += value.size + 1;
    }
    return EVENT_COLUMNS;
}

/* ---- the block --------------------------------------------------------------------------------------------------- */

struct block {
    struct outbox_pg_statement statement; /* first: it is what the caller frees */
    struct pg_params params;
    char text[]; /* the SQL, then the copies */
};

int pg_statement_new(const char *table, const struct outbox_event *event, enum pg_statement_kind kind, Oid payload_type,
                     const char *what, struct outbox_pg_statement **statement, struct outbox_error *error)
{
    struct block *made = malloc(sizeof *made + sql_room(table) + copies_room(event, payload_type));
    *statement = NULL;
    if (!made)
        return pg_fail(error, OUTBOX_E_NO_MEMORY, "%s: out of memory", what);
    made->params.count = 0;
    int column = add_params(event, payload_type, &made->params, made->text + sql_room(table));
    if (column < EVENT_COLUMNS) {
        free(made);
        return pg_fail(error, OUTBOX_E_INVALID, "%s: there is a NUL in %s, which only bytea can hold", what,
                       obx_event_columns[column]);
    }
    if (kind == PG_STATEMENT_EMIT)
        write_emit(made->text, table, event);
    else
        write_insert(made->text, table, event, kind == PG_STATEMENT_INSERT_ID);
    made->statement = (struct outbox_pg_statement){.struct_size = sizeof made->statement,
                                                   .sql = made->text,
                                                   .count = made->params.count,
                                                   .values = made->params.values,
                                                   .lengths = made->params.lengths,
                                                   .formats = made->params.formats};
    *statement = &made->statement;
    return OUTBOX_OK;
}

/* ---- for callers ------------------------------------------------------------------------------------------------- */

static int make(const char *table, const struct outbox_event *event, enum pg_statement_kind kind, Oid payload_type,
                struct outbox_pg_statement **statement, struct outbox_error *error)
{
    if (!table)
        table = "outbox";
    struct obx_event_what what = obx_event_what(table);
    if (!statement)
        return pg_fail(error, OUTBOX_E_INVALID, "%s: statement is NULL", what.text);
    *statement = NULL;
    int code = pg_event_check(event, what.text, error);
    return code ? code : pg_statement_new(table, event, kind, payload_type, what.text, statement, error);
}

int outbox_pg_statement(const char *table, const struct outbox_event *event, Oid payload_type, bool returning_id,
                        struct outbox_pg_statement **statement, struct outbox_error *error)
{
    return make(table, event, returning_id ? PG_STATEMENT_INSERT_ID : PG_STATEMENT_INSERT, payload_type, statement,
                error);
}

int outbox_pg_emit_statement(const char *table, const struct outbox_event *event,
                             struct outbox_pg_statement **statement, struct outbox_error *error)
{
    return make(table, event, PG_STATEMENT_EMIT, PG_OID_BYTEA, statement, error);
}

void outbox_pg_statement_free(struct outbox_pg_statement *statement)
{
    free(statement);
}

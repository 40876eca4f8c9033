/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/relation.c - the columns of the table, as pgoutput names them -> where each value is
 *
 *   Relation -> of each column: its name, its type -> which value it is, or that it has another name now
 *
 * The server sends the columns before the first row of a connection, and again after a change. They are those of the
 * moment when the row was written; the store knows those of its start. Columns keep their order, and new ones are the
 * last. So a column that the store does not know, where the log lacks one that it does know, is that one with another
 * name: its values must not come as null. A column without another in its place was added later: its values are null.
 *
 * Failure modes: a column that was renamed, or a column of the route that is dropped while the log is read. Both refuse
 * the rows that follow.
 */
#include <stdio.h>
#include <string.h>

#include "../store.h"

enum { BYTEA_OID = 17, FIRST_OWN_OID = 16384 }; /* of types that were created, such as domains */

static int value_of(const struct pg_store *store, const char *column)
{
    const char *logical = obx_sql_logical(&store->sql.column_names, column);
    for (int i = 0; logical && i < PG_PARTS; i++)
        if (!strcmp(logical, obx_sql_columns[i]))
            return i;
    return logical && !strcmp(logical, "id") ? PG_ROW_ID : PG_ROW_VALUES;
}

/* ---- renamed columns --------------------------------------------------------------------------------------------- */

/* Through both lists of columns, from one that both have to the next. */
struct walk {
    const struct pg_store *store;
    uint32_t next;       /* the store's columns before it are passed */
    const char *unknown; /* a column of the log that the store does not know, since then; NULL: none */
};

/* Of the store's columns before `end`: one that has a value of an event; NULL: none. The log never has generated ones.
 */
static const char *missing_before(const struct walk *walk, uint32_t end)
{
    const struct sql_table *table = &walk->store->sql.table;
    for (uint32_t i = walk->next; i < end; i++)
        if (!table->columns[i].generated && value_of(walk->store, table->columns[i].name) < PG_ROW_VALUES)
            return table->columns[i].name;
    return NULL;
}

static void compare(struct walk *walk, uint32_t end, struct pg_row_columns *columns)
{
    const char *missing = missing_before(walk, end);
    if (missing && walk->unknown)
        snprintf(columns->refusal, sizeof columns->refusal,
                 "the table has the column \"%.*s\" in the place of \"%.*s\": it was renamed; see "
                 "docs/CAPTURE-POSTGRES.md, \"Rows as events\"",
                 OUTBOX_CUT(walk->unknown, 63), OUTBOX_CUT(missing, 63));
    walk->unknown = NULL;
}

static void pass(struct walk *walk, const char *name, struct pg_row_columns *columns)
{
    const struct sql_table *table = &walk->store->sql.table;
    uint32_t at = 0;
    while (at < table->column_count && strcmp(table->columns[at].name, name) != 0)
        at++;
    if (at == table->column_count)
        walk->unknown = name;
    if (at == table->column_count || at < walk->next) /* before: it was dropped, and made again */
        return;
    compare(walk, at, columns);
    walk->next = at + 1;
}

/* ---- the message ------------------------------------------------------------------------------------------------- */

static void note(struct pg_store *store, const char *name, unsigned index, uint32_t type)
{
    struct pg_row_columns *columns = &store->capture.logical.columns;
    int value = value_of(store, name);
    if (value >= PG_ROW_VALUES)
        return;
    columns->of[value] = (int16_t)index;
    columns->bytea[value] =
        type < FIRST_OWN_OID ? type == BYTEA_OID : value < PG_PARTS && pg_row_has_base(store, value, PG_BASE_BYTEA);
}

/* Of each column its flags, name, type and type modifier. */
static void read_columns(struct pg_store *store, struct pg_message *message, unsigned count)
{
    struct pg_row_columns *columns = &store->capture.logical.columns;
    struct walk walk = {.store = store};
    for (unsigned i = 0; i < count && !message->failed; i++) {
        pg_message_int(message, 1);
        const char *name = pg_message_text(message).data;
        uint32_t type = (uint32_t)pg_message_int(message, 4);
        pg_message_int(message, 4);
        if (message->failed)
            return;
        note(store, name, i, type);
        pass(&walk, name, columns);
    }
    compare(&walk, store->sql.table.column_count, columns);
}

/* A column of the route that the rows before had. */
static void find_dropped(struct pg_store *store, const struct pg_row_columns *before)
{
    struct pg_row_columns *columns = &store->capture.logical.columns;
    for (uint32_t i = 0; before->relation && !*columns->refusal && i < store->sql.selected_count; i++) {
        int value = store->capture.parts[i];
        if (value < PG_PARTS && before->of[value] >= 0 && columns->of[value] < 0)
            snprintf(columns->refusal, sizeof columns->refusal,
                     "the column \"%.*s\", which the route needs, was dropped",
                     OUTBOX_CUT(store->sql.selected[i].name, 63));
    }
}

/* Its OID, schema, name, replica identity; then the columns. */
void pg_row_relation(struct pg_store *store, struct pg_message *message)
{
    struct pg_row_columns *columns = &store->capture.logical.columns, before = *columns;
    uint32_t relation = (uint32_t)pg_message_int(message, 4);
    pg_message_text(message);
    pg_message_text(message);
    pg_message_int(message, 1);
    unsigned count = (unsigned)pg_message_int(message, 2);
    if (relation != store->table_oid)
        return;
    if (columns->relation)
        pg_slot_look_up_publication(store);
    *columns = (struct pg_row_columns){.relation = relation};
    memset(columns->of, -1, sizeof columns->of);
    read_columns(store, message, count);
    find_dropped(store, &before);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/schema.h - the three tables: their names, the SQL that creates them, and what a relay needs of them
 *
 * The outbox, its dead letters, and one row that records who relays. Only the outbox may be the application's own
 * table. Its key must be AUTOINCREMENT: an id that is used twice could be settled in place of the row that had it
 * first.
 */
#ifndef OBX_BACKENDS_SQLITE_SCHEMA_H
#define OBX_BACKENDS_SQLITE_SCHEMA_H

#include "conn.h"

/* The columns that have a meaning. The option `columns` maps them to other names in the table. */
enum lite_column {
    COLUMN_ID,
    COLUMN_EVENT_ID,
    COLUMN_AGGREGATE_TYPE,
    COLUMN_AGGREGATE_ID,
    COLUMN_TYPE,
    COLUMN_PAYLOAD,
    COLUMN_HEADERS,
    COLUMN_CREATED_AT,
    COLUMN_COUNT
};

struct lite_schema {
    const char *table;                  /* option */
    const char *dead_table;             /* option, or dead_name */
    struct outbox_map columns;          /* option */
    const char *physical[COLUMN_COUNT]; /* the names in the table */
    char *dead_name;                    /* owned: TABLE_dead, unless the option names another */
    char *relay_name;                   /* owned: TABLE_relay, with the epoch */
};

int lite_schema_init(struct lite_schema *schema, const struct outbox_host *host, struct outbox_error *error);
void lite_schema_fini(struct lite_schema *schema, const struct outbox_host *host);

/* The column of a logical name, or COLUMN_COUNT for a column without a logical name. */
enum lite_column lite_schema_find(const char *logical);

/* Statement `index` of those that create the tables, of sqlite3_mprintf(). NULL: there are no more, or no memory. */
enum { LITE_SCHEMA_STATEMENTS = 4 };
char *lite_schema_sql(const struct lite_schema *schema, int index);
/* Are all tables there, and is the id an AUTOINCREMENT key? */
int lite_schema_check(const struct lite_schema *schema, struct lite_conn *conn, const char *what,
                      struct outbox_error *error);
bool lite_schema_has_table(struct lite_conn *conn, const char *table);
bool lite_schema_has_column(struct lite_conn *conn, const char *table, const char *column);

/* A column that a replay sets to a text. */
struct lite_set {
    const char *column, *text; /* column: NULL, none */
    bool used;                 /* out */
};
/* ", 'text'" if it is this column. set: may be NULL. */
bool lite_set_append(struct lite_set *set, const char *column, sqlite3_str *sql);

/* Append the columns that dead letters keep, with a comma before each: their names in the outbox, or in the other. set:
 * may be NULL. */
void lite_schema_append_columns(const struct lite_schema *schema, struct lite_conn *conn, sqlite3_str *sql,
                                bool of_outbox, struct lite_set *set);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/table.h - the names of the tables, and the columns of the outbox */
#ifndef OBX_BACKENDS_SQL_SERVER_TABLE_H
#define OBX_BACKENDS_SQL_SERVER_TABLE_H

#include "sql/server/store.h"

/* Splits the names of the options. Errors: CONFIG. */
int sql_names_init(struct sql_store *store, struct outbox_error *error);
/* A table's name in two; `suffix` makes one from the outbox's where none is configured. Errors: CONFIG. */
int sql_name_split(const struct sql_store *store, const char *option, const char *value, const char *suffix,
                   struct sql_table_name *name, struct outbox_error *error);
/* The schema that a table is in; NULL: none is known yet. */
const char *sql_schema_of(const struct sql_store *store, const struct sql_table_name *name);
/* Quoted, with the schema as soon as one is known. */
void sql_append_table(const struct sql_store *store, struct obx_sql_text *sql, const struct sql_table_name *name);
void sql_append_outbox(const struct sql_store *store, struct obx_sql_text *sql);
/* The same as a string literal, for functions that take the name of a table. */
void sql_append_table_literal(const struct sql_store *store, struct obx_sql_text *sql,
                              const struct sql_table_name *name);
/* Where an application adds events: the outbox, but for a store that captures another table. */
void sql_append_inserts(const struct sql_store *store, struct obx_sql_text *sql);
/* The rights of an application that writes events, a statement in each line; `grantee` is SQL. */
void sql_append_writer_grants(const struct sql_store *store, struct obx_sql_text *sql, const char *grantee);
void sql_append_dead(const struct sql_store *store, struct obx_sql_text *sql);

/* One row for each column: name, base, type, character set, has a default (0, 1), is generated (0, 1), declared type,
 * is numbered by a counter (0, 1), is unique (0, 1). Takes the result over. Errors, in store->start_error: NO_MEMORY.
 */
void sql_columns_read(struct sql_store *store, void *result);
/* Chooses how the columns of the route are read; store->start names them. Errors: SCHEMA, NO_MEMORY. */
int sql_columns_choose(struct sql_store *store, struct outbox_error *error);
/* Does the table exist, and is it a table? Errors: NOT_FOUND, UNSUPPORTED. */
int sql_table_validate(const struct sql_store *store, const char *user, const char *database,
                       struct outbox_error *error);
const struct sql_column *sql_column_find(const struct sql_table *table, const char *name);
const struct sql_column *sql_column_of(const struct sql_store *store, const char *logical);
void sql_table_free(struct sql_store *store);

/* ", a, b" of the columns that both tables have, by their names in the outbox or in the dead-letter table. */
void sql_append_columns(const struct sql_store *store, struct obx_sql_text *sql, bool of_outbox, const char *prefix);

/* ", object('a', a, ...)" of the columns without a logical name; ", NULL" if there are none. */
void sql_append_rest(const struct sql_store *store, struct obx_sql_text *sql);
/* "INSERT INTO outbox (a, b)" of the columns that an event has fields for. */
void sql_append_fields(const struct sql_store *store, struct obx_sql_text *sql);

/* CREATE TABLE with the types of id and obx_sql_columns, in this order; the parenthesis stays open. */
void sql_append_create_outbox(const struct sql_store *store, struct obx_sql_text *sql, const char *const *types);
/* The same of the dead-letter table, whose obx_sql_columns have the types of the outbox, or these; and `null` after it.
 */
void sql_append_create_dead(const struct sql_store *store, struct obx_sql_text *sql, const char *begin,
                            const char *const *types, const char *null, const char *end);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/rest.h - the columns of the outbox that the relay has no name for, in a dead letter
 *
 * The column `rest` of the dead letters keeps them for the replay: see pack.h.
 */
#ifndef OBX_BACKENDS_SQLITE_REST_H
#define OBX_BACKENDS_SQLITE_REST_H

#include "schema.h"

/* True: the outbox has such columns. */
bool lite_rest_any(const struct lite_schema *schema, struct lite_conn *conn);
/* The expression that packs them; NULL without any. */
void lite_rest_append_pack(const struct lite_schema *schema, struct lite_conn *conn, sqlite3_str *sql);
/* ", name" of each, or ", value": of a dead letter, or the default of a column that it has no value for. set: may be
 * NULL. */
void lite_rest_append_columns(const struct lite_schema *schema, struct lite_conn *conn, sqlite3_str *sql, bool values,
                              struct lite_set *set);

#endif

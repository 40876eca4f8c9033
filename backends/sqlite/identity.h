/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/identity.h - which outbox it is: the file, and a mark that a table keeps until it is dropped
 *
 * SQLite numbers no tables. But the row of a table in sqlite_sequence, which holds its last id, goes with the table. So
 * the first owner gives that row a random rowid, and a table that was made anew has another one. VACUUM and a copy by
 * SQL also lose the mark, which is as if the table was made anew. WRITE lane.
 */
#ifndef OBX_BACKENDS_SQLITE_IDENTITY_H
#define OBX_BACKENDS_SQLITE_IDENTITY_H

#include "store.h"

/* Marks the table unless it has a mark, and writes "sqlite FILE MARK" to `text`. anew: replaces the mark that it has.
 */
int lite_identity(struct lite_store *store, struct lite_conn *conn, bool anew, char *text, size_t size,
                  struct outbox_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/prepare.h - the prepared statements of the READ and of the WRITE connection
 *
 * All statements are prepared at start, so a table that does not fit is reported then, and not with the first event.
 */
#ifndef OBX_BACKENDS_SQLITE_PREPARE_H
#define OBX_BACKENDS_SQLITE_PREPARE_H

#include "store.h"

#define LITE_OPENING "open outbox database"

/* Also records how each column is encoded. */
int lite_prepare_reader(struct lite_store *store, struct lite_conn *conn, const struct outbox_store_start *start,
                        struct outbox_error *error);
int lite_prepare_writer(const struct lite_schema *schema, struct lite_conn *conn, struct outbox_error *error);
/* Those of refused.h, for a connection that is not the writer's. */
int lite_prepare_removal(const struct lite_schema *schema, struct lite_conn *conn, const char *what,
                         struct outbox_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/start.h - connecting both lanes to one of the servers, and the steps before they are used */
#ifndef OBX_BACKENDS_SQL_SERVER_START_H
#define OBX_BACKENDS_SQL_SERVER_START_H

#include "sql/server/store.h"

void sql_start(void *self, outbox_op_t op, const struct outbox_store_start *start);
void sql_start_cancel(struct sql_store *store);
/* The addresses are known, or not: error->code. */
void sql_start_resolved(struct sql_store *store, const struct outbox_error *error);
/* Started with columns, to relay; else for administration, which needs one connection and perhaps no table. */
bool sql_start_is_for_relaying(const struct sql_store *store);

/* Closes both lanes, and the other connections of the store. The ownership ends with that. */
void sql_close_all(struct sql_store *store, const struct outbox_error *why);

#endif

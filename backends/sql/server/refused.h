/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/refused.h - rows that a DELETE did not remove, although the server reported no error
 *
 * A trigger or a rule of the application may keep a row. Such a row was published. It stays outstanding, so that no
 * claim and no stray scan returns it again; the other rows of its settle are gone. The store reports it with each
 * settle, logs it once a minute, and deletes it again with the first settle after that. A restart publishes it again.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_REFUSED_H
#define OBX_BACKENDS_SQL_SERVER_REFUSED_H

#include "sql/server/op.h"

uint64_t sql_ranges_rows(const struct obx_sql_range *ranges, uint32_t count); /* how many ids */

/* Asks which rows of the ranges are still in the table, on the owner's lane. Then store->remaining has them, and done()
 * is called. The ranges must stay until then. */
void sql_refused_look(struct sql_op *op, const struct obx_sql_range *ranges, uint32_t count,
                      void (*done)(struct sql_request *request, const struct outbox_error *error));

/* The rows of the ranges were settled. All are gone but store->remaining, or all, if `remain` is false. */
void sql_refused_note(struct sql_store *store, const struct obx_sql_range *ranges, uint32_t count, bool remain);
/* Adds the rows to store->ranges, if it is time to delete them again. */
void sql_refused_retry(struct sql_store *store);
/* The settle has succeeded: reports the rows to the host. False: the host does not ask for them, and gets the error. */
bool sql_refused_report(const struct sql_store *store, const struct outbox_settle *settle, struct outbox_error *error);
/* In a claim: logs the rows, if that is due. */
void sql_refused_log(struct sql_store *store);
void sql_refused_reset(struct sql_store *store); /* a rewind */

/* "5, 7 and 3 more" */
struct sql_id_list {
    char text[128];
};
struct sql_id_list sql_id_list(const struct obx_sql_ranges *ids);

#endif

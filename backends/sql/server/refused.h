/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/refused.h - published rows that the server refuses to remove
 *
 * A trigger, a rule or a foreign key of the application may keep a row, with an error or without. removal.h finds it.
 * Such a row was published. It stays outstanding, so that no claim and no stray scan returns it again; the other rows
 * of its settle are gone. The store reports it with each settle, logs it once a minute, and deletes it again after 5 s
 * at first, after 60 s later, when the ownership is renewed. A restart publishes it again.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_REFUSED_H
#define OBX_BACKENDS_SQL_SERVER_REFUSED_H

#include "sql/server/op.h"

enum { SQL_REFUSED_MAX = 1000 };

uint64_t sql_ranges_rows(const struct obx_sql_range *ranges, uint32_t count); /* how many ids */

/* Reads which rows of the ranges are still in the table, on the owner's lane. Then store->remaining has them, and
 * done() is called. The ranges must stay until then. */
void sql_remaining_read(struct sql_op *op, const struct obx_sql_range *ranges, uint32_t count,
                        void (*done)(struct sql_request *request, const struct outbox_error *error));

/* The rows of the ranges were deleted. All are gone but `remaining`, or all, if it is NULL. */
void sql_refused_note(struct sql_store *store, const struct obx_sql_range *ranges, uint32_t count,
                      const struct obx_sql_ranges *remaining);
bool sql_refused_has_room(const struct sql_store *store, int64_t id); /* may it be recorded, or is it already? */
/* Why the server refuses the rows that are noted next. NULL: it deletes them without an error, and they stay. */
void sql_refused_set_reason(struct sql_store *store, const struct outbox_error *error);
const char *sql_refused_reason(const struct sql_store *store);

/* Takes the refused rows out of these ranges. False: no memory. */
bool sql_refused_leave_out(struct sql_store *store, struct obx_sql_ranges *ranges);
/* The settle has succeeded: reports the rows to the host. False: the host does not request them, and gets the error. */
bool sql_refused_report(struct sql_store *store, const struct outbox_settle *settle, struct outbox_error *error);
/* Logs the rows, if that is due. */
void sql_refused_log(struct sql_store *store);
void sql_refused_reset(struct sql_store *store); /* a rewind */

/* If it is time: deletes the rows again, then completes op, which has done its own work. Else completes op. */
void sql_refused_retry(struct sql_op *op);

/* "5, 7 and 3 more" */
struct sql_id_list {
    char text[128];
};
struct sql_id_list sql_id_list(const struct obx_sql_ranges *ids);

/* The text of an error of the server without what to do about tables of outbox, which a trigger's failure is not. */
void sql_copy_reason(char *to, size_t size, const struct outbox_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/owner.h - owning an outbox */
#ifndef OBX_BACKENDS_SQL_SERVER_OWNER_H
#define OBX_BACKENDS_SQL_SERVER_OWNER_H

#include "sql/server/op.h"

void sql_acquire(void *self, outbox_op_t id, struct outbox_acquire *acquire);
void sql_renew(void *self, outbox_op_t id);

/* How driver->acquire() ends, but for failures. It fills in acquire->epoch and ->identity, or the owner's name. */
void sql_become_owner(struct sql_op *op);
void sql_stand_by(struct sql_op *op);
static inline struct outbox_acquire *sql_acquire_of(const struct sql_op *op)
{
    return op->out;
}

/* For an operation that only the owner may do: false, and the operation has failed with FENCED. what: "settle rows". */
bool sql_owner_may(struct sql_op *op, const char *what);
/* The verdict on such an operation's request: FENCED, and the ownership is over, if another has become the owner. */
struct outbox_error sql_owner_verdict(const struct sql_request *request, const struct outbox_error *error);

/* survey.c: who owns several outboxes, and who wishes to. */
void sql_survey(void *self, outbox_op_t id, struct outbox_survey *survey);
static inline struct outbox_survey *sql_survey_of(const struct sql_op *op)
{
    return op->out;
}
#endif

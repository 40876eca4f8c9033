/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/survey.c - who owns several outboxes of one server, and who wishes to own them
 *
 * Processes that share outboxes evenly need it: docs/decisions/090-balance.md. The ownership stays the lock of the
 * owner's session. A wish is a second lock, in the session of the survey. It ends with that session, so that no wish of
 * a dead process is left. Each server reads and takes its locks in its own way: driver->survey().
 */
#include "sql/server/owner.h"

void sql_survey(void *self, outbox_op_t id, struct outbox_survey *survey)
{
    struct sql_op *op = sql_op_begin(self, id);
    op->out = survey;
    for (uint32_t i = 0; i < survey->count; i++) {
        struct outbox_surveyed *outbox = &survey->outboxes[i];
        outbox->result = outbox->since_s = 0;
        outbox->owner[0] = outbox->wisher[0] = '\0';
    }
    op->store->driver->survey(op);
}

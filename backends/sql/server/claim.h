/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/claim.h - claims, the wake-up policy around them, and the stray scan */
#ifndef OBX_BACKENDS_SQL_SERVER_CLAIM_H
#define OBX_BACKENDS_SQL_SERVER_CLAIM_H

#include "sql/server/op.h"

void sql_claim(void *self, outbox_op_t id, struct outbox_claim *claim);
void sql_claim_table(struct sql_op *op); /* reads rows of the table, for the claim in flight */
void sql_claim_rewind(struct sql_store *store);
void sql_release(void *self, struct outbox_batch *batch);
void sql_measure(struct sql_op *op); /* measure.c: claim->ahead */
static inline struct outbox_claim *sql_claim_of(const struct sql_op *op)
{
    return op->out;
}

/* ---- wakeup.c ---------------------------------------------------------------------------------------------------- */

void sql_wakeup_before(struct sql_store *store, const struct outbox_claim *claim);
/* Clears OUTBOX_CLAIM_ARM_WAKEUP in the flags if the host must continue to poll. */
void sql_wakeup_after(struct sql_store *store, struct outbox_claim *claim, const struct sql_reading *reading);
void sql_wakeup_stop(struct sql_store *store);
/* Log lines; each once, until the other happens. source: "the server's log". */
void sql_wakeup_works(struct sql_store *store, const char *source);
void sql_wakeup_fails(struct sql_store *store, const struct outbox_error *error, const char *advice);

/* ---- stray_scan.c ------------------------------------------------------------------------------------------------ */

void sql_stray_scan_if_due(struct sql_store *store); /* a claim found nothing */
/* A step of the start: logs a row with an id below 1, which no claim returns. */
bool sql_put_low_id(struct sql_request *request);
void sql_on_low_id(struct sql_request *request, void *result);

#endif

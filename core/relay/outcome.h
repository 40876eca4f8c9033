/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/outcome.h - what became of published events
 *
 *   DELIVERED               to be settled
 *   RETRY                   waits for its key; its first event counts an attempt, if the event is at fault
 *   REJECTED                on_reject decides (reject.h)
 *   NOT_CONNECTED, UNKNOWN  the batch sends it again, in order, when the broker is back; counts no attempt
 *
 * Outcomes may come inside publish(), so obx_outcome_note() only sets row states; obx_outcome_done() decides, when the
 * publish is complete. Loop thread only.
 */
#ifndef OBX_RELAY_OUTCOME_H
#define OBX_RELAY_OUTCOME_H

#include "relay/batch.h"
#include "relay/stages.h"

void obx_outcome_note(struct obx_call *call, const struct outbox_outcomes *outcomes); /* obx_call.outcomes */
void obx_outcome_done(void *batch, const struct outbox_error *error);                 /* obx_request.done */

/* ---- for a publisher that decides each row apart (lane_publish.c) ---- */

/* A copy in the batch's arena; NULL for DELIVERED. */
const struct obx_reason *obx_outcome_keep_reason(struct obx_batch *batch, const struct outbox_outcomes *outcomes);
void obx_outcome_note_row(struct obx_batch *batch, uint32_t row, uint32_t outcome, const struct obx_reason *reason);
const struct obx_reason *obx_outcome_reason(const struct obx_batch *batch, uint32_t row); /* never NULL */
/* Apply the noted outcome of one message: its row is DELIVERED, SKIPPED or NOT_SENT then. */
void obx_outcome_decide(struct obx_stages *stages, struct obx_batch *batch, uint32_t message);
/* The event failed before it was sent: it waits behind its key, as after RETRY. False: no memory. */
bool obx_outcome_not_now(struct obx_stages *stages, const struct outbox_message *message,
                         struct outbox_position position, const struct obx_reason *reason);
/* The batch leaves IN_FLIGHT: to READY if rows are to be sent, else to DONE. */
void obx_outcome_finish(struct obx_stages *stages, struct obx_batch *batch);

#endif

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

#endif

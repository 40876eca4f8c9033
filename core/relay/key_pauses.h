/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/key_pauses.h - the pauses of blocked keys, after a round of a batch
 *
 * A key that failed waits for a pause that doubles from retry_min to retry_max, with jitter. The other keys of a retry
 * go on at once, with many events at a time. Each key's failure is logged once as a warning.
 */
#ifndef OBX_RELAY_KEY_PAUSES_H
#define OBX_RELAY_KEY_PAUSES_H

#include "relay/batch.h"
#include "relay/keys.h"
#include "relay/stages.h"

/* The route, the broker or an earlier event caused the failure: it costs the event no attempt. code: of its error. */
bool obx_is_not_event_fault(int code);
void obx_key_pauses_set(struct obx_stages *stages, const struct obx_batch *batch);
void obx_key_pauses_pause(struct obx_stages *stages, struct obx_key *key); /* a key that failed */
/* Only the keys that failed. */
void obx_key_pauses_set_failed(struct obx_stages *stages);

#endif

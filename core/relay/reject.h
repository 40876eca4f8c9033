/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/reject.h - on_reject: what happens to an event that can never go
 *
 *   block-key  the event stays first of its key and is tried again with long pauses, until it succeeds
 *   park       it is moved to the dead letters; its key goes on
 *   park-key   it and every later event of its key are moved there, until the operator replays or drops them
 *   stop       the relay is halted: nothing more is claimed or published
 */
#ifndef OBX_RELAY_REJECT_H
#define OBX_RELAY_REJECT_H

#include "relay/stages.h"

/* Apply on_reject to the event; error: why it can never go. False: no memory, and nothing was changed. */
bool obx_reject(struct obx_stages *stages, const struct outbox_message *message, struct outbox_position position,
                const struct outbox_error *error);

/* An event of a key that has dead letters joins them (park-key). False: no memory, and nothing was changed. */
bool obx_reject_follower(struct obx_stages *stages, uint64_t key, const struct outbox_message *message,
                         struct outbox_position position);

#endif

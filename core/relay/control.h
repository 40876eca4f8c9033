/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/control.h - what an operator does to a running relay: pause, resume, retry, skip
 *
 *   pause   nothing is claimed or published any more, what is in flight is settled, the ownership is kept
 *   resume  a paused or halted relay goes on, and reads the outbox again from its start
 *   retry   the pauses of blocked keys end, or that of one key; without a key a halted relay goes on
 *   skip    the event that blocks a key, or that halted the relay, becomes a dead letter; the key goes on
 *
 * A skipped event leaves the outbox when it is read again, which is at once: see skips.h. A request that cannot be
 * carried out changes nothing. Loop thread only.
 */
#ifndef OBX_RELAY_CONTROL_H
#define OBX_RELAY_CONTROL_H

#include "relay/relay.h"
#include "relay/stages.h"

/* The relay runs. answer: as in obx_relay_control(). */
int obx_control(struct obx_stages *stages, const struct obx_control_request *request, struct outbox_error *answer);
/* Somebody has mended something: all blocked keys are tried now, and a halted relay goes on. */
void obx_control_retry(struct obx_stages *stages);

#endif

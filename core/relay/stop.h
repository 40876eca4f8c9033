/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/stop.h - the end of a relay: the broker first, then the store
 *
 * Happy path: claiming ends; publishes in flight finish and are settled; the broker is stopped, and what its stop
 * decided is settled, too; the store is stopped. At the deadline the same happens without waiting: rows that are not
 * settled by then stay in the outbox. Loop thread only.
 */
#ifndef OBX_RELAY_STOP_H
#define OBX_RELAY_STOP_H

#include "relay/stages.h"

/* In a tick of a relay that is stopping. deadline: nanoseconds. True: everything has stopped. */
bool obx_stop_step(struct obx_stages *stages, uint64_t deadline);
/* Forget all rows that the relay has; no operation may be in flight. */
void obx_stop_release(struct obx_stages *stages);

#endif

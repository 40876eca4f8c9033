/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/stall_watchdog.h - detects a broker that reports no outcome
 *
 * Some clients hide an outage: librdkafka keeps its messages and tries again, so no operation fails and no connection
 * is lost. When events are in flight and no outcome of any of them has come for 10 s, the relay logs that and is not
 * ready (RECOVERING) until the next outcome. Nothing else changes: the events stay in flight, since only the client
 * knows their outcome. The log level is INFO: a plugin that knows of the outage has warned already. Loop thread only.
 */
#ifndef OBX_RELAY_STALL_WATCHDOG_H
#define OBX_RELAY_STALL_WATCHDOG_H

#include "relay/stages.h"

struct obx_stall_watchdog *obx_stall_watchdog_new(struct obx_stages *stages); /* NULL: no memory */
void obx_stall_watchdog_free(struct obx_stall_watchdog *watchdog);            /* NULL is fine */

/* An outcome has come, or the first batch is handed to a broker that had none. */
void obx_stall_watchdog_restart(struct obx_stall_watchdog *watchdog);
void obx_stall_watchdog_step(struct obx_stall_watchdog *watchdog);
bool obx_stall_watchdog_stalled(const struct obx_stall_watchdog *watchdog);

#endif

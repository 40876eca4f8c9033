/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/broker_link.h - the broker's connection
 *
 * A standby keeps no broker open: a target that takes one writer, like a file, is the owner's. So the broker is started
 * only when it is known who owns the outbox; it does not wait for a store that is down. Loop thread only.
 */
#ifndef OBX_RELAY_BROKER_LINK_H
#define OBX_RELAY_BROKER_LINK_H

#include "relay/stages.h"

void obx_broker_link_step(struct obx_stages *stages);

#endif

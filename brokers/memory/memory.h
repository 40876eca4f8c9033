/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/memory/memory.h - lets a test read the events of the memory broker
 *
 * `self` is the memory of the instance (obx_instance_self() in the core). Events are in the order in which they were
 * appended. They stay readable until the instance is freed, also after stop and start.
 */
#ifndef OBX_BROKERS_MEMORY_MEMORY_H
#define OBX_BROKERS_MEMORY_MEMORY_H

#include <outbox/plugin.h>

uint32_t outbox_memory_broker_count(const void *self);
const struct outbox_message *outbox_memory_broker_at(const void *self, uint32_t index);
/* Number of delivered events, with those that `discard` dropped. */
uint64_t outbox_memory_broker_delivered(const void *self);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/publish.h - routes the rows of a batch and hands them to the broker, in the order of claiming
 *
 * Happy path: every waiting row becomes a message, and the batch is in flight. order.h decides about rows whose key is
 * blocked. A row that can never be a message, or that the broker does not admit, is rejected before any later row of
 * its key is sent. When a part of a batch has to wait, for lack of memory or because the broker takes one event of a
 * key at a time, nothing later is published before that part is through. Loop thread only.
 */
#ifndef OBX_RELAY_PUBLISH_H
#define OBX_RELAY_PUBLISH_H

#include "relay/stages.h"

struct obx_publisher *obx_publisher_new(struct obx_stages *stages); /* NULL: no memory */
void obx_publisher_free(struct obx_publisher *publisher);           /* NULL is fine */
void obx_publisher_step(struct obx_publisher *publisher);

#endif

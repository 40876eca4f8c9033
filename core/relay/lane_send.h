/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/lane_send.h - one publish for the rows of a batch whose turn it is
 *
 * Outcomes may come inside publish(): they are noted in the row states, and the rows wait in `returned` for the next
 * step of lane_publish.c, which decides. Publishes are recycled. Loop thread only.
 */
#ifndef OBX_RELAY_LANE_SEND_H
#define OBX_RELAY_LANE_SEND_H

#include "relay/lanes.h"
#include "relay/stages.h"

struct obx_lane_sender {
    struct obx_stages *stages;
    struct obx_list returned;                              /* of struct obx_lane_row: rows with an outcome */
    void (*completed)(void *arg, struct obx_batch *batch); /* a publish of the batch is complete */
    void *arg;
    struct obx_list idle;
    uint32_t idle_count;
};

void obx_lane_sender_init(struct obx_lane_sender *sender, struct obx_stages *stages,
                          void (*completed)(void *arg, struct obx_batch *batch), void *arg);
void obx_lane_sender_free(struct obx_lane_sender *sender); /* nothing is in flight */
/* Publish all rows of batch->sendable, and take the batch out of its list to_send. False: no memory, nothing changed.
 */
bool obx_lane_send(struct obx_lane_sender *sender, struct obx_batch *batch);

#endif

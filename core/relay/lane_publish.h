/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/lane_publish.h - publishing to a concurrent broker: many publishes, one event of each key in flight
 *
 * Happy path: a batch joins: its rows enter the lanes of their keys. Rows whose turn it is go at once, those of one
 * batch in one publish. An outcome ends the turn of its row and the next row of the lane goes, in a publish of its own,
 * though others of the first publish are still on their way. The batch is DONE when all its rows have left their lanes
 * and its publishes are complete.
 *
 * A slow key: its rows would fill the memory and stop the other keys. When half of max_in_flight_bytes is used, the
 * rows that wait for a key which has had no outcome for 100 ms leave their batches: only their positions stay, as those
 * of a blocked key, until its event in flight has an outcome.
 *
 * Failure modes: RETRY and REJECTED as in outcome.h; the later rows of the lane leave with it. UNKNOWN, NOT_CONNECTED,
 * and a broker that stops: nothing more goes, batches without a publish in flight are READY again at once, the others
 * when their publishes are complete; so all of them go again in the order of claiming. Loop thread only.
 */
#ifndef OBX_RELAY_LANE_PUBLISH_H
#define OBX_RELAY_LANE_PUBLISH_H

#include "relay/stages.h"

struct obx_lane_publisher *obx_lane_publisher_new(struct obx_stages *stages); /* NULL: no memory */
void obx_lane_publisher_free(struct obx_lane_publisher *publisher);           /* NULL is fine */
/* Two steps of a tick; both do nothing for other brokers. The first decides what came back, before the broker's link
 * asks whether anything is in flight; the second sends. */
void obx_lane_publisher_resolve(struct obx_lane_publisher *publisher);
void obx_lane_publisher_step(struct obx_lane_publisher *publisher);

#endif

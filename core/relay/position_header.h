/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/position_header.h - route.position: the low mark of consumers, in the header of each event
 *
 * A consumer recognises duplicates by position and event id, and forgets an event when the low mark has passed it. So
 * an event below the mark must never be published again, neither by this owner nor by a later one, and no event below
 * it for the first time. The mark is the lowest of
 *
 *   the floor       no row that was not returned yet is below it: of a table as the store reports it with each claim;
 *                   of a log the stored position, once the spool is read
 *   the pipeline    rows that are not removed from the outbox
 *   blocked keys    events that wait
 *
 * and it never goes back in an ownership. Rows that are on their way to the dead letters, that the database keeps, or
 * that are read again from the start keep it where it is. A row that is claimed below it has an id that somebody chose:
 * its own header shows that.
 * Happy path: claims and settles report here; each tick computes the mark; route.c writes it.
 * Failure modes: a store that reports no floor: the mark stays 0, which costs consumers memory. A store without
 * identity or epoch: there is no header, which is logged. Loop thread only.
 */
#ifndef OBX_RELAY_POSITION_HEADER_H
#define OBX_RELAY_POSITION_HEADER_H

#include "relay/stages.h"

struct obx_position_header *obx_position_header_new(struct obx_stages *stages); /* NULL: no memory */
void obx_position_header_free(struct obx_position_header *header);              /* NULL is fine */

/* The ownership is new. */
void obx_position_header_reset(struct obx_position_header *header, const struct outbox_acquire *acquire);
/* A rewind is wanted, and has begun. In between the floor is that of rows which are not in the pipeline any more. */
void obx_position_header_rewind(struct obx_position_header *header);
void obx_position_header_rewound(struct obx_position_header *header);
void obx_position_header_claimed(struct obx_position_header *header, const struct outbox_batch *rows); /* of a poll */
void obx_position_header_settled(struct obx_position_header *header, const struct outbox_settle *settle);
void obx_position_header_step(struct obx_position_header *header);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/record.h - delivery: exactly-once: what the progress record of the broker may forget
 *
 * The record names a published event until no claim can return it again. A settled event may still come again:
 *
 *   refused, locked   the database keeps the row for now: the store names such rows with each settle
 *   of a log          the stored position is before it: a restart reads it again
 *
 * Happy path: a settle ends, and its rows are reported to the broker. Rows that may come again wait here, 16 to 24
 * bytes each, until a later settle shows that they are gone; a settle visits only those that it shows, and those that
 * the database keeps. While the outbox is read from its first row, the broker learns
 * which events are there; the record forgets the others, which left the outbox before a crash.
 * Failure modes: the store does not name its rows, or there is no memory: then the record keeps these events, which
 * costs memory and no event. Loop thread only.
 */
#ifndef OBX_RELAY_RECORD_H
#define OBX_RELAY_RECORD_H

#include <outbox/plugin.h>

#include "relay/stages.h"

struct obx_record *obx_record_new(struct obx_stages *stages); /* NULL: no memory */
void obx_record_free(struct obx_record *record);              /* NULL is fine */

/* The ownership is new. same: OUTBOX_ACQUIRED_SAME. */
void obx_record_reset(struct obx_record *record, bool same);
/* A settle has succeeded. Its batches are not released yet. */
void obx_record_settled(struct obx_record *record, const struct outbox_settle *settle);

/* A rewind may begin: the broker has read the record. */
bool obx_record_may_rewind(const struct obx_record *record);
void obx_record_rewind(struct obx_record *record); /* it begins; the pipeline is empty */
void obx_record_claimed(struct obx_record *record, const struct outbox_batch *rows);
void obx_record_complete(struct obx_record *record); /* all rows that were there at the rewind are claimed */

#endif

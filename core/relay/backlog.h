/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/backlog.h - since when claims leave rows in the outbox, and about how many these are
 *
 * Happy path: a claim that took all rows proves that none is left. Otherwise, and while nothing may be claimed, a claim
 * that only measures requests an estimate of the store, every 10 s; rows that are claimed meanwhile are subtracted. A
 * store without OUTBOX_CAP_AHEAD, and one that reads a log, give no estimate. Loop thread only.
 */
#ifndef OBX_RELAY_BACKLOG_H
#define OBX_RELAY_BACKLOG_H

#include "relay/stages.h"

/* Zeroed: nothing is known. */
struct obx_backlog {
    uint64_t behind_since; /* nanoseconds; 0: the last claim took all rows */
    uint64_t rows;         /* not claimed, about */
    uint64_t due_at;       /* of the next estimate */
};

/* A poll left rows in the outbox, or took all. */
void obx_backlog_note_behind(struct obx_backlog *backlog, const struct obx_relay_context *context, bool behind);
void obx_backlog_note_claimed(struct obx_backlog *backlog, uint32_t rows);
void obx_backlog_note_measured(struct obx_backlog *backlog, uint64_t rows);
/* Is an estimate due? If so, the caller requests it now. */
bool obx_backlog_measure_due(struct obx_backlog *backlog, struct obx_stages *stages);

#endif

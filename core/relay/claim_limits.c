/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/claim_limits.c - see claim_limits.h */
#include "relay/claim_limits.h"

#include "relay/batch.h"
#include "relay/transforms.h"

#define FIRST_ROWS 64  /* of the first claim */
#define ROW_BYTES 1024 /* first estimate */
/* Claims that fill max_in_flight_bytes. A slow event keeps the memory of its whole batch, and a concurrent broker has
 * many slow events: small batches leave memory for the others. */
#define LARGE_CLAIMS 4
#define SMALL_CLAIMS 16

void obx_claim_limits_init(struct obx_claim_limits *limits)
{
    limits->row_bytes = ROW_BYTES;
}

void obx_claim_limits_restart(struct obx_claim_limits *limits)
{
    limits->ramp = FIRST_ROWS;
}

void obx_claim_limits_raise(struct obx_claim_limits *limits, const struct obx_relay_context *context)
{
    limits->ramp = OBX_MIN(limits->ramp * 2, (uint32_t)context->settings.claim_rows);
}

void obx_claim_limits_note(struct obx_claim_limits *limits, const struct outbox_batch *rows)
{
    uint64_t bytes = rows->bytes / rows->rows;
    limits->row_bytes = OBX_MAX(bytes, (limits->row_bytes * 7 + bytes) / 8);
}

void obx_claim_limits_set(const struct obx_claim_limits *limits, const struct obx_stages *stages,
                          struct outbox_claim *claim)
{
    const struct obx_relay_context *context = &stages->context;
    uint64_t memory = (uint64_t)context->settings.max_in_flight_bytes;
    uint64_t left = memory - context->stats.in_flight_bytes;
    bool small = stages->publish_mode == OBX_PUBLISH_CONCURRENT;
    claim->max_bytes = OBX_MIN(left, memory / (small ? SMALL_CLAIMS : LARGE_CLAIMS));
    if (stages->transforms->count)
        claim->max_bytes /= 2; /* as much again for the transformed messages */
    uint64_t rows = claim->max_bytes / (limits->row_bytes + OBX_ROW_OVERHEAD);
    rows = OBX_MIN(rows, (uint64_t)context->settings.claim_rows);
    rows = OBX_MIN(rows, (uint64_t)limits->ramp);
    claim->max_rows = (uint32_t)OBX_MAX(rows, 1u);
}

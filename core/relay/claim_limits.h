/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/claim_limits.h - how many rows and bytes the next claim may return
 *
 * The first claims of an ownership are small: each that reaches a limit doubles the next one. The estimate of a row's
 * size follows what claims return, so that rows fit into the memory that is left. Loop thread only.
 */
#ifndef OBX_RELAY_CLAIM_LIMITS_H
#define OBX_RELAY_CLAIM_LIMITS_H

#include "relay/stages.h"

struct obx_claim_limits {
    uint64_t row_bytes; /* running estimate */
    uint32_t ramp;      /* rows of the next claim at most */
};

void obx_claim_limits_init(struct obx_claim_limits *limits);
void obx_claim_limits_restart(struct obx_claim_limits *limits); /* ownership is new */
void obx_claim_limits_raise(struct obx_claim_limits *limits, const struct obx_relay_context *context);
void obx_claim_limits_note(struct obx_claim_limits *limits, const struct outbox_batch *rows); /* not empty */
void obx_claim_limits_set(const struct obx_claim_limits *limits, const struct obx_stages *stages,
                          struct outbox_claim *claim);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/claim_answer.h - what follows from the answer to a claim; for claim.c only, which sends the claims
 *
 * Happy path: the rows of a poll, or of a retry, become a READY batch of the pipeline.
 * Failure modes: claim.h. Each answer is one line of a table, which also has whether the rows are released at once.
 * Loop thread only.
 */
#ifndef OBX_RELAY_CLAIM_ANSWER_H
#define OBX_RELAY_CLAIM_ANSWER_H

#include "relay/backlog.h"
#include "relay/claim_limits.h"
#include "relay/failures.h"
#include "relay/poll_schedule.h"
#include "relay/stages.h"

struct obx_claimer {
    struct obx_stages *stages;
    struct obx_request request;
    struct outbox_claim claim;
    bool is_retry; /* of the claim in flight, or of the last one */
    bool measures; /* the claim in flight returns no rows */
    bool log_lost; /* the relay has halted, for the log no longer has a position that is needed */
    bool rewind;
    bool saw_empty;    /* the last poll found nothing new */
    uint64_t unusable; /* rows that no claim returns, at the last claim */
    struct obx_poll_schedule schedule;
    struct obx_claim_limits limits;
    bool blocked_logged;
    struct obx_failures failures; /* that may pass */
    uint64_t claim_at;            /* after such a failure */
    struct obx_backlog backlog;
};

/* The completion of a claim; stage: the claimer. */
void obx_claim_answered(void *stage, const struct outbox_error *error);
/* The next poll begins with the first row. */
void obx_claim_answer_rewind(struct obx_claimer *claimer);
bool obx_claim_has_wakeup(const struct obx_claimer *claimer); /* the store wakes the relay when there are rows */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/claim.c - when to claim, and what: polls, and retries by position */
#include "relay/claim.h"

#include "base/failpoint.h"
#include "relay/backlog.h"
#include "relay/claim_answer.h"
#include "relay/claim_limits.h"
#include "relay/dead_letter.h"
#include "relay/failures.h"
#include "relay/keys.h"
#include "relay/link.h"
#include "relay/log_room.h"
#include "relay/low_mark.h"
#include "relay/pipeline.h"
#include "relay/poll_schedule.h"
#include "relay/position_header.h"
#include "relay/record.h"
#include "relay/retry_claim.h"

#define READY_MAX 8 /* batches claimed and not yet published */

struct obx_claimer *obx_claimer_new(struct obx_stages *stages)
{
    struct obx_claimer *claimer = obx_alloc(sizeof *claimer);
    if (!claimer)
        return NULL;
    claimer->stages = stages;
    claimer->request.timing = &stages->context.timings.claim;
    obx_claim_limits_init(&claimer->limits);
    return claimer;
}

void obx_claimer_free(struct obx_claimer *claimer)
{
    obx_free(claimer);
}

void obx_claimer_rewind(struct obx_claimer *claimer)
{
    obx_claim_answer_rewind(claimer);
}

void obx_claimer_reread(struct obx_claimer *claimer)
{
    struct obx_pipeline *pipeline = claimer->stages->pipeline;
    obx_claimer_rewind(claimer);
    obx_pipeline_skip_ready(pipeline);
    obx_pipeline_set_reread(pipeline, true);
    obx_claimer_wake(claimer);
}

void obx_claimer_reset(struct obx_claimer *claimer)
{
    obx_claimer_rewind(claimer);
    claimer->log_lost = false;
    claimer->backlog = (struct obx_backlog){0};
    obx_poll_schedule_reset(&claimer->schedule, claimer->stages->context.now);
    obx_claim_limits_restart(&claimer->limits);
    claimer->claim_at = claimer->stages->context.now;
}

void obx_claimer_wake(struct obx_claimer *claimer)
{
    obx_poll_schedule_wake(&claimer->schedule, obx_loop_now(claimer->stages->context.loop));
}

bool obx_claimer_rewinding(const struct obx_claimer *claimer)
{
    return claimer->rewind;
}

bool obx_claimer_saw_empty(const struct obx_claimer *claimer)
{
    return claimer->saw_empty;
}

bool obx_claimer_fails(const struct obx_claimer *claimer)
{
    return obx_failures_last(&claimer->failures);
}

uint64_t obx_claimer_unusable(const struct obx_claimer *claimer)
{
    return claimer->unusable;
}

const struct obx_backlog *obx_claimer_backlog(const struct obx_claimer *claimer)
{
    return &claimer->backlog;
}

/* ---- the claim --------------------------------------------------------------------------------------------------- */

static void submit(struct obx_claimer *claimer)
{
    struct obx_relay_context *context = &claimer->stages->context;
    obx_poll_schedule_begin(&claimer->schedule, context->now);
    context->stats.claims++;
    OBX_FAILPOINT(relay, before_claim);
    obx_store_claim(obx_link_instance(claimer->stages->store),
                    obx_request_begin(&claimer->request, context, claimer, obx_claim_answered),
                    obx_relay_context_store_timeout(context), &claimer->claim);
}

/* No rows, as there is no room for them. */
static void measure(struct obx_claimer *claimer)
{
    claimer->claim = (struct outbox_claim){.struct_size = sizeof claimer->claim, .flags = OUTBOX_CLAIM_MEASURE};
    claimer->measures = true;
    submit(claimer);
}

static void retry(struct obx_claimer *claimer)
{
    struct obx_retry_claim *retry_claim = claimer->stages->retry_claim;
    uint32_t count = obx_retry_claim_collect(retry_claim);
    claimer->claim = (struct outbox_claim){.struct_size = sizeof claimer->claim,
                                           .positions = obx_retry_claim_positions(retry_claim),
                                           .position_count = count};
    obx_claim_limits_set(&claimer->limits, claimer->stages, &claimer->claim);
    claimer->claim.max_rows = count;
    claimer->is_retry = true;
    claimer->measures = false;
    submit(claimer);
}

/* Relief: rows of the log go to the spool. Not before a rewind, if the log has earlier rows that were not kept. */
static bool moves_rows_only(const struct obx_claimer *claimer)
{
    return obx_log_room_relieving(claimer->stages->log_room) && !obx_low_mark_sealed(claimer->stages->low_mark);
}

static uint32_t poll_flags(const struct obx_claimer *claimer)
{
    uint32_t flags = claimer->rewind ? OUTBOX_CLAIM_REWIND : 0;
    if (moves_rows_only(claimer))
        flags = OUTBOX_CLAIM_LOG_ONLY;
    if (obx_claim_has_wakeup(claimer) && obx_poll_schedule_arms_wakeup(&claimer->schedule))
        flags |= OUTBOX_CLAIM_ARM_WAKEUP;
    return flags;
}

static void begin_rewind(struct obx_claimer *claimer)
{
    obx_pipeline_set_reread(claimer->stages->pipeline, false);
    obx_low_mark_rewind(claimer->stages->low_mark);
    obx_record_rewind(claimer->stages->record);
    obx_position_header_rewound(claimer->stages->position_header);
    obx_log_room_rewound(claimer->stages->log_room);
    claimer->rewind = false;
}

/* The next rows, of any key. */
static void poll(struct obx_claimer *claimer)
{
    claimer->claim = (struct outbox_claim){.struct_size = sizeof claimer->claim, .flags = poll_flags(claimer)};
    obx_claim_limits_set(&claimer->limits, claimer->stages, &claimer->claim);
    claimer->schedule.arms_wakeup = claimer->claim.flags & OUTBOX_CLAIM_ARM_WAKEUP;
    claimer->is_retry = claimer->measures = false;
    if (claimer->claim.flags & OUTBOX_CLAIM_REWIND)
        begin_rewind(claimer);
    submit(claimer);
}

/* May anything be claimed, with or without rows? */
static bool is_open(struct obx_claimer *claimer)
{
    struct obx_stages *stages = claimer->stages;
    struct obx_relay_context *context = &stages->context;
    claimer->log_lost = claimer->log_lost && context->halted;
    return obx_link_up(stages->store) && !context->stopping && !claimer->log_lost &&
           !obx_request_busy(&claimer->request) && obx_due(context, claimer->claim_at);
}

/* Relief only moves rows: it needs no key, and a halted relay needs it, too. */
static bool has_place(const struct obx_claimer *claimer)
{
    const struct obx_stages *stages = claimer->stages;
    const struct obx_relay_context *context = &stages->context;
    bool may_publish = obx_relay_context_accepts_rows(context) && obx_dead_letters_keys_known(stages->dead_letters) &&
                       !obx_dead_letters_full(stages->dead_letters);
    if (!may_publish && !obx_log_room_relieving(stages->log_room))
        return false;
    return obx_pipeline_count(stages->pipeline, OBX_BATCH_READY) < READY_MAX &&
           context->stats.in_flight_bytes < (uint64_t)context->settings.max_in_flight_bytes;
}

/* Only with an empty pipeline: a rewind would give its rows a second time. Not while an idle settle of a log is in
 * flight: the mark that it stores is older than the rewind. Every blocked event comes again, so the keys are cleared.
 * They must not be kept: rows that were skipped when the store was lost may stand before blocked events. */
static bool may_rewind(struct obx_claimer *claimer)
{
    struct obx_stages *stages = claimer->stages;
    if (!obx_record_may_rewind(stages->record) && !obx_log_room_relieving(stages->log_room))
        return false;
    if (!obx_pipeline_empty(stages->pipeline) || stages->context.passing ||
        !obx_dead_letters_give_up(stages->dead_letters))
        return false;
    obx_keys_clear(stages->keys);
    return true;
}

bool obx_claimer_too_many_blocked(const struct obx_claimer *claimer)
{
    const struct obx_stages *stages = claimer->stages;
    return stages->keys->events >= (uint64_t)stages->context.settings.max_blocked_events;
}

static void log_too_many_blocked(struct obx_claimer *claimer)
{
    const struct obx_keys *keys = claimer->stages->keys;
    if (!claimer->blocked_logged)
        OBX_RELAY_LOG(&claimer->stages->context, OUTBOX_LOG_WARN,
                      "%llu events wait for %llu blocked keys, which is max_blocked_events: nothing more is claimed "
                      "until they go; see 'outbox status'",
                      (unsigned long long)keys->events, (unsigned long long)obx_keys_count(keys));
    claimer->blocked_logged = true;
    obx_backlog_note_behind(&claimer->backlog, &claimer->stages->context, true);
}

/* Polls and retries take turns. A poll may run while retried rows are in flight, too, unless these take all the memory:
 * then there is memory for either only between two retries. */
static bool is_turn_of_poll(const struct obx_claimer *claimer)
{
    return claimer->is_retry && claimer->stages->context.now >= claimer->schedule.poll_at &&
           !obx_claimer_too_many_blocked(claimer);
}

static bool is_turn_of_retry(struct obx_claimer *claimer)
{
    return !claimer->rewind && !is_turn_of_poll(claimer) && obx_retry_claim_due(claimer->stages->retry_claim);
}

/* False: nothing can be claimed now. */
static bool claim(struct obx_claimer *claimer)
{
    bool moves_only = moves_rows_only(claimer);
    if (is_turn_of_retry(claimer) && obx_retry_claim_is_slow(claimer->stages->retry_claim))
        obx_claimer_reread(claimer);
    if (!has_place(claimer) || (claimer->rewind && !moves_only && !may_rewind(claimer)))
        return false;
    if (is_turn_of_retry(claimer)) {
        retry(claimer);
        return true;
    }
    if (!moves_only && obx_claimer_too_many_blocked(claimer)) { /* not before a rewind: it has cleared the keys */
        log_too_many_blocked(claimer);
        return false;
    }
    claimer->blocked_logged = false;
    if (obx_due(&claimer->stages->context, claimer->schedule.poll_at))
        poll(claimer);
    return true;
}

void obx_claimer_step(struct obx_claimer *claimer)
{
    struct obx_stages *stages = claimer->stages;
    if (!is_open(claimer))
        return;
    bool behind = claimer->backlog.behind_since && obx_backlog_measure_due(&claimer->backlog, stages);
    if (behind || (!claim(claimer) &&
                   (obx_log_room_measure_due(stages->log_room) || obx_backlog_measure_due(&claimer->backlog, stages))))
        measure(claimer);
}

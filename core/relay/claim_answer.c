/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/claim_answer.c - the table of answers, and what each does */
#include "relay/claim_answer.h"

#include "base/failpoint.h"
#include "relay/dead_letter.h"
#include "relay/keys.h"
#include "relay/link.h"
#include "relay/log_room.h"
#include "relay/low_mark.h"
#include "relay/pipeline.h"
#include "relay/position_header.h"
#include "relay/record.h"
#include "relay/retry_claim.h"

#define NO_MEMORY_NS (10 * OBX_MS)
#define RETRY_PAUSE_NS (100 * OBX_MS) /* of keys whose claim failed */
#define AGAIN_MIN_MS 20
#define AGAIN_MAX_MS 2000
#define LOG_AFTER_NS (10000 * OBX_MS)

bool obx_claim_has_wakeup(const struct obx_claimer *claimer)
{
    return obx_instance_caps(obx_link_instance(claimer->stages->store)) & OUTBOX_CAP_WAKE;
}

void obx_claim_answer_rewind(struct obx_claimer *claimer)
{
    claimer->rewind = true;
    claimer->saw_empty = false;
    obx_position_header_rewind(claimer->stages->position_header);
}

enum answer {
    ANSWER_FAILED,
    ANSWER_TOO_LATE, /* the connection is lost, the relay stops, or the outbox is to be read again from its start */
    ANSWER_NOTHING,
    ANSWER_MEASURED,
    ANSWER_ROWS,
    ANSWERS
};

static enum answer answer_of(const struct obx_claimer *claimer, const struct outbox_error *error)
{
    const struct obx_stages *stages = claimer->stages;
    const struct outbox_batch *rows = claimer->claim.batch;
    if (error->code)
        return ANSWER_FAILED;
    if (claimer->measures)
        return ANSWER_MEASURED;
    if (claimer->rewind && !(claimer->claim.flags & OUTBOX_CLAIM_LOG_ONLY))
        return ANSWER_TOO_LATE;
    if (!rows || !rows->rows)
        return ANSWER_NOTHING;
    return obx_link_up(stages->store) && !stages->context.stopping ? ANSWER_ROWS : ANSWER_TOO_LATE;
}

static void release_rows(struct obx_claimer *claimer)
{
    if (claimer->claim.batch)
        obx_store_release(obx_link_instance(claimer->stages->store), claimer->claim.batch);
    claimer->claim.batch = NULL;
}

static void retry_again(struct obx_claimer *claimer, uint64_t pause_ns)
{
    obx_retry_claim_wait_again(claimer->stages->retry_claim, pause_ns);
}

/* A lock or a deadlock passes and is not logged, unless it lasts. */
static void on_again(struct obx_claimer *claimer, const struct outbox_error *error)
{
    struct obx_relay_context *context = &claimer->stages->context;
    claimer->claim_at = obx_failures_add(&claimer->failures, context, AGAIN_MIN_MS, AGAIN_MAX_MS);
    if (!obx_failures_log_due(&claimer->failures, context, LOG_AFTER_NS, error->text))
        return;
    obx_trouble_show(context, "store", error->text);
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN,
                  "store: %s; for %s events could not be claimed; trying again until it works", error->text,
                  obx_duration(context->now - claimer->failures.since).text);
}

static void on_works(struct obx_claimer *claimer, const struct outbox_error *error)
{
    (void)error;
    struct obx_relay_context *context = &claimer->stages->context;
    uint64_t since = claimer->failures.since;
    obx_link_works(claimer->stages->store, claimer->measures ? OBX_WORK_CONNECT : OBX_WORK_CONNECT | OBX_WORK_CLAIM);
    if (claimer->measures || !obx_failures_end(&claimer->failures))
        return;
    OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "store: events are claimed again after %s",
                  obx_duration(context->now - since).text);
    obx_trouble_end(context, 0);
}

static void on_failed(struct obx_claimer *claimer, const struct outbox_error *error)
{
    if (claimer->is_retry && !claimer->measures)
        retry_again(claimer, RETRY_PAUSE_NS);
    claimer->rewind |= claimer->claim.flags & OUTBOX_CLAIM_REWIND;
    if (error->code == OUTBOX_E_AGAIN)
        on_again(claimer, error);
    else if (obx_log_room_halts(claimer->stages->log_room, error))
        claimer->log_lost = claimer->rewind = true;
    else
        obx_link_lost(claimer->stages->store, OBX_WORK_CLAIM, error);
}

/* Claimed rows did not reach the pipeline. */
static void rewind_for_rows(struct obx_claimer *claimer)
{
    obx_low_mark_seal(claimer->stages->low_mark);
    obx_claim_answer_rewind(claimer);
}

/* The rows stay in the outbox, and are read again. */
static void on_too_late(struct obx_claimer *claimer, const struct outbox_error *error)
{
    on_works(claimer, error);
    if (claimer->is_retry)
        retry_again(claimer, 0);
    else
        rewind_for_rows(claimer);
}

/* Nothing is left to do: what failed with rows that are gone has ended, too. */
static void end_outages(const struct obx_stages *stages)
{
    if (obx_pipeline_empty(stages->pipeline) && obx_dead_letters_idle(stages->dead_letters))
        obx_link_works(stages->store, OBX_WORK_ALL & ~(unsigned)OBX_WORK_RENEW);
}

static void on_empty_poll(struct obx_claimer *claimer)
{
    const struct obx_relay_context *context = &claimer->stages->context;
    end_outages(claimer->stages);
    if (claimer->claim.result & OUTBOX_CLAIMED_BEHIND) {
        obx_poll_schedule_after_rows(&claimer->schedule, context->now, obx_claim_has_wakeup(claimer), false);
        return;
    }
    obx_backlog_note_behind(&claimer->backlog, context, false);
    /* A store whose connection is lost may end a claim before all was read. */
    if (!(claimer->claim.flags & OUTBOX_CLAIM_LOG_ONLY) && obx_link_up(claimer->stages->store)) {
        claimer->stages->context.stats.empty_claims++;
        obx_record_complete(claimer->stages->record);
    }
    claimer->saw_empty = !claimer->schedule.woken;
    obx_poll_schedule_after_nothing(&claimer->schedule, context->now, claimer->claim.flags & OUTBOX_CLAIM_ARM_WAKEUP,
                                    (uint64_t)context->settings.poll_interval_max_ms * OBX_MS);
}

static void on_nothing(struct obx_claimer *claimer, const struct outbox_error *error)
{
    on_works(claimer, error);
    if (!claimer->is_retry) {
        on_empty_poll(claimer);
        return;
    }
    obx_retry_claim_note(claimer->stages->retry_claim, NULL);
    retry_again(claimer, 0);
}

static void on_polled_rows(struct obx_claimer *claimer, bool more)
{
    const struct obx_relay_context *context = &claimer->stages->context;
    obx_record_claimed(claimer->stages->record, claimer->claim.batch);
    obx_position_header_claimed(claimer->stages->position_header, claimer->claim.batch);
    obx_backlog_note_behind(&claimer->backlog, context, more);
    obx_backlog_note_claimed(&claimer->backlog, claimer->claim.batch->rows);
    obx_poll_schedule_after_rows(&claimer->schedule, context->now, obx_claim_has_wakeup(claimer), more);
    if (more)
        obx_claim_limits_raise(&claimer->limits, context);
}

static void no_memory_for_rows(struct obx_claimer *claimer)
{
    release_rows(claimer);
    if (claimer->is_retry)
        retry_again(claimer, RETRY_PAUSE_NS); /* not covered: batches are recycled, a retry takes no memory */
    else
        rewind_for_rows(claimer);
    claimer->schedule.poll_at = claimer->stages->context.now + NO_MEMORY_NS;
}

static void on_rows(struct obx_claimer *claimer, const struct outbox_error *error)
{
    struct outbox_batch *rows = claimer->claim.batch;
    on_works(claimer, error);
    if (claimer->is_retry)
        obx_retry_claim_note(claimer->stages->retry_claim, rows);
    else
        on_polled_rows(claimer, rows->flags & OUTBOX_BATCH_MORE);
    obx_claim_limits_note(&claimer->limits, rows);
    if (!obx_pipeline_add(claimer->stages->pipeline, rows, claimer->is_retry)) {
        no_memory_for_rows(claimer);
        return;
    }
    claimer->claim.batch = NULL; /* the pipeline's */
    claimer->saw_empty = false;
}

/* Which rows are released at once, and what else happens. */
static const struct {
    void (*handle)(struct obx_claimer *claimer, const struct outbox_error *error);
    bool releases;
} answers[ANSWERS] = {
    [ANSWER_FAILED] = {on_failed, true},   [ANSWER_TOO_LATE] = {on_too_late, true},
    [ANSWER_NOTHING] = {on_nothing, true}, [ANSWER_MEASURED] = {on_works, true},
    [ANSWER_ROWS] = {on_rows, false},
};

/* Relief: what is ready goes to the spool, which is read again after it. */
static void note_results(struct obx_claimer *claimer)
{
    if (claimer->measures)
        obx_backlog_note_measured(&claimer->backlog, claimer->claim.ahead);
    else
        claimer->unusable = claimer->claim.unusable;
    if (!obx_log_room_note(claimer->stages->log_room, &claimer->claim))
        return;
    obx_pipeline_set_reread(claimer->stages->pipeline, true);
    obx_claim_answer_rewind(claimer);
}

void obx_claim_answered(void *stage, const struct outbox_error *error)
{
    struct obx_claimer *claimer = stage;
    OBX_FAILPOINT(relay, after_claim);
    enum answer answer = answer_of(claimer, error);
    if (!error->code)
        note_results(claimer);
    if (answers[answer].releases)
        release_rows(claimer);
    answers[answer].handle(claimer, error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/claim.c - polls, retries by position, and the table of answers */
#include "relay/claim.h"

#include "base/failpoint.h"
#include "relay/backlog.h"
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
#define NO_MEMORY_NS (10 * OBX_MS)
#define RETRY_PAUSE_NS (100 * OBX_MS) /* of keys whose claim failed */
#define AGAIN_MIN_MS 20
#define AGAIN_MAX_MS 2000
#define LOG_AFTER_NS (10000 * OBX_MS)

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

static bool has_wakeup(const struct obx_claimer *claimer)
{
    return obx_instance_caps(obx_link_instance(claimer->stages->store)) & OUTBOX_CAP_WAKE;
}

void obx_claimer_rewind(struct obx_claimer *claimer)
{
    claimer->rewind = true;
    claimer->saw_empty = false;
    obx_position_header_rewind(claimer->stages->position_header);
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

/* ---- the answer -------------------------------------------------------------------------------------------------- */

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
    obx_claimer_rewind(claimer);
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

const struct obx_backlog *obx_claimer_backlog(const struct obx_claimer *claimer)
{
    return &claimer->backlog;
}

static void on_empty_poll(struct obx_claimer *claimer)
{
    const struct obx_relay_context *context = &claimer->stages->context;
    end_outages(claimer->stages);
    if (claimer->claim.result & OUTBOX_CLAIMED_BEHIND) {
        obx_poll_schedule_after_rows(&claimer->schedule, context->now, has_wakeup(claimer), false);
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
    obx_poll_schedule_after_rows(&claimer->schedule, context->now, has_wakeup(claimer), more);
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
    obx_claimer_rewind(claimer);
}

static void on_answer(void *stage, const struct outbox_error *error)
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

/* ---- the claim --------------------------------------------------------------------------------------------------- */

static void submit(struct obx_claimer *claimer)
{
    struct obx_relay_context *context = &claimer->stages->context;
    obx_poll_schedule_begin(&claimer->schedule, context->now);
    context->stats.claims++;
    OBX_FAILPOINT(relay, before_claim);
    obx_store_claim(obx_link_instance(claimer->stages->store),
                    obx_request_begin(&claimer->request, context, claimer, on_answer),
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
    if (has_wakeup(claimer) && obx_poll_schedule_arms_wakeup(&claimer->schedule))
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

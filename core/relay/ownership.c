/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/ownership.c - start, acquire, renew, and what each means for the other stages */
#include "relay/ownership.h"

#include <string.h>

#include "base/failpoint.h"
#include "base/since.h"
#include "relay/claim.h"
#include "relay/dead_letter.h"
#include "relay/failures.h"
#include "relay/keys.h"
#include "relay/link.h"
#include "relay/log_room.h"
#include "relay/low_mark.h"
#include "relay/pipeline.h"
#include "relay/position_header.h"
#include "relay/record.h"
#include "relay/route.h"
#include "relay/settle.h"
#include "relay/spool.h"

struct obx_ownership {
    struct obx_stages *stages;
    struct outbox_store_start start;
    struct outbox_acquire acquire;
    struct outbox_broker_start broker_start; /* of the last acquire that succeeded */
    char identity[sizeof(((struct outbox_acquire *)0)->identity)];
    char owner[sizeof(((struct outbox_acquire *)0)->owner)]; /* of a standby, at the last acquire that was decided */
    int64_t since_us;                                        /* when that ownership began, or ours */
    bool changed;                                            /* acquired since the broker was started */
    bool standby;
    bool owns; /* since the last acquire that succeeded, until the next step after a loss */
    struct obx_request renew_request;
    uint64_t renew_at;
    uint64_t submitted_at; /* when the last acquire or renewal was submitted */
    uint64_t proven_at;    /* the same of the last that succeeded */
    struct obx_failures renew_failures;
};

#define RENEW_AGAIN_MS 1000

struct obx_ownership *obx_ownership_new(struct obx_stages *stages)
{
    struct obx_ownership *ownership = obx_alloc(sizeof *ownership);
    if (ownership)
        ownership->stages = stages;
    return ownership;
}

void obx_ownership_free(struct obx_ownership *ownership)
{
    obx_free(ownership);
}

void obx_ownership_start(struct obx_ownership *ownership)
{
    ownership->standby = false;
}

bool obx_ownership_standby(const struct obx_ownership *ownership)
{
    return ownership->standby;
}

bool obx_ownership_undecided(const struct obx_ownership *ownership)
{
    enum obx_link_state state = obx_link_state(ownership->stages->store);
    return state == OBX_LINK_STARTING || state == OBX_LINK_ACQUIRING;
}

const char *obx_ownership_owner(const struct obx_ownership *ownership)
{
    return ownership->owner;
}

int64_t obx_ownership_since_us(const struct obx_ownership *ownership)
{
    return ownership->since_us;
}

const struct outbox_broker_start *obx_ownership_broker_start(struct obx_ownership *ownership)
{
    ownership->changed = false;
    ownership->broker_start.struct_size = sizeof ownership->broker_start;
    ownership->broker_start.order = (uint32_t)ownership->stages->context.settings.order;
    ownership->broker_start.outbox = ownership->identity;
    return &ownership->broker_start;
}

bool obx_ownership_changed(const struct obx_ownership *ownership)
{
    return ownership->changed;
}

/* ---- acquiring --------------------------------------------------------------------------------------------------- */

static uint64_t renew_interval(const struct obx_relay_context *context)
{
    return (uint64_t)context->settings.lease_ms * OBX_MS / 4;
}

/* The positions of rows that were claimed before are no longer valid. */
static void forget_rows(struct obx_stages *stages)
{
    obx_pipeline_next_epoch(stages->pipeline);
    obx_pipeline_skip_delivered(stages->pipeline);
    obx_keys_clear(stages->keys);
    obx_skips_clear(&stages->context.skips);
}

static void note_identity(struct obx_ownership *ownership)
{
    ownership->changed = true;
    ownership->broker_start.epoch = ownership->acquire.epoch;
    memcpy(ownership->identity, ownership->acquire.identity, sizeof ownership->identity - 1);
}

static void note_owner(struct obx_ownership *ownership)
{
    memcpy(ownership->owner, ownership->acquire.owner, sizeof ownership->owner - 1);
    ownership->since_us = ownership->acquire.since_us;
}

static void become_owner(struct obx_ownership *ownership)
{
    struct obx_stages *stages = ownership->stages;
    if (!(ownership->acquire.flags & OUTBOX_ACQUIRED_SAME))
        forget_rows(stages);
    note_identity(ownership);
    stages->context.reads_log = ownership->acquire.flags & OUTBOX_ACQUIRED_LOG;
    ownership->standby = false;
    ownership->owns = true;
    ownership->proven_at = ownership->submitted_at;
    ownership->renew_at = stages->context.now + renew_interval(&stages->context);
    obx_dead_letters_reset(stages->dead_letters);
    obx_settler_reset(stages->settler);
    obx_record_reset(stages->record, ownership->acquire.flags & OUTBOX_ACQUIRED_SAME);
    obx_position_header_reset(stages->position_header, &ownership->acquire);
    obx_spool_reset(stages->spool);
    obx_log_room_reset(stages->log_room);
    obx_claimer_reset(stages->claimer);
    note_owner(ownership);
    obx_link_acquired(stages->store);
    OBX_RELAY_LOG(&stages->context, OUTBOX_LOG_INFO, "store: this relay owns the outbox");
}

static void stand_by(struct obx_ownership *ownership, const struct outbox_error *error)
{
    struct obx_relay_context *context = &ownership->stages->context;
    note_owner(ownership);
    if (!ownership->standby)
        OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "store: standing by, the outbox is owned by %s%s",
                      ownership->owner[0] ? ownership->owner : "another relay", obx_since(ownership->since_us).text);
    ownership->standby = true;
    obx_link_stand_by(ownership->stages->store, error, (uint64_t)context->settings.standby_poll_interval_ms);
}

static void on_acquired(void *stage, const struct outbox_error *error)
{
    struct obx_ownership *ownership = stage;
    struct obx_link *store = ownership->stages->store;
    OBX_FAILPOINT(relay, after_acquire);
    if (obx_link_state(store) != OBX_LINK_ACQUIRING)
        return;
    if (!error->code)
        become_owner(ownership);
    else if (error->code == OUTBOX_E_STANDBY || error->code == OUTBOX_E_AGAIN)
        stand_by(ownership, error);
    else
        obx_link_lost(store, OBX_WORK_CONNECT, error);
}

static void acquire(struct obx_ownership *ownership)
{
    struct obx_relay_context *context = &ownership->stages->context;
    struct obx_link *store = ownership->stages->store;
    ownership->acquire = (struct outbox_acquire){.struct_size = sizeof ownership->acquire,
                                                 .lease_ms = (uint32_t)context->settings.lease_ms};
    ownership->submitted_at = context->now;
    OBX_FAILPOINT(relay, before_acquire);
    obx_store_acquire(obx_link_instance(store), obx_link_begin(store, ownership, on_acquired),
                      obx_relay_context_store_timeout(context), &ownership->acquire);
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

static void on_started(void *stage, const struct outbox_error *error)
{
    struct obx_link *store = ((struct obx_ownership *)stage)->stages->store;
    OBX_FAILPOINT(relay, after_store_start);
    if (obx_link_state(store) != OBX_LINK_STARTING)
        return;
    if (error->code)
        obx_link_lost(store, OBX_WORK_CONNECT, error);
    else
        obx_link_started(store);
}

static void start(struct obx_ownership *ownership)
{
    struct obx_stages *stages = ownership->stages;
    ownership->start = (struct outbox_store_start){.struct_size = sizeof ownership->start,
                                                   .column_count = stages->route->columns.count,
                                                   .columns = stages->route->columns.list};
    struct obx_call *call = obx_link_begin(stages->store, ownership, on_started);
    OBX_FAILPOINT(relay, before_store_start);
    obx_store_start(obx_link_instance(stages->store), call, obx_relay_context_store_timeout(&stages->context),
                    &ownership->start);
}

/* ---- the steps --------------------------------------------------------------------------------------------------- */

/* What was not published may be published by the next owner, so this relay reads it again before it does. */
static void on_loss(struct obx_ownership *ownership)
{
    ownership->owns = false;
    obx_low_mark_close(ownership->stages->low_mark);
    obx_pipeline_skip_ready(ownership->stages->pipeline);
    obx_pipeline_set_reread(ownership->stages->pipeline, true);
}

void obx_ownership_step(struct obx_ownership *ownership)
{
    struct obx_stages *stages = ownership->stages;
    if (ownership->owns && !obx_link_up(stages->store))
        on_loss(ownership);
    obx_link_step(stages->store);
    if (stages->context.stopping || obx_link_busy(stages->store))
        return;
    if (obx_link_may_start(stages->store))
        start(ownership);
    else if (obx_link_may_acquire(stages->store))
        acquire(ownership);
}

/* The next renewals follow in time. A standby takes over if none of them succeeds. */
static void on_renew_again(struct obx_ownership *ownership, const struct outbox_error *error)
{
    struct obx_relay_context *context = &ownership->stages->context;
    obx_failures_add(&ownership->renew_failures, context, RENEW_AGAIN_MS, RENEW_AGAIN_MS);
    if (ownership->renew_failures.count > 1 &&
        obx_failures_log_due(&ownership->renew_failures, context, 0, error->text))
        /* not covered: two renewals that fail in a row, on a real server */
        OBX_RELAY_LOG(context, OUTBOX_LOG_WARN, "store: %s; a standby takes over if that lasts", error->text);
}

static void on_renewed(void *stage, const struct outbox_error *error)
{
    struct obx_ownership *ownership = stage;
    OBX_FAILPOINT(relay, after_renew);
    if (!error->code) {
        ownership->proven_at = ownership->submitted_at;
        obx_link_works(ownership->stages->store, OBX_WORK_RENEW);
        obx_failures_end(&ownership->renew_failures);
    } else if (obx_failure_keeps_connection(error)) {
        on_renew_again(ownership, error);
    } else {
        obx_link_lost(ownership->stages->store, OBX_WORK_RENEW, error);
    }
}

bool obx_ownership_prove(struct obx_ownership *ownership, uint64_t since, const struct outbox_error *why)
{
    struct obx_link *store = ownership->stages->store;
    if (ownership->proven_at > since)
        return true;
    if (obx_link_up(store) && !obx_store_can_renew(obx_link_instance(store)))
        obx_link_lost(store, OBX_WORK_RENEW, why); /* not covered: all stores of the tests renew */
    else if (ownership->submitted_at <= since)
        ownership->renew_at = since + 1;
    return false;
}

void obx_ownership_renew_step(struct obx_ownership *ownership)
{
    struct obx_relay_context *context = &ownership->stages->context;
    struct obx_link *store = ownership->stages->store;
    if (!obx_link_up(store) || !obx_store_can_renew(obx_link_instance(store)) ||
        obx_request_busy(&ownership->renew_request) || !obx_due(context, ownership->renew_at))
        return;
    ownership->renew_at = context->now + renew_interval(context);
    ownership->submitted_at = context->now;
    OBX_FAILPOINT(relay, before_renew);
    obx_store_renew(obx_link_instance(store),
                    obx_request_begin(&ownership->renew_request, context, ownership, on_renewed),
                    obx_relay_context_store_timeout(context));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/publish.c - from READY to IN_FLIGHT */
#include "relay/publish.h"

#include <string.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "relay/dead_letter.h"
#include "relay/key_pauses.h"
#include "relay/link.h"
#include "relay/order.h"
#include "relay/outcome.h"
#include "relay/pipeline.h"
#include "relay/reject.h"
#include "relay/route.h"
#include "relay/stall_watchdog.h"

#define IN_FLIGHT_MAX 12 /* publishes, to a broker that keeps order */
#define PUBLISH_AGAIN_NS (10 * OBX_MS)

struct obx_publisher {
    struct obx_stages *stages;
    uint64_t publish_at; /* after a round without memory */
};

struct obx_publisher *obx_publisher_new(struct obx_stages *stages)
{
    struct obx_publisher *publisher = obx_alloc(sizeof *publisher);
    if (publisher)
        publisher->stages = stages;
    return publisher;
}

void obx_publisher_free(struct obx_publisher *publisher)
{
    obx_free(publisher);
}

/* May events of one key be in flight together? */
static bool keeps_order(const struct obx_stages *stages)
{
    uint64_t needed = OUTBOX_CAP_ORDERED;
    if (stages->context.settings.order == OBX_ORDER_GLOBAL)
        needed |= OUTBOX_CAP_GLOBAL_ORDER;
    return (obx_instance_caps(obx_link_instance(stages->broker)) & needed) == needed;
}

/* A batch on its way from READY to IN_FLIGHT: one pass over its waiting rows. */
struct round {
    struct obx_stages *stages;
    struct obx_instance *broker;
    struct obx_batch *batch;
    struct obx_batch_keys keys; /* of this publish; used when the broker keeps no order */
};

/* ---- one row ----------------------------------------------------------------------------------------------------- */

enum row_result {
    ROW_SENT,       /* its message is the next one of the batch */
    ROW_NEXT_ROUND, /* the broker has an event of its key in this publish already */
    ROW_SKIPPED,    /* blocked with its key, or on its way to the dead letters */
    ROW_NO_MEMORY
};

static enum row_result skipped(bool noted)
{
    return noted ? ROW_SKIPPED : ROW_NO_MEMORY;
}

static enum row_result apply_order(const struct round *round, uint64_t key, const struct outbox_message *message,
                                   struct outbox_position position)
{
    struct obx_stages *stages = round->stages;
    switch (obx_order_step(obx_order_facts(stages, key, round->batch->is_retry))) {
    case OBX_STEP_BLOCK:
        return skipped(obx_order_block(stages, key, position));
    case OBX_STEP_DEAD_LETTER:
        return skipped(obx_reject_follower(stages, key, message, position));
    default:
        return ROW_SENT;
    }
}

/* OUTBOX_OK, or why the event can never go. code: what routing gave. */
static int admit(const struct round *round, const struct outbox_message *message, int code, struct outbox_error *error)
{
    if (!code)
        code = obx_broker_admit(round->broker, message, error);
    if (!code)
        code = OBX_FAILPOINT_ERROR(relay, admit, error);
    return code;
}

static int route_row(const struct round *round, uint32_t row, struct outbox_message *message,
                     struct outbox_error *error)
{
    struct obx_batch *batch = round->batch;
    const struct outbox_value *values = batch->rows->values + (size_t)row * batch->rows->columns;
    memset(message, 0, sizeof *message);
    return obx_route_row(round->stages->route, values, batch->rows->positions[row], &batch->arena, message, error);
}

static enum row_result prepare_row(struct round *round, uint32_t row)
{
    struct outbox_message *message = &round->batch->messages[round->batch->message_count];
    struct outbox_position position = round->batch->rows->positions[row];
    bool any_blocked = obx_order_any(round->stages);
    uint64_t key = 0;
    struct outbox_error error;
    int code = route_row(round, row, message, &error);
    if (code == OUTBOX_E_NO_MEMORY)
        return ROW_NO_MEMORY;
    if (any_blocked || round->keys.slots)
        key = obx_order_key(round->stages->context.settings.order, message, position);
    enum row_result result = any_blocked ? apply_order(round, key, message, position) : ROW_SENT;
    if (result != ROW_SENT)
        return result;
    if (admit(round, message, code, &error))
        return skipped(obx_reject(round->stages, message, position, &error));
    return round->keys.slots && !obx_batch_keys_add(&round->keys, key) ? ROW_NEXT_ROUND : ROW_SENT;
}

static void set_row(struct obx_batch *batch, uint32_t row, enum row_result result)
{
    if (result == ROW_SENT) {
        batch->row_of[batch->message_count++] = row;
        obx_batch_set_row_state(batch, row, OBX_ROW_IN_FLIGHT);
    } else if (result == ROW_SKIPPED) {
        obx_batch_set_row_state(batch, row, OBX_ROW_SKIPPED);
    }
}

/* ---- one batch --------------------------------------------------------------------------------------------------- */

static bool begin_round(struct round *round)
{
    struct obx_batch *batch = round->batch;
    obx_arena_reset(&batch->arena);
    obx_route_forget(round->stages->route);
    batch->reasons = NULL;
    batch->message_count = 0;
    return keeps_order(round->stages) || obx_batch_keys_init(&round->keys, batch);
}

/* Rows that are left WAITING go in the next round of this batch. */
static void prepare_batch(struct obx_stages *stages, struct obx_batch *batch)
{
    struct round round = {.stages = stages, .broker = obx_link_instance(stages->broker), .batch = batch};
    if (!begin_round(&round))
        return; /* not covered: no memory just here */
    for (uint32_t row = 0; row < batch->rows->rows && !stages->context.halted; row++) {
        if (batch->row_states[row] != OBX_ROW_WAITING)
            continue;
        enum row_result result = prepare_row(&round, row);
        if (result == ROW_NO_MEMORY)
            return;
        set_row(batch, row, result);
    }
}

static void send(struct obx_stages *stages, struct obx_batch *batch)
{
    if (!obx_pipeline_count(stages->pipeline, OBX_BATCH_IN_FLIGHT))
        obx_stall_watchdog_restart(stages->stall_watchdog);
    obx_pipeline_move(stages->pipeline, batch, OBX_BATCH_IN_FLIGHT);
    if (batch->state_count[OBX_ROW_WAITING])
        obx_pipeline_hold_order(stages->pipeline, batch);
    if (batch->resend)
        stages->context.stats.resent += batch->message_count;
    bool more = obx_pipeline_count(stages->pipeline, OBX_BATCH_READY) > 0;
    batch->resend = batch->outage = false;
    batch->publish = (struct outbox_publish){.struct_size = sizeof batch->publish,
                                             .count = batch->message_count,
                                             .messages = batch->messages,
                                             .stride = sizeof *batch->messages,
                                             .flags = more ? OUTBOX_PUBLISH_MORE : 0};
    struct obx_call *call = obx_request_begin(&batch->request, &stages->context, batch, obx_outcome_done);
    call->outcomes = obx_outcome_note;
    OBX_FAILPOINT(relay, before_publish);
    obx_broker_publish(obx_link_instance(stages->broker), call, &batch->publish);
    OBX_FAILPOINT(relay, published);
}

/* No row of the batch is sent in this round. */
static void keep(struct obx_publisher *publisher, struct obx_batch *batch)
{
    struct obx_stages *stages = publisher->stages;
    obx_key_pauses_set(stages, batch);
    if (batch->state_count[OBX_ROW_WAITING])
        publisher->publish_at = stages->context.now + PUBLISH_AGAIN_NS;
    else
        obx_pipeline_move(stages->pipeline, batch, OBX_BATCH_DONE);
}

/* ---- the step ---------------------------------------------------------------------------------------------------- */

static bool has_room(const struct obx_stages *stages)
{
    uint32_t limit = keeps_order(stages) ? IN_FLIGHT_MAX : 1;
    return obx_pipeline_count(stages->pipeline, OBX_BATCH_IN_FLIGHT) < limit;
}

static bool may_publish(struct obx_publisher *publisher)
{
    struct obx_stages *stages = publisher->stages;
    if (!obx_pipeline_count(stages->pipeline, OBX_BATCH_READY))
        return false;
    if (!obx_link_up(stages->broker) || !obx_relay_context_accepts_rows(&stages->context))
        return false;
    if (obx_pipeline_order_held(stages->pipeline) || !obx_dead_letters_keys_known(stages->dead_letters))
        return false;
    return has_room(stages) && obx_due(&stages->context, publisher->publish_at);
}

void obx_publisher_step(struct obx_publisher *publisher)
{
    struct obx_stages *stages = publisher->stages;
    while (may_publish(publisher)) {
        struct obx_batch *batch = obx_pipeline_first(stages->pipeline, OBX_BATCH_READY);
        prepare_batch(stages, batch);
        if (batch->message_count)
            send(stages, batch);
        else
            keep(publisher, batch);
    }
}

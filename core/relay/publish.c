/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/publish.c - from READY to IN_FLIGHT */
#include "relay/publish.h"

#include "base/failpoint.h"
#include "relay/dead_letter.h"
#include "relay/key_pauses.h"
#include "relay/link.h"
#include "relay/outcome.h"
#include "relay/order.h"
#include "relay/pipeline.h"
#include "relay/prepare.h"
#include "relay/stall_watchdog.h"
#include "relay/transform_jobs.h"

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

static bool keeps_order(const struct obx_stages *stages)
{
    return stages->publish_mode == OBX_PUBLISH_PIPELINED;
}

/* A batch on its way from READY to IN_FLIGHT: one pass over its waiting rows. */
struct round {
    struct obx_stages *stages;
    struct obx_batch *batch;
    struct obx_batch_keys keys; /* of this publish; used when the broker keeps no order */
};

/* The row is a message of this publish, or SKIPPED, or stays WAITING for the next round: the broker has an event of its
 * key in this publish already. False: no memory. */
static bool add_row(struct round *round, uint32_t row)
{
    struct obx_batch *batch = round->batch;
    struct outbox_message *message = &batch->messages[batch->message_count];
    uint64_t key = 0;
    enum obx_prepared result = obx_prepare_row(round->stages, batch, row, message, round->keys.slots, &key);
    if (result == OBX_PREPARED_SKIPPED)
        obx_batch_leave_row(batch, row);
    if (result != OBX_PREPARED_GO || (round->keys.slots && !obx_batch_keys_add(&round->keys, key)))
        return result != OBX_PREPARED_NO_MEMORY;
    batch->row_of[batch->message_count++] = row;
    obx_batch_set_row_state(batch, row, OBX_ROW_IN_FLIGHT);
    return true;
}

/* ---- one batch --------------------------------------------------------------------------------------------------- */

/* Rows that are left WAITING go in the next round of this batch. */
static void prepare_batch(struct obx_stages *stages, struct obx_batch *batch)
{
    struct round round = {.stages = stages, .batch = batch};
    obx_prepare_begin(stages, batch);
    if (!keeps_order(stages) && !obx_batch_keys_init(&round.keys, batch))
        return; /* not covered: no memory just here */
    for (uint32_t row = 0; row < batch->rows->rows && !stages->context.halted; row++)
        if (batch->row_states[row] == OBX_ROW_WAITING && !add_row(&round, row))
            return;
}

static void send(struct obx_stages *stages, struct obx_batch *batch)
{
    if (!obx_pipeline_count(stages->pipeline, OBX_BATCH_IN_FLIGHT))
        obx_stall_watchdog_restart(stages->stall_watchdog);
    obx_pipeline_move(stages->pipeline, batch, OBX_BATCH_IN_FLIGHT);
    if (batch->state_count[OBX_ROW_WAITING])
        obx_pipeline_hold_order(stages->pipeline, batch);
    stages->context.stats.resent += obx_batch_count_repeated(batch);
    batch->publish = (struct outbox_publish){.struct_size = sizeof batch->publish,
                                             .count = batch->message_count,
                                             .messages = batch->messages,
                                             .stride = sizeof *batch->messages};
    batch->request.timing = &stages->context.timings.publish;
    struct obx_call *call = obx_request_begin(&batch->request, &stages->context, batch, obx_outcome_done);
    call->outcomes = obx_outcome_note;
    OBX_FAILPOINT(relay, before_publish);
    obx_broker_publish(obx_link_instance(stages->broker), call, &batch->publish);
    OBX_FAILPOINT(relay, published);
}

/* No row of the batch is sent in this round. */
static void end_empty_round(struct obx_publisher *publisher, struct obx_batch *batch)
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
    if (stages->publish_mode == OBX_PUBLISH_CONCURRENT || !obx_pipeline_count(stages->pipeline, OBX_BATCH_READY))
        return false;
    if (!obx_link_up(stages->broker) || !obx_relay_context_accepts_rows(&stages->context))
        return false;
    if (!obx_transform_done(stages, obx_pipeline_first(stages->pipeline, OBX_BATCH_READY)))
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
            end_empty_round(publisher, batch);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/lane_publish.c - joining, sending, resolving, relieving and withdrawing */
#include "relay/lane_publish.h"

#include <string.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "relay/dead_letter.h"
#include "relay/key_pauses.h"
#include "relay/lane_send.h"
#include "relay/lanes.h"
#include "relay/link.h"
#include "relay/order.h"
#include "relay/outcome.h"
#include "relay/pipeline.h"
#include "relay/prepare.h"
#include "relay/retry_claim.h"
#include "relay/stall_watchdog.h"
#include "relay/transform_jobs.h"

#define AGAIN_NS (10 * OBX_MS)
#define SLOW_NS (100 * OBX_MS)         /* without an outcome for so long a key is slow */
#define RELIEVE_EVERY_NS (10 * OBX_MS) /* at most */

struct obx_lane_publisher {
    struct obx_stages *stages;
    struct obx_lanes lanes;
    struct obx_lane_sender sender;
    struct obx_list to_send; /* batches with rows whose turn it is */
    struct obx_list touched; /* batches that may be finished */
    uint64_t send_at;        /* after a round without memory */
    uint64_t relieve_at;
    bool joined;                /* since the last withdrawal; else no row waits in a lane */
    struct outbox_error outage; /* of this step; code 0: none */
};

static void touch(struct obx_lane_publisher *publisher, struct obx_batch *batch)
{
    if (!obx_list_linked(&batch->touched))
        obx_list_append(&publisher->touched, &batch->touched);
}

static void completed(void *arg, struct obx_batch *batch)
{
    touch(arg, batch);
}

struct obx_lane_publisher *obx_lane_publisher_new(struct obx_stages *stages)
{
    struct obx_lane_publisher *publisher = obx_alloc(sizeof *publisher);
    if (!publisher)
        return NULL;
    publisher->stages = stages;
    obx_lanes_init(&publisher->lanes);
    obx_lane_sender_init(&publisher->sender, stages, completed, publisher);
    obx_list_init(&publisher->to_send);
    obx_list_init(&publisher->touched);
    return publisher;
}

void obx_lane_publisher_free(struct obx_lane_publisher *publisher)
{
    if (!publisher)
        return;
    obx_lane_sender_free(&publisher->sender);
    obx_lanes_free(&publisher->lanes);
    obx_free(publisher);
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

static void no_memory(struct obx_lane_publisher *publisher)
{
    obx_error_no_memory(&publisher->outage); /* not covered: no memory just here */
    obx_tick_soon(&publisher->stages->context);
}

static void give_turn(struct obx_lane_publisher *publisher, struct obx_lane *lane)
{
    struct obx_lane_row *row = obx_lane_next(lane);
    struct obx_batch *batch = row->batch;
    obx_lane_begin(&publisher->lanes, lane, publisher->stages->context.now);
    obx_list_append(&batch->sendable, &row->link);
    if (!obx_list_linked(&batch->to_send))
        obx_list_append(&publisher->to_send, &batch->to_send);
}

/* No event of the key is in flight: its events that wait by position may be claimed. */
static void resume_key(struct obx_stages *stages, uint64_t hash)
{
    struct obx_key *key = obx_keys_any(stages->keys) ? obx_keys_find(stages->keys, hash) : NULL;
    if (!key || obx_key_failed(key) || !(key->retrying || key->behind_lane))
        return;
    key->draining = true;
    obx_keys_wait(stages->keys, key, stages->context.now);
}

/* The same after an outage: rows of a key that is retried go again with their batch. */
static void release_key(struct obx_stages *stages, uint64_t hash)
{
    struct obx_key *key = obx_keys_any(stages->keys) ? obx_keys_find(stages->keys, hash) : NULL;
    if (key && key->behind_lane)
        obx_keys_wait(stages->keys, key, stages->context.now);
}

/* Asked at its turn and not before: an event that is rejected must not hold those before it. */
static enum obx_prepared prepare(struct obx_stages *stages, const struct obx_lane *lane, const struct obx_lane_row *row)
{
    const struct outbox_message *message = &row->batch->messages[row->row];
    enum obx_prepared result = OBX_PREPARED_GO;
    if (obx_order_any(stages))
        result = obx_prepare_again(stages, row->batch, row->row, message, lane->hash);
    if (result == OBX_PREPARED_GO)
        result = obx_prepare_admit(stages, row->batch, row->row, message, row->reason);
    return result;
}

static bool may_send(const struct obx_stages *stages)
{
    return obx_link_up(stages->broker) && obx_relay_context_accepts_rows(&stages->context) &&
           !obx_pipeline_rereading(stages->pipeline);
}

/* The turn goes to the next row that may go. When nothing may be sent any more, the next step withdraws the rows. */
static void advance(struct obx_lane_publisher *publisher, struct obx_lane *lane)
{
    for (struct obx_lane_row *row; (row = obx_lane_next(lane));) {
        if (publisher->outage.code || !may_send(publisher->stages))
            return;
        enum obx_prepared result = prepare(publisher->stages, lane, row);
        if (result == OBX_PREPARED_GO)
            give_turn(publisher, lane);
        if (result == OBX_PREPARED_NO_MEMORY)
            no_memory(publisher);
        if (result != OBX_PREPARED_SKIPPED)
            return;
        struct obx_batch *batch = row->batch;
        obx_lane_skip(lane);
        obx_batch_leave_row(batch, row->row);
        touch(publisher, batch);
    }
    resume_key(publisher->stages, lane->hash);
    obx_lanes_drop(&publisher->lanes, lane);
}

/* ---- joining ----------------------------------------------------------------------------------------------------- */

static void leave_lanes(struct obx_lane_publisher *publisher, struct obx_batch *batch)
{
    for (uint32_t row = 0; row < batch->rows->rows; row++)
        if (batch->lane_rows[row].lane)
            obx_lanes_unjoin(&publisher->lanes, &batch->lane_rows[row]);
}

static void note_retried(struct obx_stages *stages, const struct obx_batch *batch, uint64_t hash)
{
    struct obx_key *key = batch->is_retry ? obx_keys_find(stages->keys, hash) : NULL;
    if (key && key->retrying && !key->retry_seq)
        obx_keys_start_sending(stages->keys, key, batch->seq);
}

/* False: no memory. */
static bool join_row(struct obx_lane_publisher *publisher, struct obx_batch *batch, uint32_t row)
{
    struct obx_stages *stages = publisher->stages;
    struct obx_lane_row *lane_row = &batch->lane_rows[row];
    struct outbox_message *message = &batch->messages[row];
    enum obx_prepared result = OBX_PREPARED_GO;
    batch->row_of[row] = row;
    if (!obx_prepare_route(stages, batch, row, message, &lane_row->reason))
        return false; /* not covered: no memory just here */
    uint64_t hash = obx_order_key(stages->context.settings.order, message, batch->rows->positions[row]);
    if (obx_order_any(stages))
        result = obx_prepare_again(stages, batch, row, message, hash);
    if (result == OBX_PREPARED_SKIPPED)
        obx_batch_leave_row(batch, row);
    if (result != OBX_PREPARED_GO)
        return result == OBX_PREPARED_SKIPPED;
    note_retried(stages, batch, hash);
    lane_row->batch = batch;
    lane_row->row = row;
    return obx_lanes_join(&publisher->lanes, hash, lane_row);
}

/* All waiting rows enter the lanes of their keys, or none. */
static bool join_rows(struct obx_lane_publisher *publisher, struct obx_batch *batch)
{
    size_t size = batch->rows->rows * sizeof *batch->lane_rows;
    obx_prepare_begin(publisher->stages, batch);
    batch->lane_rows = obx_arena_alloc(&batch->arena, size);
    if (!batch->lane_rows)
        return false;
    memset(batch->lane_rows, 0, size);
    for (uint32_t row = 0; row < batch->rows->rows; row++) {
        if (batch->row_states[row] != OBX_ROW_WAITING)
            continue;
        if (join_row(publisher, batch, row) && !publisher->stages->context.halted)
            continue;
        leave_lanes(publisher, batch);
        return false;
    }
    batch->message_count = batch->rows->rows;
    return true;
}

static void begin_turns(struct obx_lane_publisher *publisher, struct obx_batch *batch)
{
    for (uint32_t row = 0; row < batch->rows->rows; row++) {
        struct obx_lane *lane = batch->lane_rows[row].lane;
        if (lane && obx_lane_next(lane) == &batch->lane_rows[row])
            advance(publisher, lane);
    }
}

static bool join(struct obx_lane_publisher *publisher, struct obx_batch *batch)
{
    struct obx_stages *stages = publisher->stages;
    obx_list_init(&batch->sendable);
    if (!join_rows(publisher, batch))
        return false;
    if (!obx_pipeline_count(stages->pipeline, OBX_BATCH_IN_FLIGHT))
        obx_stall_watchdog_restart(stages->stall_watchdog);
    obx_pipeline_move(stages->pipeline, batch, OBX_BATCH_IN_FLIGHT);
    obx_key_pauses_set_failed(stages); /* before the keys that were not answered wait again */
    obx_pipeline_free_retry_slot(stages->pipeline, batch);
    publisher->joined = true;
    begin_turns(publisher, batch);
    touch(publisher, batch);
    return true;
}

static void join_all(struct obx_lane_publisher *publisher)
{
    struct obx_stages *stages = publisher->stages;
    for (struct obx_batch *batch; (batch = obx_pipeline_first(stages->pipeline, OBX_BATCH_READY));) {
        if (!obx_transform_done(stages, batch))
            return;
        if (join(publisher, batch))
            continue;
        publisher->send_at = stages->context.now + AGAIN_NS;
        obx_due(&stages->context, publisher->send_at);
        return;
    }
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static void send_all(struct obx_lane_publisher *publisher)
{
    for (struct obx_batch *batch; (batch = OBX_LIST_FIRST(&publisher->to_send, struct obx_batch, to_send));) {
        if (obx_lane_send(&publisher->sender, batch))
            continue;
        publisher->send_at = publisher->stages->context.now + AGAIN_NS;
        obx_due(&publisher->stages->context, publisher->send_at);
        return;
    }
}

/* ---- resolving --------------------------------------------------------------------------------------------------- */

/* A failure of an earlier ownership is ignored. */
static void decide(struct obx_stages *stages, struct obx_batch *batch, uint32_t row)
{
    enum obx_row_state state = (enum obx_row_state)batch->row_states[row];
    if (state == OBX_ROW_RETRY || state == OBX_ROW_REJECTED)
        obx_batch_set_row_state(batch, row, obx_order_after(state, obx_pipeline_after_facts(stages->pipeline, batch)));
    obx_outcome_decide(stages, batch, row);
}

static void resolve(struct obx_lane_publisher *publisher, struct obx_lane_row *row)
{
    struct obx_stages *stages = publisher->stages;
    struct obx_batch *batch = row->batch;
    struct obx_lane *lane = row->lane;
    decide(stages, batch, row->row);
    enum obx_row_state state = (enum obx_row_state)batch->row_states[row->row];
    if (state == OBX_ROW_DELIVERED) {
        stages->context.stats.delivered++;
        obx_link_works(stages->broker, OBX_WORK_CONNECT | OBX_WORK_PUBLISH);
    }
    touch(publisher, batch);
    obx_lane_end(lane);
    if (state != OBX_ROW_NOT_SENT) {
        advance(publisher, lane);
        return;
    }
    publisher->outage = obx_outcome_reason(batch, row->row)->error;
    release_key(stages, lane->hash);
    if (obx_list_empty(&lane->rows))
        obx_lanes_drop(&publisher->lanes, lane);
}

static void resolve_all(struct obx_lane_publisher *publisher)
{
    for (struct obx_list *link; (link = obx_list_pop(&publisher->sender.returned));)
        resolve(publisher, OBX_CONTAINER(link, struct obx_lane_row, link));
    obx_key_pauses_set_failed(publisher->stages);
    if (publisher->outage.code)
        obx_link_lost(publisher->stages->broker, OBX_WORK_PUBLISH, &publisher->outage);
    publisher->outage.code = OUTBOX_OK;
}

/* ---- relieving: rows that wait for a slow key -------------------------------------------------------------------- */

static void relieve_lane(struct obx_lane_publisher *publisher, struct obx_lane *lane)
{
    struct obx_stages *stages = publisher->stages;
    for (struct obx_list *link; (link = obx_list_pop(&lane->rows));) {
        struct obx_lane_row *row = OBX_CONTAINER(link, struct obx_lane_row, link);
        if (!obx_order_block(stages, lane->hash, row->batch->rows->positions[row->row])) {
            obx_list_insert_after(&lane->rows, &row->link); /* not covered: no memory just here */
            break;
        }
        row->lane = NULL;
        obx_batch_leave_row(row->batch, row->row);
        touch(publisher, row->batch);
    }
    if (lane->head && lane->head->batch->in_log) /* it must not hold the log, and those behind it go to the spool */
        obx_batch_want_spool(lane->head->batch, lane->head->row);
    struct obx_key *key = obx_keys_find(stages->keys, lane->hash);
    if (key && !obx_key_failed(key))
        obx_keys_wait_for_lane(stages->keys, key);
}

static void relieve(struct obx_lane_publisher *publisher)
{
    struct obx_relay_context *context = &publisher->stages->context;
    uint64_t half = (uint64_t)context->settings.max_in_flight_bytes / 2;
    struct obx_lane *lane = obx_lanes_busiest(&publisher->lanes);
    if (context->stats.in_flight_bytes < half || !lane || !obx_due(context, publisher->relieve_at))
        return;
    publisher->relieve_at = context->now + RELIEVE_EVERY_NS;
    for (; lane && context->now - lane->since_ns >= SLOW_NS; lane = obx_lanes_next_busy(&publisher->lanes, lane))
        if (!obx_list_empty(&lane->rows))
            relieve_lane(publisher, lane);
    obx_due(context, publisher->relieve_at);
}

/* ---- withdrawing and finishing ----------------------------------------------------------------------------------- */

/* All rows leave the lane, except a row in flight. */
static void withdraw_lane(struct obx_lane_publisher *publisher, struct obx_lane *lane)
{
    struct obx_lane_row *head = lane->head;
    while (!obx_list_empty(&lane->rows)) {
        struct obx_list *link = obx_list_pop(&lane->rows);
        OBX_CONTAINER(link, struct obx_lane_row, link)->lane = NULL;
    }
    if (head && head->batch->row_states[head->row] == OBX_ROW_WAITING) {
        obx_list_remove(&head->link);
        obx_lane_end(lane);
    }
    if (lane->head)
        return;
    release_key(publisher->stages, lane->hash);
    obx_lanes_drop(&publisher->lanes, lane);
}

/* Sending ends: unsent rows wait in their batches. */
static void withdraw(struct obx_lane_publisher *publisher)
{
    struct obx_pipeline *pipeline = publisher->stages->pipeline;
    struct obx_lane *lane, *next;
    if (!publisher->joined)
        return;
    publisher->joined = false;
    HASH_ITER(hh, publisher->lanes.table, lane, next)
    {
        withdraw_lane(publisher, lane);
    }
    while (obx_list_pop(&publisher->to_send))
        ;
    struct obx_batch *batch = obx_pipeline_first(pipeline, OBX_BATCH_IN_FLIGHT);
    for (; batch; batch = obx_pipeline_next(pipeline, batch))
        touch(publisher, batch);
}

/* A row that waits in a lane, or comes back, keeps its batch in flight. */
static bool is_finished(const struct obx_lane_publisher *publisher, const struct obx_batch *batch)
{
    return batch->stage == OBX_BATCH_IN_FLIGHT && !batch->publishes &&
           !(publisher->joined && batch->state_count[OBX_ROW_WAITING]);
}

static void finish_all(struct obx_lane_publisher *publisher)
{
    for (struct obx_list *link; (link = obx_list_pop(&publisher->touched));) {
        struct obx_batch *batch = OBX_CONTAINER(link, struct obx_batch, touched);
        if (is_finished(publisher, batch))
            obx_outcome_finish(publisher->stages, batch);
    }
}

/* ---- the step ---------------------------------------------------------------------------------------------------- */

void obx_lane_publisher_resolve(struct obx_lane_publisher *publisher)
{
    if (publisher->stages->publish_mode != OBX_PUBLISH_CONCURRENT)
        return;
    resolve_all(publisher);
    if (!may_send(publisher->stages))
        withdraw(publisher);
    finish_all(publisher);
}

void obx_lane_publisher_step(struct obx_lane_publisher *publisher)
{
    struct obx_stages *stages = publisher->stages;
    if (stages->publish_mode != OBX_PUBLISH_CONCURRENT || !may_send(stages) ||
        !obx_dead_letters_keys_known(stages->dead_letters) || !obx_due(&stages->context, publisher->send_at))
        return;
    join_all(publisher);
    relieve(publisher);
    obx_key_pauses_set_failed(stages);
    if (may_send(stages))
        send_all(publisher);
    else
        withdraw(publisher);
    finish_all(publisher);
}

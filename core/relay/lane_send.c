/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/lane_send.c - publishes of rows of one batch, and the noting of their outcomes */
#include "relay/lane_send.h"

#include <outbox/plugin_util.h>

#include "base/failpoint.h"
#include "relay/link.h"
#include "relay/outcome.h"
#include "relay/progress.h"
#include "relay/stall_watchdog.h"

#define IDLE_MAX 32 /* recycled publishes */

/* One publish. Recycled. */
struct lane_send {
    struct obx_list link; /* in sender->idle */
    struct obx_lane_sender *sender;
    struct obx_batch *batch;
    struct outbox_publish publish;
    struct obx_request request;
    struct outbox_message *messages; /* owned, like the next */
    uint32_t *rows;                  /* of each message */
    uint32_t room;
};

void obx_lane_sender_init(struct obx_lane_sender *sender, struct obx_stages *stages,
                          void (*completed)(void *arg, struct obx_batch *batch), void *arg)
{
    *sender = (struct obx_lane_sender){.stages = stages, .completed = completed, .arg = arg};
    obx_list_init(&sender->returned);
    obx_list_init(&sender->idle);
}

static void free_send(struct lane_send *send)
{
    obx_free(send->messages);
    obx_free(send->rows);
    obx_free(send);
}

void obx_lane_sender_free(struct obx_lane_sender *sender)
{
    for (struct obx_list *link; (link = obx_list_pop(&sender->idle));)
        free_send(OBX_CONTAINER(link, struct lane_send, link));
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

static void note_delivered(struct obx_stages *stages, const struct outbox_message *message, int64_t wall_us)
{
    const struct obx_relay_events *events = &stages->events;
    obx_progress_published(stages->progress, &stages->context, message);
    obx_timings_delivered(&stages->context.timings, message->created_us, wall_us);
    if (events->delivered)
        events->delivered(events->arg, message);
}

/* May run inside publish(): it only records. The next step decides. */
static void on_outcomes(struct obx_call *call, const struct outbox_outcomes *outcomes)
{
    struct lane_send *send = OBX_CONTAINER(call, struct lane_send, request.call);
    struct obx_lane_sender *sender = send->sender;
    struct obx_batch *batch = send->batch;
    OBX_FAILPOINT(relay, outcomes_reported);
    obx_stall_watchdog_restart(sender->stages->stall_watchdog);
    const struct obx_reason *reason = obx_outcome_keep_reason(batch, outcomes);
    int64_t wall_us = sender->stages->context.loop->ops->wall(sender->stages->context.loop);
    for (uint32_t i = 0; i < outcomes->count; i++) {
        uint32_t message = outbox_outcomes_index(outcomes, i), row = send->rows[message];
        obx_outcome_note_row(batch, row, outcomes->outcome, reason);
        obx_list_append(&sender->returned, &batch->lane_rows[row].link);
        if (outcomes->outcome == OUTBOX_DELIVERED)
            note_delivered(sender->stages, &send->messages[message], wall_us);
    }
    obx_tick_soon(&sender->stages->context);
}

static void on_done(void *stage, const struct outbox_error *error)
{
    struct lane_send *send = stage;
    struct obx_lane_sender *sender = send->sender;
    (void)error; /* it is the reason of each event that had no outcome */
    OBX_FAILPOINT(relay, after_publish);
    send->batch->publishes--;
    sender->completed(sender->arg, send->batch);
    if (sender->idle_count >= IDLE_MAX) {
        free_send(send); /* not covered: thousands of publishes that complete at once */
        return;
    }
    sender->idle_count++;
    obx_list_append(&sender->idle, &send->link);
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static bool make_room(struct lane_send *send, uint32_t count)
{
    if (send->room >= count)
        return true;
    struct outbox_message *messages = obx_resize(send->messages, count * sizeof *messages);
    if (messages)
        send->messages = messages;
    uint32_t *rows = obx_resize(send->rows, count * sizeof *rows);
    if (rows)
        send->rows = rows;
    if (!messages || !rows)
        return false;
    send->room = count;
    return true;
}

static struct lane_send *get_send(struct obx_lane_sender *sender, uint32_t count)
{
    struct obx_list *link = obx_list_pop(&sender->idle);
    struct lane_send *send = link ? OBX_CONTAINER(link, struct lane_send, link) : obx_alloc(sizeof *send);
    if (!send)
        return NULL;
    sender->idle_count -= link != NULL;
    send->sender = sender;
    if (make_room(send, count))
        return send;
    free_send(send);
    return NULL;
}

static void fill_send(struct lane_send *send, struct obx_batch *batch)
{
    uint32_t count = 0;
    for (struct obx_list *link; (link = obx_list_pop(&batch->sendable));) {
        uint32_t row = OBX_CONTAINER(link, struct obx_lane_row, link)->row;
        obx_batch_set_row_state(batch, row, OBX_ROW_IN_FLIGHT);
        batch->stages->context.stats.resent += batch->uncertain && batch->uncertain[row];
        send->messages[count] = batch->messages[row];
        send->rows[count++] = row;
    }
    send->batch = batch;
    send->publish = (struct outbox_publish){.struct_size = sizeof send->publish,
                                            .count = count,
                                            .messages = send->messages,
                                            .stride = sizeof *send->messages};
}

bool obx_lane_send(struct obx_lane_sender *sender, struct obx_batch *batch)
{
    struct obx_stages *stages = sender->stages;
    uint32_t count = 0;
    OBX_LIST_EACH(&batch->sendable, row, struct obx_lane_row, link)
    count++;
    struct lane_send *send = get_send(sender, count);
    if (!send)
        return false;
    obx_list_remove(&batch->to_send);
    fill_send(send, batch);
    batch->publishes++;
    send->request.timing = &stages->context.timings.publish;
    struct obx_call *call = obx_request_begin(&send->request, &stages->context, send, on_done);
    call->outcomes = on_outcomes;
    OBX_FAILPOINT(relay, before_publish);
    obx_broker_publish(obx_link_instance(stages->broker), call, &send->publish);
    OBX_FAILPOINT(relay, published);
    return true;
}

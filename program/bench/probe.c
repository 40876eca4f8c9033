/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/bench/probe.c - publishes one event before any is written to the outbox
 *
 * An event that the broker always rejects would stay in the outbox, block a key, or halt the next relay. So one event
 * is routed by the configuration, admitted and published first. The attempts are repeated for 10 s, for a topic that is
 * being created or a busy broker. A rejection ends the run before anything is written.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "loop/uv_loop.h"
#include "bench/bench.h"

#define PROBE_TIMEOUT_NS (10000 * OBX_MS)
#define RETRY_DELAY_NS (200 * OBX_MS)

struct probe {
    struct obx_oneshot oneshot;
    struct obx_timer timer;
    struct obx_relay_settings settings;
    struct obx_route route;
    struct obx_arena arena;
    struct obx_bench_event event;
    char *payload;
    struct outbox_message message;
    uint32_t outcome; /* 0: not reported */
    struct outbox_error why;
};

/* ---- the message ---- */

static struct outbox_value text_value(struct outbox_bytes bytes)
{
    return (struct outbox_value){.as.data = bytes.data, .size = (uint32_t)bytes.size, .type = OUTBOX_TEXT};
}

/* The value that the outbox would have in the column; null for columns that the user added. */
static struct outbox_value value_of(struct probe *probe, const char *column, int64_t now_us)
{
    const struct outbox_event *event = &probe->event.event;
    const struct {
        const char *name;
        struct outbox_bytes value;
    } known[] = {{"event_id", event->event_id},
                 {"aggregatetype", event->aggregate_type},
                 {"aggregateid", event->aggregate_id},
                 {"type", event->type},
                 {"payload", event->payload}};
    for (size_t i = 0; i < OBX_COUNT(known); i++)
        if (!strcmp(column, known[i].name))
            return text_value(known[i].value);
    if (!strcmp(column, "created_at"))
        return (struct outbox_value){.as.integer = now_us, .type = OUTBOX_TIME};
    return (struct outbox_value){.type = OUTBOX_NULL};
}

static int make_message(struct probe *probe, struct obx_context *context, const struct obx_bench_plan *plan,
                        struct outbox_error *error)
{
    struct outbox_value row[OBX_MAX_COLUMNS];
    probe->payload = obx_alloc(plan->bytes);
    if (!probe->payload)
        return obx_error_no_memory(error);
    obx_bench_event(&probe->event, plan->prefix, 0xffffffffffff, plan->keys, probe->payload, plan->bytes);
    int status = obx_context_route(context, plan->relay, &probe->settings, &probe->route, error);
    if (status)
        return status;
    for (uint32_t i = 0; i < probe->route.columns.count; i++)
        row[i] = value_of(probe, probe->route.columns.list[i].name, context->loop->ops->wall(context->loop));
    status = obx_route_row(&probe->route, row, (struct outbox_position){0, 0}, &probe->arena, &probe->message, error);
    if (status)
        obx_error_wrap(error, "route an event of aggregate type '" OBX_BENCH_AGGREGATE_TYPE "'");
    return status;
}

static void free_message(struct probe *probe)
{
    obx_arena_free(&probe->arena);
    obx_route_free(&probe->route);
    obx_free(probe->payload);
}

int obx_bench_topic(struct obx_context *context, const struct obx_bench_plan *plan, char *topic, size_t size,
                    struct outbox_error *error)
{
    struct probe probe = {0};
    int status = make_message(&probe, context, plan, error);
    snprintf(topic, size, "%.*s", (int)probe.message.topic.size,
             probe.message.topic.data ? (const char *)probe.message.topic.data : "");
    free_message(&probe);
    return status;
}

/* ---- publishing it ---- */

static void on_outcome(struct obx_call *call, const struct outbox_outcomes *outcomes)
{
    struct probe *probe = OBX_CONTAINER(call, struct probe, oneshot.call);
    probe->outcome = outcomes->outcome;
    probe->why = outcomes->error ? *outcomes->error : (struct outbox_error){.code = OUTBOX_E_UNKNOWN_OUTCOME};
}

static void on_wake(struct obx_timer *timer)
{
    (void)timer; /* it only ends a turn of the loop */
}

/* One attempt; cancelled at the time `until`. */
static int attempt(struct probe *probe, uint64_t until, struct outbox_error *error)
{
    struct obx_oneshot *oneshot = &probe->oneshot;
    struct obx_loop *loop = oneshot->loop;
    const struct outbox_publish publish = {
        .struct_size = sizeof publish, .count = 1, .messages = &probe->message, .stride = sizeof probe->message};
    struct obx_call *call = obx_oneshot_call(oneshot);
    call->outcomes = on_outcome;
    probe->outcome = 0;
    probe->why = (struct outbox_error){.code = OUTBOX_E_TIMEOUT, .text = "the broker did not respond in time"};
    obx_broker_publish(oneshot->instance, call, &publish);
    probe->timer.fire = on_wake;
    loop->ops->timer_set(loop, &probe->timer, PROBE_TIMEOUT_NS);
    while (!oneshot->done && obx_loop_now(loop) < until)
        obx_uv_loop_turn(loop);
    loop->ops->timer_clear(loop, &probe->timer);
    if (!oneshot->done)
        obx_instance_cancel(oneshot->instance);
    int status = obx_oneshot_wait(oneshot, error);
    if (probe->outcome == OUTBOX_DELIVERED)
        return OUTBOX_OK;
    if (!status || !error->code || probe->outcome)
        *error = probe->why;
    return error->code ? error->code : OUTBOX_E_UNKNOWN_OUTCOME;
}

static int publish(struct probe *probe, struct outbox_error *error)
{
    struct obx_loop *loop = probe->oneshot.loop;
    uint64_t until = obx_loop_now(loop) + PROBE_TIMEOUT_NS;
    int status = obx_broker_admit(probe->oneshot.instance, &probe->message, error);
    if (status)
        return status;
    for (;;) {
        status = attempt(probe, until, error);
        if (!status || probe->outcome == OUTBOX_REJECTED || obx_loop_now(loop) + RETRY_DELAY_NS > until)
            return status;
        obx_oneshot_sleep_until(&probe->oneshot, obx_loop_now(loop) + RETRY_DELAY_NS);
    }
}

int obx_bench_probe(struct obx_context *context, const struct obx_bench_plan *plan, struct outbox_error *error)
{
    struct probe probe = {0};
    int status = make_message(&probe, context, plan, error);
    if (!status)
        status = obx_oneshot_open(&probe.oneshot, context, plan->relay, OUTBOX_BROKER, error);
    if (!status) {
        status = obx_oneshot_start(&probe.oneshot, OUTBOX_BROKER, error);
        if (!status)
            status = publish(&probe, error);
        obx_oneshot_close(&probe.oneshot);
    }
    free_message(&probe);
    if (status)
        obx_error_wrap(error, "publish one event first (nothing was written to the outbox)");
    return status;
}

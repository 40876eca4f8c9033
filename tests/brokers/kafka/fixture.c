/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/fixture.c - see fixture.h */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plugin/builtin.h"

/* Any thread: librdkafka's log comes here too. Lines are short, and a test reads them when all is quiet. */
static void write_log(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct fixture *t = arg;
    (void)subject;
    if (getenv("OUTBOX_TEST_LOG"))
        fprintf(stderr, "%d %s\n", (int)level, text);
    if (level > OUTBOX_LOG_INFO || t->logged_size + strlen(text) + 8 > sizeof t->logged)
        return;
    t->logged_size +=
        (size_t)snprintf(t->logged + t->logged_size, sizeof t->logged - t->logged_size, "%d %s\n", (int)level, text);
}

static void note_lost(void *arg, const struct outbox_error *error)
{
    struct fixture *t = arg;
    t->lost_count++;
    t->lost_error = *error;
}

static int make(struct fixture *t, const char *yaml)
{
    char text[4096];
    int size = snprintf(text, sizeof text, "plugin: kafka\n%s\n", yaml);
    int status = obx_registry_new(NULL, obx_builtins, &t->log, &t->registry, &t->error);
    if (!status)
        status = obx_config_parse("test.yaml", text, (size_t)size, &t->config, &t->error);
    if (status)
        return status;
    struct obx_instance_setup setup = {
        .loop = t->loop,
        .registry = t->registry,
        .log = &t->log,
        .relay = "orders",
        .exactly_once = t->exactly_once,
        .section = obx_config_root(t->config),
        .events = {.lost = note_lost, .arg = t},
    };
    return obx_instance_new(&setup, OUTBOX_BROKER, &t->instance, &t->error);
}

static int open_as(struct fixture *t, const char *yaml, bool exactly_once)
{
    memset(t, 0, sizeof *t);
    t->exactly_once = exactly_once;
    t->start = obx_no_outbox;
    t->log = (struct obx_log){
        .write = write_log, .arg = t, .level = getenv("OUTBOX_TEST_LOG") ? OUTBOX_LOG_TRACE : OUTBOX_LOG_DEBUG};
    int status = obx_uv_loop_new(NULL, &t->loop, &t->error);
    return status ? status : make(t, yaml);
}

int fixture_open(struct fixture *t, const char *yaml)
{
    return open_as(t, yaml, false);
}

int fixture_open_exactly_once(struct fixture *t, const char *yaml)
{
    return open_as(t, yaml, true);
}

int fixture_close(struct fixture *t)
{
    obx_instance_free(t->instance);
    obx_registry_free(t->registry);
    obx_config_free(t->config);
    return obx_uv_loop_free(t->loop, NULL, NULL);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

struct alarm {
    struct obx_timer timer; /* first */
    bool fired;
};

static void note_fired(struct obx_timer *timer)
{
    ((struct alarm *)(void *)timer)->fired = true;
}

bool fixture_run_until(struct fixture *t, bool (*done)(void *arg), void *arg, uint32_t within_ms)
{
    struct alarm alarm = {.timer = {.fire = note_fired}};
    t->loop->ops->timer_set(t->loop, &alarm.timer, within_ms * OBX_MS);
    while (!alarm.fired && !done(arg) && obx_uv_loop_turn(t->loop))
        ;
    t->loop->ops->timer_clear(t->loop, &alarm.timer);
    return done(arg);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

void fixture_run_for(struct fixture *t, uint32_t ms)
{
    fixture_run_until(t, never, NULL, ms);
}

struct waited {
    struct obx_call call; /* first */
    struct outbox_error error;
    bool done;
};

static void note_done(struct obx_call *call, const struct outbox_error *error)
{
    struct waited *waited = (struct waited *)(void *)call;
    waited->error = *error;
    waited->done = true;
}

static bool is_done(void *arg)
{
    return ((struct waited *)arg)->done;
}

static int finish(struct fixture *t, struct waited *waited)
{
    /* A failure ends the test: the op refers to this stack. */
    cr_assert(fixture_run_until(t, is_done, waited, FIXTURE_WAIT_MS), "an operation has not ended after %d ms: %s",
              FIXTURE_WAIT_MS, t->logged);
    t->error = waited->error;
    return waited->error.code;
}

int fixture_start_within(struct fixture *t, uint32_t timeout_ms)
{
    struct waited waited = {.call = {.done = note_done}};
    obx_broker_start(t->instance, &waited.call, timeout_ms, &t->start);
    return finish(t, &waited);
}

int fixture_start(struct fixture *t)
{
    return fixture_start_within(t, 0);
}

void fixture_must_start(struct fixture *t)
{
    uint64_t end = obx_loop_now(t->loop) + FIXTURE_WAIT_MS * OBX_MS;
    while (fixture_start(t) == OUTBOX_E_NOT_CONNECTED && obx_loop_now(t->loop) < end)
        continue;
    cr_assert_eq(t->error.code, OUTBOX_OK, "%s", t->error.text);
}

int fixture_stop_within(struct fixture *t, uint32_t timeout_ms)
{
    struct waited waited = {.call = {.done = note_done}};
    obx_instance_stop(t->instance, &waited.call, timeout_ms);
    return finish(t, &waited);
}

int fixture_stop(struct fixture *t)
{
    return fixture_stop_within(t, 0);
}

struct found {
    char *text;
    size_t size;
    char *command;
    size_t command_size;
};

static void note_finding(void *arg, const struct outbox_finding *finding)
{
    static const char *const words[] = {"ok", "warning", "error"};
    struct found *found = arg;
    size_t used = strlen(found->text);
    snprintf(found->text + used, found->size - used, "%s %s; %s\n", words[finding->severity], finding->reason,
             finding->advice ? finding->advice : "");
    if (finding->command)
        snprintf(found->command, found->command_size, "%s", finding->command);
}

int fixture_check(struct fixture *t, const char *const *topics, char *findings, size_t size)
{
    struct waited waited = {.call = {.done = note_done}};
    struct found found = {findings, size, t->command, sizeof t->command};
    struct outbox_check check = {.struct_size = sizeof check,
                                 .report = note_finding,
                                 .arg = &found,
                                 .topics = topics,
                                 .pending_topics = t->pending_topics};
    findings[0] = t->command[0] = '\0';
    obx_broker_check(t->instance, &waited.call, 0, &check);
    return finish(t, &waited);
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

static void batch_done(struct obx_call *call, const struct outbox_error *error)
{
    static uint64_t order;
    struct batch *batch = (struct batch *)(void *)call;
    batch->error = *error;
    batch->completed++;
    batch->order = ++order;
}

static void batch_outcomes(struct obx_call *call, const struct outbox_outcomes *outcomes)
{
    struct batch *batch = (struct batch *)(void *)call;
    for (uint32_t i = 0; i < outcomes->count; i++) {
        uint32_t at = outcomes->indexes ? outcomes->indexes[i] : outcomes->first + i;
        batch->outcomes[at] = outcomes->outcome;
        if (outcomes->error)
            batch->errors[at] = *outcomes->error;
        batch->reported++;
        batch->already += outcomes->flags & OUTBOX_OUTCOME_ALREADY ? 1 : 0;
    }
}

void batch_init(struct batch *batch, uint32_t count)
{
    memset(batch, 0, sizeof *batch);
    batch->call.done = batch_done;
    batch->call.outcomes = batch_outcomes;
    batch->messages = calloc(count, sizeof *batch->messages);
    batch->outcomes = calloc(count, sizeof *batch->outcomes);
    batch->errors = calloc(count, sizeof *batch->errors);
    batch->publish = (struct outbox_publish){.struct_size = sizeof batch->publish,
                                             .count = count,
                                             .messages = batch->messages,
                                             .stride = sizeof *batch->messages};
}

static struct outbox_bytes bytes_of(const char *text)
{
    return (struct outbox_bytes){text, text ? strlen(text) : 0};
}

void batch_set(struct batch *batch, uint32_t index, const char *topic, const char *key, const char *value)
{
    batch->messages[index] = (struct outbox_message){.topic = bytes_of(topic),
                                                     .key = bytes_of(key),
                                                     .value = bytes_of(value),
                                                     .partition = -1,
                                                     .timestamp_us = INT64_MIN,
                                                     .created_us = INT64_MIN};
}

void batch_fill(struct batch *batch, const char *topic, uint32_t keys, uint64_t first)
{
    batch->texts = calloc(batch->publish.count, sizeof *batch->texts);
    for (uint32_t i = 0; i < batch->publish.count; i++) {
        struct batch_text *text = &batch->texts[i];
        snprintf(text->key, sizeof text->key, "k%u", i % keys);
        snprintf(text->value, sizeof text->value, "%llu", (unsigned long long)first + i);
        batch_set(batch, i, topic, text->key, text->value);
    }
}

void batch_free(struct batch *batch)
{
    free(batch->messages);
    free(batch->outcomes);
    free(batch->errors);
    free(batch->texts);
}

void fixture_publish(struct fixture *t, struct batch *batch)
{
    obx_broker_publish(t->instance, &batch->call, &batch->publish);
}

static bool batch_is_done(void *arg)
{
    return ((struct batch *)arg)->completed > 0;
}

bool fixture_wait(struct fixture *t, struct batch *batch)
{
    return fixture_run_until(t, batch_is_done, batch, FIXTURE_WAIT_MS);
}

uint32_t fixture_count(const struct batch *batch, enum outbox_outcome outcome)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->publish.count; i++)
        count += batch->outcomes[i] == (uint32_t)outcome;
    return count;
}

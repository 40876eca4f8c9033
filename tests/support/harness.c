/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/harness.c - see harness.h; every function turns the loop and so must not be called from a callback */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "loop/uv_loop.h"
#include "plugin/builtin.h"

static void say(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    const struct harness *harness = arg;
    if (harness->verbose)
        fprintf(stderr, "%d %s: %s\n", (int)level, subject, text);
}

int harness_open(struct harness *harness, struct obx_loop *loop, bool (*turn)(struct obx_loop *loop),
                 int (*drop)(struct obx_loop *loop), const char *directory, struct outbox_error *error)
{
    harness->loop = loop;
    harness->turn = turn;
    harness->drop = drop;
    harness->log = (struct obx_log){.write = say, .arg = harness, .level = OUTBOX_LOG_DEBUG};
    return obx_registry_new(directory, obx_builtins, &harness->log, &harness->registry, error);
}

static int drop_uv(struct obx_loop *loop)
{
    return obx_uv_loop_free(loop, NULL, NULL);
}

int harness_open_uv(struct harness *harness, const char *directory, struct outbox_error *error)
{
    struct obx_loop *loop;
    int result = obx_uv_loop_new(NULL, &loop, error);
    return result ? result : harness_open(harness, loop, obx_uv_loop_turn, drop_uv, directory, error);
}

int harness_close(struct harness *harness)
{
    obx_registry_free(harness->registry);
    obx_config_free(harness->config);
    int result = harness->loop ? harness->drop(harness->loop) : 0;
    *harness = (struct harness){0};
    return result;
}

int harness_configure(struct harness *harness, const char *name, const char *yaml, struct outbox_error *error)
{
    obx_config_free(harness->config);
    harness->config = NULL;
    return obx_config_parse(name, yaml, strlen(yaml), &harness->config, error);
}

static void woken(void *arg)
{
    struct harness *harness = arg;
    harness->wakes++;
}

static void lost(void *arg, const struct outbox_error *error)
{
    struct harness *harness = arg;
    harness->losses++;
    harness->loss = *error;
}

int harness_instance(struct harness *harness, enum outbox_kind kind, const char *key, struct obx_instance **instance,
                     struct outbox_error *error)
{
    const struct obx_section *section;
    int result = obx_section_child(obx_config_root(harness->config), key, &section, error);
    if (result)
        return result;
    struct obx_instance_setup setup = {.loop = harness->loop,
                                       .registry = harness->registry,
                                       .log = &harness->log,
                                       .relay = "test",
                                       .section = section,
                                       .events = {.wake = woken, .lost = lost, .arg = harness}};
    return obx_instance_new(&setup, kind, instance, error);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

struct patience {
    struct obx_timer timer;
    bool over;
};

static void lose_patience(struct obx_timer *timer)
{
    OBX_CONTAINER(timer, struct patience, timer)->over = true;
}

bool harness_until(struct harness *harness, bool (*holds)(void *arg), void *arg)
{
    struct patience patience = {.timer = {.fire = lose_patience}};
    uint64_t patience_ms = harness->patience_ms ? harness->patience_ms : HARNESS_PATIENCE_MS;
    if (harness->loop->ops->timer_set(harness->loop, &patience.timer, patience_ms * OBX_MS))
        return false;
    while (!holds(arg) && !patience.over && harness->turn(harness->loop)) {
    }
    harness->loop->ops->timer_clear(harness->loop, &patience.timer);
    return holds(arg);
}

static void turn_again(struct obx_timer *timer)
{
    (void)timer;
}

struct polling {
    struct harness *harness;
    struct obx_timer timer;
    bool (*holds)(void *arg);
    void *arg;
    bool held; /* not asked again then: it may have taken what it waited for */
};

static bool look(void *arg)
{
    struct polling *polling = arg;
    struct obx_loop *loop = polling->harness->loop;
    polling->held = polling->held || polling->holds(polling->arg);
    return polling->held || loop->ops->timer_set(loop, &polling->timer, 5 * OBX_MS);
}

bool harness_poll(struct harness *harness, bool (*holds)(void *arg), void *arg)
{
    struct polling polling = {.harness = harness, .timer = {.fire = turn_again}, .holds = holds, .arg = arg};
    harness_until(harness, look, &polling);
    harness->loop->ops->timer_clear(harness->loop, &polling.timer);
    return polling.held;
}

struct wakes {
    const struct harness *harness;
    uint32_t more_than;
};

static bool woken_more(void *arg)
{
    const struct wakes *wakes = arg;
    return wakes->harness->wakes > wakes->more_than;
}

bool harness_until_woken(struct harness *harness, uint32_t more_than)
{
    struct wakes wakes = {harness, more_than};
    return harness_until(harness, woken_more, &wakes);
}

static void take_done(struct obx_call *call, const struct outbox_error *error)
{
    struct harness_call *mine = OBX_CONTAINER(call, struct harness_call, call);
    mine->done = true;
    mine->error = *error;
}

static void take_outcomes(struct obx_call *call, const struct outbox_outcomes *outcomes)
{
    struct harness_call *mine = OBX_CONTAINER(call, struct harness_call, call);
    if (outcomes->error && !mine->reason.code)
        mine->reason = *outcomes->error;
    for (uint32_t i = 0; mine->outcomes && i < outcomes->count; i++) {
        uint32_t at = outcomes->indexes ? outcomes->indexes[i] : outcomes->first + i;
        mine->outcomes[at] = (uint8_t)outcomes->outcome;
        mine->told[at]++;
    }
}

void harness_reset(struct harness_call *call)
{
    call->call = (struct obx_call){.done = take_done, .outcomes = take_outcomes};
    call->done = false;
    call->error = call->reason = (struct outbox_error){0};
}

static bool is_done(void *arg)
{
    return ((struct harness_call *)arg)->done;
}

int harness_wait(struct harness *harness, struct harness_call *call)
{
    if (harness_until(harness, is_done, call))
        return call->error.code;
    snprintf(call->error.text, sizeof call->error.text, "the operation was not completed");
    return call->error.code = OUTBOX_E_TIMEOUT;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static int finish(struct harness *harness, struct harness_call *call, struct outbox_error *error)
{
    int result = harness_wait(harness, call);
    if (error)
        *error = call->error;
    return result;
}

int harness_store_start(struct harness *harness, struct obx_instance *store, const struct outbox_column *columns,
                        uint32_t count, struct outbox_error *error)
{
    struct outbox_store_start start = {.struct_size = sizeof start, .columns = columns, .column_count = count};
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_start(store, &call.call, 0, &start);
    return finish(harness, &call, error);
}

int harness_acquire(struct harness *harness, struct obx_instance *store, struct outbox_acquire *acquire,
                    struct outbox_error *error)
{
    struct harness_call call = {0};
    harness_reset(&call);
    *acquire = (struct outbox_acquire){.struct_size = sizeof *acquire, .lease_ms = 15000};
    obx_store_acquire(store, &call.call, 0, acquire);
    return finish(harness, &call, error);
}

int harness_claim(struct harness *harness, struct obx_instance *store, struct outbox_claim *claim,
                  struct outbox_error *error)
{
    struct harness_call call = {0};
    harness_reset(&call);
    claim->struct_size = sizeof *claim;
    claim->batch = NULL;
    obx_store_claim(store, &call.call, 0, claim);
    return finish(harness, &call, error);
}

int harness_settle(struct harness *harness, struct obx_instance *store, const struct outbox_span *spans, uint32_t count,
                   struct outbox_error *error)
{
    struct outbox_settle settle = {.struct_size = sizeof settle, .spans = spans, .span_count = count};
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_settle(store, &call.call, 0, &settle);
    return finish(harness, &call, error);
}

int harness_add(struct harness *harness, struct obx_instance *store, const struct outbox_event *const *events,
                uint32_t count, struct outbox_error *error)
{
    struct outbox_add add = {.struct_size = sizeof add, .events = events, .count = count};
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_add(store, &call.call, 0, &add);
    return finish(harness, &call, error);
}

int harness_broker_start(struct harness *harness, struct obx_instance *broker, struct outbox_error *error)
{
    struct harness_call call = {0};
    harness_reset(&call);
    obx_broker_start(broker, &call.call, 0);
    return finish(harness, &call, error);
}

int harness_stop(struct harness *harness, struct obx_instance *instance, struct outbox_error *error)
{
    struct harness_call call = {0};
    harness_reset(&call);
    obx_instance_stop(instance, &call.call, 0);
    return finish(harness, &call, error);
}

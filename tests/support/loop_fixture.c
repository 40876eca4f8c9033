/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/loop_fixture.c - see loop_fixture.h; every function runs the loop, so none may be called from a
 * callback */
#include "loop_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "loop/uv_loop.h"
#include "plugin/builtin.h"

static void print_log(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    const struct loop_fixture *base = arg;
    if (base->verbose)
        fprintf(stderr, "%d %s: %s\n", (int)level, subject, text);
}

int loop_fixture_open(struct loop_fixture *base, struct obx_loop *loop, bool (*turn)(struct obx_loop *loop),
                      int (*drop)(struct obx_loop *loop), const char *directory, struct outbox_error *error)
{
    base->loop = loop;
    base->turn = turn;
    base->drop = drop;
    base->log = (struct obx_log){.write = print_log, .arg = base, .level = OUTBOX_LOG_DEBUG};
    return obx_registry_new(directory, obx_builtins, &base->log, &base->registry, error);
}

static int drop_uv(struct obx_loop *loop)
{
    return obx_uv_loop_free(loop, NULL, NULL);
}

int loop_fixture_open_uv(struct loop_fixture *base, const char *directory, struct outbox_error *error)
{
    struct obx_loop *loop;
    int result = obx_uv_loop_new(NULL, &loop, error);
    return result ? result : loop_fixture_open(base, loop, obx_uv_loop_turn, drop_uv, directory, error);
}

int loop_fixture_close(struct loop_fixture *base)
{
    obx_registry_free(base->registry);
    obx_config_free(base->config);
    int result = base->loop ? base->drop(base->loop) : 0;
    *base = (struct loop_fixture){0};
    return result;
}

int loop_fixture_configure(struct loop_fixture *base, const char *name, const char *yaml, struct outbox_error *error)
{
    obx_config_free(base->config);
    base->config = NULL;
    return obx_config_parse(name, yaml, strlen(yaml), &base->config, error);
}

static void woken(void *arg)
{
    struct loop_fixture *base = arg;
    base->wakes++;
}

static void lost(void *arg, const struct outbox_error *error)
{
    struct loop_fixture *base = arg;
    base->losses++;
    base->loss = *error;
}

int loop_fixture_instance(struct loop_fixture *base, enum outbox_kind kind, const char *key,
                          struct obx_instance **instance, struct outbox_error *error)
{
    const struct obx_section *section;
    int result = obx_section_child(obx_config_root(base->config), key, &section, error);
    if (result)
        return result;
    struct obx_instance_setup setup = {.loop = base->loop,
                                       .registry = base->registry,
                                       .log = &base->log,
                                       .relay = "test",
                                       .exactly_once = base->exactly_once,
                                       .section = section,
                                       .events = {.wake = woken, .lost = lost, .arg = base}};
    return obx_instance_new(&setup, kind, instance, error);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

struct deadline {
    struct obx_timer timer;
    bool expired;
};

static void on_deadline(struct obx_timer *timer)
{
    OBX_CONTAINER(timer, struct deadline, timer)->expired = true;
}

bool loop_fixture_until(struct loop_fixture *base, bool (*holds)(void *arg), void *arg)
{
    struct deadline deadline = {.timer = {.fire = on_deadline}};
    uint64_t timeout_ms = base->timeout_ms ? base->timeout_ms : LOOP_FIXTURE_TIMEOUT_MS;
    if (base->loop->ops->timer_set(base->loop, &deadline.timer, timeout_ms * OBX_MS))
        return false;
    while (!holds(arg) && !deadline.expired && base->turn(base->loop)) {
    }
    base->loop->ops->timer_clear(base->loop, &deadline.timer);
    return holds(arg);
}

static void run_next_round(struct obx_timer *timer)
{
    (void)timer;
}

struct polling {
    struct loop_fixture *base;
    struct obx_timer timer;
    bool (*holds)(void *arg);
    void *arg;
    bool has_held; /* then not checked again: it may have consumed its event */
};

static bool check_condition(void *arg)
{
    struct polling *polling = arg;
    struct obx_loop *loop = polling->base->loop;
    polling->has_held = polling->has_held || polling->holds(polling->arg);
    return polling->has_held || loop->ops->timer_set(loop, &polling->timer, 5 * OBX_MS);
}

bool loop_fixture_poll(struct loop_fixture *base, bool (*holds)(void *arg), void *arg)
{
    struct polling polling = {.base = base, .timer = {.fire = run_next_round}, .holds = holds, .arg = arg};
    loop_fixture_until(base, check_condition, &polling);
    base->loop->ops->timer_clear(base->loop, &polling.timer);
    return polling.has_held;
}

struct wakes {
    const struct loop_fixture *base;
    uint32_t more_than;
};

static bool woken_more(void *arg)
{
    const struct wakes *wakes = arg;
    return wakes->base->wakes > wakes->more_than;
}

bool loop_fixture_until_woken(struct loop_fixture *base, uint32_t more_than)
{
    struct wakes wakes = {base, more_than};
    return loop_fixture_until(base, woken_more, &wakes);
}

static void on_done(struct obx_call *call, const struct outbox_error *error)
{
    struct loop_fixture_call *mine = OBX_CONTAINER(call, struct loop_fixture_call, call);
    mine->done = true;
    mine->error = *error;
}

static void on_outcomes(struct obx_call *call, const struct outbox_outcomes *outcomes)
{
    struct loop_fixture_call *mine = OBX_CONTAINER(call, struct loop_fixture_call, call);
    if (outcomes->error && !mine->reason.code)
        mine->reason = *outcomes->error;
    for (uint32_t i = 0; mine->outcomes && i < outcomes->count; i++) {
        uint32_t at = outcomes->indexes ? outcomes->indexes[i] : outcomes->first + i;
        mine->outcomes[at] = (uint8_t)outcomes->outcome;
        mine->reports[at]++;
    }
}

void loop_fixture_reset(struct loop_fixture_call *call)
{
    call->call = (struct obx_call){.done = on_done, .outcomes = on_outcomes};
    call->done = false;
    call->error = call->reason = (struct outbox_error){0};
}

static bool is_done(void *arg)
{
    return ((struct loop_fixture_call *)arg)->done;
}

int loop_fixture_wait(struct loop_fixture *base, struct loop_fixture_call *call)
{
    if (loop_fixture_until(base, is_done, call))
        return call->error.code;
    snprintf(call->error.text, sizeof call->error.text, "the operation did not complete in time");
    return call->error.code = OUTBOX_E_TIMEOUT;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static int finish(struct loop_fixture *base, struct loop_fixture_call *call, struct outbox_error *error)
{
    int result = loop_fixture_wait(base, call);
    if (error)
        *error = call->error;
    return result;
}

int loop_fixture_store_start(struct loop_fixture *base, struct obx_instance *store, const struct outbox_column *columns,
                             uint32_t count, struct outbox_error *error)
{
    struct outbox_store_start start = {.struct_size = sizeof start, .columns = columns, .column_count = count};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_start(store, &call.call, 0, &start);
    return finish(base, &call, error);
}

int loop_fixture_acquire(struct loop_fixture *base, struct obx_instance *store, struct outbox_acquire *acquire,
                         struct outbox_error *error)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    *acquire = (struct outbox_acquire){.struct_size = sizeof *acquire, .lease_ms = 15000};
    obx_store_acquire(store, &call.call, 0, acquire);
    return finish(base, &call, error);
}

int loop_fixture_claim(struct loop_fixture *base, struct obx_instance *store, struct outbox_claim *claim,
                       struct outbox_error *error)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    claim->struct_size = sizeof *claim;
    claim->batch = NULL;
    obx_store_claim(store, &call.call, 0, claim);
    return finish(base, &call, error);
}

int loop_fixture_settle(struct loop_fixture *base, struct obx_instance *store, const struct outbox_span *spans,
                        uint32_t count, struct outbox_error *error)
{
    struct outbox_settle settle = {.struct_size = sizeof settle, .spans = spans, .span_count = count};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_settle(store, &call.call, 0, &settle);
    return finish(base, &call, error);
}

int loop_fixture_add(struct loop_fixture *base, struct obx_instance *store, const struct outbox_event *const *events,
                     uint32_t count, struct outbox_error *error)
{
    struct outbox_add add = {.struct_size = sizeof add, .events = events, .count = count};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_add(store, &call.call, 0, &add);
    return finish(base, &call, error);
}

int loop_fixture_broker_start(struct loop_fixture *base, struct obx_instance *broker, struct outbox_error *error)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_broker_start(broker, &call.call, 0, &obx_no_outbox);
    return finish(base, &call, error);
}

int loop_fixture_stop(struct loop_fixture *base, struct obx_instance *instance, struct outbox_error *error)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_instance_stop(instance, &call.call, 0);
    return finish(base, &call, error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plugin/fixture.c - see fixture.h */
#include "fixture.h"

static void write_log(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct fixture *f = arg;
    size_t used = strlen(f->logged);
    snprintf(f->logged + used, sizeof f->logged - used, "%d %s: %s\n", (int)level, subject, text);
    f->logs++;
}

static void woken(void *arg)
{
    struct fixture *f = arg;
    f->wakes++;
}

static void lost(void *arg, const struct outbox_error *error)
{
    struct fixture *f = arg;
    f->losts++;
    f->lost_error = *error;
}

static void make(struct fixture *f, enum outbox_kind kind, const char *yaml)
{
    f->status = obx_registry_new(NULL, plugin_fixture_plugins, &f->log, &f->registry, &f->error);
    if (!f->status)
        f->status = obx_config_parse("test.yaml", yaml, strlen(yaml), &f->config, &f->error);
    if (f->status)
        return;
    struct obx_instance_setup setup = {
        .loop = &f->loop.base,
        .registry = f->registry,
        .log = &f->log,
        .relay = "orders",
        .section = obx_config_root(f->config),
        .events = {.wake = woken, .lost = lost, .arg = f},
    };
    f->status = obx_instance_new(&setup, kind, &f->instance, &f->error);
}

void fixture_open(struct fixture *f, enum outbox_kind kind, const char *yaml)
{
    *f = (struct fixture){.log = {.write = write_log, .arg = f, .level = OUTBOX_LOG_TRACE}};
    fake_loop_init(&f->loop, 1);
    make(f, kind, yaml);
}

void fixture_close(struct fixture *f)
{
    obx_instance_free(f->instance);
    obx_registry_free(f->registry);
    obx_config_free(f->config);
}

struct plugin_fixture *fixture_plugin(struct fixture *f)
{
    return obx_instance_self(f->instance);
}

struct plugin_fixture *plugin_fixture_inner(const struct plugin_fixture *plugin)
{
    return plugin->inner->self;
}

static void done(struct obx_call *base, const struct outbox_error *error)
{
    struct recorded_call *call = (struct recorded_call *)(void *)base;
    call->dones++;
    call->error = *error;
}

static void note_run(struct recorded_call *call, char kind, uint32_t first, uint32_t count)
{
    size_t used = strlen(call->outcomes);
    snprintf(call->outcomes + used, sizeof call->outcomes - used, count > 1 ? "%s%c%u-%u" : "%s%c%u", used ? " " : "",
             kind, first, first + count - 1);
    call->reported += count;
}

static void outcomes(struct obx_call *base, const struct outbox_outcomes *report)
{
    struct recorded_call *call = (struct recorded_call *)(void *)base;
    char kind = "?DRJUN"[report->outcome];
    if (report->error)
        snprintf(call->why, sizeof call->why, "%s", report->error->text);
    if (!report->indexes)
        note_run(call, kind, report->first, report->count);
    for (uint32_t i = 0; report->indexes && i < report->count; i++)
        note_run(call, kind, report->indexes[i], 1);
}

void recorded_call_init(struct recorded_call *call)
{
    *call = (struct recorded_call){.call = {.done = done, .outcomes = outcomes}};
}

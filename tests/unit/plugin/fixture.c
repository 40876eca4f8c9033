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
    f->status = obx_registry_new(NULL, stub_plugins, &f->log, &f->registry, &f->error);
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

struct stub *fixture_stub(struct fixture *f)
{
    return obx_instance_self(f->instance);
}

struct stub *stub_under(const struct stub *stub)
{
    return stub->inner->self;
}

static void done(struct obx_call *call, const struct outbox_error *error)
{
    struct heard *heard = (struct heard *)(void *)call;
    heard->dones++;
    heard->error = *error;
}

static void note_run(struct heard *heard, char kind, uint32_t first, uint32_t count)
{
    size_t used = strlen(heard->outcomes);
    snprintf(heard->outcomes + used, sizeof heard->outcomes - used, count > 1 ? "%s%c%u-%u" : "%s%c%u", used ? " " : "",
             kind, first, first + count - 1);
    heard->told += count;
}

static void outcomes(struct obx_call *call, const struct outbox_outcomes *told)
{
    struct heard *heard = (struct heard *)(void *)call;
    char kind = "?DRJUN"[told->outcome];
    if (told->error)
        snprintf(heard->why, sizeof heard->why, "%s", told->error->text);
    if (!told->indexes)
        note_run(heard, kind, told->first, told->count);
    for (uint32_t i = 0; told->indexes && i < told->count; i++)
        note_run(heard, kind, told->indexes[i], 1);
}

void heard_init(struct heard *heard)
{
    *heard = (struct heard){.call = {.done = done, .outcomes = outcomes}};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/instance.c - from a section of the configuration to a plugin that can be called
 *
 * Happy path: find the plugin, allocate the instance, make the inner instance of a decorator, set the options, init().
 * Each step may fail; then everything that was made is freed. No I/O.
 */
#include "base/error.h"
#include "base/mem.h"
#include "plugin/internal.h"
#include "plugin/section.h"

#include <stdio.h>

/* A decorator has the capabilities of the inner plugin, too. Functions that it lacks go to the inner plugin. Only
 * GLOBAL_ORDER must be claimed by each plugin that handles publishes: most decorators think in keys. */
#define INHERITED_CAPS (~OUTBOX_CAP_DECORATOR)

static int make(const struct obx_instance_setup *setup, enum outbox_kind kind, const struct obx_section *section,
                unsigned depth, struct obx_instance **instance, struct outbox_error *error);

static int name_instance(struct obx_instance *instance, const char *relay, struct outbox_error *error)
{
    const struct outbox_plugin *d = &instance->plugin->descriptor;
    size_t relay_size = strlen(relay), size = relay_size + strlen(d->name) + sizeof " transform ";
    instance->relay = obx_strdup(relay);
    instance->subject = obx_alloc(size);
    if (!instance->relay || !instance->subject)
        return obx_error_no_memory(error);
    snprintf(instance->subject, size, "%s %s %s", relay, obx_kind_name(d->kind), d->name);
    instance->label = instance->subject + relay_size + 1;
    return OUTBOX_OK;
}

static struct obx_instance *allocate(const struct obx_instance_setup *setup, const struct obx_plugin *plugin)
{
    struct obx_instance *instance = obx_alloc(sizeof *instance + plugin->descriptor.instance_size);
    if (!instance)
        return NULL;
    instance->plugin = plugin;
    instance->loop = setup->loop;
    instance->log = setup->log;
    instance->events = setup->events;
    obx_host_open(instance);
    return instance;
}

/* Tokens of the instances of one stack must differ, so that a decorator cannot complete an inner op as its own. Tokens
 * of other instances differ with high probability. */
static void salt_tokens(struct obx_instance *instance)
{
    struct obx_loop *loop = instance->loop;
    uint64_t salt = instance->inner ? instance->inner->ops.salt + 1 : loop->ops->random(loop);
    instance->ops.salt = salt & 0xffff;
}

/* A decorator has a section `wraps:`, and no other plugin has. */
static int check_wraps(const struct outbox_plugin *d, const struct obx_section *section,
                       const struct obx_section *inner, unsigned depth, struct outbox_error *error)
{
    const char *kind = obx_kind_name(d->kind);
    bool is_decorator = d->caps & OUTBOX_CAP_DECORATOR;
    if (inner && !is_decorator)
        return obx_section_error(section, "wraps", error, "%s %s wraps no other plugin: remove 'wraps'", kind, d->name);
    if (!inner && is_decorator)
        return obx_section_error(section, NULL, error, "%s %s wraps another %s: name it in 'wraps:'", kind, d->name,
                                 kind);
    if (inner && depth == OBX_STACK_MAX)
        return obx_section_error(section, "wraps", error, "more than %d plugins wrap each other: remove some",
                                 OBX_STACK_MAX);
    return OUTBOX_OK;
}

static int make_inner(const struct obx_instance_setup *setup, struct obx_instance *instance,
                      const struct obx_section *section, unsigned depth, struct outbox_error *error)
{
    const struct outbox_plugin *d = &instance->plugin->descriptor;
    const struct obx_section *inner;
    int status = obx_plugin_section_inner(section, &inner, error);
    if (!status)
        status = check_wraps(d, section, inner, depth, error);
    if (status || !inner)
        return status;
    return make(setup, d->kind, inner, depth + 1, &instance->inner, error);
}

/* Give it to the instance that wraps it. */
static void wrap_inner(struct obx_instance *instance)
{
    struct obx_instance *inner = instance->inner;
    inner->outer = instance;
    obx_stack_ops(inner, &instance->inner_ops);
    instance->inner_view = (struct outbox_inner){
        .struct_size = sizeof instance->inner_view,
        .self = inner->self,
        .ops = &instance->inner_ops,
        .caps = obx_instance_caps(inner),
        .name = obx_instance_name(inner),
    };
}

static int call_init(const struct obx_plugin *plugin, void *self, const struct outbox_init *arguments,
                     struct outbox_error *error)
{
    switch (plugin->descriptor.kind) {
    case OUTBOX_STORE:
        return plugin->ops.store.init(self, arguments, error);
    case OUTBOX_BROKER:
        return plugin->ops.broker.init(self, arguments, error);
    default:
        return plugin->ops.transform.init(self, arguments, error);
    }
}

static int init(struct obx_instance *instance, const struct obx_instance_setup *setup, struct outbox_error *error)
{
    const struct obx_plugin *plugin = instance->plugin;
    struct outbox_init arguments = {
        .struct_size = sizeof arguments,
        .host = &instance->host,
        .relay = instance->relay,
        .inner = instance->inner ? &instance->inner_view : NULL,
        .flags = setup->exactly_once ? OUTBOX_INIT_EXACTLY_ONCE : 0,
    };
    struct outbox_error local;
    error = error ? error : &local;
    error->code = OUTBOX_OK;
    instance->inited = true; /* fini() is called also after a failure */
    int status = call_init(plugin, instance->self, &arguments, error);
    if (status && !error->code)
        obx_error_set(error, status, "%s: init: %s", instance->label, obx_error_text(status));
    return status;
}

static int make(const struct obx_instance_setup *setup, enum outbox_kind kind, const struct obx_section *section,
                unsigned depth, struct obx_instance **result, struct outbox_error *error)
{
    *result = NULL;
    const struct obx_plugin *plugin;
    int status = obx_plugin_section_find(setup->registry, kind, section, &plugin, error);
    if (status)
        return status;
    struct obx_instance *instance = allocate(setup, plugin);
    if (!instance)
        return obx_error_no_memory(error);
    status = name_instance(instance, setup->relay, error);
    if (!status)
        status = make_inner(setup, instance, section, depth, error);
    if (!status && instance->inner)
        wrap_inner(instance);
    salt_tokens(instance);
    if (!status)
        status = obx_plugin_section_apply(plugin, section, instance->self, error);
    if (!status)
        status = init(instance, setup, error);
    if (status) {
        obx_section_locate(section, error); /* a plugin does not know locations in the file */
        obx_instance_free(instance);
        return status;
    }
    *result = instance;
    return OUTBOX_OK;
}

int obx_instance_new(const struct obx_instance_setup *setup, enum outbox_kind kind, struct obx_instance **instance,
                     struct outbox_error *error)
{
    return make(setup, kind, setup->section, 1, instance, error);
}

static void fini(struct obx_instance *instance)
{
    if (!instance->inited)
        return;
    if (instance->plugin->descriptor.kind == OUTBOX_STORE)
        instance->plugin->ops.store.fini(instance->self);
    else if (instance->plugin->descriptor.kind == OUTBOX_BROKER)
        instance->plugin->ops.broker.fini(instance->self);
    else
        instance->plugin->ops.transform.fini(instance->self);
}

/* A worker that still runs would write into freed memory, so then the instance is not freed. The outer instance is
 * freed first, since it may call the inner one until then. */
void obx_instance_free(struct obx_instance *instance)
{
    while (instance) {
        struct obx_instance *inner = instance->inner;
        if (instance->works) {
            obx_log_write(instance->log, OUTBOX_LOG_ERROR, instance->subject,
                          "freed while %u of its jobs run on worker threads; its memory is leaked", instance->works);
            return;
        }
        fini(instance);
        obx_host_close(instance);
        obx_ops_free(instance);
        obx_free(instance->relay);
        obx_free(instance->subject);
        obx_wipe(instance, sizeof *instance + instance->plugin->descriptor.instance_size);
        obx_free(instance);
        instance = inner;
    }
}

uint64_t obx_instance_caps(const struct obx_instance *instance)
{
    uint64_t caps = 0, kept = ~0ull;
    for (; instance; instance = instance->inner) {
        const struct obx_plugin *plugin = instance->plugin;
        caps |= plugin->descriptor.caps & (caps ? INHERITED_CAPS : ~0ull);
        if (plugin->descriptor.kind == OUTBOX_BROKER && plugin->ops.broker.publish)
            kept &= plugin->descriptor.caps | ~OUTBOX_CAP_GLOBAL_ORDER;
    }
    return caps & kept;
}

const struct obx_instance *obx_instance_innermost(const struct obx_instance *instance)
{
    while (instance->inner)
        instance = instance->inner;
    return instance;
}

const char *obx_instance_name(const struct obx_instance *instance)
{
    return instance->plugin->descriptor.name;
}

const struct outbox_plugin *obx_instance_descriptor(const struct obx_instance *instance)
{
    return &instance->plugin->descriptor;
}

void *obx_instance_self(const struct obx_instance *instance)
{
    return (void *)(uintptr_t)instance->self;
}

uint32_t obx_instance_in_flight(const struct obx_instance *instance)
{
    uint32_t in_flight = 0;
    for (; instance; instance = instance->inner)
        in_flight += instance->ops.in_flight;
    return in_flight;
}

uint64_t obx_instance_reconnects(const struct obx_instance *instance)
{
    uint64_t reconnects = 0;
    for (; instance; instance = instance->inner)
        reconnects += instance->reconnects;
    return reconnects;
}

struct obx_transactions obx_instance_transactions(const struct obx_instance *instance)
{
    struct obx_transactions sum = {0};
    for (; instance; instance = instance->inner) {
        sum.committed += instance->transactions.committed;
        sum.aborted += instance->transactions.aborted;
    }
    return sum;
}

struct obx_violations obx_instance_violations(const struct obx_instance *instance)
{
    struct obx_violations sum = {0};
    for (; instance; instance = instance->inner) {
        sum.unknown_ops += instance->violations.unknown_ops;
        sum.bad_outcomes += instance->violations.bad_outcomes;
        sum.early_stops += instance->violations.early_stops;
    }
    return sum;
}

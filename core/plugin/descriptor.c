/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/descriptor.c - checks the descriptor of a plugin before any code of the plugin runs
 *
 * The descriptor and its table of functions are copied into structures of this host's size: min(both sizes), the rest
 * is zero. Then every field that the host relies on is checked. Errors read "ORIGIN: FIELD is FOUND, expected
 * EXPECTED". option_table.c checks the options. Allocates nothing.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "plugin/internal.h"

#define INSTANCE_MAX ((size_t)64 << 20) /* bytes; a larger size is an error */
#define OP_MAX ((size_t)1 << 20)
#define MESSAGE_MAX 65536u

static_assert(offsetof(struct outbox_plugin, abi_major) == 0, "never moves");
/* Descriptors end here in the first version of the ABI. */
#define DESCRIPTOR_MIN (offsetof(struct outbox_plugin, ops) + sizeof(void *))

/* A function of several capabilities has one entry for each. */
struct function {
    const char *name;
    size_t offset;
    uint64_t cap; /* needed only with it; 0: always, but for decorators */
};

#define STORE(name, cap)                                    \
    {                                                       \
#name, offsetof(struct outbox_store_ops, name), cap \
    }
static const struct function store_functions[] = {
    STORE(init, OUTBOX_CAP_DECORATOR),
    STORE(fini, OUTBOX_CAP_DECORATOR),
    STORE(start, 0),
    STORE(stop, 0),
    STORE(acquire, 0),
    STORE(claim, 0),
    STORE(release, 0),
    STORE(settle, 0),
    STORE(init, 0),
    STORE(fini, 0),
    STORE(dead_letter, OUTBOX_CAP_DEAD_LETTERS),
    STORE(dead, OUTBOX_CAP_DEAD_LETTERS),
    STORE(setup, OUTBOX_CAP_ADMIN),
    STORE(print, OUTBOX_CAP_ADMIN),
    STORE(check, OUTBOX_CAP_ADMIN),
    STORE(status, OUTBOX_CAP_ADMIN),
    STORE(add, OUTBOX_CAP_ADMIN),
    STORE(setup_inbox, OUTBOX_CAP_INBOX),
    STORE(print, OUTBOX_CAP_INBOX),
    STORE(spool, OUTBOX_CAP_LOG),
};

#define BROKER(name, cap)                                    \
    {                                                        \
#name, offsetof(struct outbox_broker_ops, name), cap \
    }
static const struct function broker_functions[] = {
    BROKER(init, OUTBOX_CAP_DECORATOR),
    BROKER(fini, OUTBOX_CAP_DECORATOR),
    BROKER(start, 0),
    BROKER(stop, 0),
    BROKER(publish, 0),
    BROKER(init, 0),
    BROKER(fini, 0),
    BROKER(admit, OUTBOX_CAP_ADMIT),
    BROKER(record, OUTBOX_CAP_EXACTLY_ONCE),
};

#define TRANSFORM(name)                                       \
    {                                                         \
#name, offsetof(struct outbox_transform_ops, name), 0 \
    }
static const struct function transform_functions[] = {
    TRANSFORM(init),
    TRANSFORM(fini),
    TRANSFORM(transform),
};

struct kind {
    const char *name;
    const struct function *functions;
    size_t count;
    size_t ops_size;
};
static const struct kind kinds[] = {
    [OUTBOX_STORE] = {"store", store_functions, OBX_COUNT(store_functions), sizeof(struct outbox_store_ops)},
    [OUTBOX_BROKER] = {"broker", broker_functions, OBX_COUNT(broker_functions), sizeof(struct outbox_broker_ops)},
    [OUTBOX_TRANSFORM] = {"transform", transform_functions, OBX_COUNT(transform_functions),
                          sizeof(struct outbox_transform_ops)},
};

struct cap {
    const char *name;
    uint64_t bit;
    uint32_t kind;     /* 0: stores and brokers */
    uint64_t conflict; /* a capability that excludes it */
    uint64_t needs;    /* a capability without which it means nothing */
};
static const struct cap caps[] = {
    {"DECORATOR", OUTBOX_CAP_DECORATOR, 0, 0, 0},
    {"WAKE", OUTBOX_CAP_WAKE, OUTBOX_STORE, 0, 0},
    {"DEAD_LETTERS", OUTBOX_CAP_DEAD_LETTERS, OUTBOX_STORE, 0, 0},
    {"ORDERED", OUTBOX_CAP_ORDERED, OUTBOX_BROKER, OUTBOX_CAP_CONCURRENT, 0},
    {"ADMIT", OUTBOX_CAP_ADMIT, OUTBOX_BROKER, 0, 0},
    {"ADMIN", OUTBOX_CAP_ADMIN, OUTBOX_STORE, 0, 0},
    {"INBOX", OUTBOX_CAP_INBOX, OUTBOX_STORE, 0, 0},
    {"CONCURRENT", OUTBOX_CAP_CONCURRENT, OUTBOX_BROKER, OUTBOX_CAP_ORDERED, 0},
    {"GLOBAL_ORDER", OUTBOX_CAP_GLOBAL_ORDER, OUTBOX_BROKER, 0, OUTBOX_CAP_ORDERED},
    {"EXACTLY_ONCE", OUTBOX_CAP_EXACTLY_ONCE, OUTBOX_BROKER, 0, 0},
    {"LOG", OUTBOX_CAP_LOG, OUTBOX_STORE, 0, 0},
    {"DEAD_SET", OUTBOX_CAP_DEAD_SET, OUTBOX_STORE, 0, OUTBOX_CAP_DEAD_LETTERS},
    {"AHEAD", OUTBOX_CAP_AHEAD, OUTBOX_STORE, 0, 0},
};

const char *obx_kind_name(uint32_t kind)
{
    return kind && kind < OBX_COUNT(kinds) ? kinds[kind].name : "plugin";
}

static const char *cap_name(uint64_t bit)
{
    for (size_t i = 0; i < OBX_COUNT(caps); i++)
        if (caps[i].bit == bit)
            return caps[i].name;
    return "?";
}

bool obx_plugin_name_ok(const char *name)
{
    size_t size = strnlen(name, OBX_NAME_MAX + 1);
    if (size == 0 || size > OBX_NAME_MAX || name[0] < 'a' || name[0] > 'z')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == size;
}

/* The first two fields decide whether this host can read the others. */
static int check_version(const struct outbox_plugin *from, const char *origin, struct outbox_error *error)
{
    if (from->abi_major != OUTBOX_ABI_MAJOR)
        return obx_error_set(error, OUTBOX_E_ABI,
                             "%s: abi_major is %u, expected %u: build the plugin against this version of outbox",
                             origin, from->abi_major, OUTBOX_ABI_MAJOR);
    if (from->struct_size < DESCRIPTOR_MIN)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: struct_size is %u, expected at least %zu", origin,
                             from->struct_size, DESCRIPTOR_MIN);
    return OUTBOX_OK;
}

static int check_identity(const struct outbox_plugin *to, const char *origin, struct outbox_error *error)
{
    if (!to->kind || to->kind >= OBX_COUNT(kinds))
        return obx_error_set(error, OUTBOX_E_ABI, "%s: kind is %u, expected %d (store), %d (broker) or %d (transform)",
                             origin, to->kind, OUTBOX_STORE, OUTBOX_BROKER, OUTBOX_TRANSFORM);
    if (!to->name || !obx_plugin_name_ok(to->name))
        return obx_error_set(error, OUTBOX_E_ABI,
                             "%s: name is '%.*s', expected [a-z][a-z0-9_-]*, at most %d characters", origin,
                             OUTBOX_CUT(to->name ? to->name : "", 40), OBX_NAME_MAX);
    if (!to->version || !to->description)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: %s is NULL, expected a text", origin,
                             to->version ? "description" : "version");
    return OUTBOX_OK;
}

static int check_sizes(const struct outbox_plugin *to, const char *origin, struct outbox_error *error)
{
    if (to->instance_size > INSTANCE_MAX)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: instance_size is %zu, expected at most %zu", origin,
                             to->instance_size, INSTANCE_MAX);
    if (to->op_size > OP_MAX)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: op_size is %zu, expected at most %zu", origin, to->op_size,
                             OP_MAX);
    if (to->message_size > MESSAGE_MAX)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: message_size is %u, expected at most %u", origin,
                             to->message_size, MESSAGE_MAX);
    return OUTBOX_OK;
}

static int check_caps(const struct outbox_plugin *to, const char *origin, struct outbox_error *error)
{
    uint64_t known = 0;
    for (size_t i = 0; i < OBX_COUNT(caps); i++) {
        known |= caps[i].bit;
        if (!(to->caps & caps[i].bit))
            continue;
        bool fits = caps[i].kind ? caps[i].kind == to->kind : to->kind != OUTBOX_TRANSFORM;
        if (!fits)
            return obx_error_set(error, OUTBOX_E_ABI, "%s: caps has %s, which is for a %s, but kind is %s", origin,
                                 caps[i].name, caps[i].kind ? obx_kind_name(caps[i].kind) : "store or a broker",
                                 obx_kind_name(to->kind));
        if (to->caps & caps[i].conflict)
            return obx_error_set(error, OUTBOX_E_ABI, "%s: caps has %s and %s, expected one of them", origin,
                                 caps[i].name, cap_name(caps[i].conflict));
        if ((to->caps & caps[i].needs) != caps[i].needs && !(to->caps & OUTBOX_CAP_DECORATOR))
            return obx_error_set(error, OUTBOX_E_ABI, "%s: caps has %s without %s, expected both", origin, caps[i].name,
                                 cap_name(caps[i].needs));
    }
    if (to->caps & ~known)
        return obx_error_set(error, OUTBOX_E_ABI,
                             "%s: caps has 0x%" PRIx64 ", expected only bits of 0x%" PRIx64
                             ": the plugin needs a newer version of outbox",
                             origin, to->caps & ~known, known);
    return OUTBOX_OK;
}

/* Must a plugin with these capabilities have it? A function that a decorator lacks goes to the inner plugin. */
static bool required(const struct function *function, uint64_t caps_of_plugin)
{
    if (!function->cap)
        return !(caps_of_plugin & OUTBOX_CAP_DECORATOR);
    return (caps_of_plugin & function->cap) != 0;
}

static int check_functions(const struct obx_plugin *plugin, const char *origin, struct outbox_error *error)
{
    const struct kind *kind = &kinds[plugin->descriptor.kind];
    for (const struct function *f = kind->functions; f < kind->functions + kind->count; f++) {
        if (!required(f, plugin->descriptor.caps) || obx_ops_have(&plugin->ops, f->offset))
            continue;
        return obx_error_set(error, OUTBOX_E_ABI, "%s: ops.%s is NULL, expected a function%s%s", origin, f->name,
                             f->cap ? " with capability " : "", f->cap ? cap_name(f->cap) : "");
    }
    return OUTBOX_OK;
}

static int copy_ops(struct obx_plugin *to, const char *origin, struct outbox_error *error)
{
    if (!to->descriptor.ops)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: ops is NULL, expected struct outbox_%s_ops", origin,
                             obx_kind_name(to->descriptor.kind));
    uint32_t size;
    memcpy(&size, to->descriptor.ops, sizeof size);
    if (size < sizeof size)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: ops.struct_size is %u, expected the size of the structure",
                             origin, size);
    memcpy(&to->ops, to->descriptor.ops, OBX_MIN(size, kinds[to->descriptor.kind].ops_size));
    return OUTBOX_OK;
}

int obx_plugin_check(const struct outbox_plugin *descriptor, const char *origin, struct obx_plugin *plugin,
                     struct outbox_error *error)
{
    memset(plugin, 0, sizeof *plugin);
    int status = check_version(descriptor, origin, error);
    if (status)
        return status;
    memcpy(&plugin->descriptor, descriptor, OBX_MIN(descriptor->struct_size, sizeof plugin->descriptor));
    status = check_identity(&plugin->descriptor, origin, error);
    if (!status)
        status = check_sizes(&plugin->descriptor, origin, error);
    if (!status)
        status = check_caps(&plugin->descriptor, origin, error);
    if (!status)
        status = copy_ops(plugin, origin, error);
    if (!status)
        status = check_functions(plugin, origin, error);
    if (!status)
        status = obx_option_table_check(&plugin->descriptor, origin, error);
    return status;
}

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
};

struct cap {
    const char *name;
    uint64_t bit;
    uint32_t kind; /* 0: both */
};
static const struct cap caps[] = {
    {"DECORATOR", OUTBOX_CAP_DECORATOR, 0},
    {"WAKE", OUTBOX_CAP_WAKE, OUTBOX_STORE},
    {"DEAD_LETTERS", OUTBOX_CAP_DEAD_LETTERS, OUTBOX_STORE},
    {"ORDERED", OUTBOX_CAP_ORDERED, OUTBOX_BROKER},
    {"ADMIT", OUTBOX_CAP_ADMIT, OUTBOX_BROKER},
    {"ADMIN", OUTBOX_CAP_ADMIN, OUTBOX_STORE},
    {"INBOX", OUTBOX_CAP_INBOX, OUTBOX_STORE},
};

const char *obx_kind_name(uint32_t kind)
{
    return kind == OUTBOX_STORE ? "store" : kind == OUTBOX_BROKER ? "broker" : "plugin";
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
    if (to->kind != OUTBOX_STORE && to->kind != OUTBOX_BROKER)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: kind is %u, expected %d (store) or %d (broker)", origin,
                             to->kind, OUTBOX_STORE, OUTBOX_BROKER);
    if (!to->name || !obx_plugin_name_ok(to->name))
        return obx_error_set(error, OUTBOX_E_ABI,
                             "%s: name is '%.40s', expected [a-z][a-z0-9_-]*, at most %d characters", origin,
                             to->name ? to->name : "", OBX_NAME_MAX);
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
    return OUTBOX_OK;
}

static int check_caps(const struct outbox_plugin *to, const char *origin, struct outbox_error *error)
{
    uint64_t known = 0;
    for (size_t i = 0; i < OBX_COUNT(caps); i++) {
        known |= caps[i].bit;
        if ((to->caps & caps[i].bit) && caps[i].kind && caps[i].kind != to->kind)
            return obx_error_set(error, OUTBOX_E_ABI, "%s: caps has %s, which is for a %s, but kind is %s", origin,
                                 caps[i].name, obx_kind_name(caps[i].kind), obx_kind_name(to->kind));
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
    bool store = plugin->descriptor.kind == OUTBOX_STORE;
    const struct function *functions = store ? store_functions : broker_functions;
    size_t count = store ? OBX_COUNT(store_functions) : OBX_COUNT(broker_functions);
    for (const struct function *f = functions; f < functions + count; f++) {
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
    size_t mine = to->descriptor.kind == OUTBOX_STORE ? sizeof to->ops.store : sizeof to->ops.broker;
    memcpy(&to->ops, to->descriptor.ops, OBX_MIN(size, mine));
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

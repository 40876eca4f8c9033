/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/option_table.c - checks the option table of a plugin
 *
 * The host writes through these offsets into the plugin's memory, so an option must lie inside the instance, aligned,
 * and have a type that this host knows.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "plugin/internal.h"

#define OPTION_MIN (offsetof(struct outbox_option, help) + sizeof(char *)) /* in the first version of the ABI */
#define OPTIONS_MAX 1000u

struct layout {
    size_t size, align;
};
static const struct layout layouts[] = {
    [OUTBOX_OPT_STRING] = {sizeof(char *), _Alignof(char *)},
    [OUTBOX_OPT_BOOL] = {sizeof(bool), _Alignof(bool)},
    [OUTBOX_OPT_INT] = {sizeof(int64_t), _Alignof(int64_t)},
    [OUTBOX_OPT_SIZE] = {sizeof(int64_t), _Alignof(int64_t)},
    [OUTBOX_OPT_DURATION] = {sizeof(int64_t), _Alignof(int64_t)},
    [OUTBOX_OPT_ENUM] = {sizeof(int64_t), _Alignof(int64_t)},
    [OUTBOX_OPT_MAP] = {sizeof(struct outbox_map), _Alignof(struct outbox_map)},
};
#define FLAGS                                                                                                      \
    (OUTBOX_OPT_REQUIRED | OUTBOX_OPT_SECRET | OUTBOX_OPT_RELOADABLE | OUTBOX_OPT_VERBATIM | OUTBOX_OPT_IDENTITY | \
     OUTBOX_OPT_TEMPLATE | OUTBOX_OPT_CONNINFO)

/* Plugins of a newer ABI have larger entries. */
static const struct outbox_option *option_at(const struct outbox_plugin *plugin, uint32_t index)
{
    return (const struct outbox_option *)(const void *)((const char *)plugin->options +
                                                        (size_t)index * plugin->option_size);
}

static int check_table(const struct outbox_plugin *plugin, const char *origin, struct outbox_error *error)
{
    if (!plugin->options)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: options is NULL, expected %u options", origin,
                             plugin->option_count);
    if (plugin->option_size < OPTION_MIN || plugin->option_size % _Alignof(struct outbox_option))
        return obx_error_set(error, OUTBOX_E_ABI, "%s: option_size is %u, expected at least %zu, a multiple of %zu",
                             origin, plugin->option_size, OPTION_MIN, _Alignof(struct outbox_option));
    if (plugin->option_count > OPTIONS_MAX)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: option_count is %u, expected at most %u", origin,
                             plugin->option_count, OPTIONS_MAX);
    return OUTBOX_OK;
}

static bool name_ok(const char *name)
{
    return name && name[0] >= 'a' && name[0] <= 'z' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-")] == '\0';
}

static int check_name(const struct outbox_plugin *plugin, uint32_t index, const char *origin,
                      struct outbox_error *error)
{
    const char *name = option_at(plugin, index)->name;
    if (!name_ok(name))
        return obx_error_set(error, OUTBOX_E_ABI, "%s: options[%u].name is '%.*s', expected [a-z][a-z0-9_.-]*", origin,
                             index, OUTBOX_CUT(name ? name : "", 40));
    if (!strcmp(name, "plugin") || !strcmp(name, "wraps"))
        return obx_error_set(error, OUTBOX_E_ABI,
                             "%s: options[%u].name is '%s', expected a name that the host does not use", origin, index,
                             name);
    for (uint32_t i = 0; i < index; i++)
        if (!strcmp(name, option_at(plugin, i)->name))
            return obx_error_set(error, OUTBOX_E_ABI, "%s: options[%u].name is '%s', which options[%u] has already",
                                 origin, index, name, i);
    return OUTBOX_OK;
}

static int check_layout(const struct outbox_plugin *plugin, const struct outbox_option *option, const char *origin,
                        struct outbox_error *error)
{
    if (option->type < OUTBOX_OPT_STRING || option->type >= OBX_COUNT(layouts))
        return obx_error_set(error, OUTBOX_E_ABI, "%s: option %s: type is %u, expected %d to %zu", origin, option->name,
                             option->type, OUTBOX_OPT_STRING, OBX_COUNT(layouts) - 1);
    const struct layout *layout = &layouts[option->type];
    if (option->offset > plugin->instance_size || plugin->instance_size - option->offset < layout->size)
        return obx_error_set(error, OUTBOX_E_ABI,
                             "%s: option %s: offset is %zu, expected %zu bytes within instance_size %zu", origin,
                             option->name, option->offset, layout->size, plugin->instance_size);
    if (option->offset % layout->align)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: option %s: offset is %zu, expected a multiple of %zu", origin,
                             option->name, option->offset, layout->align);
    return OUTBOX_OK;
}

static int check_template(const struct outbox_plugin *plugin, const struct outbox_option *option, const char *origin,
                          struct outbox_error *error)
{
    bool fits =
        plugin->kind == OUTBOX_TRANSFORM && option->type == OUTBOX_OPT_STRING && option->flags & OUTBOX_OPT_VERBATIM;
    if (fits || !(option->flags & OUTBOX_OPT_TEMPLATE))
        return OUTBOX_OK;
    return obx_error_set(error, OUTBOX_E_ABI,
                         "%s: option %s: flags has TEMPLATE, expected it only on a VERBATIM string of a transform",
                         origin, option->name);
}

static int check_values(const struct outbox_option *option, const char *origin, struct outbox_error *error)
{
    if (option->flags & ~FLAGS)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: option %s: flags is 0x%x, expected only bits of 0x%x", origin,
                             option->name, option->flags, FLAGS);
    if (option->min > option->max)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: option %s: min is %" PRId64 ", expected at most max, %" PRId64,
                             origin, option->name, option->min, option->max);
    if (option->type == OUTBOX_OPT_ENUM && (!option->choices || !option->choices[0]))
        return obx_error_set(error, OUTBOX_E_ABI, "%s: option %s: choices is empty, expected at least one", origin,
                             option->name);
    return OUTBOX_OK;
}

int obx_option_table_check(const struct outbox_plugin *plugin, const char *origin, struct outbox_error *error)
{
    int status = plugin->option_count ? check_table(plugin, origin, error) : OUTBOX_OK;
    for (uint32_t i = 0; !status && i < plugin->option_count; i++) {
        status = check_name(plugin, i, origin, error);
        if (!status)
            status = check_layout(plugin, option_at(plugin, i), origin, error);
        if (!status)
            status = check_values(option_at(plugin, i), origin, error);
        if (!status)
            status = check_template(plugin, option_at(plugin, i), origin, error);
    }
    return status;
}

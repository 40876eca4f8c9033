/* SPDX-License-Identifier: Apache-2.0 */
/* core/plugin/section.c - which plugin a section names, what it wraps, and its options */
#include "plugin/section.h"

#include "base/error.h"
#include "base/mem.h"
#include "plugin/internal.h"

int obx_plugin_section_find(struct obx_registry *registry, enum outbox_kind kind, const struct obx_section *section,
                            const struct obx_plugin **plugin, struct outbox_error *error)
{
    struct outbox_error reason;
    const char *name = obx_section_scalar(section, "plugin", &reason);
    if (!name && !reason.code)
        return obx_section_error(section, NULL, error, "plugin is missing: add 'plugin:' with the name of a %s",
                                 obx_kind_name(kind));
    int status = name ? obx_registry_find(registry, kind, name, plugin, &reason) : reason.code;
    if (!status)
        return OUTBOX_OK;
    if (name)
        obx_section_error(section, "plugin", error, "%s", reason.text);
    else if (error)
        *error = reason;
    if (error)
        error->code = status;
    return status;
}

int obx_plugin_section_inner(const struct obx_section *section, const struct obx_section **inner,
                             struct outbox_error *error)
{
    *inner = NULL;
    return obx_section_has(section, "wraps") ? obx_section_child(section, "wraps", inner, error) : OUTBOX_OK;
}

const struct obx_section *obx_plugin_section_innermost(const struct obx_section *section)
{
    const struct obx_section *inner = section;
    while (inner) {
        section = inner;
        if (obx_plugin_section_inner(section, &inner, NULL))
            return NULL;
    }
    return section;
}

int obx_plugin_section_apply(const struct obx_plugin *plugin, const struct obx_section *section, void *instance,
                             struct outbox_error *error)
{
    static const char *const host_keys[] = {"plugin", "wraps", NULL};
    const struct outbox_plugin *d = &plugin->descriptor;
    return obx_options_apply(d->options, d->option_count, d->option_size, host_keys, section, instance, error);
}

void *obx_plugin_section_read(const struct obx_plugin *plugin, const struct obx_section *section,
                              struct outbox_error *error)
{
    void *options = obx_alloc(plugin->descriptor.instance_size);
    if (!options) {
        obx_error_no_memory(error);
        return NULL;
    }
    if (!obx_plugin_section_apply(plugin, section, options, error))
        return options;
    obx_plugin_section_free(plugin, options);
    return NULL;
}

void obx_plugin_section_free(const struct obx_plugin *plugin, void *options)
{
    if (options)
        obx_wipe(options, plugin->descriptor.instance_size); /* a dsn may have a password */
    obx_free(options);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/transforms.c - making the chain, rendering its templates, applying it */
#include "relay/transforms.h"

#include <string.h>

#include <outbox/plugin_util.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/table.h"
#include "relay/position.h"

/* ---- making ------------------------------------------------------------------------------------------------------ */

static bool is_template(const struct outbox_option *option)
{
    return option->flags & OUTBOX_OPT_TEMPLATE;
}

static uint32_t count_templates(const struct outbox_plugin *plugin)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        struct outbox_option option = obx_option_at(plugin->options, plugin->option_size, i);
        count += is_template(&option);
    }
    return count;
}

static const char *text_of(const struct obx_instance *instance, const struct outbox_option *option)
{
    const char *text;
    memcpy(&text, (const char *)obx_instance_self(instance) + option->offset, sizeof text);
    return text;
}

static int compile(const struct outbox_option *option, const char *text, const struct obx_section *section,
                   struct obx_columns *columns, struct obx_template *template_, struct outbox_error *error)
{
    struct outbox_error why;
    int code = obx_template_compile(text, columns, obx_template_is_optional(text), template_, &why);
    if (code == OUTBOX_E_INVALID)
        return obx_section_error(section, option->name, error, "%s: %s", option->name, why.text);
    return code ? obx_error_no_memory(error) : OUTBOX_OK;
}

static int compile_templates(struct obx_transform *transform, const struct obx_section *section,
                             struct obx_columns *columns, struct outbox_error *error)
{
    const struct outbox_plugin *plugin = obx_instance_descriptor(transform->instance);
    uint32_t count = count_templates(plugin);
    if (!count)
        return OUTBOX_OK; /* not covered: a transform without templates: end-to-end */
    transform->templates = obx_alloc(count * sizeof *transform->templates);
    if (!transform->templates)
        return obx_error_no_memory(error); /* not covered: no memory just here */
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        struct outbox_option option = obx_option_at(plugin->options, plugin->option_size, i);
        if (!is_template(&option))
            continue;
        int code = compile(&option, text_of(transform->instance, &option), section, columns,
                           &transform->templates[transform->template_count++], error);
        if (code)
            return code;
    }
    return OUTBOX_OK;
}

static int add(struct obx_transforms *transforms, const struct obx_instance_setup *setup,
               const struct obx_section *section, struct obx_columns *columns, struct outbox_error *error)
{
    struct obx_transform *transform = &transforms->list[transforms->count];
    struct obx_instance_setup with_section = *setup;
    with_section.section = section;
    int code = obx_instance_new(&with_section, OUTBOX_TRANSFORM, &transform->instance, error);
    if (code)
        return code;
    transforms->count++;
    code = compile_templates(transform, section, columns, error);
    transforms->value_count += transform->template_count;
    return code;
}

int obx_transforms_open(struct obx_transforms *transforms, const struct obx_instance_setup *setup,
                        const struct obx_section *relay, struct obx_columns *columns, struct outbox_error *error)
{
    const struct obx_section *all, *section;
    const char *name;
    int code = obx_section_child(relay, "transforms", &all, error);
    for (uint32_t i = 0; !code && (name = obx_section_key(all, i)); i++) {
        if (i == OBX_MAX_TRANSFORMS)
            /* not covered: a configuration of more than eight */
            return obx_section_error(all, name, error, "more than %d transforms: remove some", OBX_MAX_TRANSFORMS);
        code = obx_section_child(all, name, &section, error);
        if (!code)
            code = add(transforms, setup, section, columns, error);
    }
    return code;
}

void obx_transforms_free(struct obx_transforms *transforms)
{
    for (uint32_t i = 0; i < transforms->count; i++) {
        obx_instance_free(transforms->list[i].instance);
        for (uint32_t k = 0; k < transforms->list[i].template_count; k++)
            obx_template_free(&transforms->list[i].templates[k]);
        obx_free(transforms->list[i].templates);
    }
    *transforms = (struct obx_transforms){0};
}

/* ---- rendering --------------------------------------------------------------------------------------------------- */

int obx_transforms_render(struct obx_transforms *transforms, const struct outbox_value *row, struct obx_arena *arena,
                          struct outbox_bytes *values)
{
    for (uint32_t i = 0; i < transforms->count; i++) {
        struct obx_transform *transform = &transforms->list[i];
        for (uint32_t k = 0; k < transform->template_count; k++, values++) {
            *values = (struct outbox_bytes){NULL, 0};
            if (transform->templates[k].count && obx_template_render(&transform->templates[k], row, arena, values))
                return OUTBOX_E_NO_MEMORY; /* not covered: no memory just here */
        }
    }
    return OUTBOX_OK;
}

void obx_transforms_forget(struct obx_transforms *transforms)
{
    for (uint32_t i = 0; i < transforms->count; i++)
        for (uint32_t k = 0; k < transforms->list[i].template_count; k++)
            obx_template_forget(&transforms->list[i].templates[k]);
}

/* ---- applying ---------------------------------------------------------------------------------------------------- */

static void *alloc_in_arena(const struct outbox_transform *call, size_t size)
{
    return obx_arena_alloc(call->arena, size);
}

/* The field that a transform changed and must not; NULL: none. */
static const char *changed(const struct outbox_message *before, const struct outbox_message *after)
{
    if (!outbox_bytes_equal(before->topic, after->topic))
        return "topic";
    if (!outbox_bytes_equal(before->key, after->key))
        return "key";
    if (!outbox_bytes_equal(before->id, after->id))
        return "id";
    if (before->partition != after->partition)
        return "partition";
    return obx_position_same(before->position, after->position) ? NULL : "position";
}

static int apply(const struct obx_transform *transform, const struct outbox_transform *call,
                 const struct outbox_message *routed, struct outbox_error *error)
{
    const char *name = obx_instance_name(transform->instance);
    error->code = OUTBOX_OK;
    int code = obx_transform_apply(transform->instance, call, error);
    if (code && !error->code)
        return obx_error_set(error, code, "transform %s: %s", name, obx_error_text(code));
    const char *what = code ? NULL : changed(routed, call->message);
    if (what)
        return obx_error_set(error, OUTBOX_E_REJECTED,
                             "transform %s changed the %s of the event, which no transform may; report this to its "
                             "author",
                             name, what);
    return code;
}

int obx_transforms_apply(const struct obx_transforms *transforms, struct outbox_message *message,
                         const struct outbox_bytes *values, struct obx_arena *arena, struct outbox_error *error)
{
    const struct outbox_message routed = *message;
    int code = OUTBOX_OK;
    for (uint32_t i = 0; i < transforms->count && !code; i++) {
        const struct obx_transform *transform = &transforms->list[i];
        const struct outbox_transform call = {.struct_size = sizeof call,
                                              .value_count = transform->template_count,
                                              .message = message,
                                              .values = values,
                                              .alloc = alloc_in_arena,
                                              .arena = arena};
        code = apply(transform, &call, &routed, error);
        values += transform->template_count;
    }
    if (code)
        *message = routed;
    return code;
}

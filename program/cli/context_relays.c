/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/context_relays.c - which relays of the configuration a verb is for, and their sections and routes */
#include "cli/context.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "embed/oneshot.h"

int obx_relay_section(const struct obx_config *config, const char *name, const struct obx_section **section,
                      struct outbox_error *error)
{
    const struct obx_section *relays;
    int status = obx_section_child(obx_config_root(config), "relays", &relays, error);
    return status ? status : obx_section_child(relays, name, section, error);
}

int obx_context_setup(const struct obx_context *context, const char *relay, struct obx_relay_setup *setup,
                      struct outbox_error *error)
{
    *setup = (struct obx_relay_setup){
        .loop = context->loop, .registry = context->registry, .log = context->log, .name = relay};
    return obx_relay_section(context->config, relay, &setup->section, error);
}

int obx_context_route(const struct obx_context *context, const char *relay, struct obx_relay_settings *settings,
                      struct obx_route *route, struct outbox_error *error)
{
    const struct obx_section *section;
    int status = obx_relay_section(context->config, relay, &section, error);
    return status ? status : obx_oneshot_route(section, settings, route, error);
}

static const struct obx_section *relays_in(const struct obx_config *config)
{
    const struct obx_section *relays = NULL;
    struct outbox_error ignored;
    obx_section_child(obx_config_root(config), "relays", &relays, &ignored);
    return relays;
}

const char *obx_context_relay_in(const struct obx_config *config, const char *pattern, uint32_t index)
{
    const struct obx_section *relays = relays_in(config);
    const char *name;
    for (uint32_t i = 0; (name = obx_section_key(relays, i)); i++)
        if ((!pattern || !fnmatch(pattern, name, 0)) && !index--)
            return name;
    return NULL;
}

const char *obx_context_relay(const struct obx_context *context, uint32_t index)
{
    return obx_context_relay_in(context->config, context->relay, index);
}

void obx_context_name_relay(const struct obx_context *context, const char *relay, struct outbox_error *error)
{
    const struct outbox_error unnamed = *error;
    size_t size = strlen(context->path);
    bool has_place = !strncmp(unnamed.text, context->path, size) && unnamed.text[size] == ':';
    if (obx_context_relay(context, 1) && !has_place)
        obx_error_set(error, unnamed.code, "%s: %s", relay, unnamed.text);
}

void obx_context_list_relays(const struct obx_config *config, char *text, size_t size)
{
    size_t used = 0;
    const char *name;
    text[0] = '\0';
    for (uint32_t i = 0; (name = obx_section_key(relays_in(config), i)) && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", name);
}

int obx_context_single_relay(const struct obx_context *context, const char **name, struct outbox_error *error)
{
    char names[256];
    *name = obx_context_relay(context, 0);
    if (!obx_context_relay(context, 1))
        return OUTBOX_OK;
    obx_context_list_relays(context->config, names, sizeof names);
    return obx_error_set(error, OUTBOX_E_CONFIG, "%s has several relays; choose one with --relay: %s", context->path,
                         names);
}

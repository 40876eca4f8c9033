/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/print_config.c - the effective configuration
 *
 * Plugins are loaded for their option tables, but none of their code runs: the options are read into memory with the
 * layout of an instance, printed, wiped and freed.
 */
#include "cli/print_config.h"

#include "base/error.h"
#include "config/print.h"
#include "plugin/section.h"
#include "relay/settings.h"

/* A plugin with its options, and the plugins that it wraps inside. */
static int print_plugin(struct obx_context *context, struct obx_print *print, enum outbox_kind kind, const char *title,
                        const struct obx_section *section, struct outbox_error *error)
{
    const struct obx_plugin *plugin;
    const struct obx_section *inner;
    int status = obx_plugin_section_find(context->registry, kind, section, &plugin, error);
    if (!status)
        status = obx_plugin_section_inner(section, &inner, error);
    if (status)
        return status;
    const struct outbox_plugin *descriptor = &plugin->descriptor;
    void *options = obx_plugin_section_read(plugin, section, error);
    if (!options)
        return error->code;
    obx_print_open(print, title);
    obx_print_text(print, "plugin", descriptor->name);
    obx_print_options(print, descriptor->options, descriptor->option_count, descriptor->option_size, options);
    obx_plugin_section_free(plugin, options);
    if (inner)
        status = print_plugin(context, print, kind, "wraps", inner, error);
    obx_print_close(print);
    return status;
}

static int print_part(struct obx_context *context, struct obx_print *print, enum outbox_kind kind, const char *title,
                      const struct obx_section *relay, struct outbox_error *error)
{
    const struct obx_section *section;
    int status = obx_section_child(relay, title, &section, error);
    return status ? status : print_plugin(context, print, kind, title, section, error);
}

static int print_transforms(struct obx_context *context, struct obx_print *print, const struct obx_section *relay,
                            struct outbox_error *error)
{
    const struct obx_section *all, *section;
    const char *name;
    int status = obx_section_child(relay, "transforms", &all, error);
    if (status || !obx_section_key(all, 0))
        return status;
    obx_print_open(print, "transforms");
    for (uint32_t i = 0; !status && (name = obx_section_key(all, i)); i++) {
        status = obx_section_child(all, name, &section, error);
        if (!status)
            status = print_plugin(context, print, OUTBOX_TRANSFORM, name, section, error);
    }
    obx_print_close(print);
    return status;
}

static int print_relay(struct obx_context *context, struct obx_print *print, const char *name,
                       struct outbox_error *error)
{
    const struct obx_section *section;
    struct obx_relay_settings settings = {0};
    int status = obx_relay_section(context->config, name, &section, error);
    if (!status)
        status = obx_relay_settings_parse(section, &settings, error);
    if (status)
        return status;
    obx_print_open(print, name);
    status = print_part(context, print, OUTBOX_STORE, "store", section, error);
    if (!status)
        status = print_part(context, print, OUTBOX_BROKER, "broker", section, error);
    if (!status)
        status = print_transforms(context, print, section, error);
    obx_print_open(print, "route");
    obx_print_options(print, obx_route_options, obx_route_option_count, sizeof *obx_route_options, &settings.route);
    obx_print_close(print);
    obx_print_options(print, obx_relay_options, obx_relay_option_count, sizeof *obx_relay_options, &settings);
    obx_print_close(print);
    return status;
}

int obx_print_config(struct obx_context *context, struct obx_buf *text, struct outbox_error *error)
{
    struct obx_print print = {.buf = text};
    const char *name;
    int status = OUTBOX_OK;
    obx_print_open(&print, "relays");
    for (uint32_t i = 0; !status && (name = obx_context_relay(context, i)); i++)
        status = print_relay(context, &print, name, error);
    obx_print_close(&print);
    obx_print_open(&print, "service");
    obx_print_options(&print, obx_service_options, obx_service_option_count, sizeof *obx_service_options,
                      &context->settings);
    obx_print_open(&print, "log");
    obx_print_options(&print, obx_service_log_options, obx_service_log_option_count, sizeof *obx_service_log_options,
                      &context->settings);
    obx_print_close(&print);
    obx_print_close(&print);
    return !status && obx_buf_failed(text) ? obx_error_no_memory(error) : status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/print_config.c - the configuration as it takes effect
 *
 * Plugins are loaded, since only they know their options, but none of their code runs: the options are read into memory
 * that looks like an instance and is thrown away.
 */
#include "cli/print_config.h"

#include "base/error.h"
#include "base/mem.h"
#include "config/print.h"
#include "relay/settings.h"

static int print_plugin(struct obx_app *app, struct obx_print *print, enum outbox_kind kind, const char *title,
                        const struct obx_section *section, struct outbox_error *error);

static int print_below(struct obx_app *app, struct obx_print *print, enum outbox_kind kind,
                       const struct obx_section *section, struct outbox_error *error)
{
    const struct obx_section *below;
    if (!obx_section_has(section, "wraps"))
        return OUTBOX_OK;
    int status = obx_section_child(section, "wraps", &below, error);
    return status ? status : print_plugin(app, print, kind, "wraps", below, error);
}

static int print_plugin(struct obx_app *app, struct obx_print *print, enum outbox_kind kind, const char *title,
                        const struct obx_section *section, struct outbox_error *error)
{
    static const char *const ours[] = {"plugin", "wraps", NULL};
    const struct obx_plugin *plugin;
    const char *name = obx_section_scalar(section, "plugin", error);
    if (!name)
        return error->code ? error->code : obx_section_error(section, NULL, error, "%s needs a plugin", title);
    int status = obx_registry_find(app->registry, kind, name, &plugin, error);
    if (status)
        return status;
    const struct outbox_plugin *it = &plugin->descriptor;
    void *instance = obx_alloc(it->instance_size);
    if (!instance)
        return obx_error_no_memory(error);
    status = obx_options_apply(it->options, it->option_count, it->option_size, ours, section, instance, error);
    if (!status) {
        obx_print_open(print, title);
        obx_print_text(print, "plugin", name);
        obx_print_options(print, it->options, it->option_count, it->option_size, instance);
        status = print_below(app, print, kind, section, error);
        obx_print_close(print);
    }
    obx_wipe(instance, it->instance_size);
    obx_free(instance);
    return status;
}

static int print_part(struct obx_app *app, struct obx_print *print, enum outbox_kind kind, const char *title,
                      const struct obx_section *relay, struct outbox_error *error)
{
    const struct obx_section *section;
    int status = obx_section_child(relay, title, &section, error);
    return status ? status : print_plugin(app, print, kind, title, section, error);
}

static int print_relay(struct obx_app *app, struct obx_print *print, const char *name, struct outbox_error *error)
{
    const struct obx_section *section;
    struct obx_relay_settings settings = {0};
    int status = obx_app_relay_section(app->config, name, &section, error);
    if (!status)
        status = obx_relay_settings_parse(section, &settings, error);
    if (status)
        return status;
    obx_print_open(print, name);
    status = print_part(app, print, OUTBOX_STORE, "store", section, error);
    if (!status)
        status = print_part(app, print, OUTBOX_BROKER, "broker", section, error);
    obx_print_open(print, "route");
    obx_print_options(print, obx_route_options, obx_route_option_count, sizeof *obx_route_options, &settings.route);
    obx_print_close(print);
    obx_print_options(print, obx_relay_options, obx_relay_option_count, sizeof *obx_relay_options, &settings);
    obx_print_close(print);
    return status;
}

int obx_print_config(struct obx_app *app, struct obx_buf *text, struct outbox_error *error)
{
    struct obx_print print = {.buf = text};
    const char *name;
    int status = OUTBOX_OK;
    obx_print_open(&print, "relays");
    for (uint32_t i = 0; !status && (name = obx_app_relay(app, i)); i++)
        status = print_relay(app, &print, name, error);
    obx_print_close(&print);
    obx_print_open(&print, "service");
    obx_print_options(&print, obx_service_options, obx_service_option_count, sizeof *obx_service_options,
                      &app->settings);
    obx_print_open(&print, "log");
    obx_print_options(&print, obx_service_log_options, obx_service_log_option_count, sizeof *obx_service_log_options,
                      &app->settings);
    obx_print_close(&print);
    obx_print_close(&print);
    return !status && obx_buf_failed(text) ? obx_error_no_memory(error) : status;
}

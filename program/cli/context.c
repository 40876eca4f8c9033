/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/context.c - opens what a verb works with, in order: configuration, log, plugins, loop
 */
#include "cli/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "embed/plugin_dir.h"
#include "loop/uv_loop.h"
#include "plugin/builtin.h"
#include "cli/exit_code.h"
#include "daemon/signals.h"
#include "verbs/verb.h"
#include "daemon/thread_check.h"

static const char *const usual_places[] = {"./outbox.yaml", "/etc/outbox/outbox.yaml"};

/* Which file: the one given, $OUTBOX_CONFIG, or the first of the usual places that exists. */
static int find_config(const char *given, char *path, size_t size, struct outbox_error *error)
{
    const char *chosen = given ? given : getenv("OUTBOX_CONFIG");
    if (given && !*given) /* as of -c "$UNSET": another file must not stand in for it */
        return obx_error_set(error, OUTBOX_E_CONFIG, "read the configuration: the name given with -c is empty");
    if (chosen && !*chosen)
        chosen = NULL;
    for (size_t i = 0; !chosen && i < OBX_COUNT(usual_places); i++)
        if (access(usual_places[i], F_OK) == 0)
            chosen = usual_places[i];
    if (!chosen)
        return obx_error_set(error, OUTBOX_E_CONFIG,
                             "read the configuration: $OUTBOX_CONFIG is not set and neither ./outbox.yaml nor "
                             "/etc/outbox/outbox.yaml exists; write one, or name it with -c FILE");
    if ((size_t)snprintf(path, size, "%s", chosen) >= size)
        return obx_error_set(error, OUTBOX_E_CONFIG, "read the configuration: the path is too long: %.80s...", chosen);
    return OUTBOX_OK;
}

/* Every verb shows names, also those that make no relay. What is no section is refused where the relay is made. */
static int check_names(const struct obx_section *relays, struct outbox_error *error)
{
    const char *name;
    const struct obx_section *section;
    struct outbox_error ignored;
    int status = OUTBOX_OK;
    for (uint32_t i = 0; !status && (name = obx_section_key(relays, i)); i++)
        if (!obx_section_child(relays, name, &section, &ignored))
            status = obx_relay_check_name(section, name, error);
    return status;
}

/* Check the keys of the top level, and read `service:`. */
static int read_settings(const struct obx_config *config, struct obx_service_settings *settings,
                         struct outbox_error *error)
{
    static const char *const sections[] = {"relays", "service", NULL};
    const struct obx_section *root = obx_config_root(config), *service, *relays;
    int status = obx_options_apply(NULL, 0, sizeof(struct outbox_option), sections, root, NULL, error);
    if (!status)
        status = obx_section_child(root, "relays", &relays, error);
    if (!status && !obx_section_key(relays, 0))
        status = obx_section_error(root, NULL, error,
                                   "no relays: there must be a section `relays:` with at least one relay in it");
    if (!status)
        status = check_names(relays, error);
    if (!status)
        status = obx_section_child(root, "service", &service, error);
    return status ? status : obx_service_settings_parse(service, settings, error);
}

int obx_app_relay_section(const struct obx_config *config, const char *name, const struct obx_section **section,
                          struct outbox_error *error)
{
    const struct obx_section *relays;
    int status = obx_section_child(obx_config_root(config), "relays", &relays, error);
    return status ? status : obx_section_child(relays, name, section, error);
}

int obx_app_route(const struct obx_app *app, const char *relay, struct obx_relay_settings *settings,
                  struct obx_route *route, struct outbox_error *error)
{
    const struct obx_section *section, *routes;
    int status = obx_app_relay_section(app->config, relay, &section, error);
    if (!status)
        status = obx_relay_settings_parse(section, settings, error);
    if (!status)
        status = obx_section_child(section, "route", &routes, error);
    return status ? status : obx_route_compile(&settings->route, routes, route, error);
}

static const struct obx_section *relays_in(const struct obx_config *config)
{
    const struct obx_section *relays = NULL;
    struct outbox_error ignored;
    obx_section_child(obx_config_root(config), "relays", &relays, &ignored);
    return relays;
}

const char *obx_app_relay(const struct obx_app *app, uint32_t index)
{
    if (app->relay)
        return index == 0 ? app->relay : NULL;
    return obx_section_key(relays_in(app->config), index);
}

/* "a, b, c" */
static void list_relays(const struct obx_config *config, char *text, size_t size)
{
    size_t used = 0;
    const char *name;
    text[0] = '\0';
    for (uint32_t i = 0; (name = obx_section_key(relays_in(config), i)) && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", name);
}

static int check_relay_name(const struct obx_app *app, const struct obx_config *config, struct outbox_error *error)
{
    char names[256];
    if (!app->relay || obx_section_has(relays_in(config), app->relay))
        return OUTBOX_OK;
    list_relays(config, names, sizeof names);
    return obx_error_set(error, OUTBOX_E_CONFIG, "%s has no relay '%s'; it has: %s", app->path, app->relay, names);
}

int obx_app_one_relay(const struct obx_app *app, const char **name, struct outbox_error *error)
{
    char names[256];
    *name = obx_app_relay(app, 0);
    if (!obx_app_relay(app, 1))
        return OUTBOX_OK;
    list_relays(app->config, names, sizeof names);
    return obx_error_set(error, OUTBOX_E_CONFIG, "%s has several relays; choose one with --relay: %s", app->path,
                         names);
}

int obx_app_reload(struct obx_app *app, struct outbox_error *error)
{
    struct obx_config *config;
    struct obx_service_settings settings;
    int status = obx_config_read(app->path, &config, error);
    if (status)
        return status;
    struct obx_config_ref *held = obx_config_ref_new(config); /* takes it, also when it fails */
    if (!held)
        return obx_error_no_memory(error);
    status = read_settings(config, &settings, error);
    if (!status)
        status = check_relay_name(app, config, error);
    if (status) {
        obx_config_ref_drop(held);
        return status;
    }
    obx_config_ref_drop(app->held);
    app->held = held;
    app->config = config;
    app->settings = settings;
    return OUTBOX_OK;
}

static int open_log(struct obx_app *app, enum obx_app_kind kind, bool verbose, struct outbox_error *error)
{
    enum outbox_log_level level = (enum outbox_log_level)app->settings.log_level;
    if (verbose)
        level = OBX_MAX(level, OUTBOX_LOG_DEBUG);
    else if (kind == OBX_APP_ONE_SHOT)
        level = OBX_MIN(level, OUTBOX_LOG_WARN);
    int status =
        obx_logger_new(STDERR_FILENO, level, (enum obx_log_format)app->settings.log_format, &app->logger, error);
    app->log = status ? NULL : obx_logger_log(app->logger);
    return status;
}

static int open_all(struct obx_app *app, const struct obx_args *args, enum obx_app_kind kind,
                    struct outbox_error *error)
{
    char directory[4096];
    int status = find_config(args->config, app->path, sizeof app->path, error);
    if (!status)
        status = obx_workers_try(error);
    if (!status)
        status = obx_uv_workers_start(error);
    if (!status)
        status = obx_app_reload(app, error);
    if (!status)
        status = open_log(app, kind, args->verbose, error);
    if (status)
        return status;
    obx_plugin_dir(NULL, directory, sizeof directory);
    status = obx_registry_new(directory, obx_builtins, app->log, &app->registry, error);
    return status ? status : obx_uv_loop_new(NULL, &app->loop, error);
}

int obx_app_open(struct obx_app *app, const struct obx_args *args, enum obx_app_kind kind, struct outbox_error *error)
{
    memset(app, 0, sizeof *app);
    obx_signals_admit();
    app->verb = args->verb;
    app->relay = args->relay;
    int status = open_all(app, args, kind, error);
    if (status)
        obx_app_close(app);
    return status;
}

int obx_app_do(const struct obx_args *args, int (*work)(struct obx_app *app, void *arg, struct outbox_error *error),
               void *arg)
{
    struct obx_app app;
    struct outbox_error error = {0};
    if (obx_app_open(&app, args, OBX_APP_ONE_SHOT, &error))
        return obx_exit_report(args->verb->name, &error);
    int result = work(&app, arg, &error);
    obx_app_close(&app);
    return result && error.code ? (int)obx_exit_report(args->verb->name, &error) : result;
}

void obx_app_close(struct obx_app *app)
{
    if (app->loop)
        obx_uv_loop_free(app->loop, NULL, NULL);
    obx_registry_free(app->registry);
    obx_config_ref_drop(app->held);
    obx_logger_free(app->logger);
    memset(app, 0, sizeof *app);
}

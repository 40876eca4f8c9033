/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/context.c - opens what a verb works with, in order: configuration, log, plugins, loop
 *
 * Failure: the first step that fails ends it; what the earlier steps opened is closed again.
 */
#include "cli/context.h"

#include <signal.h>
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
#include "cli/verb.h"
#include "cli/thread_check.h"

static const char *const default_paths[] = {"./outbox.yaml", "/etc/outbox/outbox.yaml"};

/* Which file: -c, $OUTBOX_CONFIG, or the first default path that exists. */
static int find_config(const char *given, char *path, size_t size, struct outbox_error *error)
{
    const char *chosen = given ? given : getenv("OUTBOX_CONFIG");
    if (given && !*given) /* -c "$UNSET": using another file instead would hide the mistake */
        return obx_error_set(error, OUTBOX_E_CONFIG, "read the configuration: the value of -c is empty; name a file");
    if (chosen && !*chosen)
        chosen = NULL;
    for (size_t i = 0; !chosen && i < OBX_COUNT(default_paths); i++)
        if (access(default_paths[i], F_OK) == 0)
            chosen = default_paths[i];
    if (!chosen)
        return obx_error_set(error, OUTBOX_E_CONFIG,
                             "read the configuration: $OUTBOX_CONFIG is not set and neither ./outbox.yaml nor "
                             "/etc/outbox/outbox.yaml exists; write one, or name it with -c FILE");
    if ((size_t)snprintf(path, size, "%s", chosen) >= size)
        return obx_error_set(error, OUTBOX_E_CONFIG,
                             "read the configuration: the path is longer than %zu bytes: %.*s...", size - 1,
                             OUTBOX_CUT(chosen, 80));
    return OUTBOX_OK;
}

/* All verbs print relay names, also verbs that make no relay. A value that is not a section is refused later, when the
 * relay is made. */
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

static int check_relay_name(const struct obx_context *context, const struct obx_config *config,
                            struct outbox_error *error)
{
    char names[256];
    if (obx_context_relay_in(config, context->relay, 0))
        return OUTBOX_OK;
    obx_context_list_relays(config, names, sizeof names);
    return obx_error_set(error, OUTBOX_E_CONFIG, "%s has no relay '%s'; it has: %s", context->path, context->relay,
                         names);
}

int obx_context_reload(struct obx_context *context, struct outbox_error *error)
{
    struct obx_config *config;
    struct obx_service_settings settings;
    int status = obx_config_read(context->path, &config, error);
    if (status)
        return status;
    struct obx_config_ref *config_ref = obx_config_ref_new(config); /* owns config from here on, also on failure */
    if (!config_ref)
        return obx_error_no_memory(error);
    status = read_settings(config, &settings, error);
    if (!status)
        status = check_relay_name(context, config, error);
    if (status) {
        obx_config_ref_release(config_ref);
        return status;
    }
    obx_config_ref_release(context->config_ref);
    context->config_ref = config_ref;
    context->config = config;
    context->settings = settings;
    return OUTBOX_OK;
}

static int open_log(struct obx_context *context, enum obx_context_kind kind, bool verbose, struct outbox_error *error)
{
    enum outbox_log_level level = (enum outbox_log_level)context->settings.log_level;
    if (verbose)
        level = OBX_MAX(level, OUTBOX_LOG_DEBUG);
    else if (kind == OBX_CONTEXT_ONESHOT)
        level = OBX_MIN(level, OUTBOX_LOG_WARN);
    int status = obx_logger_new(STDERR_FILENO, level, (enum obx_log_format)context->settings.log_format,
                                &context->logger, error);
    context->log = status ? NULL : obx_logger_log(context->logger);
    return status;
}

static int open_all(struct obx_context *context, const struct obx_args *args, enum obx_context_kind kind,
                    struct outbox_error *error)
{
    char directory[4096];
    int status = find_config(args->config, context->path, sizeof context->path, error);
    if (!status)
        status = obx_thread_check(error);
    if (!status)
        status = obx_uv_workers_start(error);
    if (!status)
        status = obx_context_reload(context, error);
    if (!status)
        status = open_log(context, kind, args->verbose, error);
    if (status)
        return status;
    obx_plugin_path(NULL, directory, sizeof directory);
    status = obx_registry_new(directory, obx_builtins, context->log, &context->registry, error);
    return status ? status : obx_uv_loop_new(NULL, &context->loop, error);
}

/* The parent process may have blocked SIGTERM and SIGINT; then nothing but SIGKILL would end the verb. */
static void unblock_termination(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int obx_context_open(struct obx_context *context, const struct obx_args *args, enum obx_context_kind kind,
                     struct outbox_error *error)
{
    memset(context, 0, sizeof *context);
    unblock_termination();
    context->verb = args->verb;
    context->relay = args->relay;
    int status = open_all(context, args, kind, error);
    if (status)
        obx_context_close(context);
    return status;
}

int obx_context_run(const struct obx_args *args,
                    int (*work)(struct obx_context *context, void *arg, struct outbox_error *error), void *arg)
{
    struct obx_context context;
    struct outbox_error error = {0};
    if (obx_context_open(&context, args, OBX_CONTEXT_ONESHOT, &error))
        return obx_exit_report(args->verb->name, &error);
    int result = work(&context, arg, &error);
    obx_context_close(&context);
    return result && error.code ? (int)obx_exit_report(args->verb->name, &error) : result;
}

void obx_context_close(struct obx_context *context)
{
    if (context->loop)
        obx_uv_loop_free(context->loop, NULL, NULL);
    obx_registry_free(context->registry);
    obx_config_ref_release(context->config_ref);
    obx_logger_free(context->logger);
    memset(context, 0, sizeof *context);
}

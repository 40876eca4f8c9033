/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/context.h - what a verb works with: configuration, log, plugins and an event loop
 */
#ifndef OBX_PROGRAM_CLI_CONTEXT_H
#define OBX_PROGRAM_CLI_CONTEXT_H

#include "config/config.h"
#include "loop/loop.h"
#include "plugin/registry.h"
#include "relay/route.h"
#include "cli/args.h"
#include "cli/config_ref.h"
#include "daemon/logger.h"
#include "daemon/settings.h"

struct obx_app {
    const struct obx_verb *verb;
    char path[4096];                 /* of the configuration */
    const char *relay;               /* --relay or NULL */
    struct obx_config_ref *held;     /* the configuration; */
    const struct obx_config *config; /* the same, for reading */
    struct obx_service_settings settings;
    struct obx_logger *logger;
    const struct obx_log *log;
    struct obx_registry *registry;
    struct obx_loop *loop;
};

/* How chatty the log is: one-shot verbs speak by themselves and log only what is wrong. */
enum obx_app_kind { OBX_APP_ONE_SHOT, OBX_APP_SERVICE };

/* On failure everything is as if it had not been called; error says what to do. */
int obx_app_open(struct obx_app *app, const struct obx_args *args, enum obx_app_kind kind, struct outbox_error *error);
void obx_app_close(struct obx_app *app); /* nothing may be in flight */

/* All that most verbs do with one: open it, work, close it, say what failed. The exit code. The work returns the code
 * of the error that it filled; or an exit code, having said everything itself. */
int obx_app_do(const struct obx_args *args, int (*work)(struct obx_app *app, void *arg, struct outbox_error *error),
               void *arg);

/* Read the file again; on failure the old one stays. What still uses the old one holds it with obx_config_ref_take. */
int obx_app_reload(struct obx_app *app, struct outbox_error *error);

/* The relays that the verb is for: all, or the one of --relay. NULL past the end; errors are told by obx_app_open. */
const char *obx_app_relay(const struct obx_app *app, uint32_t index);
/* The one relay that the verb is for; an error that lists them when there are several. */
int obx_app_one_relay(const struct obx_app *app, const char **name, struct outbox_error *error);
/* What the relay makes of rows, and which columns it needs. The settings must outlive the route; obx_route_free(). */
int obx_app_route(const struct obx_app *app, const char *relay, struct obx_relay_settings *settings,
                  struct obx_route *route, struct outbox_error *error);
/* relays.NAME of any configuration. */
int obx_app_relay_section(const struct obx_config *config, const char *name, const struct obx_section **section,
                          struct outbox_error *error);

#endif

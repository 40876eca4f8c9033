/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/context.h - what a verb works with: configuration, log, plugins and an event loop. Loop thread. */
#ifndef OBX_PROGRAM_CLI_CONTEXT_H
#define OBX_PROGRAM_CLI_CONTEXT_H

#include "cli/args.h"
#include "cli/config_ref.h"
#include "cli/logger.h"
#include "cli/settings.h"
#include "config/config.h"
#include "loop/loop.h"
#include "plugin/registry.h"
#include "relay/relay.h"
#include "relay/route.h"

struct obx_context {
    const struct obx_verb *verb;
    char path[4096];                   /* of the configuration file */
    const char *relay;                 /* --relay, a pattern, or NULL */
    struct obx_config_ref *config_ref; /* owns the configuration; */
    const struct obx_config *config;   /* the same one, for reading */
    struct obx_service_settings settings;
    struct obx_logger *logger;
    const struct obx_log *log;
    struct obx_registry *registry;
    struct obx_loop *loop;
};

/* ONESHOT verbs report errors themselves and log warnings and errors only. SERVICE logs from service.log.level on. */
enum obx_context_kind { OBX_CONTEXT_ONESHOT, OBX_CONTEXT_SERVICE };

/* On failure nothing is left open. Errors: CONFIG, NOT_FOUND, PERMISSION, IO, NO_MEMORY. */
int obx_context_open(struct obx_context *context, const struct obx_args *args, enum obx_context_kind kind,
                     struct outbox_error *error);
void obx_context_close(struct obx_context *context); /* nothing may be in flight */

/* Open a ONESHOT context, run `work` in it, close it, print an error. Returns the exit code. work returns the code of
 * the error that it filled; or, with error->code 0, an exit code after printing everything itself. */
int obx_context_run(const struct obx_args *args,
                    int (*work)(struct obx_context *context, void *arg, struct outbox_error *error), void *arg);

/* Read the file again; on failure the old configuration stays. Users of the old one keep it alive with
 * obx_config_ref_acquire(). */
int obx_context_reload(struct obx_context *context, struct outbox_error *error);

/* Names of the relays that the verb is for: all, or those that match --relay. NULL past the end. obx_context_open() has
 * checked that there is one. */
const char *obx_context_relay(const struct obx_context *context, uint32_t index);
/* Puts the relay's name before an error's text, unless the verb is for one relay, or the text has a place in the file.
 */
void obx_context_name_relay(const struct obx_context *context, const char *relay, struct outbox_error *error);
/* The same of any configuration. pattern: as for fnmatch(); NULL: all. */
const char *obx_context_relay_in(const struct obx_config *config, const char *pattern, uint32_t index);
/* "a, b, c": all relays of a configuration, cut at size. */
void obx_context_list_relays(const struct obx_config *config, char *text, size_t size);
/* The only relay that the verb is for. Errors: CONFIG with the list of relays if there are several. */
int obx_context_single_relay(const struct obx_context *context, const char **name, struct outbox_error *error);
/* What a relay is made of; its events are not set. */
int obx_context_setup(const struct obx_context *context, const char *relay, struct obx_relay_setup *setup,
                      struct outbox_error *error);
/* As obx_oneshot_route(). */
int obx_context_route(const struct obx_context *context, const char *relay, struct obx_relay_settings *settings,
                      struct obx_route *route, struct outbox_error *error);
/* relays.NAME of any configuration. */
int obx_relay_section(const struct obx_config *config, const char *name, const struct obx_section **section,
                      struct outbox_error *error);

#endif

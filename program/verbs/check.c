/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/check.c - outbox check: would `outbox run` work? If not: what is wrong, and what to do
 *
 * Checks the configuration, then for each relay the store and the broker: connect, and run the plugin's own checks. It
 * goes on after a failure, so that one call finds everything. The exit code is the most important one.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "relay/relay.h"
#include "http/address.h"
#include "daemon/relay_conflicts.h"
#include "cli/escape.h"
#include "cli/exit_code.h"
#include "cli/print_config.h"
#include "cli/oneshot.h"
#include "verbs/verbs.h"

struct checked {
    const char *relay;
    const char *part; /* "store" or "broker" */
    uint32_t errors;
};

static void report(void *arg, enum outbox_log_level level, const char *finding, const char *advice)
{
    struct checked *checked = arg;
    const char *word = level == OUTBOX_LOG_ERROR ? "error" : level == OUTBOX_LOG_WARN ? "warning" : "ok";
    bool advise = advice && *advice && level <= OUTBOX_LOG_WARN;
    obx_escape_line(stdout, "%s %s: %s: %s%s%s", checked->relay, checked->part, word, finding, advise ? "; " : "",
                    advise ? advice : "");
    checked->errors += level == OUTBOX_LOG_ERROR;
}

static enum obx_exit probe(struct obx_oneshot *oneshot, enum outbox_kind kind, struct checked *checked,
                           const char *topic, struct outbox_error *error)
{
    const char *const topics[] = {topic, NULL};
    const struct outbox_check check = {
        .struct_size = sizeof check, .report = report, .arg = checked, .topics = topic ? topics : NULL};
    int status =
        kind == OUTBOX_STORE ? obx_oneshot_start(oneshot, kind, error) : obx_oneshot_start_probe(oneshot, error);
    if (status)
        return obx_exit_code(status);
    char connected[96];
    snprintf(connected, sizeof connected, "connected with the plugin '%s'", obx_instance_name(oneshot->instance));
    report(checked, OUTBOX_LOG_INFO, connected, NULL);
    if (kind == OUTBOX_STORE && !(obx_instance_caps(oneshot->instance) & OUTBOX_CAP_ADMIN))
        return OBX_EXIT_OK;
    if (kind == OUTBOX_STORE)
        obx_store_check(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &check);
    else
        obx_broker_check(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &check);
    status = obx_oneshot_wait(oneshot, error);
    if (status == OUTBOX_E_UNSUPPORTED)
        status = error->code = 0; /* the plugin has no checks */
    if (status)
        return obx_exit_code(status);
    return checked->errors ? OBX_EXIT_CONFIG : OBX_EXIT_OK;
}

static enum obx_exit check_part(struct obx_context *context, const char *relay, enum outbox_kind kind,
                                const char *topic)
{
    struct checked checked = {relay, kind == OUTBOX_STORE ? "store" : "broker", 0};
    struct obx_oneshot oneshot;
    struct outbox_error error = {0};
    if (obx_oneshot_open(&oneshot, context, relay, kind, &error)) {
        report(&checked, OUTBOX_LOG_ERROR, error.text, NULL);
        return obx_exit_code(error.code);
    }
    enum obx_exit code = probe(&oneshot, kind, &checked, topic, &error);
    if (error.code)
        report(&checked, OUTBOX_LOG_ERROR, error.text, NULL);
    obx_oneshot_close(&oneshot);
    return code;
}

/*
 * Would the relay start? It needs the columns of the route, which the store's own checks do not know. verbose: print
 * the result. After failed checks it is not printed, but a missing privilege here decides the exit code.
 */
static enum obx_exit try_columns(struct obx_context *context, const char *relay, bool verbose)
{
    struct checked checked = {relay, "store", 0};
    struct obx_relay_settings settings;
    struct obx_route route;
    struct obx_oneshot oneshot;
    struct outbox_error error = {0};
    int status = obx_context_route(context, relay, &settings, &route, &error);
    if (status)
        return obx_exit_report("check", &error);
    status = obx_oneshot_open(&oneshot, context, relay, OUTBOX_STORE, &error);
    if (!status) {
        status = obx_oneshot_start_columns(&oneshot, &route.columns, &error);
        obx_oneshot_close(&oneshot);
    }
    obx_route_free(&route);
    if (status && verbose)
        report(&checked, OUTBOX_LOG_ERROR, error.text, NULL);
    else if (verbose)
        report(&checked, OUTBOX_LOG_INFO, "the table has the columns that the route needs", NULL);
    return obx_exit_code(status);
}

/* Make the relay as `outbox run` does, which checks its whole section. topic: the configured topic, or "" if it depends
 * on the event. */
static int try_relay(struct obx_context *context, const char *relay, char *topic, size_t size,
                     struct outbox_error *error)
{
    const struct obx_section *section;
    struct obx_relay *made;
    int status = obx_relay_section(context->config, relay, &section, error);
    if (status)
        return status;
    const struct obx_relay_setup setup = {
        .loop = context->loop, .registry = context->registry, .log = context->log, .name = relay, .section = section};
    status = obx_relay_new(&setup, &made, error);
    if (status)
        return status;
    const char *template = obx_relay_settings(made)->route.topic;
    snprintf(topic, size, "%s", template && !strstr(template, "${") ? template : "");
    obx_relay_free(made);
    return OUTBOX_OK;
}

static enum obx_exit check_relays(struct obx_context *context)
{
    enum obx_exit code = OBX_EXIT_OK;
    char topic[256];
    const char *relay;
    for (uint32_t i = 0; (relay = obx_context_relay(context, i)); i++) {
        struct outbox_error error;
        if (try_relay(context, relay, topic, sizeof topic, &error)) {
            code = obx_exit_worse(code, obx_exit_report("check", &error));
            continue;
        }
        enum obx_exit store = check_part(context, relay, OUTBOX_STORE, NULL);
        if (!store)
            store = try_columns(context, relay, true);
        else if (store == OBX_EXIT_CONFIG && try_columns(context, relay, false) == OBX_EXIT_PERMISSION)
            store = OBX_EXIT_PERMISSION;
        code = obx_exit_worse(code, store);
        code = obx_exit_worse(code, check_part(context, relay, OUTBOX_BROKER, *topic ? topic : NULL));
    }
    return code;
}

/* The port may be in use: by the running relay. */
static enum obx_exit check_listen(const struct obx_context *context)
{
    struct addrinfo *found;
    struct outbox_error error;
    if (!context->settings.listen)
        return OBX_EXIT_OK;
    const char *path = obx_address_socket(context->settings.listen);
    struct sockaddr_un name;
    if (path)
        return obx_address_fill(path, &name, &error) ? obx_exit_report("check", &error) : OBX_EXIT_OK;
    if (obx_address_find(context->settings.listen, AI_PASSIVE, &found, &error))
        return obx_exit_report("check", &error);
    freeaddrinfo(found);
    return OBX_EXIT_OK;
}

static enum obx_exit check_conflicts(const struct obx_context *context)
{
    struct outbox_error error;
    return obx_relay_conflicts_check(context, &error) ? obx_exit_report("check", &error) : OBX_EXIT_OK;
}

static int check_all(struct obx_context *context, void *none, struct outbox_error *error)
{
    (void)none;
    (void)error;
    return obx_exit_worse(check_listen(context), obx_exit_worse(check_conflicts(context), check_relays(context)));
}

static int print_config(struct obx_context *context, void *none, struct outbox_error *error)
{
    struct obx_buf text = {0};
    (void)none;
    int status = obx_print_config(context, &text, error);
    if (!status)
        fputs(obx_buf_text(&text), stdout);
    obx_buf_free(&text);
    return status;
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_COMMON, {"print-config", no_argument, NULL, 'P'}, {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    bool print = false;
    while (obx_args_next(&args) != -1)
        print = true;
    if (obx_args_end(&args))
        return args.exit;
    return obx_context_run(&args, print ? print_config : check_all, NULL);
}

const struct obx_verb obx_verb_check = {
    "check",
    "validate the configuration, connect, and list what to fix",
    "[-c FILE] [--relay NAME] [--print-config]",
    "  --print-config      only print the effective configuration, with secrets redacted\n",
    run,
    false};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/check.c - outbox check: would `outbox run` work? What is wrong, and what to do about it
 *
 * The configuration first, then for each relay the store and the broker: connect, and let the plugin look. All of them
 * are looked at, so that one call tells everything. The exit code is that of the worst.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "relay/relay.h"
#include "http/address.h"
#include "daemon/relay_conflicts.h"
#include "cli/exit_code.h"
#include "cli/print_config.h"
#include "cli/oneshot.h"

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
    printf("%s %s: %s: %s%s%s\n", checked->relay, checked->part, word, finding, advise ? "; " : "",
           advise ? advice : "");
    checked->errors += level == OUTBOX_LOG_ERROR;
}

static enum obx_exit look(struct obx_session *session, enum outbox_kind kind, struct checked *checked,
                          const char *topic, struct outbox_error *error)
{
    const char *const topics[] = {topic, NULL};
    const struct outbox_check check = {
        .struct_size = sizeof check, .report = report, .arg = checked, .topics = topic ? topics : NULL};
    int status =
        kind == OUTBOX_STORE ? obx_session_start(session, kind, error) : obx_session_start_to_probe(session, error);
    if (status)
        return obx_exit_code(status);
    char connected[96];
    snprintf(connected, sizeof connected, "connected with the plugin '%s'", obx_instance_name(session->instance));
    report(checked, OUTBOX_LOG_INFO, connected, NULL);
    if (kind == OUTBOX_STORE && !(obx_instance_caps(session->instance) & OUTBOX_CAP_ADMIN))
        return OBX_EXIT_OK;
    if (kind == OUTBOX_STORE)
        obx_store_check(session->instance, obx_session_call(session), OBX_SESSION_TIMEOUT_MS, &check);
    else
        obx_broker_check(session->instance, obx_session_call(session), OBX_SESSION_TIMEOUT_MS, &check);
    status = obx_session_wait(session, error);
    if (status == OUTBOX_E_UNSUPPORTED)
        status = error->code = 0; /* the plugin has nothing to look at */
    if (status)
        return obx_exit_code(status);
    return checked->errors ? OBX_EXIT_CONFIG : OBX_EXIT_OK;
}

static enum obx_exit check_part(struct obx_app *app, const char *relay, enum outbox_kind kind, const char *topic)
{
    struct checked checked = {relay, kind == OUTBOX_STORE ? "store" : "broker", 0};
    struct obx_session session;
    struct outbox_error error = {0};
    if (obx_session_open(&session, app, relay, kind, &error)) {
        report(&checked, OUTBOX_LOG_ERROR, error.text, NULL);
        return obx_exit_code(error.code);
    }
    enum obx_exit code = look(&session, kind, &checked, topic, &error);
    if (error.code)
        report(&checked, OUTBOX_LOG_ERROR, error.text, NULL);
    obx_session_close(&session);
    return code;
}

/*
 * Would the relay start? It needs the columns of the route, which the store's own look knows nothing of. After a look
 * that found errors nothing is told, but a privilege that the start misses tells what kind of error they are.
 */
static enum obx_exit try_columns(struct obx_app *app, const char *relay, bool tell)
{
    struct checked checked = {relay, "store", 0};
    struct obx_relay_settings settings;
    struct obx_route route;
    struct obx_session session;
    struct outbox_error error = {0};
    int status = obx_app_route(app, relay, &settings, &route, &error);
    if (status)
        return obx_exit_report("check", &error);
    status = obx_session_open(&session, app, relay, OUTBOX_STORE, &error);
    if (!status) {
        status = obx_session_start_columns(&session, &route.columns, &error);
        obx_session_close(&session);
    }
    obx_route_free(&route);
    if (status && tell)
        report(&checked, OUTBOX_LOG_ERROR, error.text, NULL);
    else if (tell)
        report(&checked, OUTBOX_LOG_INFO, "the columns that the route needs are there", NULL);
    return obx_exit_code(status);
}

/* Make the relay as `run` would, which checks all of its section. topic: the one that the configuration names, "" when
 * it is not the same for all events. */
static int try_relay(struct obx_app *app, const char *relay, char *topic, size_t size, struct outbox_error *error)
{
    const struct obx_section *section;
    struct obx_relay *made;
    int status = obx_app_relay_section(app->config, relay, &section, error);
    if (status)
        return status;
    const struct obx_relay_setup setup = {
        .loop = app->loop, .registry = app->registry, .log = app->log, .name = relay, .section = section};
    status = obx_relay_new(&setup, &made, error);
    if (status)
        return status;
    const char *template = obx_relay_settings(made)->route.topic;
    snprintf(topic, size, "%s", template && !strstr(template, "${") ? template : "");
    obx_relay_free(made);
    return OUTBOX_OK;
}

static enum obx_exit check_relays(struct obx_app *app)
{
    enum obx_exit code = OBX_EXIT_OK;
    char topic[256];
    const char *relay;
    for (uint32_t i = 0; (relay = obx_app_relay(app, i)); i++) {
        struct outbox_error error;
        if (try_relay(app, relay, topic, sizeof topic, &error)) {
            code = obx_exit_worse(code, obx_exit_report("check", &error));
            continue;
        }
        enum obx_exit store = check_part(app, relay, OUTBOX_STORE, NULL);
        if (!store)
            store = try_columns(app, relay, true);
        else if (store == OBX_EXIT_CONFIG && try_columns(app, relay, false) == OBX_EXIT_PERMISSION)
            store = OBX_EXIT_PERMISSION;
        code = obx_exit_worse(code, store);
        code = obx_exit_worse(code, check_part(app, relay, OUTBOX_BROKER, *topic ? topic : NULL));
    }
    return code;
}

/* Not whether the port is free: the relay that runs has it. */
static enum obx_exit check_listen(const struct obx_app *app)
{
    struct addrinfo *found;
    struct outbox_error error;
    if (!app->settings.listen)
        return OBX_EXIT_OK;
    if (obx_address_find(app->settings.listen, AI_PASSIVE, &found, &error))
        return obx_exit_report("check", &error);
    freeaddrinfo(found);
    return OBX_EXIT_OK;
}

static enum obx_exit check_apart(const struct obx_app *app)
{
    struct outbox_error error;
    return obx_relay_conflicts_check(app, &error) ? obx_exit_report("check", &error) : OBX_EXIT_OK;
}

static int check_all(struct obx_app *app, void *none, struct outbox_error *error)
{
    (void)none;
    (void)error;
    return obx_exit_worse(check_listen(app), obx_exit_worse(check_apart(app), check_relays(app)));
}

static int print_config(struct obx_app *app, void *none, struct outbox_error *error)
{
    struct obx_buf text = {0};
    (void)none;
    int status = obx_print_config(app, &text, error);
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
    return obx_app_do(&args, print ? print_config : check_all, NULL);
}

const struct obx_verb obx_verb_check = {
    "check",
    "validate the configuration, connect, and say what to fix",
    "[-c FILE] [--relay NAME] [--print-config]",
    "  --print-config      only print the configuration as it takes effect, secrets redacted\n",
    run,
    false};

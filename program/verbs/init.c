/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/init.c - outbox init: create or migrate the tables of each relay's store, or print how */
#include <stdio.h>

#include "base/error.h"
#include "cli/exit_code.h"
#include "cli/oneshot.h"

enum { PRINT_SQL = 1, PRINT_GRANTS = 2 }; /* or both; 0: set up */

static void put_line(void *arg, const char *text)
{
    (void)arg;
    puts(text);
}

static int print(struct obx_session *session, int wanted, struct outbox_error *error)
{
    int status = OUTBOX_OK;
    if (wanted & PRINT_SQL)
        status = obx_store_print(session->instance, OUTBOX_PRINT_SQL, put_line, NULL, error);
    if (!status && wanted & PRINT_GRANTS)
        status = obx_store_print(session->instance, OUTBOX_PRINT_GRANTS, put_line, NULL, error);
    return status;
}

/* A table that was there before may be none that can be relayed: "ready" would be no help then. */
struct findings {
    const char *relay;
    uint32_t errors;
};

static void report(void *arg, enum outbox_log_level level, const char *finding, const char *advice)
{
    struct findings *findings = arg;
    bool advise = advice && *advice;
    if (level != OUTBOX_LOG_ERROR)
        return;
    findings->errors++;
    printf("%s: error: %s%s%s\n", findings->relay, finding, advise ? "; " : "", advise ? advice : "");
}

static int look(struct obx_session *session, const char *relay, struct outbox_error *error)
{
    struct findings findings = {.relay = relay};
    const struct outbox_check check = {.struct_size = sizeof check, .report = report, .arg = &findings};
    obx_store_check(session->instance, obx_session_call(session), OBX_SESSION_TIMEOUT_MS, &check);
    int status = obx_session_wait(session, error);
    if (!status && findings.errors)
        status =
            obx_error_set(error, OUTBOX_E_SCHEMA, "%s: the tables are there, but cannot be relayed as they are", relay);
    return status;
}

static int set_up(struct obx_session *session, const char *relay, struct outbox_error *error)
{
    int started = obx_session_start(session, OUTBOX_STORE, error);
    if (started && started != OUTBOX_E_NOT_FOUND && started != OUTBOX_E_SCHEMA) /* these are what setup is for */
        return started;
    const struct outbox_error reason = *error;
    obx_store_setup(session->instance, obx_session_call(session), 0); /* a migration takes the time that it takes */
    int status = obx_session_wait(session, error);
    if (status == OUTBOX_E_NOT_CONNECTED && started) { /* not for want of a table, but of the whole database */
        *error = reason;
        return started;
    }
    return status ? status : look(session, relay, error);
}

/*
 * The store's own look knows nothing of the columns that the route needs. That one lacks is no failure: whoever routes
 * by a column of his own adds it after this. What else goes wrong here says nothing of the tables: rights are those of
 * whoever calls this, who need not be the relay.
 */
static int tell_ready(struct obx_app *app, const char *relay, struct outbox_error *error)
{
    struct obx_relay_settings settings;
    struct obx_route route;
    struct obx_session session;
    struct outbox_error lacks = {0};
    int status = obx_app_route(app, relay, &settings, &route, error);
    if (status)
        return status;
    if (!obx_session_open(&session, app, relay, OUTBOX_STORE, &lacks)) {
        obx_session_start_columns(&session, &route.columns, &lacks);
        obx_session_close(&session);
    }
    obx_route_free(&route);
    if (lacks.code == OUTBOX_E_SCHEMA)
        printf("%s: the tables are there, but cannot be relayed as they are: %s\n", relay, lacks.text);
    else
        printf("%s: the outbox is ready\n", relay);
    return OUTBOX_OK;
}

static int init_relay(struct obx_app *app, const char *relay, int wanted, struct outbox_error *error)
{
    struct obx_session session;
    int status = obx_session_open(&session, app, relay, OUTBOX_STORE, error);
    if (status)
        return status;
    status = obx_session_needs(&session, OUTBOX_CAP_ADMIN, "set up the tables", error);
    if (!status)
        status = wanted ? print(&session, wanted, error) : set_up(&session, relay, error);
    obx_session_close(&session);
    if (!status && !wanted)
        status = tell_ready(app, relay, error);
    return status;
}

static int init_all(struct obx_app *app, void *arg, struct outbox_error *error)
{
    const int *wanted = arg;
    const char *relay;
    int status = OUTBOX_OK;
    for (uint32_t i = 0; !status && (relay = obx_app_relay(app, i)); i++)
        status = init_relay(app, relay, *wanted, error);
    return status;
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_COMMON,
                                            {"print-sql", no_argument, NULL, PRINT_SQL},
                                            {"print-grants", no_argument, NULL, PRINT_GRANTS},
                                            {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    int wanted = 0, found;
    while ((found = obx_args_next(&args)) != -1)
        wanted |= found;
    if (obx_args_end(&args))
        return args.exit;
    return obx_app_do(&args, init_all, &wanted);
}

const struct obx_verb obx_verb_init = {
    "init",
    "create or migrate the outbox tables; may be repeated",
    "[-c FILE] [--relay NAME] [--print-sql] [--print-grants]",
    "  --print-sql         only print the statements that would be run\n"
    "  --print-grants      only print the least privileges for the relay and for writers\n",
    run,
    false};

/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/init.c - outbox init: create or migrate the tables of each relay's store, or print the statements.
 * With --inbox the table for consumers of events instead; the outbox itself need not exist in that database. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/escape.h"
#include "cli/findings.h"
#include "cli/oneshot.h"
#include "verbs/verbs.h"

/* Bits of one number. Neither PRINT_SQL nor PRINT_GRANTS: create the tables. */
enum { PRINT_SQL = 1, PRINT_GRANTS = 2, INBOX = 4 };

struct request {
    int bits;
    const char *role;    /* of applications or consumers, in printed grants; NULL: as the store names it */
    const char *payload; /* type of the payload in new tables; NULL: as configured */
};

/* ---- printing ---------------------------------------------------------------------------------------------------- */

/* The placeholder, with its quotes, that a line begins with; 0: none. */
static size_t placeholder_size(const char *text)
{
    static const char *const all[] = {"\"application\"", "'application'", "\"consumer\"", "'consumer'"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strncmp(text, all[i], strlen(all[i])))
            return strlen(all[i]);
    return 0;
}

static void print_quoted(const char *role, char quote)
{
    putchar(quote);
    for (; *role; role++) {
        if (*role == quote)
            putchar(quote);
        putchar(*role);
    }
    putchar(quote);
}

static void print_line(void *arg, const char *text)
{
    const char *role = arg;
    while (*text) {
        size_t size = role ? placeholder_size(text) : 0;
        if (size)
            print_quoted(role, *text);
        else
            putchar(*text);
        text += size ? size : 1;
    }
    putchar('\n');
}

static int print(struct obx_oneshot *oneshot, const struct request *request, struct outbox_error *error)
{
    bool inbox = request->bits & INBOX;
    int status = OUTBOX_OK;
    if (request->bits & PRINT_SQL)
        status = obx_store_print(oneshot->instance, inbox ? OUTBOX_PRINT_INBOX_SQL : OUTBOX_PRINT_SQL, print_line, NULL,
                                 error);
    if (!status && request->bits & PRINT_GRANTS)
        status = obx_store_print(oneshot->instance, inbox ? OUTBOX_PRINT_INBOX_GRANTS : OUTBOX_PRINT_GRANTS, print_line,
                                 (void *)(uintptr_t)request->role, error);
    return status;
}

/* ---- creating ---------------------------------------------------------------------------------------------------- */

/* An existing table may be unusable for a relay; then "ready" would be wrong. */
static int check_tables(struct obx_oneshot *oneshot, const char *relay, struct outbox_error *error)
{
    struct obx_findings findings;
    obx_findings_open(&findings, "init", false);
    findings.relay = relay;
    findings.errors_only = true;
    struct obx_check_part part = {.report = &findings.report, .name = "store"};
    const struct outbox_check check = {.struct_size = sizeof check, .report = obx_check_part_report, .arg = &part};
    obx_store_check(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &check);
    int status = obx_oneshot_wait(oneshot, error);
    if (!status && part.status)
        status = obx_error_set(error, part.status, "the tables exist, but cannot be relayed as they are");
    return status;
}

static int create_tables(struct obx_oneshot *oneshot, const char *relay, struct outbox_error *error)
{
    int status = obx_oneshot_set_up(oneshot, obx_store_setup, error);
    return status ? status : check_tables(oneshot, relay, error);
}

static int create_inbox(struct obx_oneshot *oneshot, const char *relay, struct outbox_error *error)
{
    int status = obx_oneshot_set_up(oneshot, obx_store_setup_inbox, error);
    if (!status)
        printf("%s: the inbox is ready\n", relay);
    return status;
}

/* Old rows may be meant for nobody. */
static void print_pending(struct obx_context *context, const char *relay)
{
    struct outbox_store_status status = {.struct_size = sizeof status, .pending = -1};
    struct outbox_error ignored;
    if (!obx_oneshot_store_status(context, relay, &status, NULL, &ignored) && status.pending > 0)
        printf("%s: %" PRId64 " event%s pending: the first run publishes %s\n", relay, status.pending,
               status.pending == 1 ? " is" : "s are", status.pending == 1 ? "it" : "them");
}

/*
 * The store's own checks do not know the columns that the route needs. A missing column is reported but is no failure:
 * users add their own columns after this. Other errors here are ignored: privileges are those of the caller, who may
 * not be the relay's user.
 */
static int report_ready(struct obx_context *context, const char *relay, struct outbox_error *error)
{
    struct obx_relay_settings settings;
    struct obx_route route;
    struct obx_oneshot oneshot;
    struct outbox_error failure = {0};
    int status = obx_context_route(context, relay, &settings, &route, error);
    if (status)
        return status;
    if (!obx_oneshot_open(&oneshot, context, relay, OUTBOX_STORE, &failure)) {
        obx_oneshot_start_columns(&oneshot, &route.columns, &failure);
        obx_oneshot_close(&oneshot);
    }
    obx_route_free(&route);
    if (failure.code == OUTBOX_E_SCHEMA)
        obx_escape_line(stdout, "%s: the tables exist, but cannot be relayed as they are: %s", relay, failure.text);
    else
        printf("%s: the outbox is ready\n", relay);
    print_pending(context, relay);
    return OUTBOX_OK;
}

static int set_payload(struct obx_context *context, const char *relay, const char *type, struct outbox_error *error)
{
    const struct obx_section *section, *store;
    int status = obx_relay_section(context->config, relay, &section, error);
    if (!status)
        status = obx_section_child(section, "store", &store, error);
    if (!status && obx_section_set(store, "payload_type", type))
        status = obx_error_no_memory(error);
    return status;
}

static int init_relay(struct obx_context *context, const char *relay, const struct request *request,
                      struct outbox_error *error)
{
    struct obx_oneshot oneshot;
    int bits = request->bits;
    bool inbox = bits & INBOX;
    int status = request->payload ? set_payload(context, relay, request->payload, error) : OUTBOX_OK;
    if (status)
        return status;
    status = obx_oneshot_open(&oneshot, context, relay, OUTBOX_STORE, error);
    if (status)
        return status;
    status = obx_oneshot_require(&oneshot, inbox ? OUTBOX_CAP_INBOX : OUTBOX_CAP_ADMIN,
                                 inbox ? "set up an inbox" : "set up the tables", error);
    if (!status && bits & (PRINT_SQL | PRINT_GRANTS))
        status = print(&oneshot, request, error);
    else if (!status)
        status = inbox ? create_inbox(&oneshot, relay, error) : create_tables(&oneshot, relay, error);
    obx_oneshot_close(&oneshot);
    return status || bits ? status : report_ready(context, relay, error);
}

static int init_all(struct obx_context *context, void *arg, struct outbox_error *error)
{
    const struct request *request = arg;
    const char *relay;
    int status = OUTBOX_OK;
    for (uint32_t i = 0; !status && (relay = obx_context_relay(context, i)); i++) {
        status = init_relay(context, relay, request, error);
        if (status)
            obx_context_name_relay(context, relay, error);
    }
    return status;
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_COMMON,
                                            {"inbox", no_argument, NULL, INBOX},
                                            {"print-sql", no_argument, NULL, PRINT_SQL},
                                            {"print-grants", no_argument, NULL, PRINT_GRANTS},
                                            {"for", required_argument, NULL, 'f'},
                                            {"payload", required_argument, NULL, 'p'},
                                            {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    struct request request = {0};
    for (int found; (found = obx_args_next(&args)) != -1;) {
        if (found == 'f')
            request.role = optarg;
        else if (found == 'p')
            request.payload = optarg;
        else
            request.bits |= found;
    }
    if (obx_args_end(&args))
        return args.exit;
    if (request.role && !(request.bits & PRINT_GRANTS))
        return obx_args_refuse(verb, "--for names a role in printed grants: it needs --print-grants");
    return obx_context_run(&args, init_all, &request);
}

const struct obx_verb obx_verb_init = {
    "init",
    "create or migrate the outbox tables; can be repeated",
    "[-c FILE] [--relay NAME] [--inbox] [--payload TYPE] [--print-sql] [--print-grants [--for ROLE]]",
    "  --inbox             the inbox of consumers instead, by which they drop duplicates; see docs/INBOX.md\n"
    "  --payload TYPE      of the payload in new tables: text, json or bytea (binary)\n"
    "  --print-sql         only print the SQL statements\n"
    "  --print-grants      only print the minimal GRANTs for the relay and for writers\n"
    "  --for ROLE          the role of the writers in them, or with --inbox of the consumers\n",
    run,
    false};

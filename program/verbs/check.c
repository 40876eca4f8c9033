/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/check.c - outbox check: would `outbox run` work? If not: what is wrong, and what to do
 *
 * Checks the configuration, then each relay (embed/check_relay.c), then whether two relays reach one table. It goes on
 * after a failure, so that one call finds everything. The exit code is the most important one.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "daemon/relay_conflicts.h"
#include "http/address.h"
#include "cli/findings.h"
#include "cli/oneshot.h"
#include "cli/print_config.h"
#include "embed/check_relay.h"
#include "verbs/verbs.h"

struct identity {
    const char *relay;
    char text[160]; /* of the table; "": unknown */
};

/* Two names for one table escape the comparison of the configuration: the databases know. */
static void check_identities(struct obx_findings *findings, const struct identity *all, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t k = 0; k < i; k++) {
            struct obx_check_part part = {.report = &findings->report, .name = "store"};
            if (!*all[i].text || strcmp(all[i].text, all[k].text) != 0)
                continue;
            findings->relay = all[i].relay;
            obx_check_part_add(
                &part, OUTBOX_SEVERITY_ERROR, NULL, "name another table, or remove one of the relays",
                "relays '%s' and '%s' reach the same table by different names; an outbox has one relay, so "
                "one of them stays standby",
                all[k].relay, all[i].relay);
            findings->report.end(findings, OUTBOX_E_CONFIG);
        }
}

static void check_relay(struct obx_context *context, struct obx_findings *findings, struct identity *identity)
{
    struct obx_relay_setup setup;
    struct outbox_error error = {0};
    const struct obx_check_relay request = {
        .setup = &setup, .report = &findings->report, .timeout_ms = OBX_ONESHOT_TIMEOUT_MS};
    findings->relay = identity->relay;
    if (obx_context_setup(context, identity->relay, &setup, &error) ||
        obx_check_relay(&request, identity->text, &error))
        obx_findings_fail(findings, &error);
}

static void check_relays(struct obx_context *context, struct obx_findings *findings, bool compared)
{
    uint32_t count = 0;
    while (obx_context_relay(context, count))
        count++;
    struct identity *identities = obx_alloc(count * sizeof *identities);
    if (!identities) {
        findings->report.end(findings, OUTBOX_E_NO_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        identities[i].relay = obx_context_relay(context, i);
        check_relay(context, findings, &identities[i]);
    }
    if (compared)
        check_identities(findings, identities, count);
    obx_free(identities);
}

/* The port may be in use: by the running relay. */
static void check_listen(const struct obx_context *context, struct obx_findings *findings)
{
    struct addrinfo *found;
    struct outbox_error error;
    struct sockaddr_un name;
    const char *listen = context->settings.listen, *path = listen ? obx_address_socket(listen) : NULL;
    if (!listen)
        return;
    if (path ? obx_address_fill("listen", path, &name, &error) : obx_address_find(listen, AI_PASSIVE, &found, &error))
        obx_findings_fail(findings, &error);
    else if (!path)
        freeaddrinfo(found);
}

static void check_control(const struct obx_context *context, struct obx_findings *findings)
{
    struct sockaddr_un name;
    struct outbox_error error;
    if (context->settings.control && obx_address_control(context->settings.control, &name, &error))
        obx_findings_fail(findings, &error);
}

static void check_all(struct obx_context *context, struct obx_findings *findings)
{
    struct outbox_error error = {0};
    check_listen(context, findings);
    check_control(context, findings);
    bool conflict = obx_relay_conflicts_check(context, &error) != OUTBOX_OK;
    if (conflict)
        obx_findings_fail(findings, &error);
    check_relays(context, findings, !conflict);
}

static int check(const struct obx_args *args, bool json)
{
    struct obx_context context;
    struct obx_findings findings;
    struct outbox_error error = {0};
    obx_findings_open(&findings, args->verb->name, json);
    if (obx_context_open(&context, args, OBX_CONTEXT_ONESHOT, &error)) {
        obx_findings_fail(&findings, &error);
        return (int)obx_findings_close(&findings);
    }
    check_all(&context, &findings);
    obx_context_close(&context);
    return (int)obx_findings_close(&findings);
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
    static const struct option options[] = {
        OBX_ARGS_COMMON, {"json", no_argument, NULL, 'j'}, {"print-config", no_argument, NULL, 'P'}, {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    bool print = false, json = false;
    for (int found; (found = obx_args_next(&args)) != -1;)
        *(found == 'P' ? &print : &json) = true;
    if (obx_args_end(&args))
        return args.exit;
    return print ? obx_context_run(&args, print_config, NULL) : check(&args, json);
}

const struct obx_verb obx_verb_check = {
    "check",
    "validate the configuration, connect, and list what to fix",
    "[-c FILE] [--relay NAME] [--json] [--print-config]",
    "  --json              print the findings as one JSON object\n"
    "  --print-config      only print the effective configuration, with secrets redacted\n",
    run,
    false};

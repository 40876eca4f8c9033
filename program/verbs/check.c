/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/check.c - outbox check: would `outbox run` work? If not: what is wrong, and what to do
 *
 * Checks the configuration, then each relay (check_relay.c), then whether two relays reach one table. It goes on after
 * a failure, so that one call finds everything. The exit code is the most important one.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "daemon/relay_conflicts.h"
#include "http/address.h"
#include "cli/findings.h"
#include "cli/print_config.h"
#include "verbs/check_relay.h"
#include "verbs/verbs.h"

struct identity {
    const char *relay;
    char text[160]; /* of the table; "": unknown */
};

/* Two names for one table escape the comparison of the configuration: the databases know. */
static enum obx_exit check_identities(struct obx_findings *findings, const struct identity *all, uint32_t count)
{
    enum obx_exit code = OBX_EXIT_OK;
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t k = 0; k < i; k++) {
            struct obx_findings_part part = {.findings = findings, .relay = all[i].relay, .part = "store"};
            if (!*all[i].text || strcmp(all[i].text, all[k].text) != 0)
                continue;
            obx_findings_add(
                &part, OUTBOX_SEVERITY_ERROR, NULL, "name another table, or remove one of the relays",
                "relays '%s' and '%s' reach the same table by different names; an outbox has one relay, so "
                "one of them stays standby",
                all[k].relay, all[i].relay);
            code = OBX_EXIT_CONFIG;
        }
    return code;
}

static enum obx_exit check_relays(struct obx_context *context, struct obx_findings *findings, bool compared)
{
    enum obx_exit code = OBX_EXIT_OK;
    uint32_t count = 0;
    while (obx_context_relay(context, count))
        count++;
    struct identity *identities = obx_alloc(count * sizeof *identities);
    if (!identities)
        return OBX_EXIT_UNAVAILABLE;
    for (uint32_t i = 0; i < count; i++) {
        identities[i].relay = obx_context_relay(context, i);
        code = obx_exit_worse(code, obx_check_relay(context, findings, identities[i].relay, identities[i].text));
    }
    if (compared)
        code = obx_exit_worse(code, check_identities(findings, identities, count));
    obx_free(identities);
    return code;
}

/* The port may be in use: by the running relay. */
static enum obx_exit check_listen(const struct obx_context *context, struct obx_findings *findings)
{
    struct addrinfo *found;
    struct outbox_error error;
    if (!context->settings.listen)
        return OBX_EXIT_OK;
    const char *path = obx_address_socket(context->settings.listen);
    struct sockaddr_un name;
    if (path)
        return obx_address_fill("listen", path, &name, &error) ? obx_findings_fail(findings, NULL, &error)
                                                               : OBX_EXIT_OK;
    if (obx_address_find(context->settings.listen, AI_PASSIVE, &found, &error))
        return obx_findings_fail(findings, NULL, &error);
    freeaddrinfo(found);
    return OBX_EXIT_OK;
}

static enum obx_exit check_control(const struct obx_context *context, struct obx_findings *findings)
{
    struct sockaddr_un name;
    struct outbox_error error;
    if (!context->settings.control || !obx_address_control(context->settings.control, &name, &error))
        return OBX_EXIT_OK;
    return obx_findings_fail(findings, NULL, &error);
}

static enum obx_exit check_all(struct obx_context *context, struct obx_findings *findings)
{
    struct outbox_error error = {0};
    enum obx_exit code = obx_exit_worse(check_listen(context, findings), check_control(context, findings));
    bool conflict = obx_relay_conflicts_check(context, &error) != OUTBOX_OK;
    if (conflict)
        code = obx_exit_worse(code, obx_findings_fail(findings, NULL, &error));
    return obx_exit_worse(code, check_relays(context, findings, !conflict));
}

static int check(const struct obx_args *args, bool json)
{
    struct obx_context context;
    struct obx_findings findings;
    struct outbox_error error = {0};
    obx_findings_open(&findings, args->verb->name, json);
    if (obx_context_open(&context, args, OBX_CONTEXT_ONESHOT, &error))
        return (int)obx_findings_close(&findings, obx_findings_fail(&findings, NULL, &error));
    enum obx_exit code = check_all(&context, &findings);
    obx_context_close(&context);
    return (int)obx_findings_close(&findings, code);
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

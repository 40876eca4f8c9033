/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/check_relay.c - the section of one relay, its store, its transforms, and its broker
 *
 * Happy path: the section is valid; the store connects, and its own checks find no error; the columns of the route are
 * there; the own checks of the transforms find no error; the broker connects, and knows the topics that the
 * configuration names and that pending rows go to. The checks go on after a failure, so that one call finds everything.
 */
#include "verbs/check_relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/oneshot.h"
#include "relay/relay.h"
#include "verbs/check_topics.h"
#include "verbs/check_transforms.h"

struct relay_check {
    struct obx_context *context;
    struct obx_findings *findings;
    const char *relay;
    struct obx_relay_settings settings;
    struct obx_route route;
    struct obx_check_topics topics;
    struct outbox_store_status status;
};

static struct obx_findings_part part_of(const struct relay_check *check, const char *part)
{
    return (struct obx_findings_part){.findings = check->findings, .relay = check->relay, .part = part};
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

static void report_pending(struct relay_check *check, struct obx_findings_part *part)
{
    int64_t pending = check->status.pending;
    if (pending > 0)
        obx_findings_add(part, OUTBOX_SEVERITY_OK, NULL, NULL, "%" PRId64 " event%s pending: the relay publishes them",
                         pending, pending == 1 ? " is" : "s are");
    if (pending > 0 && check->topics.configured[0]) { /* all rows go there */
        check->topics.pending[check->topics.count++] = check->topics.configured[0];
        check->topics.configured[0] = NULL;
    }
}

/* The store's own checks passed, or failed with findings only: its table may be counted. A failure here is theirs. */
static void read_status(struct relay_check *check, struct obx_oneshot *oneshot, struct obx_findings_part *part)
{
    struct outbox_error ignored;
    obx_store_status(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &check->status);
    if (!obx_oneshot_wait(oneshot, &ignored))
        report_pending(check, part);
}

static bool uses_created_at(const struct obx_route *route)
{
    const struct obx_template *timestamp = &route->timestamp;
    return obx_template_is_column(timestamp) && timestamp->pieces[0].column == route->created_at;
}

static int run_store(struct relay_check *check, struct obx_oneshot *oneshot, struct obx_findings_part *part,
                     struct outbox_error *error)
{
    const struct outbox_check asked = {.struct_size = sizeof asked,
                                       .report = obx_findings_report,
                                       .arg = part,
                                       .columns = check->topics.columns[0] ? check->topics.columns : NULL,
                                       .row = obx_check_topics_row,
                                       .row_arg = &check->topics,
                                       .flags = uses_created_at(&check->route) ? OUTBOX_CHECK_TIMESTAMP : 0};
    int status = obx_oneshot_start(oneshot, OUTBOX_STORE, error);
    if (status)
        return status;
    obx_findings_add(part, OUTBOX_SEVERITY_OK, NULL, NULL, "connected with the plugin '%s'",
                     obx_instance_name(oneshot->instance));
    if (!(obx_instance_caps(oneshot->instance) & OUTBOX_CAP_ADMIN))
        return OUTBOX_OK;
    obx_store_check(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &asked);
    status = obx_oneshot_wait(oneshot, error);
    if (!status)
        read_status(check, oneshot, part);
    return status;
}

/*
 * Would the relay start? It needs the columns of the route, which the store's own checks do not know. verbose: print
 * the result. After failed checks it is not printed, but a missing privilege here decides the exit code.
 */
static enum obx_exit try_columns(struct relay_check *check, bool verbose)
{
    struct obx_findings_part part = part_of(check, "store");
    struct obx_oneshot oneshot;
    struct outbox_error error = {0};
    int status = obx_oneshot_open(&oneshot, check->context, check->relay, OUTBOX_STORE, &error);
    if (!status) {
        status = obx_oneshot_start_columns(&oneshot, &check->route.columns, &error);
        obx_oneshot_close(&oneshot);
    }
    if (status && verbose)
        obx_findings_add(&part, OUTBOX_SEVERITY_ERROR, NULL, NULL, "%s", error.text);
    else if (verbose)
        obx_findings_add(&part, OUTBOX_SEVERITY_OK, NULL, NULL, "the table has the columns that the route needs");
    return obx_exit_code(status);
}

static enum obx_exit check_store(struct relay_check *check)
{
    struct obx_findings_part part = part_of(check, "store");
    struct obx_oneshot oneshot;
    struct outbox_error error = {0};
    if (!obx_oneshot_open(&oneshot, check->context, check->relay, OUTBOX_STORE, &error)) {
        run_store(check, &oneshot, &part, &error);
        obx_oneshot_close(&oneshot);
    }
    enum obx_exit code = obx_findings_end(&part, &error);
    if (!code)
        return try_columns(check, true);
    return code == OBX_EXIT_CONFIG && try_columns(check, false) == OBX_EXIT_PERMISSION ? OBX_EXIT_PERMISSION : code;
}

/* ---- the broker -------------------------------------------------------------------------------------------------- */

static int run_broker(struct relay_check *check, struct obx_oneshot *oneshot, struct obx_findings_part *part,
                      struct outbox_error *error)
{
    const struct outbox_check asked = {.struct_size = sizeof asked,
                                       .report = obx_findings_report,
                                       .arg = part,
                                       .topics = check->topics.configured,
                                       .pending_topics = check->topics.pending};
    int status = obx_oneshot_start_probe(oneshot, error);
    if (status)
        return status;
    obx_findings_add(part, OUTBOX_SEVERITY_OK, NULL, NULL, "connected with the plugin '%s'",
                     obx_instance_name(oneshot->instance));
    obx_broker_check(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &asked);
    status = obx_oneshot_wait(oneshot, error);
    if (status == OUTBOX_E_UNSUPPORTED)
        status = error->code = 0; /* the plugin has no checks */
    return status;
}

static enum obx_exit check_broker(struct relay_check *check)
{
    struct obx_findings_part part = part_of(check, "broker");
    struct obx_oneshot oneshot;
    struct outbox_error error = {0};
    obx_check_topics_report(&check->topics, &part);
    if (!obx_oneshot_open(&oneshot, check->context, check->relay, OUTBOX_BROKER, &error)) {
        run_broker(check, &oneshot, &part, &error);
        obx_oneshot_close(&oneshot);
    }
    return obx_findings_end(&part, &error);
}

/* ---- the relay --------------------------------------------------------------------------------------------------- */

/* Make the relay as `outbox run` does, which checks its whole section. */
static int try_relay(struct obx_context *context, const char *relay, struct outbox_error *error)
{
    const struct obx_section *section;
    struct obx_relay *made;
    int status = obx_relay_section(context->config, relay, &section, error);
    if (status)
        return status;
    const struct obx_relay_setup setup = {
        .loop = context->loop, .registry = context->registry, .log = context->log, .name = relay, .section = section};
    status = obx_relay_new(&setup, &made, error);
    if (!status)
        obx_relay_free(made);
    return status;
}

enum obx_exit obx_check_relay(struct obx_context *context, struct obx_findings *findings, const char *relay,
                              char identity[static 160])
{
    struct relay_check check = {.context = context, .findings = findings, .relay = relay};
    struct outbox_error error = {0};
    check.status = (struct outbox_store_status){.struct_size = sizeof check.status, .pending = -1, .oldest_us = -1};
    identity[0] = '\0';
    int status = try_relay(context, relay, &error);
    if (!status)
        status = obx_context_route(context, relay, &check.settings, &check.route, &error);
    if (status)
        return obx_findings_fail(findings, relay, &error);
    obx_check_topics_open(&check.topics, &check.route);
    enum obx_exit code = check_store(&check);
    code = obx_exit_worse(code, obx_check_transforms(context, findings, relay));
    code = obx_exit_worse(code, check_broker(&check));
    memcpy(identity, check.status.identity, sizeof check.status.identity);
    obx_check_topics_free(&check.topics);
    obx_route_free(&check.route);
    return code;
}

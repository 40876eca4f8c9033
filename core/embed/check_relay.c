/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/check_relay.c - the section of one relay, its store, its transforms, and its broker
 *
 * Happy path: the section is valid; the store connects, and its own checks find no error; the columns of the route are
 * there; the own checks of the transforms find no error; the broker connects, and knows the topics that the
 * configuration names and that pending rows go to. The checks go on after a failure, so that one call finds everything.
 */
#include "embed/check_relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "embed/check_topics.h"
#include "embed/check_transforms.h"
#include "embed/oneshot.h"

struct relay_check {
    const struct obx_check_relay *request;
    struct obx_relay_settings settings;
    struct obx_route route;
    struct obx_check_topics topics;
    struct outbox_store_status status;
};

static struct obx_check_part part_of(const struct relay_check *check, const char *name)
{
    return (struct obx_check_part){.report = check->request->report, .name = name};
}

static int open_part(const struct relay_check *check, struct obx_oneshot *oneshot, enum outbox_kind kind,
                     struct outbox_error *error)
{
    return obx_oneshot_open_part(oneshot, check->request->setup, kind, check->request->timeout_ms, error);
}

static void end_part(const struct relay_check *check, int status)
{
    check->request->report->end(check->request->report->arg, status);
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

static void report_pending(struct relay_check *check, struct obx_check_part *part)
{
    int64_t pending = check->status.pending;
    if (pending > 0)
        obx_check_part_add(part, OUTBOX_SEVERITY_OK, NULL, NULL, "%" PRId64 " event%s pending: the relay publishes %s",
                           pending, pending == 1 ? " is" : "s are", pending == 1 ? "it" : "them");
    if (pending > 0 && check->topics.configured[0]) { /* all rows go there */
        check->topics.pending[check->topics.count++] = check->topics.configured[0];
        check->topics.configured[0] = NULL;
    }
}

/* The store's own checks passed, or failed with findings only: its table may be counted. A failure here is theirs. */
static void read_status(struct relay_check *check, struct obx_oneshot *oneshot, struct obx_check_part *part)
{
    struct outbox_error ignored;
    obx_store_status(oneshot->instance, obx_oneshot_call(oneshot), oneshot->timeout_ms, &check->status);
    if (!obx_oneshot_wait(oneshot, &ignored))
        report_pending(check, part);
}

static bool uses_created_at(const struct obx_route *route)
{
    const struct obx_template *timestamp = &route->timestamp;
    return obx_template_is_column(timestamp) && timestamp->pieces[0].column == route->created_at;
}

static int run_store(struct relay_check *check, struct obx_oneshot *oneshot, struct obx_check_part *part,
                     struct outbox_error *error)
{
    const struct outbox_check arguments = {.struct_size = sizeof arguments,
                                           .report = obx_check_part_report,
                                           .arg = part,
                                           .columns = check->topics.columns[0] ? check->topics.columns : NULL,
                                           .row = obx_check_topics_row,
                                           .row_arg = &check->topics,
                                           .flags = uses_created_at(&check->route) ? OUTBOX_CHECK_TIMESTAMP : 0};
    int status = obx_oneshot_start(oneshot, OUTBOX_STORE, error);
    if (status)
        return status;
    obx_check_part_add(part, OUTBOX_SEVERITY_OK, NULL, NULL, "connected with the plugin '%s'",
                       obx_instance_name(oneshot->instance));
    if (!(obx_instance_caps(oneshot->instance) & OUTBOX_CAP_ADMIN))
        return OUTBOX_OK;
    obx_store_check(oneshot->instance, obx_oneshot_call(oneshot), oneshot->timeout_ms, &arguments);
    status = obx_oneshot_wait(oneshot, error);
    if (!status)
        read_status(check, oneshot, part);
    return status;
}

/* What looks wrong may be what this user cannot see. */
static bool may_be_a_privilege(int status)
{
    return status == OUTBOX_E_CONFIG || status == OUTBOX_E_NOT_FOUND || status == OUTBOX_E_SCHEMA;
}

/*
 * Would the relay start? It needs the columns of the route, which the store's own checks do not know. After failed
 * checks nothing is added, but a missing privilege here decides the status.
 */
static int try_columns(struct relay_check *check, struct obx_check_part *part, int status)
{
    struct obx_oneshot oneshot;
    struct outbox_error error = {0};
    if (status && !may_be_a_privilege(status))
        return status;
    int columns = open_part(check, &oneshot, OUTBOX_STORE, &error);
    if (!columns) {
        columns = obx_oneshot_start_columns(&oneshot, &check->route.columns, &error);
        obx_oneshot_close(&oneshot);
    }
    if (status)
        return columns == OUTBOX_E_PERMISSION ? columns : status;
    if (columns)
        obx_check_part_add(part, OUTBOX_SEVERITY_ERROR, NULL, NULL, "%s", error.text);
    else
        obx_check_part_add(part, OUTBOX_SEVERITY_OK, NULL, NULL, "the table has the columns that the route needs");
    return columns;
}

static void check_store(struct relay_check *check)
{
    struct obx_check_part part = part_of(check, "store");
    struct obx_oneshot oneshot;
    struct outbox_error error = {0};
    if (!open_part(check, &oneshot, OUTBOX_STORE, &error)) {
        run_store(check, &oneshot, &part, &error);
        obx_oneshot_close(&oneshot);
    }
    end_part(check, try_columns(check, &part, obx_check_part_status(&part, &error)));
}

/* ---- the broker -------------------------------------------------------------------------------------------------- */

static int run_broker(struct relay_check *check, struct obx_oneshot *oneshot, struct obx_check_part *part,
                      struct outbox_error *error)
{
    const struct outbox_check arguments = {.struct_size = sizeof arguments,
                                           .report = obx_check_part_report,
                                           .arg = part,
                                           .topics = check->topics.configured,
                                           .pending_topics = check->topics.pending};
    int status = obx_oneshot_start_probe(oneshot, error);
    if (status)
        return status;
    obx_check_part_add(part, OUTBOX_SEVERITY_OK, NULL, NULL, "connected with the plugin '%s'",
                       obx_instance_name(oneshot->instance));
    obx_broker_check(oneshot->instance, obx_oneshot_call(oneshot), oneshot->timeout_ms, &arguments);
    status = obx_oneshot_wait(oneshot, error);
    if (status == OUTBOX_E_UNSUPPORTED)
        status = error->code = 0; /* the plugin has no checks */
    return status;
}

static void check_broker(struct relay_check *check)
{
    struct obx_check_part part = part_of(check, "broker");
    struct obx_oneshot oneshot;
    struct outbox_error error = {0};
    obx_check_topics_report(&check->topics, &part);
    if (!open_part(check, &oneshot, OUTBOX_BROKER, &error)) {
        run_broker(check, &oneshot, &part, &error);
        obx_oneshot_close(&oneshot);
    }
    end_part(check, obx_check_part_status(&part, &error));
}

/* ---- the relay --------------------------------------------------------------------------------------------------- */

/* Make the relay as `outbox run` does, which checks its whole section. */
static int try_relay(const struct obx_relay_setup *setup, struct outbox_error *error)
{
    struct obx_relay *made;
    int status = obx_relay_new(setup, &made, error);
    if (!status)
        obx_relay_free(made);
    return status;
}

int obx_check_relay(const struct obx_check_relay *request, char identity[static 160], struct outbox_error *error)
{
    struct relay_check check = {.request = request};
    check.status = (struct outbox_store_status){.struct_size = sizeof check.status, .pending = -1, .oldest_us = -1};
    identity[0] = '\0';
    int status = try_relay(request->setup, error);
    if (!status)
        status = obx_oneshot_route(request->setup->section, &check.settings, &check.route, error);
    if (status)
        return status;
    obx_check_topics_open(&check.topics, &check.route);
    check_store(&check);
    obx_check_transforms(request);
    check_broker(&check);
    memcpy(identity, check.status.identity, sizeof check.status.identity);
    obx_check_topics_free(&check.topics);
    obx_route_free(&check.route);
    return OUTBOX_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/schema-id/check.c - for `outbox check`: does the registry answer?
 *
 * A subject without ${...} is looked up. Of other subjects only the events have the names, so the list of all subjects
 * is requested. A configured id needs no registry. The work runs on a worker; the result is reported on the loop
 * thread.
 */
#include <stdio.h>

#include "schema_id.h"

static bool is_literal(const char *subject)
{
    return subject && !strstr(subject, "${");
}

static void fetch(struct outbox_work *work)
{
    struct schema_check *job = work->arg;
    uint32_t id;
    if (is_literal(job->self->subject))
        schema_fetch(job->self, job->self->subject, &id, &job->failure);
    else
        schema_reach(job->self, &job->failure);
}

static void on_fetched(struct outbox_work *work)
{
    struct schema_check *job = work->arg;
    const struct outbox_host *host = job->self->host;
    outbox_op_t op = job->op;
    if (job->failure.code == OUTBOX_E_AGAIN) /* for a relay; here it is a subject that does not exist, for example */
        job->failure.code = OUTBOX_E_CONFIG;
    if (job->failure.code)
        outbox_report_failure(job->check, "registry", &job->failure,
                              "correct registry, subject or user, or start the registry; until then the events wait");
    else
        outbox_report_finding(job->check, OUTBOX_SEVERITY_OK, "registry",
                              is_literal(job->self->subject) ? "the registry has the subject" : "the registry answers",
                              NULL);
    host->op_done(host, op, NULL);
}

void schema_check(void *arg, outbox_op_t op, const struct outbox_check *check)
{
    struct schema_id *self = arg;
    struct schema_check *job = self->host->op_scratch(self->host, op);
    job->work = (struct outbox_work){.work = fetch, .done = on_fetched, .arg = job};
    job->self = self;
    job->op = op;
    job->check = check;
    if (!self->registry)
        outbox_complete(self->host, op, OUTBOX_E_UNSUPPORTED, "check: a configured id needs no registry");
    else if (self->host->offload(self->host, &job->work))
        outbox_complete(self->host, op, OUTBOX_E_NO_MEMORY, "check the registry: no worker takes the work");
}

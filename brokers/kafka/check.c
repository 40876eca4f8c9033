/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check.c - `outbox check`: will the cluster take the events?
 *
 * A worker asks the cluster and collects findings: the library, encryption, the brokers (check_brokers.c) and the
 * topics that the configuration names (check_topics.c). The findings are reported on the loop thread. Failure mode: the
 * cluster does not list its topics; then the check itself fails.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "loopback.h"

#define ANSWER_MS 5000
#define FIXED_VERSION 0x020503ff /* 2.5.3 */

struct kafka_finding {
    struct kafka_finding *next;
    enum outbox_severity severity;
    const char *advice; /* a literal */
    char subject[288];
    char text[480];
    char command[480]; /* "": none */
};

void kafka_find(struct kafka_broker *self, struct kafka_findings *findings, enum outbox_severity severity,
                const char *advice, const char *format, ...)
{
    struct kafka_finding *finding = self->host->alloc(self->host, sizeof *finding);
    va_list arguments;
    findings->last = finding;
    if (!finding)
        return;
    finding->severity = severity;
    snprintf(finding->subject, sizeof finding->subject, "%s", findings->subject);
    finding->advice = advice;
    va_start(arguments, format);
    vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
    *findings->end = finding;
    findings->end = &finding->next;
}

void kafka_find_command(const struct kafka_findings *findings, const char *format, ...)
{
    va_list arguments;
    struct kafka_finding *last = findings->last;
    if (!last)
        return;
    va_start(arguments, format);
    if (vsnprintf(last->command, sizeof last->command, format, arguments) >= (int)sizeof last->command)
        last->command[0] = '\0'; /* half a command is worse than none */
    va_end(arguments);
}

void kafka_find_about(struct kafka_findings *findings, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(findings->subject, sizeof findings->subject, format, arguments);
    va_end(arguments);
}

/* ---- worker ------------------------------------------------------------------------------------------------------ */

static void check_library(struct kafka_broker *self, struct kafka_findings *findings)
{
    if (rd_kafka_version() < FIXED_VERSION)
        kafka_find(self, findings, OUTBOX_SEVERITY_WARNING,
                   "use 2.5.3 or later: earlier versions may end the producer after a broker's failure; the relay then "
                   "makes a new "
                   "one and may send duplicates, but loses no event",
                   "librdkafka is %s", rd_kafka_version_str());
    else
        kafka_find(self, findings, OUTBOX_SEVERITY_OK, NULL, "librdkafka is %s", rd_kafka_version_str());
}

static void check_security(struct kafka_broker *self, struct kafka_findings *findings,
                           const struct rd_kafka_metadata *metadata)
{
    char protocol[32];
    size_t size = sizeof protocol;
    if (rd_kafka_conf_get(rd_kafka_conf(self->clients[KAFKA_MAIN].rk), "security.protocol", protocol, &size) ||
        !strstr(protocol, "plaintext"))
        return;
    for (int i = 0; i < metadata->broker_cnt; i++)
        if (!kafka_is_loopback(metadata->brokers[i].host)) {
            kafka_find(self, findings, OUTBOX_SEVERITY_WARNING, "set options: security.protocol to ssl or sasl_ssl",
                       "events go to %s without encryption", metadata->brokers[i].host);
            return;
        }
}

/* librdkafka sends the request to one connected broker, and does not repeat it when that broker dies. So the request is
 * repeated here; later tries allow a large cluster more time. */
static rd_kafka_resp_err_t list_topics(struct kafka_broker *self, const struct rd_kafka_metadata **metadata)
{
    static const int tries_ms[] = {500, 1000, 1500, ANSWER_MS};
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (size_t i = 0; i < sizeof tries_ms / sizeof *tries_ms && !atomic_load(&self->cancel_workers); i++) {
        err = rd_kafka_metadata(self->clients[KAFKA_MAIN].rk, 1, NULL, metadata, tries_ms[i]);
        if (err != RD_KAFKA_RESP_ERR__TIMED_OUT && err != RD_KAFKA_RESP_ERR__TRANSPORT)
            break;
    }
    return err;
}

static void check_work(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    struct kafka_findings *findings = self->check.findings;
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t err = list_topics(self, &metadata);
    if (err) {
        kafka_error(&self->check.error, kafka_connect_code(err), err, "list the topics of %s: %s", self->bootstrap,
                    rd_kafka_err2str(err));
        return;
    }
    kafka_find(self, findings, OUTBOX_SEVERITY_OK, NULL, "connected to %d broker%s", metadata->broker_cnt,
               metadata->broker_cnt == 1 ? "" : "s");
    check_library(self, findings);
    check_security(self, findings, metadata);
    kafka_check_brokers(self, findings, metadata);
    kafka_check_topics(self, findings, metadata);
    if (self->exactly_once)
        kafka_check_progress(self, findings, metadata);
    rd_kafka_metadata_destroy(metadata);
}

/* ---- loop -------------------------------------------------------------------------------------------------------- */

static void report_one(const struct outbox_check *check, const struct kafka_finding *finding)
{
    const struct outbox_finding found = {.struct_size = sizeof found,
                                         .severity = finding->severity,
                                         .subject = finding->subject,
                                         .reason = finding->text,
                                         .advice = finding->advice,
                                         .command = finding->command[0] ? finding->command : NULL};
    check->report(check->arg, &found);
}

static void report(struct kafka_broker *self, struct kafka_findings *findings)
{
    const struct outbox_check *check = findings->check;
    for (struct kafka_finding *finding = findings->first, *next; finding; finding = next) {
        next = finding->next;
        report_one(check, finding);
        self->host->release(self->host, finding);
    }
    self->host->release(self->host, findings);
}

static void check_done(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    outbox_op_t op = self->check.op;
    report(self, self->check.findings);
    self->check.op = 0;
    self->host->op_done(self->host, op, &self->check.error);
    kafka_request_turn(self);
}

void kafka_check(void *plugin, outbox_op_t op, const struct outbox_check *check)
{
    struct kafka_broker *self = plugin;
    struct kafka_findings *findings = self->host->alloc(self->host, sizeof *findings);
    struct outbox_error error;
    if (!findings) {
        kafka_error(&error, OUTBOX_E_NO_MEMORY, 0, "check: out of memory");
        self->host->op_done(self->host, op, &error);
        return;
    }
    findings->check = check;
    kafka_find_about(findings, "cluster %s", self->bootstrap);
    findings->end = &findings->first;
    atomic_store(&self->cancel_workers, false);
    self->check = (struct kafka_job){.op = op, .findings = findings};
    kafka_run_job(self, &self->check, check_work, check_done);
}

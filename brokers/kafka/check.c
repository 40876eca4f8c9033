/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check.c - `outbox check`: what the cluster is like, before anything is sent to it
 *
 * Asks for all topics, so that asking creates none, and for the settings of those that the configuration names. All
 * that blocks runs on a worker thread, which collects findings; they are reported on the loop thread.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"

#define ANSWER_MS 5000
#define FIXED_VERSION 0x020503ff /* 2.5.3 */

struct finding {
    struct finding *next;
    enum outbox_log_level level;
    const char *advice;
    char text[320];
};

struct findings {
    const struct outbox_check *check; /* borrowed until the op completes */
    struct finding *first, **end;
};

__attribute__((format(printf, 5, 6))) static void find(struct kafka_broker *self, struct findings *findings,
                                                       enum outbox_log_level level, const char *advice,
                                                       const char *format, ...)
{
    struct finding *finding = self->host->alloc(self->host, sizeof *finding);
    va_list arguments;
    if (!finding)
        return;
    finding->level = level;
    finding->advice = advice;
    va_start(arguments, format);
    vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
    *findings->end = finding;
    findings->end = &finding->next;
}

/* ---- worker ------------------------------------------------------------------------------------------------------ */

static void check_library(struct kafka_broker *self, struct findings *findings)
{
    if (rd_kafka_version() < FIXED_VERSION)
        find(self, findings, OUTBOX_LOG_WARN,
             "2.5.3 or later is better: earlier ones may end the producer after a broker's failure, which costs this "
             "relay a new producer and perhaps duplicates, but loses nothing",
             "librdkafka is %s", rd_kafka_version_str());
    else
        find(self, findings, OUTBOX_LOG_INFO, "", "librdkafka is %s", rd_kafka_version_str());
}

static bool is_loopback(const char *host)
{
    return !strncmp(host, "127.", 4) || !strcmp(host, "localhost") || !strcmp(host, "::1") || !strcmp(host, "[::1]");
}

static void check_security(struct kafka_broker *self, struct findings *findings,
                           const struct rd_kafka_metadata *metadata)
{
    char protocol[32];
    size_t size = sizeof protocol;
    if (rd_kafka_conf_get(rd_kafka_conf(self->clients[KAFKA_MAIN].rk), "security.protocol", protocol, &size) ||
        !strstr(protocol, "plaintext"))
        return;
    for (int i = 0; i < metadata->broker_cnt; i++)
        if (!is_loopback(metadata->brokers[i].host)) {
            find(self, findings, OUTBOX_LOG_WARN, "set options: security.protocol to ssl or sasl_ssl",
                 "events go to %s in the clear", metadata->brokers[i].host);
            return;
        }
}

static const struct rd_kafka_metadata_topic *topic_of(const struct rd_kafka_metadata *metadata, const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (!strcmp(metadata->topics[i].topic, name))
            return &metadata->topics[i];
    return NULL;
}

static void check_setting(struct kafka_broker *self, struct findings *findings, const char *topic, int replicas,
                          const char *name, const char *value)
{
    if (!strcmp(name, "min.insync.replicas") && replicas > 1 && atoi(value) < 2)
        find(self, findings, OUTBOX_LOG_WARN, "set min.insync.replicas=2 on it",
             "topic '%s' has min.insync.replicas=%s: an event counts as durable with a single copy", topic, value);
    if (!strcmp(name, "max.message.bytes") && strtoull(value, NULL, 10) < self->message_max)
        find(
            self, findings, OUTBOX_LOG_WARN, "set options: message.max.bytes and batch.size below that",
            "topic '%s' takes batches of %s bytes, message.max.bytes is %llu: what is refused is sent again one by one",
            topic, value, (unsigned long long)self->message_max);
    if (!strcmp(name, "cleanup.policy") && strstr(value, "compact") && !self->require_key)
        find(self, findings, OUTBOX_LOG_WARN, "set require_key: true, so that they are rejected before they are sent",
             "topic '%s' is compacted: events without a key are refused by the broker", topic);
}

static void check_settings(struct kafka_broker *self, struct findings *findings, const char *topic, int replicas,
                           rd_kafka_event_t *event)
{
    size_t resources = 0, settings = 0;
    const rd_kafka_ConfigResource_t **resource =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &resources);
    const rd_kafka_ConfigEntry_t **setting;
    if (!resources || rd_kafka_ConfigResource_error(resource[0])) {
        find(self, findings, OUTBOX_LOG_INFO, "allow DescribeConfigs on it to have them checked",
             "the settings of topic '%s' are not shown to this user", topic);
        return;
    }
    setting = rd_kafka_ConfigResource_configs(resource[0], &settings);
    for (size_t i = 0; i < settings; i++) {
        const char *value = rd_kafka_ConfigEntry_value(setting[i]);
        check_setting(self, findings, topic, replicas, rd_kafka_ConfigEntry_name(setting[i]), value ? value : "");
    }
}

static void ask_settings(struct kafka_broker *self, struct findings *findings, const char *topic, int replicas)
{
    rd_kafka_queue_t *answers = rd_kafka_queue_new(self->clients[KAFKA_MAIN].rk);
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_event_t *event;
    rd_kafka_DescribeConfigs(self->clients[KAFKA_MAIN].rk, &resource, 1, NULL, answers);
    event = rd_kafka_queue_poll(answers, ANSWER_MS);
    if (event && !rd_kafka_event_error(event))
        check_settings(self, findings, topic, replicas, event);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(answers);
}

static void check_topic(struct kafka_broker *self, struct findings *findings, const struct rd_kafka_metadata *metadata,
                        const char *name)
{
    const struct rd_kafka_metadata_topic *topic = topic_of(metadata, name);
    int replicas;
    if (!topic) {
        find(self, findings, OUTBOX_LOG_WARN,
             "create it, or allow this user to describe it; if the brokers create topics on first use, all is well",
             "topic '%s' does not exist, or is not shown to this user", name);
        return;
    }
    if (topic->err || !topic->partition_cnt) {
        find(self, findings, OUTBOX_LOG_ERROR, "", "topic '%s': %s", name, rd_kafka_err2str(topic->err));
        return;
    }
    replicas = topic->partitions[0].replica_cnt;
    find(self, findings, OUTBOX_LOG_INFO, "", "topic '%s' has %d partition%s, %d replica%s", name, topic->partition_cnt,
         topic->partition_cnt == 1 ? "" : "s", replicas, replicas == 1 ? "" : "s");
    ask_settings(self, findings, name, replicas);
}

static void check_work(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    struct findings *findings = self->check.findings;
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t err = rd_kafka_metadata(self->clients[KAFKA_MAIN].rk, 1, NULL, &metadata, ANSWER_MS);
    if (err) {
        kafka_error(&self->check.error, kafka_connect_code(err), err, "list the topics of %s: %s", self->bootstrap,
                    rd_kafka_err2str(err));
        return;
    }
    find(self, findings, OUTBOX_LOG_INFO, "", "connected to %d broker%s", metadata->broker_cnt,
         metadata->broker_cnt == 1 ? "" : "s");
    check_library(self, findings);
    check_security(self, findings, metadata);
    for (const char *const *topic = findings->check->topics; topic && *topic && !atomic_load(&self->cancel_workers);
         topic++)
        check_topic(self, findings, metadata, *topic);
    rd_kafka_metadata_destroy(metadata);
}

/* ---- loop -------------------------------------------------------------------------------------------------------- */

static void report(struct kafka_broker *self, struct findings *findings)
{
    const struct outbox_check *check = findings->check;
    for (struct finding *finding = findings->first, *next; finding; finding = next) {
        next = finding->next;
        check->report(check->arg, finding->level, finding->text, finding->advice);
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
    struct findings *findings = self->host->alloc(self->host, sizeof *findings);
    struct outbox_error error;
    if (!findings) {
        kafka_error(&error, OUTBOX_E_NO_MEMORY, 0, "check: out of memory");
        self->host->op_done(self->host, op, &error);
        return;
    }
    findings->check = check;
    findings->end = &findings->first;
    atomic_store(&self->cancel_workers, false);
    self->check = (struct kafka_job){.op = op, .findings = findings};
    kafka_run_job(self, &self->check, check_work, check_done);
}

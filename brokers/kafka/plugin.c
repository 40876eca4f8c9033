/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/plugin.c - the descriptor, the options, init and fini
 *
 * Publishes to Apache Kafka with librdkafka: acks=all, the idempotent producer, the Java client's partitioner. broker.h
 * shows how the files work together, docs/KAFKA.md what a user needs to know.
 */
#include "broker.h"

#include <stdio.h>

#include <outbox/version.h>

static int open_timers(struct kafka_broker *self, struct outbox_error *error)
{
    if (self->host->timer_open(self->host, kafka_purge_due, self, &self->purge_timer) ||
        self->host->timer_open(self->host, kafka_answer_due, self, &self->answer_timer) ||
        self->host->timer_open(self->host, kafka_transaction_due, self, &self->transaction.timer) ||
        self->host->timer_open(self->host, kafka_outage_due, self, &self->outage.timer) ||
        self->host->timer_open(self->host, kafka_heartbeat_due, self, &self->heartbeat.timer))
        return kafka_error(error, OUTBOX_E_NO_MEMORY, 0, "make timers: out of memory");
    return OUTBOX_OK;
}

static int init(void *plugin, const struct outbox_init *init, struct outbox_error *error)
{
    struct kafka_broker *self = plugin;
    self->host = self->blocked.host = init->host;
    self->relay = init->relay;
    self->exactly_once = init->flags & OUTBOX_INIT_EXACTLY_ONCE;
    self->notify_fd = -1;
    self->pending_end = &self->pending;
    self->turn = (struct outbox_task){.run = kafka_turn, .arg = self};
    self->blocked_turn = (struct outbox_task){.run = kafka_blocked_turn, .arg = self};
    int rc = open_timers(self, error);
    return rc ? rc : kafka_configure(self, error);
}

static void fini(void *plugin)
{
    struct kafka_broker *self = plugin;
    if (!self->host)
        return;
    self->host->timer_close(self->purge_timer);
    self->host->timer_close(self->answer_timer);
    self->host->timer_close(self->transaction.timer);
    self->host->timer_close(self->outage.timer);
    self->host->timer_close(self->heartbeat.timer);
    if (self->conf)
        rd_kafka_conf_destroy(self->conf);
    kafka_topics_free(&self->topics, self->host);
    kafka_blocked_keys_free(&self->blocked);
    kafka_free_slots(self);
    kafka_progress_free(&self->transaction.progress);
    self->host->release(self->host, self->transaction.buffer);
}

static const char *const out_of_range_choices[] = {"reject", "clamp", NULL};

/* What is no secret, whatever its value. A key that is misspelt, or that a later librdkafka has, is not shown. */
static const char *const shown_options[] = {
    "acks",
    "allow.auto.create.topics",
    "api.version.request",
    "batch.num.messages",
    "batch.size",
    "broker.address.family",
    "broker.address.ttl",
    "client.dns.lookup",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "debug",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.ssl.certificate.verification",
    "linger.ms",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.max.age.ms",
    "partitioner",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.sigalgs.list",
    "statistics.interval.ms",
    "sticky.partitioning.linger.ms",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
    "transaction.timeout.ms",
    NULL,
};

#define AT(member) offsetof(struct kafka_broker, member)
static const struct outbox_option options[] = {
    {"bootstrap.servers", OUTBOX_OPT_STRING, OUTBOX_OPT_REQUIRED, AT(bootstrap),
     .help = "host:port of some brokers, separated by commas"},
    {"options", OUTBOX_OPT_MAP, 0, AT(options), .choices = shown_options,
     .help = "passed through to librdkafka, by its own names"},
    {"client.id", OUTBOX_OPT_STRING, 0, AT(client_id),
     .help = "name of this client in the brokers' logs and quotas; outbox-RELAY if empty"},
    {"transactional.id", OUTBOX_OPT_STRING, 0, AT(transactional_id),
     .help = "of delivery: exactly-once, which requires it: a name of this relay's producer that no other has and that "
             "stays; it fences former owners"},
    {"progress_topic", OUTBOX_OPT_STRING, 0, AT(progress_topic), .default_value = "outbox-progress",
     .help = "compacted topic of the progress records of delivery: exactly-once"},
    {"progress_partition", OUTBOX_OPT_INT, 0, AT(progress_partition), .default_value = "0", .min = 0, .max = 1000000,
     .help = "its partition for this relay, which no other relay may use"},
    {"transaction", OUTBOX_OPT_DURATION, 0, AT(transaction_ms), .default_value = "50ms", .min = 1, .max = 5000,
     .help = "longest time from the first event of a transaction to its commit"},
    {"require_key", OUTBOX_OPT_BOOL, 0, AT(require_key), .default_value = "false",
     .help = "reject events without a key, as compacted topics do"},
    {"timestamp_out_of_range", OUTBOX_OPT_ENUM, 0, AT(out_of_range), .default_value = "reject",
     .choices = out_of_range_choices,
     .help = "what to do with an event whose timestamp the topic does not take: reject it, or send it with the nearest "
             "timestamp that the topic takes (clamp)"},
    {"insecure", OUTBOX_OPT_BOOL, 0, AT(insecure), .default_value = "false",
     .help = "allow options that turn certificate checks off"},
    {"unsafe", OUTBOX_OPT_BOOL, 0, AT(unsafe), .default_value = "false",
     .help = "allow options that break the guarantees of order and no loss"},
};

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof ops,
    .init = init,
    .fini = fini,
    .start = kafka_start,
    .stop = kafka_stop,
    .cancel = kafka_cancel,
    .publish = kafka_publish,
    .admit = kafka_admit,
    .check = kafka_check,
    .record = kafka_record,
};

static const char *library(void)
{
    static char text[64];
    snprintf(text, sizeof text, "librdkafka %s", rd_kafka_version_str());
    return text;
}

OUTBOX_PLUGIN(broker, kafka) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ORDERED | OUTBOX_CAP_ADMIT | OUTBOX_CAP_EXACTLY_ONCE,
    .name = "kafka",
    .version = OUTBOX_VERSION_STRING,
    .library = library,
    .description = "publishes to Apache Kafka with librdkafka",
    .instance_size = sizeof(struct kafka_broker),
    .op_size = sizeof(struct kafka_publish),
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .ops = &ops,
};

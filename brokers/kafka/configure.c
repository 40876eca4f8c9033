/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/configure.c - from the section's options to librdkafka's configuration
 *
 * Three layers: the defaults of this broker, what the user passes through in `options`, and the section's own keys. A
 * setting that would break a guarantee is refused unless `unsafe: true`; one that turns certificate checks off needs
 * `insecure: true`. For any other error the text is librdkafka's. No I/O.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "broker.h"
#include "loopback.h"

static const struct outbox_pair defaults[] = {
    /* promises */
    {"acks", "all"},
    {"enable.idempotence", "true"},
    {"enable.gapless.guarantee", "true"}, /* nothing may follow what failed; see clients.c */
    {"message.timeout.ms", "0"},          /* an event does not expire while a broker may still take it */
    {"partitioner", "murmur2_random"},    /* as the Java client does */
    {"ssl.endpoint.identification.algorithm", "https"},
    /* memory */
    {"queue.buffering.max.kbytes", "32768"},
    {"queue.buffering.max.messages", "200000"},
    /* throughput and latency */
    {"linger.ms", "0"}, /* what comes in one publish is in one request without it: partition_batching.c */
    {"batch.num.messages", "10000"},
    {"batch.size", "1000000"},
    {"socket.nagle.disable", "true"},
    /* how fast faults are noticed and healed */
    {"socket.timeout.ms", "6000"},
    {"request.timeout.ms", "5000"},
    {"socket.keepalive.enable", "true"},
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "1000"},
    {"retry.backoff.ms", "50"},
    {"topic.metadata.refresh.fast.interval.ms", "100"},
    {"topic.metadata.propagation.max.ms", "1000"},
    {"log.connection.close", "false"},
    {"transaction.timeout.ms", "15000"}, /* so long a relay that hangs delays the readers of its topics */
};

/* Guarantees, with librdkafka's aliases. `only`: the one value that keeps them. */
static const struct {
    const char *name;
    const char *only;
    const char *why;
} promises[] = {
    {"acks", "all", "an event is settled only when all in-sync replicas have it"},
    {"request.required.acks", "all", "an event is settled only when all in-sync replicas have it"},
    {"enable.idempotence", "true", "without it retries reorder and duplicate events"},
    {"enable.gapless.guarantee", "true", "events would overtake a refused event"},
    {"message.timeout.ms", "0", "timed out events leave gaps in the order of their key"},
    {"delivery.timeout.ms", "0", "timed out events leave gaps in the order of their key"},
    {"retries", NULL, "events that expire leave gaps in the order of their key"},
    {"message.send.max.retries", NULL, "events that expire leave gaps in the order of their key"},
    {"max.in.flight", NULL, "more requests in flight reorder events"},
    {"max.in.flight.requests.per.connection", NULL, "more requests in flight reorder events"},
    {"queuing.strategy", "fifo", "it reorders events"},
    {"delivery.report.only.error", "false", "events are settled by their delivery reports"},
};

/* What this broker sets itself, or cannot use. */
static const struct {
    const char *name;
    const char *instead;
} reserved[] = {
    {"bootstrap.servers", "set it in the section itself"},
    {"metadata.broker.list", "set it in the section itself"},
    {"client.id", "set it in the section itself"},
    {"transactional.id", "set it in the section itself"},
    {"isolation.level", "this broker sets it"},
    {"log.queue", "the log level of outbox decides what is logged"},
    {"enabled_events", "this broker sets it"},
    {"plugin.library.paths", "it loads code into the relay"},
    {"ssl.engine.location", "it loads code into the relay"},
    {"ssl.providers", "it loads code into the relay"},
};

static int refuse(struct outbox_error *error, const struct outbox_pair *pair, const char *why)
{
    return kafka_error(error, OUTBOX_E_CONFIG, 0, "options: %s=%s is refused: %s", pair->name, pair->value, why);
}

static int check_promises(const struct kafka_broker *self, const struct outbox_pair *pair, struct outbox_error *error)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (!strcmp(pair->name, reserved[i].name))
            return kafka_error(error, OUTBOX_E_CONFIG, 0, "options: %s cannot be set here: %s", pair->name,
                               reserved[i].instead);
    for (size_t i = 0; i < sizeof promises / sizeof *promises; i++) {
        if (strcmp(pair->name, promises[i].name) || (promises[i].only && !strcasecmp(pair->value, promises[i].only)))
            continue;
        if (!self->unsafe)
            return kafka_error(error, OUTBOX_E_CONFIG, 0,
                               "options: %s=%s is refused: %s; remove it, or set unsafe: true", pair->name, pair->value,
                               promises[i].why);
        self->host->log(self->host, OUTBOX_LOG_WARN, "unsafe: %s=%s: %s", pair->name, pair->value, promises[i].why);
    }
    return OUTBOX_OK;
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct outbox_error *error)
{
    char text[KAFKA_ERRSTR];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return OUTBOX_OK;
    return kafka_error(error, OUTBOX_E_CONFIG, 0, "librdkafka %s refuses %s: %s", rd_kafka_version_str(), name, text);
}

/* The value as librdkafka writes it; "" when it has none. */
static const char *get(const rd_kafka_conf_t *conf, const char *name, char *value, size_t size)
{
    if (rd_kafka_conf_get(conf, name, value, &size) != RD_KAFKA_CONF_OK)
        value[0] = '\0';
    return value;
}

/* librdkafka accepts a list without a host, and then never connects. */
static int check_bootstrap(const struct kafka_broker *self, struct outbox_error *error)
{
    if (self->bootstrap[strspn(self->bootstrap, ", ")])
        return OUTBOX_OK;
    return kafka_error(error, OUTBOX_E_CONFIG, 0,
                       "bootstrap.servers: no broker in '%s'; write for example kafka1:9092,kafka2:9092",
                       self->bootstrap);
}

static int set_all(struct kafka_broker *self, struct outbox_error *error)
{
    int rc = OUTBOX_OK;
    for (size_t i = 0; !rc && i < sizeof defaults / sizeof *defaults; i++)
        rc = set(self->conf, defaults[i].name, defaults[i].value, error);
    for (uint32_t i = 0; !rc && i < self->options.count; i++) {
        const struct outbox_pair *pair = &self->options.items[i];
        rc = check_promises(self, pair, error);
        if (!rc)
            rc = set(self->conf, pair->name, pair->value, error);
    }
    return rc ? rc : set(self->conf, "bootstrap.servers", self->bootstrap, error);
}

static int set_client_id(struct kafka_broker *self, struct outbox_error *error)
{
    char name[256];
    if (self->client_id && *self->client_id)
        return set(self->conf, "client.id", self->client_id, error);
    snprintf(name, sizeof name, "outbox-%s", self->relay);
    return set(self->conf, "client.id", name, error);
}

static int check_security(const struct kafka_broker *self, struct outbox_error *error)
{
    char value[64];
    struct outbox_pair pair = {"enable.ssl.certificate.verification", value};
    if (self->insecure)
        return OUTBOX_OK;
    if (!strcmp(get(self->conf, pair.name, value, sizeof value), "false"))
        return refuse(error, &pair, "any host could pose as the broker; remove it, or set insecure: true");
    pair.name = "ssl.endpoint.identification.algorithm";
    if (!strcmp(get(self->conf, pair.name, value, sizeof value), "none"))
        return refuse(error, &pair, "any certificate of the same authority would do; remove it, or set insecure: true");
    return OUTBOX_OK;
}

/* Of brokers that answer later, check looks at the addresses. */
static void warn_insecure(const struct kafka_broker *self)
{
    char protocol[32];
    if (!strstr(get(self->conf, "security.protocol", protocol, sizeof protocol), "plaintext"))
        return;
    for (const char *at = self->bootstrap; *at; at += strcspn(at, ","), at += *at == ',') {
        char host[256];
        snprintf(host, sizeof host, "%.*s", (int)strcspn(at, ","), at);
        if (kafka_is_loopback(host))
            continue;
        self->host->log(self->host, OUTBOX_LOG_WARN,
                        "%s with %s, which is not this machine: %s; set security.protocol to ssl or sasl_ssl", protocol,
                        host + strspn(host, " "),
                        strstr(protocol, "sasl") ? "an attacker on the way can read the password, and events"
                                                 : "an attacker on the way can read and change events");
        return;
    }
}

/* An event larger than the queue would never be sent. */
static int check_sizes(struct kafka_broker *self, struct outbox_error *error)
{
    char value[64];
    self->queue_max = strtoull(get(self->conf, "queue.buffering.max.kbytes", value, sizeof value), NULL, 10) * 1024;
    self->message_max = strtoull(get(self->conf, "message.max.bytes", value, sizeof value), NULL, 10);
    self->compressed = strcmp(get(self->conf, "compression.codec", value, sizeof value), "none") != 0;
    if (self->queue_max >= self->message_max)
        return OUTBOX_OK;
    return kafka_error(error, OUTBOX_E_CONFIG, 0,
                       "options: queue.buffering.max.kbytes holds %llu bytes, less than one event of "
                       "message.max.bytes=%llu; raise the former",
                       (unsigned long long)self->queue_max, (unsigned long long)self->message_max);
}

/* Gapless needs the idempotent producer, which `unsafe` may turn off. */
static int match_gapless(struct kafka_broker *self, struct outbox_error *error)
{
    char value[64];
    if (!strcmp(get(self->conf, "enable.idempotence", value, sizeof value), "true"))
        return OUTBOX_OK;
    return set(self->conf, "enable.gapless.guarantee", "false", error);
}

/* A progress record that is too large, or has no room beside an event, would throw away each transaction. */
static int check_progress_size(const struct kafka_broker *self, struct outbox_error *error)
{
    unsigned long long message = KAFKA_PROGRESS_BYTES + 1024, queue = self->message_max + KAFKA_PROGRESS_BYTES;
    if (self->message_max < message)
        return kafka_error(error, OUTBOX_E_CONFIG, 0,
                           "options: message.max.bytes=%llu is less than the %llu bytes that a progress record of "
                           "delivery: exactly-once may need; raise it",
                           (unsigned long long)self->message_max, message);
    if (self->queue_max < queue)
        return kafka_error(error, OUTBOX_E_CONFIG, 0,
                           "options: queue.buffering.max.kbytes holds %llu bytes, less than one event and a progress "
                           "record of delivery: exactly-once, %llu bytes; raise it",
                           (unsigned long long)self->queue_max, queue);
    return OUTBOX_OK;
}

static int check_transactions(const struct kafka_broker *self, struct outbox_error *error)
{
    char value[32];
    if (!self->exactly_once)
        return OUTBOX_OK;
    if (!self->transactional_id || !*self->transactional_id)
        return kafka_error(
            error, OUTBOX_E_CONFIG, 0,
            "delivery: exactly-once needs transactional.id: a name that no other relay of the cluster has, "
            "and that stays");
    if (strlen(self->transactional_id) > KAFKA_PROGRESS_ID)
        return kafka_error(error, OUTBOX_E_CONFIG, 0, "transactional.id has more than %d bytes; take a shorter one",
                           KAFKA_PROGRESS_ID);
    int64_t timeout = strtoll(get(self->conf, "transaction.timeout.ms", value, sizeof value), NULL, 10);
    int64_t socket = strtoll(get(self->conf, "socket.timeout.ms", value, sizeof value), NULL, 10);
    if (timeout < socket)
        return kafka_error(
            error, OUTBOX_E_CONFIG, 0,
            "options: transaction.timeout.ms=%lld is shorter than socket.timeout.ms=%lld; make it longer",
            (long long)timeout, (long long)socket);
    return check_progress_size(self, error);
}

static void warn_partitioner(const struct kafka_broker *self)
{
    char value[64];
    get(self->conf, "partitioner", value, sizeof value);
    if (strcmp(value, "murmur2_random") && strcmp(value, "murmur2"))
        self->host->log(self->host, OUTBOX_LOG_WARN,
                        "partitioner=%s places keys in other partitions than the Java client and the default do",
                        value);
}

static enum outbox_log_level level_of(int severity, const char *facility)
{
    if (!strcmp(facility, "FAIL") || !strcmp(facility, "ERROR") || !strcmp(facility, "FATAL"))
        return OUTBOX_LOG_DEBUG; /* comes as an event too, which reports.c handles */
    if (severity <= 3)
        return OUTBOX_LOG_WARN;
    return severity <= 6 ? OUTBOX_LOG_DEBUG : OUTBOX_LOG_TRACE;
}

/* Any thread. */
static void log_line(const rd_kafka_t *rk, int severity, const char *facility, const char *text)
{
    const struct kafka_broker *self = rd_kafka_opaque(rk);
    enum outbox_log_level level = level_of(severity, facility);
    if (self->host->log_enabled(self->host, level))
        self->host->log(self->host, level, "librdkafka %s: %s", facility, text);
}

int kafka_configure(struct kafka_broker *self, struct outbox_error *error)
{
    int rc;
    self->conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(self->conf, self);
    rd_kafka_conf_set_log_cb(self->conf, log_line);
    rd_kafka_conf_set_events(self->conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    rc = check_bootstrap(self, error);
    if (!rc)
        rc = set_all(self, error);
    if (!rc)
        rc = set_client_id(self, error);
    if (!rc)
        rc = check_security(self, error);
    if (!rc)
        rc = check_sizes(self, error);
    if (!rc)
        rc = match_gapless(self, error);
    if (!rc)
        rc = check_transactions(self, error);
    if (!rc)
        warn_partitioner(self);
    if (!rc)
        warn_insecure(self);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/plugin.c - the descriptor, the options, init and fini
 *
 * Publishes to Apache Kafka with librdkafka: acks=all, the idempotent producer, keys placed as the Java client places
 * them. See broker.h for how the files work together and docs/KAFKA.md for what a user needs to know.
 */
#include "broker.h"

#include <outbox/version.h>

static void resume(struct outbox_task *task)
{
    kafka_reports_drain(task->arg);
}

static int init(void *plugin, const struct outbox_init *init, struct outbox_error *error)
{
    struct kafka_broker *self = plugin;
    self->host = init->host;
    self->relay = init->relay;
    self->doorbell = -1;
    self->pending_end = &self->pending;
    self->resume = (struct outbox_task){.run = resume, .arg = self};
    self->held.notice = (struct outbox_task){.run = kafka_held_notice, .arg = self};
    if (self->host->timer_open(self->host, kafka_purge_all, self, &self->grace) ||
        self->host->timer_open(self->host, kafka_lose_patience, self, &self->patience) ||
        self->host->timer_open(self->host, kafka_outage, self, &self->outage))
        return kafka_error(error, OUTBOX_E_NO_MEMORY, 0, "make timers: out of memory");
    return kafka_configure(self, error);
}

static void fini(void *plugin)
{
    struct kafka_broker *self = plugin;
    if (!self->host)
        return;
    self->host->timer_close(self->grace);
    self->host->timer_close(self->patience);
    self->host->timer_close(self->outage);
    if (self->conf)
        rd_kafka_conf_destroy(self->conf);
    kafka_topics_free(self);
    kafka_held_free(self);
    kafka_free_slots(self);
}

#define AT(member) offsetof(struct kafka_broker, member)
static const struct outbox_option options[] = {
    {"bootstrap.servers", OUTBOX_OPT_STRING, OUTBOX_OPT_REQUIRED, AT(bootstrap),
     .help = "host:port of a few brokers, separated by commas"},
    {"options", OUTBOX_OPT_MAP, 0, AT(options), .help = "passed through to librdkafka, by its own names"},
    {"client.id", OUTBOX_OPT_STRING, 0, AT(client_id),
     .help = "how the brokers call this relay; outbox-RELAY if empty"},
    {"require_key", OUTBOX_OPT_BOOL, 0, AT(require_key), .default_value = "false",
     .help = "reject events without a key, as compacted topics do"},
    {"insecure", OUTBOX_OPT_BOOL, 0, AT(insecure), .default_value = "false",
     .help = "allow options that turn certificate checks off"},
    {"unsafe", OUTBOX_OPT_BOOL, 0, AT(unsafe), .default_value = "false",
     .help = "allow options that give up the promises of order and no loss"},
};

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof ops,
    .init = init,
    .fini = fini,
    .start = kafka_start,
    .stop = kafka_stop,
    .cancel = kafka_cancel,
    .publish = kafka_produce,
    .admit = kafka_admit,
    .check = kafka_check,
};

OUTBOX_PLUGIN(broker, kafka) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ORDERED | OUTBOX_CAP_ADMIT,
    .name = "kafka",
    .version = OUTBOX_VERSION_STRING,
    .description = "publishes to Apache Kafka with librdkafka",
    .instance_size = sizeof(struct kafka_broker),
    .op_size = sizeof(struct kafka_publish),
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .ops = &ops,
};

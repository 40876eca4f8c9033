/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/nats/plugin.c - the NATS broker: options, memory, descriptor */
#include "broker.h"

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct nats_broker *broker = self;
    broker->host = init->host;
    broker->relay = init->relay;
    broker->socket = -1;
    broker->in_flight.next_number = 1;
    broker->task = (struct outbox_task){.run = nats_on_task, .arg = broker};
    outbox_queue_init(&broker->notes, init->host, nats_read_note, broker);
    pthread_mutex_init(&broker->mutex, NULL);
    pthread_cond_init(&broker->ended, NULL);
    if (strchr(broker->servers, '@'))
        return outbox_error_set(error, OUTBOX_E_CONFIG,
                                "servers: a URL has a login, which would be logged; set user and password, or token");
    if (broker->password && !broker->user)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "password is set without user");
    if (!broker->tls_cert != !broker->tls_key)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "set tls_cert and tls_key, or neither");
    return OUTBOX_OK;
}

static void fini(void *self)
{
    struct nats_broker *broker = self;
    if (!broker->host)
        return;
    broker->host->timer_close(broker->timer);
    nats_free_notes(broker);
    outbox_queue_free(&broker->notes);
    pthread_cond_destroy(&broker->ended);
    pthread_mutex_destroy(&broker->mutex);
}

#define OPTION(key, kind, member, ...) OUTBOX_OPTION(struct nats_broker, key, kind, member, __VA_ARGS__)

static const struct outbox_option options[] = {
    OPTION("servers", STRING, servers, .default_value = "nats://localhost:4222",
           .help = "URLs of the servers, with commas between them"),
    OPTION("user", STRING, user, .help = "user name"),
    OPTION("password", STRING, password, .flags = OUTBOX_OPT_SECRET, .help = "password of the user"),
    OPTION("token", STRING, token, .flags = OUTBOX_OPT_SECRET, .help = "token, instead of user and password"),
    OPTION("credentials", STRING, credentials, .help = "file with a JWT and an NKey, instead of user and password"),
    OPTION("tls", BOOL, tls, .default_value = "false",
           .help = "connect by TLS only, and verify the server's certificate and name"),
    OPTION("tls_ca", STRING, tls_ca, .help = "file of trusted certificates; unset: those of the system"),
    OPTION("tls_cert", STRING, tls_cert, .help = "file of the client's certificate"),
    OPTION("tls_key", STRING, tls_key, .help = "file of the key of tls_cert"),
    OPTION("ack_timeout", DURATION, ack_timeout_ms, .default_value = "5s", .min = 100, .max = 3600000,
           .help = "how long an event waits for JetStream's answer before it is sent again"),
    OPTION("connect_timeout", DURATION, connect_timeout_ms, .default_value = "5s", .min = 100, .max = 3600000,
           .help = "how long one server may take to accept a connection"),
};

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof(struct outbox_broker_ops),
    .init = init,
    .fini = fini,
    .start = nats_start,
    .stop = nats_stop,
    .cancel = nats_cancel,
    .publish = nats_publish,
    .admit = nats_admit,
    .check = nats_check,
};

static const char *library(void)
{
    return "libnats " NATS_VERSION_STRING;
}

OUTBOX_PLUGIN(broker, nats) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ADMIT | OUTBOX_CAP_CONCURRENT,
    .name = "nats",
    .version = "0.1.0",
    .description = "stores events in NATS JetStream",
    .instance_size = sizeof(struct nats_broker),
    .op_size = sizeof(struct outbox_answers),
    .message_size = sizeof(struct nats_message),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
    .library = library,
};

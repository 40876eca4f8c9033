/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/rabbitmq/plugin.c - the RabbitMQ broker: options, memory, descriptor */
#include <fcntl.h>
#include <unistd.h>

#include "broker.h"

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct rabbit_broker *broker = self;
    broker->host = init->host;
    broker->relay = init->relay;
    broker->task = (struct outbox_task){.run = rabbit_on_task, .arg = broker};
    broker->shared.socket = broker->wake[0] = broker->wake[1] = -1;
    pthread_mutex_init(&broker->shared.mutex, NULL);
    if (!broker->tls_cert != !broker->tls_key)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "set tls_cert and tls_key, or neither");
    if ((broker->tls_ca || broker->tls_cert) && !broker->tls)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "tls_ca or tls_cert is set, but tls is off");
    if (strlen(broker->exchange) > SHORT_MAX)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "exchange: the name has over %d bytes", SHORT_MAX);
    if (pipe2(broker->wake, O_CLOEXEC | O_NONBLOCK))
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "no more file descriptors");
    if (init->host->timer_open(init->host, rabbit_on_timer, broker, &broker->timer))
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "out of memory");
    return OUTBOX_OK;
}

static void fini(void *self)
{
    struct rabbit_broker *broker = self;
    if (!broker->host)
        return;
    broker->host->timer_close(broker->timer);
    for (int i = 0; i < 2; i++)
        if (broker->wake[i] >= 0)
            close(broker->wake[i]);
    pthread_mutex_destroy(&broker->shared.mutex);
}

#define OPTION(key, kind, member, ...) OUTBOX_OPTION(struct rabbit_broker, key, kind, member, __VA_ARGS__)

static const struct outbox_option options[] = {
    OPTION("servers", STRING, servers, .default_value = "localhost",
           .help = "HOST or HOST:PORT of the servers, with commas between them"),
    OPTION("user", STRING, user, .default_value = "guest", .help = "user name"),
    OPTION("password", STRING, password, .default_value = "guest", .flags = OUTBOX_OPT_SECRET,
           .help = "password of the user"),
    OPTION("virtual_host", STRING, virtual_host, .default_value = "/", .help = "name of the virtual host"),
    OPTION("exchange", STRING, exchange, .default_value = "",
           .help = "exchange that gets the messages; it must exist. Empty: the topic is the name of a queue"),
    OPTION("mandatory", BOOL, mandatory, .default_value = "true",
           .help = "a message that reaches no queue is not published; false: RabbitMQ drops it"),
    OPTION("content_type", STRING, content_type, .default_value = "application/json",
           .help = "content type of the messages"),
    OPTION("tls", BOOL, tls, .default_value = "false",
           .help = "connect by TLS, and verify the server's certificate and name"),
    OPTION("tls_ca", STRING, tls_ca, .help = "file of trusted certificates; unset: those of the system"),
    OPTION("tls_cert", STRING, tls_cert, .help = "file of the client's certificate"),
    OPTION("tls_key", STRING, tls_key, .help = "file of the key of tls_cert"),
    OPTION("max_unconfirmed", INT, max_unconfirmed, .default_value = "2000", .min = 1, .max = 65536,
           .help = "messages that are sent and not yet confirmed, at a time"),
    OPTION("confirm_timeout", DURATION, confirm_timeout_ms, .default_value = "30s", .min = 100, .max = 3600000,
           .help = "how long an event waits for its confirmation before it is sent again"),
    OPTION("connect_timeout", DURATION, connect_timeout_ms, .default_value = "5s", .min = 100, .max = 3600000,
           .help = "how long connecting and each request to the server may take"),
};

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof(struct outbox_broker_ops),
    .init = init,
    .fini = fini,
    .start = rabbit_start,
    .stop = rabbit_stop,
    .cancel = rabbit_cancel,
    .publish = rabbit_publish,
    .admit = rabbit_admit,
    .check = rabbit_check,
};

static const char *library(void)
{
    static char text[40];
    snprintf(text, sizeof text, "librabbitmq %s", amqp_version());
    return text;
}

OUTBOX_PLUGIN(broker, rabbitmq) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ADMIT | OUTBOX_CAP_CONCURRENT,
    .name = "rabbitmq",
    .version = "0.1.0",
    .description = "publishes events to an exchange of RabbitMQ",
    .instance_size = sizeof(struct rabbit_broker),
    .op_size = sizeof(struct outbox_answers),
    .message_size = sizeof(struct rabbit_message),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
    .library = library,
};

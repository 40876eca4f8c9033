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

#define AT(member) offsetof(struct rabbit_broker, member)
#define TEXT_OPTION(key, member, value, flag, what)                                                          \
    {                                                                                                        \
        .name = key, .type = OUTBOX_OPT_STRING, .flags = flag, .offset = AT(member), .default_value = value, \
        .help = what                                                                                         \
    }

static const struct outbox_option options[] = {
    TEXT_OPTION("servers", servers, "localhost", 0, "HOST or HOST:PORT of the servers, with commas between them"),
    TEXT_OPTION("user", user, "guest", 0, "user name"),
    TEXT_OPTION("password", password, "guest", OUTBOX_OPT_SECRET, "password of the user"),
    TEXT_OPTION("virtual_host", virtual_host, "/", 0, "name of the virtual host"),
    TEXT_OPTION("exchange", exchange, "", 0,
                "exchange that gets the messages; it must exist. Empty: the topic is the name of a queue"),
    {.name = "mandatory",
     .type = OUTBOX_OPT_BOOL,
     .offset = AT(mandatory),
     .default_value = "true",
     .help = "a message that reaches no queue is not published; false: RabbitMQ drops it"},
    TEXT_OPTION("content_type", content_type, "application/json", 0, "content type of the messages"),
    {.name = "tls",
     .type = OUTBOX_OPT_BOOL,
     .offset = AT(tls),
     .default_value = "false",
     .help = "connect by TLS, and verify the server's certificate and name"},
    TEXT_OPTION("tls_ca", tls_ca, NULL, 0, "file of trusted certificates; unset: those of the system"),
    TEXT_OPTION("tls_cert", tls_cert, NULL, 0, "file of the client's certificate"),
    TEXT_OPTION("tls_key", tls_key, NULL, 0, "file of the key of tls_cert"),
    {.name = "max_unconfirmed",
     .type = OUTBOX_OPT_INT,
     .offset = AT(max_unconfirmed),
     .default_value = "2000",
     .min = 1,
     .max = 65536,
     .help = "messages that are sent and not yet confirmed, at a time"},
    {.name = "confirm_timeout",
     .type = OUTBOX_OPT_DURATION,
     .offset = AT(confirm_timeout_ms),
     .default_value = "30s",
     .min = 100,
     .max = 3600000,
     .help = "how long an event waits for its confirmation before it is sent again"},
    {.name = "connect_timeout",
     .type = OUTBOX_OPT_DURATION,
     .offset = AT(connect_timeout_ms),
     .default_value = "5s",
     .min = 100,
     .max = 3600000,
     .help = "how long connecting and each request to the server may take"},
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
    .op_size = sizeof(struct rabbit_publish),
    .message_size = sizeof(struct rabbit_message),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
    .library = library,
};

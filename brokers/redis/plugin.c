/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/redis/plugin.c - the Redis broker: options, life cycle, descriptor */
#include "broker.h"

/* ---- life cycle -------------------------------------------------------------------------------------------------- */

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct redis_broker *broker = self;
    broker->host = init->host;
    broker->relay = init->relay;
    broker->port = outbox_split_address(broker->server, 6379, broker->name, sizeof broker->name);
    if (!broker->socket && !broker->port)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "server: '%s' is not HOST:PORT", broker->server);
    if (broker->user && !broker->password)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "user is set without password");
    if (broker->tls_ca && !broker->tls)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "tls_ca is set, but tls is off");
    return OUTBOX_OK;
}

static void fini(void *self)
{
    struct redis_broker *broker = self;
    if (broker->host)
        broker->host->timer_close(broker->timer);
}

static void start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct redis_broker *broker = self;
    snprintf(broker->producer, sizeof broker->producer, "%s", *start->outbox ? start->outbox : broker->relay);
    broker->start_op = op;
    redis_connect(broker);
}

void redis_end_stop(struct redis_broker *broker)
{
    outbox_op_t op = broker->stop_op;
    if (!op || broker->publishes || broker->looking_up)
        return;
    broker->stop_op = 0;
    redis_disconnect(broker);
    broker->host->op_done(broker->host, op, NULL);
}

static void give_up_start(struct redis_broker *broker)
{
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_CANCELED, "connect to %s: canceled", broker->name);
    redis_start_failed(broker, &error);
}

/* Answers are waited for as long as any other answer: see connection.c. */
static void stop(void *self, outbox_op_t op)
{
    struct redis_broker *broker = self;
    broker->stop_op = op;
    give_up_start(broker);
    redis_end_stop(broker);
}

static void cancel(void *self, outbox_op_t op)
{
    struct redis_broker *broker = self;
    if (op == broker->start_op)
        give_up_start(broker);
    else if (op == broker->check_op)
        redis_cancel_check(broker);
    else
        redis_disconnect(broker);
    redis_end_stop(broker);
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

#define OPTION(key, kind, member, ...) OUTBOX_OPTION(struct redis_broker, key, kind, member, __VA_ARGS__)

static const struct outbox_option options[] = {
    OPTION("server", STRING, server, .flags = OUTBOX_OPT_RELOADABLE, .default_value = "localhost:6379",
           .help = "HOST:PORT of the server"),
    OPTION("socket", STRING, socket, .help = "path of a Unix socket, instead of server"),
    OPTION("user", STRING, user, .help = "user of an access list; unset: default"),
    OPTION("password", STRING, password, .flags = OUTBOX_OPT_SECRET, .help = "password"),
    OPTION("database", INT, database, .default_value = "0", .max = 1 << 20, .help = "number of the database"),
    OPTION("tls", BOOL, tls, .default_value = "false",
           .help = "connect by TLS, and verify the server's certificate and name"),
    OPTION("tls_ca", STRING, tls_ca, .help = "file of trusted certificates; unset: those of the system"),
    OPTION("maxlen", INT, max_length, .default_value = "0", .max = INT64_MAX,
           .help = "entries that a stream keeps, about; 0: all. Older ones are deleted, read or not"),
    OPTION("replicas", INT, replicas, .default_value = "0", .max = 16,
           .help = "replicas that must have an event before it counts as published"),
    OPTION("timeout", DURATION, timeout_ms, .default_value = "10s", .min = 1000, .max = 3600000,
           .help = "time without an answer after which the connection counts as lost"),
};

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof(struct outbox_broker_ops),
    .init = init,
    .fini = fini,
    .start = start,
    .stop = stop,
    .cancel = cancel,
    .publish = redis_publish,
    .admit = redis_admit,
    .check = redis_check,
};

static const char *library(void)
{
#define TEXT_OF(number) TEXT(number)
#define TEXT(number) #number
    return "hiredis " TEXT_OF(HIREDIS_MAJOR) "." TEXT_OF(HIREDIS_MINOR) "." TEXT_OF(HIREDIS_PATCH);
}

OUTBOX_PLUGIN(broker, redis) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ADMIT | OUTBOX_CAP_CONCURRENT,
    .name = "redis",
    .version = "0.1.0",
    .description = "adds events to Redis streams",
    .instance_size = sizeof(struct redis_broker),
    .op_size = sizeof(struct redis_publish),
    .message_size = sizeof(struct redis_message),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
    .library = library,
};

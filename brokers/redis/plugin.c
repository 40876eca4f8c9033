/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/redis/plugin.c - the Redis broker: options, life cycle, descriptor */
#include <stdlib.h>

#include "broker.h"

/* ---- life cycle -------------------------------------------------------------------------------------------------- */

/* "HOST", "HOST:PORT", "[ADDRESS]:PORT". */
static bool split_server(struct redis_broker *broker)
{
    const char *text = broker->server, *end, *colon;
    if (*text == '[') {
        end = strchr(++text, ']');
        colon = end && end[1] == ':' ? end + 1 : NULL;
    } else {
        colon = strrchr(text, ':');
        end = colon ? colon : text + strlen(text);
    }
    if (!end || end == text || (size_t)(end - text) >= sizeof broker->name)
        return false;
    snprintf(broker->name, sizeof broker->name, "%.*s", (int)(end - text), text);
    snprintf(broker->port, sizeof broker->port, "%s", colon ? colon + 1 : "6379");
    char *rest;
    long port = strtol(broker->port, &rest, 10);
    return !*rest && port > 0 && port < 65536;
}

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct redis_broker *broker = self;
    broker->host = init->host;
    broker->relay = init->relay;
    if (!broker->socket && !split_server(broker))
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

#define AT(member) offsetof(struct redis_broker, member)

static const struct outbox_option options[] = {
    {.name = "server",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_RELOADABLE,
     .offset = AT(server),
     .default_value = "localhost:6379",
     .help = "HOST:PORT of the server"},
    {.name = "socket",
     .type = OUTBOX_OPT_STRING,
     .offset = AT(socket),
     .help = "path of a Unix socket, instead of server"},
    {.name = "user", .type = OUTBOX_OPT_STRING, .offset = AT(user), .help = "user of an access list; unset: default"},
    {.name = "password",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_SECRET,
     .offset = AT(password),
     .help = "password"},
    {.name = "database",
     .type = OUTBOX_OPT_INT,
     .offset = AT(database),
     .default_value = "0",
     .max = 1 << 20,
     .help = "number of the database"},
    {.name = "tls",
     .type = OUTBOX_OPT_BOOL,
     .offset = AT(tls),
     .default_value = "false",
     .help = "connect by TLS, and verify the server's certificate and name"},
    {.name = "tls_ca",
     .type = OUTBOX_OPT_STRING,
     .offset = AT(tls_ca),
     .help = "file of trusted certificates; unset: those of the system"},
    {.name = "maxlen",
     .type = OUTBOX_OPT_INT,
     .offset = AT(max_length),
     .default_value = "0",
     .max = INT64_MAX,
     .help = "entries that a stream keeps, about; 0: all. Older ones are deleted, read or not"},
    {.name = "replicas",
     .type = OUTBOX_OPT_INT,
     .offset = AT(replicas),
     .default_value = "0",
     .max = 16,
     .help = "replicas that must have an event before it counts as published"},
    {.name = "timeout",
     .type = OUTBOX_OPT_DURATION,
     .offset = AT(timeout_ms),
     .default_value = "10s",
     .min = 1000,
     .max = 3600000,
     .help = "time without an answer after which the connection counts as lost"},
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

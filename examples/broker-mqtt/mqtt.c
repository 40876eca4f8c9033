/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/broker-mqtt/mqtt.c - a broker for MQTT 5 over libmosquitto, by the installed headers and docs/PLUGINS.md
 * alone
 *
 * libmosquitto runs on the loop thread: the host's watch and timer call it. Only connecting blocks, on a worker. The
 * server answers each message by itself: CONCURRENT. An event is a message with QoS 1; id, key, type and headers are
 * user properties.
 *
 * Failure modes:
 *   no server, or a wrong login     start() fails; the host tries again
 *   the connection ends             what was sent is UNKNOWN; lost(). A silent server is found by keep-alive, 10 s
 *   nobody subscribes to a topic    its events wait: the server would drop them
 */
#include <fcntl.h>
#include <mosquitto.h>
#include <stdlib.h>

#include <outbox/plugin_util.h>

#if LIBMOSQUITTO_VERSION_NUMBER < 2001000
#include <mqtt_protocol.h> /* later in mosquitto.h */
#endif

enum { IDS = 65536, SENT_MAX = 50000, TICK_US = 500000, KEEPALIVE_S = 5 };

struct request { /* the memory of each message */
    outbox_op_t op;
    uint32_t index, reserved;
};

struct mqtt {
    const char *server, *user, *password, *tls_ca; /* options */
    int64_t port;
    const struct outbox_host *host;
    struct mosquitto *client;
    struct outbox_watch *watch;
    struct outbox_timer *timer;
    struct outbox_work work;
    int socket;   /* a duplicate: libmosquitto closes its own within its calls; -1: none */
    int status;   /* of connecting: a number of libmosquitto, then of CONNACK */
    bool working; /* a worker connects */
    bool ready, ended;
    outbox_op_t start, stop;
    uint32_t publishes, sent_count;
    struct request *sent[IDS]; /* by the message id of MQTT */
};

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

static void report(struct mqtt *mqtt, const struct request *request, uint32_t outcome, int code, const char *reason)
{
    struct outbox_error error;
    outbox_error_set(&error, code, "publish to %s: %s", mqtt->server, reason);
    mqtt->publishes -= outbox_answer(mqtt->host, request->op, request->index, outcome, code ? &error : NULL);
}

static void fail_sent(struct mqtt *mqtt, const char *reason)
{
    for (unsigned i = 0; i < IDS && mqtt->sent_count; i++) {
        struct request *request = mqtt->sent[i];
        mqtt->sent[i] = NULL;
        mqtt->sent_count -= request != NULL;
        if (request)
            report(mqtt, request, OUTBOX_UNKNOWN, OUTBOX_E_NOT_CONNECTED, reason);
    }
}

static void on_answer(struct mosquitto *client, void *self, int id, int reason, const mosquitto_property *properties)
{
    struct mqtt *mqtt = self;
    struct request *request = mqtt->sent[id];
    (void)client, (void)properties;
    if (!request)
        return;
    mqtt->sent[id] = NULL;
    mqtt->sent_count--;
    if (reason == MQTT_RC_SUCCESS)
        report(mqtt, request, OUTBOX_DELIVERED, OUTBOX_OK, "");
    else if (reason == MQTT_RC_NO_MATCHING_SUBSCRIBERS)
        report(mqtt, request, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND, "nobody subscribes to the topic");
    else if (reason == MQTT_RC_PACKET_TOO_LARGE)
        report(mqtt, request, OUTBOX_REJECTED, OUTBOX_E_REJECTED, mosquitto_reason_string(reason));
    else /* not allowed, over a quota: the topic's trouble, or for some time */
        report(mqtt, request, OUTBOX_RETRY, OUTBOX_E_AGAIN, mosquitto_reason_string(reason));
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

/* A property of MQTT is UTF-8 without a zero byte. Null is left out. */
static bool is_text(struct outbox_bytes text)
{
    return !text.data ||
           (text.size < IDS && !memchr(text.data, 0, text.size) && !mosquitto_validate_utf8(text.data, (int)text.size));
}

static int admit(void *self, const struct outbox_message *event, struct outbox_error *error)
{
    bool fine = is_text(event->id) && is_text(event->type) && is_text(event->key);
    (void)self;
    for (uint32_t i = 0; fine && i < event->header_count; i++)
        fine = is_text(event->headers[i].name) && is_text(event->headers[i].value);
    if (!fine)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "id, type, key or a header is not UTF-8, or has over 64 KiB");
    if (!event->topic.size || mosquitto_pub_topic_check2(event->topic.data, event->topic.size))
        return outbox_error_set(error, OUTBOX_E_REJECTED, "the topic is empty or too long, or has + or #");
    if (event->value.size > MQTT_MAX_PAYLOAD)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "the payload has more than %u bytes", MQTT_MAX_PAYLOAD);
    return OUTBOX_OK;
}

static int add(mosquitto_property **list, struct outbox_bytes name, struct outbox_bytes value)
{
    char *key = strndup(name.data, name.size), *text = strndup(value.data ? value.data : "", value.size);
    int status = key && text ? MOSQ_ERR_SUCCESS : MOSQ_ERR_NOMEM;
    if (!status && value.data)
        status = mosquitto_property_add_string_pair(list, MQTT_PROP_USER_PROPERTY, key, text);
    free(key);
    free(text);
    return status;
}

static int send(struct mqtt *mqtt, const struct outbox_message *event, int *id)
{
    static const struct outbox_bytes names[] = {{"Outbox-Id", 9}, {"Outbox-Key", 10}, {"Outbox-Type", 11}},
                                     tombstone = {"Outbox-Tombstone", 16}, yes = {"true", 4};
    const struct outbox_bytes values[] = {event->id, event->key, event->type};
    mosquitto_property *list = NULL;
    char *topic = strndup(event->topic.data, event->topic.size);
    int status = topic ? MOSQ_ERR_SUCCESS : MOSQ_ERR_NOMEM;
    for (int i = 0; i < 3 && !status; i++)
        status = add(&list, names[i], values[i]);
    for (uint32_t i = 0; i < event->header_count && !status; i++)
        status = add(&list, event->headers[i].name, event->headers[i].value);
    if (!status && !event->value.data)
        status = add(&list, tombstone, yes);
    if (!status)
        status =
            mosquitto_publish_v5(mqtt->client, id, topic, (int)event->value.size, event->value.data, 1, false, list);
    mosquitto_property_free_all(&list);
    free(topic);
    return status;
}

static void send_one(struct mqtt *mqtt, struct request *request, const struct outbox_message *event)
{
    struct outbox_error refused;
    int id = 0, status = mqtt->ready ? MOSQ_ERR_SUCCESS : MOSQ_ERR_NO_CONN;
    if (admit(mqtt, event, &refused)) {
        report(mqtt, request, OUTBOX_REJECTED, refused.code, refused.text);
    } else if (mqtt->sent_count >= SENT_MAX) {
        report(mqtt, request, OUTBOX_RETRY, OUTBOX_E_AGAIN, "too many messages without an answer");
    } else if ((status = status ? status : send(mqtt, event, &id)) && status != MOSQ_ERR_CONN_LOST) {
        bool is_size = status == MOSQ_ERR_OVERSIZE_PACKET;
        report(mqtt, request, is_size ? OUTBOX_REJECTED : OUTBOX_NOT_CONNECTED,
               is_size ? OUTBOX_E_REJECTED : OUTBOX_E_NOT_CONNECTED, mosquitto_strerror(status));
    } else {
        mqtt->sent[id] = request;
        mqtt->sent_count++;
    }
}

/* ---- the connection ---------------------------------------------------------------------------------------------- */

static void end_start(struct mqtt *mqtt, int code, const char *reason)
{
    outbox_op_t op = mqtt->start;
    mqtt->start = 0;
    if (op)
        outbox_complete(mqtt->host, op, code, "connect to %s:%d: %s", mqtt->server, (int)mqtt->port, reason);
}

static void close_watch(struct mqtt *mqtt)
{
    mqtt->ready = false;
    mqtt->host->timer_clear(mqtt->timer);
    mqtt->host->watch_close(mqtt->watch);
    mqtt->watch = NULL;
    if (mqtt->socket >= 0)
        close(mqtt->socket);
    mqtt->socket = -1;
}

static void end_stop(struct mqtt *mqtt)
{
    outbox_op_t op = mqtt->stop;
    if (!op || mqtt->working || mqtt->publishes)
        return;
    mqtt->stop = 0;
    close_watch(mqtt);
    mosquitto_destroy(mqtt->client);
    mqtt->client = NULL;
    mqtt->host->op_done(mqtt->host, op, NULL);
}

/* After each call of the library. Its callbacks only note things: it still uses the connection. */
static void after_call(struct mqtt *mqtt, int status)
{
    struct outbox_error error;
    bool was_ready = mqtt->ready, is_login = mqtt->status >= MQTT_RC_BAD_USERNAME_OR_PASSWORD;
    if ((status || mqtt->ended) && mqtt->watch) {
        close_watch(mqtt);
        fail_sent(mqtt, mosquitto_strerror(status));
        end_start(mqtt, is_login ? OUTBOX_E_PERMISSION : OUTBOX_E_NOT_CONNECTED,
                  mqtt->status ? mosquitto_reason_string(mqtt->status) : mosquitto_strerror(status));
        outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "connection to %s: %s", mqtt->server,
                         mosquitto_strerror(status));
        if (was_ready && !mqtt->stop)
            mqtt->host->lost(mqtt->host, &error);
    }
    if (mqtt->watch)
        mqtt->host->watch_arm(mqtt->watch,
                              OUTBOX_READABLE | (mosquitto_want_write(mqtt->client) ? OUTBOX_WRITABLE : 0));
    end_stop(mqtt);
}

static void on_ready(void *self, uint32_t events)
{
    struct mqtt *mqtt = self;
    int status = events & OUTBOX_READABLE ? mosquitto_loop_read(mqtt->client, 1) : MOSQ_ERR_SUCCESS;
    if (!status && events & OUTBOX_WRITABLE)
        status = mosquitto_loop_write(mqtt->client, 1);
    after_call(mqtt, status);
}

static void on_timer(void *self)
{
    struct mqtt *mqtt = self;
    mqtt->host->timer_set(mqtt->timer, TICK_US);
    after_call(mqtt, mosquitto_loop_misc(mqtt->client)); /* PING */
}

static void on_login(struct mosquitto *client, void *self, int reason, int flags, const mosquitto_property *properties)
{
    struct mqtt *mqtt = self;
    (void)client, (void)flags, (void)properties;
    mqtt->status = reason;
    mqtt->ready = !reason;
    mqtt->ended = reason != 0;
    if (!reason)
        end_start(mqtt, OUTBOX_OK, "");
}

static void on_end(struct mosquitto *client, void *self, int reason, const mosquitto_property *properties)
{
    (void)client, (void)reason, (void)properties;
    ((struct mqtt *)self)->ended = true;
}

static void connect_now(struct outbox_work *work) /* worker */
{
    struct mqtt *mqtt = work->arg;
    mosquitto_destroy(mqtt->client); /* with what it would send again */
    mqtt->client = mosquitto_new(NULL, true, mqtt);
    mqtt->status = mqtt->client ? MOSQ_ERR_SUCCESS : MOSQ_ERR_NOMEM;
    if (!mqtt->client)
        return;
    mosquitto_int_option(mqtt->client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_connect_v5_callback_set(mqtt->client, on_login);
    mosquitto_disconnect_v5_callback_set(mqtt->client, on_end);
    mosquitto_publish_v5_callback_set(mqtt->client, on_answer);
    if (mqtt->user)
        mqtt->status = mosquitto_username_pw_set(mqtt->client, mqtt->user, mqtt->password);
    if (!mqtt->status && mqtt->tls_ca)
        mqtt->status = mosquitto_tls_set(mqtt->client, mqtt->tls_ca, NULL, NULL, NULL, NULL);
    if (!mqtt->status)
        mqtt->status = mosquitto_connect(mqtt->client, mqtt->server, (int)mqtt->port, KEEPALIVE_S);
    if (!mqtt->status)
        mqtt->socket = fcntl(mosquitto_socket(mqtt->client), F_DUPFD_CLOEXEC, 0);
}

static void connected(struct outbox_work *work)
{
    struct mqtt *mqtt = work->arg;
    mqtt->working = mqtt->ended = false;
    if (mqtt->status || !mqtt->start ||
        mqtt->host->watch_open(mqtt->host, mqtt->socket, on_ready, mqtt, &mqtt->watch)) {
        end_start(mqtt, OUTBOX_E_NOT_CONNECTED, mosquitto_strerror(mqtt->status));
        close_watch(mqtt);
        end_stop(mqtt);
        return;
    }
    mqtt->host->timer_set(mqtt->timer, TICK_US);
    after_call(mqtt, MOSQ_ERR_SUCCESS);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static void start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct mqtt *mqtt = self;
    (void)start;
    mqtt->start = op;
    if (mqtt->working) /* for a start that was canceled: it serves this one */
        return;
    mqtt->work = (struct outbox_work){.work = connect_now, .done = connected, .arg = mqtt};
    mqtt->working = !mqtt->host->offload(mqtt->host, &mqtt->work);
    if (!mqtt->working)
        end_start(mqtt, OUTBOX_E_NO_MEMORY, "no worker thread is available");
}

static void stop(void *self, outbox_op_t op)
{
    struct mqtt *mqtt = self;
    mqtt->stop = op;
    end_start(mqtt, OUTBOX_E_CANCELED, "canceled");
    end_stop(mqtt); /* else with the last answer */
}

static void cancel(void *self, outbox_op_t op)
{
    struct mqtt *mqtt = self;
    if (op == mqtt->start)
        end_start(mqtt, OUTBOX_E_CANCELED, "canceled");
    else
        fail_sent(mqtt, "canceled");
    end_stop(mqtt);
}

static void publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    struct mqtt *mqtt = self;
    mqtt->publishes++;
    outbox_answers_begin(mqtt->host, op, publish->count);
    for (uint32_t i = 0; i < publish->count; i++) {
        struct request *request = outbox_message_scratch(mqtt->host, op, sizeof *request, i);
        *request = (struct request){.op = op, .index = i};
        send_one(mqtt, request, outbox_message_at(publish, i));
    }
    mqtt->publishes -= outbox_answers_end(mqtt->host, op);
    after_call(mqtt, MOSQ_ERR_SUCCESS);
}

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct mqtt *mqtt = self;
    mqtt->host = init->host;
    mqtt->socket = -1;
    mosquitto_lib_init();
    if (init->host->timer_open(init->host, on_timer, mqtt, &mqtt->timer))
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "out of memory");
    return OUTBOX_OK;
}

static void fini(void *self)
{
    struct mqtt *mqtt = self;
    mqtt->host->timer_close(mqtt->timer);
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

#define TEXT(key, member, value, flag, what)                                                            \
    {                                                                                                   \
        .name = key, .type = OUTBOX_OPT_STRING, .flags = flag, .offset = offsetof(struct mqtt, member), \
        .default_value = value, .help = what                                                            \
    }

static const struct outbox_option options[] = {
    TEXT("server", server, "localhost", 0, "host name of the server"),
    {.name = "port",
     .type = OUTBOX_OPT_INT,
     .offset = offsetof(struct mqtt, port),
     .default_value = "1883",
     .min = 1,
     .max = 65535,
     .help = "port of the server; with TLS usually 8883"},
    TEXT("user", user, NULL, 0, "user name"),
    TEXT("password", password, NULL, OUTBOX_OPT_SECRET, "password of the user"),
    TEXT("tls_ca", tls_ca, NULL, 0, "file of trusted certificates; set: connect by TLS"),
};

static const struct outbox_broker_ops ops = {.struct_size = sizeof ops,
                                             .init = init,
                                             .fini = fini,
                                             .start = start,
                                             .stop = stop,
                                             .cancel = cancel,
                                             .publish = publish,
                                             .admit = admit};

OUTBOX_PLUGIN(broker, mqtt) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ADMIT | OUTBOX_CAP_CONCURRENT,
    .name = "mqtt",
    .version = "0.1.0",
    .description = "publishes events to an MQTT 5 server",
    .instance_size = sizeof(struct mqtt),
    .op_size = sizeof(struct outbox_answers),
    .message_size = sizeof(struct request),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
};

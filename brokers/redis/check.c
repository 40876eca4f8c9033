/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/redis/check.c - the verb check: would events survive, and can they be added?
 *
 * The server's settings come from INFO, which the start has read. Each topic that is known must be a stream, or absent.
 */
#include "broker.h"

static void report(const struct redis_broker *broker, enum outbox_severity severity, const char *advice,
                   const char *format, ...) OUTBOX_PRINTF(4, 5);
static void report(const struct redis_broker *broker, enum outbox_severity severity, const char *advice,
                   const char *format, ...)
{
    char text[400];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    outbox_report_finding(broker->check, severity, broker->name, text, advice);
}

static void report_server(const struct redis_broker *broker)
{
    report(broker, OUTBOX_SEVERITY_OK, NULL, "connected to Redis %s at %s", broker->version, broker->name);
    if (!broker->append_only)
        report(broker, OUTBOX_SEVERITY_WARNING, "CONFIG SET appendonly yes, and CONFIG SET appendfsync always",
               "Redis keeps no append-only file: a crash of the server loses events that were published");
    if (!strncmp(broker->eviction, "allkeys", 7))
        report(broker, OUTBOX_SEVERITY_WARNING, "CONFIG SET maxmemory-policy noeviction",
               "maxmemory-policy is %s: the server may delete whole streams", broker->eviction);
    if (broker->idempotent)
        report(broker, OUTBOX_SEVERITY_OK, NULL, "the server drops entries that are sent twice (XADD IDMP)");
}

static void end(struct redis_broker *broker, const struct outbox_error *error)
{
    outbox_op_t op = broker->check_op;
    broker->check_op = 0;
    broker->host->op_done(broker->host, op, error);
}

static void on_type(redisAsyncContext *connection, void *answer, void *arg)
{
    struct redis_broker *broker = arg;
    const redisReply *reply = answer;
    (void)connection;
    redis_note_reply(broker);
    if (!broker->check_op || !reply)
        return;
    if (reply->type == REDIS_REPLY_ERROR) {
        struct outbox_error error;
        outbox_error_set(&error, redis_error_code(reply->str), "read the type of a topic: %s", reply->str);
        outbox_report_failure(broker->check, broker->name, &error, "allow the user TYPE and XADD on the streams");
    } else if (reply->str && strcmp(reply->str, "stream") != 0 && strcmp(reply->str, "none") != 0) {
        report(broker, OUTBOX_SEVERITY_ERROR, "delete or rename that key, or choose another topic",
               "a topic's key has the type %s, not stream", reply->str);
    }
}

static void on_end(redisAsyncContext *connection, void *answer, void *arg)
{
    struct redis_broker *broker = arg;
    struct outbox_error error;
    (void)connection;
    redis_note_reply(broker);
    if (!broker->check_op)
        return;
    outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "check %s: the connection ended", broker->name);
    end(broker, answer ? NULL : &error);
}

/* Replies that still come find no operation. */
void redis_cancel_check(struct redis_broker *broker)
{
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_CANCELED, "check %s: canceled", broker->name);
    end(broker, &error);
}

void redis_check(void *self, outbox_op_t op, const struct outbox_check *check)
{
    struct redis_broker *broker = self;
    broker->check_op = op;
    broker->check = check;
    report_server(broker);
    const char *topic;
    bool pending;
    for (uint32_t i = 0; (topic = outbox_check_topic(check, i, &pending)); i++) {
        const char *words[] = {"TYPE", topic};
        redis_send(broker, on_type, broker, 2, words, (size_t[]){4, strlen(topic)});
    }
    redis_send(broker, on_end, broker, 1, (const char *[]){"PING"}, (size_t[]){4});
}

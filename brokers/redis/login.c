/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/redis/login.c - after the connection: who the relay is, and what the server is
 *
 *     AUTH -> SELECT -> CLIENT SETNAME -> INFO -> started
 *
 * All are sent at once; the first refusal fails the start. A replica and a node of a cluster are refused: a replica
 * takes no writes, and a cluster answers MOVED for most streams.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "broker.h"

static bool refused(struct redis_broker *broker, const redisReply *reply, const char *what)
{
    struct outbox_error error;
    redis_note_reply(broker);
    if (!broker->start_op || !broker->connection) /* given up */
        return true;
    if (reply && reply->type != REDIS_REPLY_ERROR)
        return false;
    if (reply)
        outbox_error_set(&error, redis_error_code(reply->str), "%s at %s: %s", what, broker->name, reply->str);
    else
        outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "%s at %s: the connection ended", what, broker->name);
    redis_start_failed(broker, &error);
    return true;
}

static void on_auth(redisAsyncContext *connection, void *answer, void *arg)
{
    (void)connection;
    refused(arg, answer, "log in");
}

static void on_select(redisAsyncContext *connection, void *answer, void *arg)
{
    (void)connection;
    refused(arg, answer, "select the database");
}

/* Only a name in the server's list of clients: it may be refused. */
static void on_name(redisAsyncContext *connection, void *answer, void *arg)
{
    (void)connection, (void)answer;
    redis_note_reply(arg);
}

/* ---- INFO -------------------------------------------------------------------------------------------------------- */

/* "name:value\r\n" -> value. */
static void field(const char *info, const char *name, char *value, size_t size)
{
    size_t length = strlen(name);
    *value = '\0';
    for (const char *at = strstr(info, name); at; at = strstr(at + 1, name)) {
        if (at[length] != ':' || (at > info && at[-1] != '\n'))
            continue;
        snprintf(value, size, "%.*s", (int)strcspn(at + length + 1, "\r\n"), at + length + 1);
        return;
    }
}

static void read_info(struct redis_broker *broker, const char *info, struct outbox_error *error)
{
    char role[24], cluster[8], append_only[8], loading[8];
    char *rest;
    field(info, "role", role, sizeof role);
    field(info, "cluster_enabled", cluster, sizeof cluster);
    field(info, "loading", loading, sizeof loading);
    field(info, "aof_enabled", append_only, sizeof append_only);
    field(info, "redis_version", broker->version, sizeof broker->version);
    field(info, "maxmemory_policy", broker->eviction, sizeof broker->eviction);
    broker->append_only = *append_only == '1';
    long major = strtol(broker->version, &rest, 10), minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
    broker->idempotent = major > 8 || (major == 8 && minor >= 6);
    *error = (struct outbox_error){.code = OUTBOX_OK};
    if (*cluster == '1')
        outbox_error_set(error, OUTBOX_E_CONFIG, "%s is a node of a Redis Cluster, which this broker does not support",
                         broker->name);
    else if (*loading == '1')
        outbox_error_set(error, OUTBOX_E_NOT_CONNECTED, "%s still loads its data", broker->name);
    else if (!strcmp(role, "slave"))
        outbox_error_set(error, OUTBOX_E_NOT_CONNECTED, "%s is a replica; it takes no writes", broker->name);
}

static void on_info(redisAsyncContext *connection, void *answer, void *arg)
{
    struct redis_broker *broker = arg;
    const redisReply *reply = answer;
    struct outbox_error error;
    (void)connection;
    if (refused(broker, reply, "request INFO"))
        return;
    read_info(broker, reply->str ? reply->str : "", &error);
    if (error.code)
        redis_start_failed(broker, &error);
    else
        redis_started(broker);
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static void send(struct redis_broker *broker, redisCallbackFn *done, int count, const char *a, const char *b,
                 const char *c)
{
    const char *words[] = {a, b, c};
    size_t sizes[3];
    for (int i = 0; i < count; i++)
        sizes[i] = strlen(words[i]);
    if (broker->start_op)
        redis_send(broker, done, broker, count, words, sizes);
}

void redis_log_in(struct redis_broker *broker)
{
    char database[24], name[64];
    snprintf(database, sizeof database, "%" PRId64, broker->database);
    snprintf(name, sizeof name, "outbox-%.*s", OUTBOX_CUT(broker->relay, 50));
    if (broker->password && broker->user)
        send(broker, on_auth, 3, "AUTH", broker->user, broker->password);
    else if (broker->password)
        send(broker, on_auth, 2, "AUTH", broker->password, NULL);
    if (broker->database)
        send(broker, on_select, 2, "SELECT", database, NULL);
    send(broker, on_name, 3, "CLIENT", "SETNAME", name);
    send(broker, on_info, 1, "INFO", NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/redis/reply.c - what the server's answer means
 *
 * XADD is answered by the id of the entry. An error of Redis begins with a word in capitals. A word that this table
 * does not have costs the event an attempt.
 */
#include "broker.h"

static const struct meaning {
    const char *word;
    uint32_t outcome;
    int code;
} meanings[] = {
    /* of the stream: other keys go on, and no attempt is counted */
    {"WRONGTYPE", OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},
    {"NOPERM", OUTBOX_RETRY, OUTBOX_E_PERMISSION},
    /* of the server, for some time: it refuses writes */
    {"OOM", OUTBOX_RETRY, OUTBOX_E_AGAIN},
    {"MISCONF", OUTBOX_RETRY, OUTBOX_E_AGAIN},
    {"NOREPLICAS", OUTBOX_RETRY, OUTBOX_E_AGAIN},
    {"BUSY", OUTBOX_RETRY, OUTBOX_E_AGAIN},
    {"TRYAGAIN", OUTBOX_RETRY, OUTBOX_E_AGAIN},
    /* of the connection: another server or login is needed */
    {"READONLY", OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED},
    {"MASTERDOWN", OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED},
    {"LOADING", OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED},
    {"NOAUTH", OUTBOX_NOT_CONNECTED, OUTBOX_E_PERMISSION},
    {"WRONGPASS", OUTBOX_NOT_CONNECTED, OUTBOX_E_PERMISSION},
    {"MOVED", OUTBOX_NOT_CONNECTED, OUTBOX_E_CONFIG},
    {"ASK", OUTBOX_NOT_CONNECTED, OUTBOX_E_CONFIG},
    {"CLUSTERDOWN", OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED},
};

static const struct meaning *find(const char *text)
{
    static const struct meaning other = {"", OUTBOX_RETRY, OUTBOX_E_IO};
    size_t size = strcspn(text, " ");
    for (unsigned i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (strlen(meanings[i].word) == size && !memcmp(meanings[i].word, text, size))
            return &meanings[i];
    return &other;
}

int redis_error_code(const char *text)
{
    return find(text)->code;
}

uint32_t redis_outcome(const redisReply *reply, struct outbox_error *error)
{
    if (!reply) {
        outbox_error_set(error, OUTBOX_E_NOT_CONNECTED, "add an entry: the connection ended before the answer");
        return OUTBOX_UNKNOWN;
    }
    if (reply->type == REDIS_REPLY_STRING && reply->len)
        return OUTBOX_DELIVERED;
    if (reply->type != REDIS_REPLY_ERROR) {
        outbox_error_set(error, OUTBOX_E_IO, "add an entry: the answer is not the id of an entry");
        return OUTBOX_RETRY_UNKNOWN;
    }
    const struct meaning *meaning = find(reply->str);
    outbox_error_set(error, meaning->code, "add an entry: the server answered: %s", reply->str);
    return meaning->outcome;
}

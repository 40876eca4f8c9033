/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/nats/answer.c - what an answer of JetStream means
 *
 *     {"stream": "S", "seq": 12}                      stored
 *     {"stream": "S", "seq": 12, "duplicate": true}   stored before, known by its Nats-Msg-Id
 *     {"error": {"code": 503, "err_code": 10077, "description": "..."}}
 *     no body, header Status: 503                     no stream listens to the subject
 */
#include <jansson.h>

#include "broker.h"

static const struct meaning {
    int number; /* err_code */
    uint32_t outcome;
    int code;
} meanings[] = {
    {10054, OUTBOX_REJECTED, OUTBOX_E_REJECTED}, /* larger than the stream allows */
    {10077, OUTBOX_RETRY, OUTBOX_E_AGAIN},       /* the stream is full, and discards new messages */
    {10047, OUTBOX_RETRY, OUTBOX_E_AGAIN},       /* no memory or disk */
    {10023, OUTBOX_RETRY, OUTBOX_E_AGAIN},       /* insufficient resources */
    {10008, OUTBOX_RETRY, OUTBOX_E_AGAIN},       /* the cluster has no leader now */
    {10109, OUTBOX_RETRY, OUTBOX_E_PERMISSION},  /* the stream is sealed */
    {10039, OUTBOX_RETRY, OUTBOX_E_PERMISSION},  /* the account has no JetStream */
    {10076, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},   /* JetStream is not enabled */
};

static uint32_t error_outcome(const json_t *reason, struct outbox_error *error)
{
    int number = (int)json_integer_value(json_object_get(reason, "err_code"));
    int status = (int)json_integer_value(json_object_get(reason, "code"));
    const char *text = json_string_value(json_object_get(reason, "description"));
    /* Of numbers that are not listed: the server has no room or no leader, or this message costs an attempt. */
    struct meaning meaning = {number, OUTBOX_RETRY, status == 503 ? OUTBOX_E_AGAIN : OUTBOX_E_IO};
    for (unsigned i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].number == number)
            meaning = meanings[i];
    outbox_error_set(error, meaning.code, "store in JetStream: %s (%d)", text ? text : "refused without a reason",
                     number);
    error->native = number;
    return meaning.outcome;
}

uint32_t nats_outcome(natsMsg *answer, struct outbox_error *error)
{
    if (natsMsg_IsNoResponders(answer)) {
        outbox_error_set(error, OUTBOX_E_NOT_FOUND, "store in JetStream: no stream has this subject; add one");
        return OUTBOX_RETRY;
    }
    json_t *body = json_loadb(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer), 0, NULL);
    const json_t *reason = json_object_get(body, "error");
    uint32_t outcome = OUTBOX_DELIVERED;
    if (reason) {
        outcome = error_outcome(reason, error);
    } else if (!json_is_integer(json_object_get(body, "seq"))) {
        outbox_error_set(error, OUTBOX_E_IO, "store in JetStream: the answer is not JetStream's: %.*s",
                         OUTBOX_CUT(natsMsg_GetDataLength(answer) ? natsMsg_GetData(answer) : "", 80));
        outcome = OUTBOX_RETRY_UNKNOWN;
    }
    json_decref(body);
    return outcome;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/answer_redis.c - arbitrary answers of Redis, taken apart by hiredis
 *
 * Only an id of an entry is a delivery; every other outcome has an error with a text.
 */
#include "fuzz.h"

#include <string.h>

#include "../../brokers/redis/broker.h"

static void check(const redisReply *reply)
{
    struct outbox_error error = {.code = OUTBOX_OK};
    uint32_t outcome = redis_outcome(reply, &error);
    if (outcome == OUTBOX_DELIVERED)
        FUZZ_CHECK(reply->type == REDIS_REPLY_STRING && reply->len);
    else
        FUZZ_CHECK(error.code && strnlen(error.text, sizeof error.text) < sizeof error.text);
    if (reply && reply->type == REDIS_REPLY_ERROR)
        FUZZ_CHECK(redis_error_code(reply->str) == error.code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    FUZZ_CHECK(reader);
    check(NULL);
    redisReaderFeed(reader, (const char *)data, size);
    while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
        check(reply);
        freeReplyObject(reply);
    }
    redisReaderFree(reader);
    return 0;
}

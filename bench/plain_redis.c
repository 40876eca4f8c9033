/* SPDX-License-Identifier: Apache-2.0 */
/* bench/plain_redis.c - the plainest publisher over hiredis: SOCKET STREAM EVENTS BYTES; pipelines of 500 XADD */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_answers(redisContext *redis, int count)
{
    for (; count; count--) {
        redisReply *reply = NULL;
        if (redisGetReply(redis, (void **)&reply) != REDIS_OK || reply->type == REDIS_REPLY_ERROR)
            return 1;
        freeReplyObject(reply);
    }
    return 0;
}

int main(int argc, char **argv)
{
    enum { PIPELINE = 500 };
    if (argc != 5)
        return 64;
    int events = (int)strtol(argv[3], NULL, 10), bytes = (int)strtol(argv[4], NULL, 10), failed = 0;
    char *payload = malloc((size_t)bytes);
    memset(payload, 'x', (size_t)bytes);
    redisContext *redis = redisConnectUnix(argv[1]);
    for (int sent = 0; sent < events && !failed;) {
        int begin = sent;
        for (; sent < events && sent - begin < PIPELINE; sent++)
            redisAppendCommand(redis, "XADD %s * value %b", argv[2], payload, (size_t)bytes);
        failed = read_answers(redis, sent - begin);
    }
    if (failed)
        fprintf(stderr, "plain_redis: %s\n", redis->errstr);
    redisFree(redis);
    free(payload);
    return failed;
}

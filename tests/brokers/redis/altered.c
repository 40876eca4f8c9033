/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/redis/altered.c - altered answers of Redis: lines; "$" has a size, and bytes follow
 *
 * There is never one answer too many: hiredis (0.14.1) ends the process then, by an assertion in
 * redisProcessCallbacks(). So no answer is repeated or added, and the size before bytes stays.
 */
#include <stdlib.h>

#include "../altered.h"

static size_t message(const uint8_t *data, size_t size)
{
    size_t length = alter_line(data, size);
    if (!length || *data != '$')
        return length;
    long long bytes = strtoll((const char *)data + 1, NULL, 10); /* the line ends before the data does */
    size_t whole = bytes < 0 ? length : length + (size_t)bytes + 2;
    return size < whole ? 0 : whole;
}

/* INFO is the first answer with bytes. */
static bool ends_login(const uint8_t *data, size_t size)
{
    return size && *data == '$';
}

static void alter(struct alter *alter, const uint8_t *data, size_t size)
{
    static const struct alter_bytes others[] = {
        ALTER_BYTES("-MOVED 1 127.0.0.1:1\r\n"),
        ALTER_BYTES("-OOM command not allowed\r\n"),
        ALTER_BYTES("-READONLY\r\n"),
        ALTER_BYTES("-ERR syntax\r\n"),
        ALTER_BYTES("-\r\n"),
        ALTER_BYTES("+OK\r\n"),
        ALTER_BYTES("+QUEUED\r\n"),
        ALTER_BYTES(":0\r\n"),
        ALTER_BYTES(":-99999999999999999999\r\n"),
        ALTER_BYTES("$-1\r\n"),
        ALTER_BYTES("$0\r\n\r\n"),
        ALTER_BYTES("$99999999999\r\n"),
        ALTER_BYTES("*-1\r\n"),
        ALTER_BYTES("*0\r\n"),
        ALTER_BYTES("*2\r\n$1\r\na\r\n*1\r\n:1\r\n"),
        ALTER_BYTES("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"),
        ALTER_BYTES("_\r\n"),
        ALTER_BYTES(">2\r\n+a\r\n+b\r\n"),
        ALTER_BYTES("%1\r\n+a\r\n:1\r\n"),
        ALTER_BYTES("$12\r\nrole:slave\r\n\r\n"),
        ALTER_BYTES("$24\r\nredis_version:999999999.\r\n"),
    };
    uint64_t how = alter_random(alter, 10);
    if (!how) /* it is gone */
        return;
    if (how == 1)
        alter_emit_kept(alter);
    else if (how < 5)
        alter_emit_one(alter, others, sizeof others / sizeof *others);
    else
        alter_change(alter, (struct alter_bytes){(const char *)data, size}, *data == '$' ? alter_line(data, size) : 0,
                     2);
}

static const struct alter_protocol protocol = {message, ends_login, alter, NULL, NULL};
#define SECTION "plugin: redis\n server: 127.0.0.1:PORT\n timeout: 1s"
const struct altered_broker altered_broker = {&protocol, "altered", {SECTION, SECTION "\n replicas: 1"}, 300, 150,
                                              200,       NULL};

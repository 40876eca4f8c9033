/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/rabbitmq/altered.c - altered frames of AMQP 0-9-1: a type, a channel, a size, a body, and 0xce
 *
 * Sizes and ends are set anew, so that most frames are whole.
 */
#include "../altered.h"
#include "../fixture.h"

enum { HEAD = 7, FRAME = HEAD + 1, END = 0xce };

static size_t message(const uint8_t *data, size_t size)
{
    if (size < FRAME)
        return 0;
    if (*data == 'A') /* another version of the protocol */
        return FRAME;
    size_t whole = FRAME + ((size_t)data[3] << 24 | (size_t)data[4] << 16 | (size_t)data[5] << 8 | (size_t)data[6]);
    return size < whole ? 0 : whole;
}

/* connection.open-ok */
static bool ends_login(const uint8_t *data, size_t size)
{
    return size > HEAD + 3 && data[HEAD + 1] == 10 && data[HEAD + 3] == 41;
}

static void resize(struct alter *alter, uint8_t *data, size_t size)
{
    (void)alter;
    if (size < FRAME || *data == 'A')
        return;
    for (int i = 0; i < 4; i++)
        data[3 + i] = (uint8_t)((size - FRAME) >> (24 - 8 * i));
    data[size - 1] = END;
}

/* A method on a channel; the size follows. */
#define METHOD(channel, body) ALTER_BYTES("\1\0" channel "\0\0\0\0" body "\xce")
static void alter(struct alter *alter, const uint8_t *data, size_t size)
{
    static const struct alter_bytes others[] = {
        METHOD("\1", "\0\x3c\0\x50\0\0\0\0\0\0\0\1\0"),                 /* basic.ack 1 */
        METHOD("\1", "\0\x3c\0\x50\0\0\0\0\0\0\0\0\1"),                 /* basic.ack, all */
        METHOD("\1", "\0\x3c\0\x50\xff\xff\xff\xff\xff\xff\xff\xff\1"), /* basic.ack of what was never sent */
        METHOD("\1", "\0\x3c\0\x78\0\0\0\0\0\0\0\2\0"),                 /* basic.nack 2 */
        METHOD("\1", "\0\x3c\0\x78\0\0\0\0\0\0\0\0\3"),                 /* basic.nack, all */
        METHOD("\1", "\0\x3c\0\x32\1\x38\1x\1y\1z"),                    /* basic.return, and no message */
        METHOD("\1", "\0\x14\0\x28\1\x94\2no\0\x3c\0\x28"),             /* channel.close 404 */
        METHOD("\1", "\0\x14\0\x28\1\x96\0\0\0\0\0"),                   /* channel.close 406 without a text */
        METHOD("\0", "\0\x0a\0\x32\1\x40\2no\0\0\0\0"),                 /* connection.close 320 */
        METHOD("\0", "\0\x0a\0\x3c\3low"),                              /* connection.blocked */
        METHOD("\0", "\0\x0a\0\x3c\xff"),                               /* the same, cut off */
        METHOD("\0", "\0\x0a\0\x3d"),                                   /* connection.unblocked */
        METHOD("\0", "\0\x0a\0\x1e\0\1\0\0\0\0\0\0"),                   /* connection.tune, small */
        METHOD("\2", "\0\x14\0\x28\1\x94\2no\0\x3c\0\x28"),             /* channel.close of the channel of check */
        METHOD("\x63", "\0\x3c\0\x50\0\0\0\0\0\0\0\1\0"),               /* of a channel that is not open */
        METHOD("\1", "\0\1\0\1"),                                       /* an unknown method */
        METHOD("\1", ""),
        ALTER_BYTES("\2\0\1\0\0\0\0\0\x3c\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\xce"), /* a header; a huge body */
        ALTER_BYTES("\3\0\1\0\0\0\0x\xce"),                                              /* a body */
        ALTER_BYTES("\x8\0\0\0\0\0\0\xce"),                                              /* a heartbeat */
        ALTER_BYTES("AMQP\0\0\x9\1"),
    };
    alter_any(alter, (struct alter_bytes){(const char *)data, size}, HEAD, 1, others, sizeof others / sizeof *others);
}

static void begin(struct altering_proxy *proxy, int *target)
{
    (void)proxy, (void)target;
    service("bind '' altered altered");
}

static const struct alter_protocol protocol = {message, ends_login, alter, resize, NULL};
#define SECTION "plugin: rabbitmq\n servers: 127.0.0.1:PORT\n connect_timeout: 300ms\n confirm_timeout: 200ms"
const struct altered_broker altered_broker = {
    &protocol, "altered", {SECTION, SECTION "\n exchange: amq.direct"}, 400, 250, 300, begin};

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/http/altered.c - altered answers of HTTP: lines of a head, which are altered one by one, and a body */
#include "../altered.h"

/* A body has no line end: it comes with the next head, or when it is long enough. */
static size_t message(const uint8_t *data, size_t size)
{
    size_t length = alter_line(data, size);
    return length || size < 8 ? length : size;
}

static bool ends_login(const uint8_t *data, size_t size)
{
    (void)data, (void)size;
    return true;
}

static void alter(struct alter *alter, const uint8_t *data, size_t size)
{
    static const struct alter_bytes others[] = {
        ALTER_BYTES("HTTP/1.1 100 Continue\r\n\r\n"),
        ALTER_BYTES("HTTP/1.1 102 Processing\r\n\r\n"),
        ALTER_BYTES("HTTP/1.1 000 \r\n"),
        ALTER_BYTES("HTTP/1.1 204 \r\n"),
        ALTER_BYTES("HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"),
        ALTER_BYTES("HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
        ALTER_BYTES("HTTP/1.1 429 Slow\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n"),
        ALTER_BYTES("HTTP/1.1 503 Slow\r\nRetry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"),
        ALTER_BYTES("HTTP/1.1 503 Slow\r\nRetry-After: -5\r\nContent-Length: 3\r\n\r\n\x1b[2"),
        ALTER_BYTES("HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
        ALTER_BYTES("HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
        ALTER_BYTES("HTTP/1.1 400 No\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"),
        ALTER_BYTES("HTTP/1.0 500 No\r\n\r\n"),
        ALTER_BYTES("Content-Length: 0\r\n"),
        ALTER_BYTES("Content-Length: -1\r\n"),
        ALTER_BYTES("Content-Length: 18446744073709551615\r\n"),
        ALTER_BYTES("Location: //\r\n"),
        ALTER_BYTES("Connection: close\r\n"),
        ALTER_BYTES("\r\n"),
        ALTER_BYTES("SSH-2.0-x\r\n"),
    };
    alter_any(alter, (struct alter_bytes){(const char *)data, size}, 0, 2, others, sizeof others / sizeof *others);
}

static const struct alter_protocol protocol = {message, ends_login, alter, NULL, NULL};
#define SECTION \
    "plugin: http\n url: \"http://127.0.0.1:PORT/hook/{topic}\"\n allow_private: true\n timeout: 200ms\n redirects: "
const struct altered_broker altered_broker = {&protocol, "altered", {SECTION "true", SECTION "false"}, 300, 250,
                                              400,       NULL};

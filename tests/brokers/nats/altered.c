/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/nats/altered.c - altered messages of NATS: lines; MSG and HMSG end with a size, and bytes follow */
#include <stdlib.h>
#include <string.h>

#include "../altered.h"
#include "../fixture.h"

static size_t message(const uint8_t *data, size_t size)
{
    char line[512];
    size_t length = alter_line(data, size);
    if (length < 5 || length >= sizeof line || (memcmp(data, "MSG ", 4) && memcmp(data, "HMSG ", 5)))
        return length;
    memcpy(line, data, length);
    line[length] = '\0';
    const char *last = strrchr(line, ' ');
    size_t whole = length + strtoull(last ? last : "0", NULL, 10) + 2;
    return size < whole ? 0 : whole;
}

static bool ends_login(const uint8_t *data, size_t size)
{
    return size >= 4 && !memcmp(data, "PONG", 4);
}

static void alter(struct alter *alter, const uint8_t *data, size_t size)
{
    static const struct alter_bytes others[] = {
        ALTER_BYTES("PING\r\n"),
        ALTER_BYTES("PONG\r\n"),
        ALTER_BYTES("+OK\r\n"),
        ALTER_BYTES("-ERR 'Stale Connection'\r\n"),
        ALTER_BYTES("-ERR 'Permissions Violation for Publish to \"altered\"'\r\n"),
        ALTER_BYTES("-ERR 'Permissions Violation for Publish to \"\r\n"),
        ALTER_BYTES("-ERR\r\n"),
        ALTER_BYTES("INFO {}\r\n"),
        ALTER_BYTES("INFO {\"max_payload\":-1,\"headers\":false,\"connect_urls\":[\"\",\"x:99999\"]}\r\n"),
        ALTER_BYTES("MSG x 1 0\r\n\r\n"),
        ALTER_BYTES("MSG x 99999999999999999999 0\r\n\r\n"),
        ALTER_BYTES("HMSG x 1 12 12\r\nNATS/1.0\r\n\r\n\r\n"),
        ALTER_BYTES("HMSG x 1 99 4\r\nNATS\r\n"),
        ALTER_BYTES("\r\n"),
    };
    alter_any(alter, (struct alter_bytes){(const char *)data, size}, 0, 2, others, sizeof others / sizeof *others);
}

static void begin(struct altering_proxy *proxy, int *target)
{
    (void)proxy, (void)target;
    service("stream ALTERED altered");
}

static const struct alter_protocol protocol = {message, ends_login, alter, NULL, NULL};
#define SECTION "plugin: nats\n servers: \"nats://127.0.0.1:PORT\"\n connect_timeout: 300ms\n ack_timeout: 200ms"
const struct altered_broker altered_broker = {&protocol, "altered", {SECTION, SECTION}, 300, 150, 200, begin};

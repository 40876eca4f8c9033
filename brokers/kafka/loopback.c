/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/loopback.c - is a broker on this machine?
 *
 * librdkafka looks names up itself. So only numeric addresses count, and the name localhost, which the machine's owner
 * defines: whoever answers for another name decides where it leads, even if it begins like an address.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "loopback.h"

/* "PLAINTEXT://[::1]:9092", "127.0.0.1:9092", "::1": the host alone. */
static void host_of(const char *broker, char *host, size_t size)
{
    const char *scheme = strstr(broker, "://"), *at = scheme ? scheme + 3 : broker + strspn(broker, " ");
    const char *colon = strchr(at, ':');
    size_t length = strcspn(at, " ");
    if (*at == '[')
        length = strcspn(++at, "]");
    else if (colon && !strchr(colon + 1, ':'))
        length = (size_t)(colon - at);
    snprintf(host, size, "%.*s", (int)length, at);
}

bool kafka_is_loopback(const char *broker)
{
    struct in_addr v4;
    struct in6_addr v6;
    char host[256];
    host_of(broker, host, sizeof host);
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return !strcmp(host, "localhost");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/address.c - see address.h */
#include "http/address.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"

static bool is_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && !*end && port <= 65535;
}

const char *obx_address_socket(const char *address)
{
    return strncmp(address, "unix:", 5) ? NULL : address + 5;
}

int obx_address_fill(const char *option, const char *path, struct sockaddr_un *to, struct outbox_error *error)
{
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t size = strlen(path), limit = sizeof to->sun_path - 1;
    if (*path != '/')
        return obx_error_set(error, OUTBOX_E_CONFIG,
                             "service.%s: 'unix:%.*s' is no absolute path; write one, such as "
                             "unix:/run/outbox/%s.sock",
                             option, OUTBOX_CUT(path, 200), option);
    if (size > limit)
        return obx_error_set(error, OUTBOX_E_CONFIG,
                             "service.%s: the path of 'unix:%.*s...' has %zu bytes, and a socket takes at most "
                             "%zu: choose a shorter one, such as unix:/run/outbox/%s.sock",
                             option, OUTBOX_CUT(path, 120), size, limit, option);
    memcpy(to->sun_path, path, strlen(path) + 1);
    return OUTBOX_OK;
}

int obx_address_control(const char *control, struct sockaddr_un *to, struct outbox_error *error)
{
    const char *path = obx_address_socket(control);
    if (!path)
        return obx_error_set(error, OUTBOX_E_CONFIG,
                             "service.control: '%.*s' is not unix:PATH, such as unix:/run/outbox/control.sock",
                             OUTBOX_CUT(control, 200));
    return obx_address_fill("control", path, to, error);
}

int obx_address_find(const char *address, int flags, struct addrinfo **found, struct outbox_error *error)
{
    const char *colon = strrchr(address, ':');
    char host[256];
    size_t length = colon ? (size_t)(colon - address) : 0;
    if (!colon || !is_port(colon + 1) || length >= sizeof host)
        return obx_error_set(error, OUTBOX_E_CONFIG, "service.listen: '%s' is not ADDRESS:PORT, such as 127.0.0.1:9464",
                             address);
    bool bracketed = length >= 2 && address[0] == '[' && colon[-1] == ']';
    if (bracketed)
        length -= 2;
    memcpy(host, address + bracketed, length);
    host[length] = '\0';
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    int status = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, found);
    if (status)
        return obx_error_set(error, OUTBOX_E_CONFIG, "service.listen: resolve '%s': %s", address, gai_strerror(status));
    return OUTBOX_OK;
}

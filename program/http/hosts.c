/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/http/hosts.c - does a request name this server?
 *
 * A web page that a user of this machine opens may have its own name resolved to 127.0.0.1, and then read this server's
 * pages (DNS rebinding). It cannot choose the Host header, which is the page's name. So addresses are accepted, names
 * only if they are known.
 */
#include "http/hosts.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool is_address(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    return inet_pton(AF_INET, host, &v4) == 1 || inet_pton(AF_INET6, host, &v6) == 1;
}

static bool is_listed(const char *host, const char *list)
{
    size_t size = strlen(host);
    for (const char *at = list; at && *at; at += strcspn(at, ", "), at += strspn(at, ", "))
        if (strcspn(at, ", ") == size && !strncasecmp(at, host, size))
            return true;
    return false;
}

static bool is_own_name(const char *host)
{
    char name[256];
    if (!strcasecmp(host, "localhost") || gethostname(name, sizeof name))
        return !strcasecmp(host, "localhost");
    name[sizeof name - 1] = '\0';
    return !strcasecmp(host, name) || (strcspn(name, ".") == strlen(host) && !strncasecmp(host, name, strlen(host)));
}

/* Without the port and the brackets. False: it does not fit. */
static bool cut_host(const char *header, char *host, size_t size)
{
    size_t length = *header == '[' ? strcspn(++header, "]") : strcspn(header, ":");
    if (length >= size)
        return false;
    memcpy(host, header, length);
    host[length] = '\0';
    return true;
}

bool obx_http_host_is_known(const char *header, const char *hosts)
{
    char host[256];
    if (!header) /* of HTTP/1.0: no browser */
        return true;
    if (!cut_host(header, host, sizeof host))
        return false;
    return is_address(host) || is_own_name(host) || is_listed(host, hosts);
}

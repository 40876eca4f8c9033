/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/listen.c - opens the listening socket of service.listen */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "http/address.h"
#include "http/http.h"

static int refuse(const char *address, int number, struct outbox_error *error)
{
    if (number == EADDRINUSE)
        return obx_error_set(error, OUTBOX_E_CONFIG,
                             "listen on %s: the port is in use; stop the other program, or choose another port in "
                             "service.listen",
                             address);
    if (number == EACCES || number == EPERM)
        return obx_error_set(error, OUTBOX_E_PERMISSION, "listen on %s: %s; choose a port above 1023 in service.listen",
                             address, strerror(number));
    return obx_error_set(error, OUTBOX_E_CONFIG, "listen on %s: %s; correct service.listen", address, strerror(number));
}

static int open_socket(const struct addrinfo *info)
{
    int yes = 1;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info->ai_protocol);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, 64) == 0)
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

static void describe(int fd, char *text, size_t size)
{
    struct sockaddr_storage bound = {0};
    socklen_t length = sizeof bound;
    char host[64], port[16];
    if (getsockname(fd, (struct sockaddr *)&bound, &length) != 0 ||
        getnameinfo((struct sockaddr *)&bound, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(text, size, "unknown");
    else
        snprintf(text, size, bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

int obx_http_listen(const char *address, int *fd, char *text, size_t size, struct outbox_error *error)
{
    if (obx_address_socket(address)) {
        snprintf(text, size, "%s", address);
        return obx_listen_on_path("listen", obx_address_socket(address), 0660, fd, error);
    }
    struct addrinfo *found;
    int status = obx_address_find(address, AI_PASSIVE, &found, error);
    if (status)
        return status;
    *fd = open_socket(found);
    int number = errno;
    freeaddrinfo(found);
    if (*fd < 0)
        return refuse(address, number, error);
    describe(*fd, text, size);
    return OUTBOX_OK;
}

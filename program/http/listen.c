/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/listen.c - opens the listening socket of service.listen */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

static int refuse_path(const char *path, int number, struct outbox_error *error)
{
    if (number == EADDRINUSE)
        return obx_error_set(
            error, OUTBOX_E_CONFIG,
            "listen on unix:%s: a file of that name is there, or another service listens on it; remove "
            "it, stop that service, or choose another path in service.listen",
            path);
    if (number == ENOENT || number == ENOTDIR)
        return obx_error_set(error, OUTBOX_E_CONFIG,
                             "listen on unix:%s: its directory does not exist; make it, or correct service.listen",
                             path);
    if (number == EACCES || number == EPERM || number == EROFS)
        return obx_error_set(error, OUTBOX_E_PERMISSION,
                             "listen on unix:%s: %s; let this user write to the directory, or choose another one in "
                             "service.listen",
                             path, strerror(number));
    return obx_error_set(error, OUTBOX_E_CONFIG, "listen on unix:%s: %s; correct service.listen", path,
                         strerror(number));
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

/* A socket that a service has left behind is removed; nothing else is, and no socket that somebody listens on. */
static void remove_stale(const struct sockaddr_un *name)
{
    struct stat info;
    int fd =
        lstat(name->sun_path, &info) || !S_ISSOCK(info.st_mode) ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)name, sizeof *name) && errno == ECONNREFUSED)
        unlink(name->sun_path);
    close(fd);
}

/* For the owner and the group of the service. */
static int listen_on_path(const char *path, int *fd, struct outbox_error *error)
{
    struct sockaddr_un name;
    int status = obx_address_fill(path, &name, error);
    if (status)
        return status;
    remove_stale(&name);
    const struct addrinfo info = {.ai_family = AF_UNIX,
                                  .ai_socktype = SOCK_STREAM,
                                  .ai_addr = (struct sockaddr *)&name,
                                  .ai_addrlen = sizeof name};
    mode_t before = umask(0117);
    *fd = open_socket(&info);
    int number = errno;
    umask(before);
    return *fd < 0 ? refuse_path(path, number, error) : OUTBOX_OK;
}

int obx_http_listen(const char *address, int *fd, char *text, size_t size, struct outbox_error *error)
{
    if (obx_address_socket(address)) {
        snprintf(text, size, "%s", address);
        return listen_on_path(obx_address_socket(address), fd, error);
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

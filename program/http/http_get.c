/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/http_get.c - one GET by HTTP/1.0, read until the server closes the connection */
#include "http/http_get.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"
#include "http/address.h"

#define MAX_RESPONSE ((size_t)64 << 20)

static int connect_to(const struct sockaddr *to, socklen_t size, unsigned timeout_ms, int *fd)
{
    const struct timeval wait = {.tv_sec = timeout_ms / 1000, .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    *fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd >= 0) {
        setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    }
    return *fd < 0 || connect(*fd, to, size) != 0 ? errno : 0;
}

static int open_connection(const char *address, unsigned timeout_ms, int *fd, struct outbox_error *error)
{
    const char *path = obx_address_socket(address);
    struct addrinfo *found = NULL;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int status = path ? obx_address_fill("listen", path, &name, error) : obx_address_find(address, 0, &found, error);
    if (status)
        return status;
    int failed = found ? connect_to(found->ai_addr, found->ai_addrlen, timeout_ms, fd)
                       : connect_to((const struct sockaddr *)&name, sizeof name, timeout_ms, fd);
    if (found)
        freeaddrinfo(found);
    if (!failed)
        return OUTBOX_OK;
    if (*fd >= 0)
        close(*fd);
    return obx_error_set(error, OUTBOX_E_NOT_CONNECTED, "connect to %s: %s", address, strerror(failed));
}

static int read_response(int fd, const char *address, struct obx_buf *response, struct outbox_error *error)
{
    for (;;) {
        char *to = obx_buf_reserve(response, 16384);
        if (!to || response->size > MAX_RESPONSE)
            return obx_error_no_memory(error);
        ssize_t got = recv(fd, to, 16384, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return obx_error_set(error, errno == EAGAIN ? OUTBOX_E_TIMEOUT : OUTBOX_E_IO, "read from %s: %s", address,
                                 errno == EAGAIN ? "no response in time" : strerror(errno));
        to[got] = '\0';
        response->size += (size_t)got;
        if (got == 0)
            return OUTBOX_OK;
    }
}

static int copy_body(const struct obx_buf *response, const char *address, struct obx_buf *body,
                     struct outbox_error *error)
{
    const char *text = obx_buf_text(response), *blank = strstr(text, "\r\n\r\n");
    if (strncmp(text, "HTTP/1.", 7) || !blank)
        return obx_error_set(error, OUTBOX_E_IO, "GET from %s: the response is not HTTP", address);
    if (strncmp(text + 8, " 200", 4))
        return obx_error_set(error, OUTBOX_E_IO, "GET from %s: %.*s", address, (int)strcspn(text, "\r\n"), text);
    obx_buf_puts(body, blank + 4);
    return obx_buf_failed(body) ? obx_error_no_memory(error) : OUTBOX_OK;
}

int obx_http_get(const char *address, const char *path, unsigned timeout_ms, struct obx_buf *body,
                 struct outbox_error *error)
{
    int fd;
    int status = open_connection(address, timeout_ms, &fd, error);
    if (status)
        return status;
    struct obx_buf text = {0};
    obx_buf_printf(&text, "GET %s HTTP/1.0\r\n\r\n", path);
    if (obx_buf_failed(&text) || send(fd, text.data, text.size, MSG_NOSIGNAL) != (ssize_t)text.size)
        status = obx_error_set(error, OUTBOX_E_IO, "GET from %s: sending the request failed", address);
    obx_buf_clear(&text);
    if (!status)
        status = read_response(fd, address, &text, error);
    if (!status)
        status = copy_body(&text, address, body, error);
    obx_buf_free(&text);
    close(fd);
    return status;
}

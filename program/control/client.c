/* SPDX-License-Identifier: Apache-2.0 */
/* program/control/client.c - the client's side of control.h: one request, one answer */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "cli/exit_code.h"
#include "control/control.h"
#include "http/address.h"

#define ANSWER_S 10 /* the service answers at once, or its loop hangs */

static int fail(int code, struct outbox_error *answer, const char *address, int number)
{
    const char *advice = number == EACCES                 ? "; run this as the user of the service, or as root"
                         : code == OUTBOX_E_NOT_CONNECTED ? "; is the service running, with this configuration?"
                                                          : "";
    obx_error_set(answer, number == EACCES ? OUTBOX_E_PERMISSION : code, "send a request to %s: %s%s", address,
                  number == EAGAIN ? "no answer within 10 s" : strerror(number), advice);
    return obx_exit_code(answer->code);
}

static void add_field(struct obx_buf *request, const char *name, const char *text)
{
    if (!text)
        return;
    obx_buf_puts(request, name);
    obx_buf_add(request, text, strlen(text) + 1);
}

static bool exchange(int fd, const struct obx_buf *request, char *text, size_t size)
{
    ssize_t got = send(fd, request->data, request->size, MSG_NOSIGNAL) == (ssize_t)request->size ? 1 : -1;
    size_t used = 0;
    shutdown(fd, SHUT_WR);
    while (got > 0 && used < size - 1) {
        do /* a process that was stopped and continued is interrupted here */
            got = recv(fd, text + used, size - 1 - used, 0);
        while (got < 0 && errno == EINTR);
        used += got > 0 ? (size_t)got : 0;
    }
    text[used] = '\0';
    return got >= 0;
}

static int read_answer(const char *text, const char *address, struct outbox_error *answer)
{
    char *end;
    long code = strtol(text, &end, 10);
    if (end == text || *end != ' ')
        return fail(OUTBOX_E_IO, answer, address, EPROTO);
    obx_error_set(answer, OUTBOX_OK, "%.*s", (int)strcspn(end + 1, "\n"), end + 1);
    return (int)code;
}

int obx_control_send(const char *address, const char *action, const char *relay, const char *key, const char *topic,
                     struct outbox_error *answer)
{
    const struct timeval wait = {.tv_sec = ANSWER_S};
    struct sockaddr_un name;
    struct obx_buf request = {0};
    char text[OUTBOX_ERROR_TEXT_SIZE + 16];
    if (obx_address_control(address, &name, answer))
        return obx_exit_code(answer->code);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&name, sizeof name)) {
        int number = errno;
        close(fd);
        return fail(OUTBOX_E_NOT_CONNECTED, answer, address, number);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    add_field(&request, "", action);
    add_field(&request, "", relay);
    add_field(&request, "key=", key);
    add_field(&request, "topic=", topic);
    bool answered = !obx_buf_failed(&request) && exchange(fd, &request, text, sizeof text);
    int number = errno;
    obx_buf_free(&request);
    close(fd);
    return answered ? read_answer(text, address, answer) : fail(OUTBOX_E_IO, answer, address, number);
}

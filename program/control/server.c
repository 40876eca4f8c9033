/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/control/server.c - the service's side of control.h
 *
 *   LISTENING --a client connects--> READING (on a worker) --> the request is carried out and answered --> LISTENING
 *
 * The listening descriptor is not watched while a client is served, so there is one at a time, and one worker. Failure:
 * a client that is late or sends nonsense gets an answer, or nothing, and loses its connection.
 */
#include <errno.h>
#include <outbox/plugin_util.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/exit_code.h"
#include "control/control.h"
#include "http/address.h"

#define REQUEST_MS 1000
#define REQUEST_MAX 2048
#define PAUSE_NS (1000 * OBX_MS) /* after an accept() that fails, as without descriptors */

struct obx_control_server {
    struct obx_loop *loop;
    const struct obx_log *log;
    struct obx_control_events events;
    int listener;
    struct obx_watch *watch; /* NULL: closed */
    struct obx_timer timer;
    bool busy; /* a worker has the next five */
    int client;
    struct obx_work work;
    char request[REQUEST_MAX + 1];
    size_t size; /* of the request; 0: it is not complete */
    char peer[96];
};

/* ---- on a worker ------------------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Bytes read; 0 at the end of the request; -1: it is late, or failed. */
static ssize_t read_some(int fd, char *to, size_t size, int64_t deadline)
{
    int64_t left = deadline - now_ms();
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return left > 0 && poll(&wait, 1, (int)left) == 1 ? recv(fd, to, size, MSG_DONTWAIT) : -1;
}

static void read_request(struct obx_work *work)
{
    struct obx_control_server *server = OBX_CONTAINER(work, struct obx_control_server, work);
    int64_t deadline = now_ms() + REQUEST_MS;
    size_t used = 0;
    ssize_t got = 1;
    obx_control_describe_peer(server->client, server->peer, sizeof server->peer);
    while (got > 0 && used < REQUEST_MAX)
        if ((got = read_some(server->client, server->request + used, REQUEST_MAX - used, deadline)) > 0)
            used += (size_t)got;
    server->size = got == 0 ? used : 0;
}

/* ---- the request ------------------------------------------------------------------------------------------------- */

bool obx_control_find_action(const char *name, enum obx_control_action *action)
{
    static const char *const names[] = {"pause", "resume", "retry", "skip"};
    for (size_t i = 0; i < OBX_COUNT(names); i++)
        if (!strcmp(name, names[i])) {
            *action = (enum obx_control_action)i;
            return true;
        }
    return false;
}

/* The text of a field behind its name; NULL: there is no such field. Each field ends with a NUL, also the last one. */
static const char *find_field(const struct obx_control_server *server, const char *name)
{
    const char *at = server->request, *end = at + server->size;
    for (; at < end; at += strlen(at) + 1)
        if (!strncmp(at, name, strlen(name)))
            return at + strlen(name);
    return NULL;
}

static void carry_out(struct obx_control_server *server, struct outbox_error *answer)
{
    struct obx_control_request request = {.by = server->peer};
    const char *relay = server->request + strlen(server->request) + 1;
    if (!obx_control_find_action(server->request, &request.action) || relay >= server->request + server->size) {
        obx_error_set(answer, OUTBOX_E_INVALID, "unknown request: '%.*s'", OUTBOX_CUT(server->request, 40));
        return;
    }
    request.key = find_field(server, "key=");
    request.topic = find_field(server, "topic=");
    server->events.request(server->events.arg, relay, &request, answer);
}

static void send_answer(const struct obx_control_server *server, const struct outbox_error *answer)
{
    char text[OUTBOX_ERROR_TEXT_SIZE + 16];
    int size = snprintf(text, sizeof text, "%d %s\n", (int)obx_exit_code(answer->code), answer->text);
    if (send(server->client, text, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) != size)
        obx_log_write(server->log, OUTBOX_LOG_INFO, "control", "%s did not wait for the answer: %s", server->peer,
                      answer->text);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void listen_again(struct obx_control_server *server)
{
    if (server->watch)
        server->loop->ops->watch_arm(server->watch, OBX_READABLE);
}

static void on_timer(struct obx_timer *timer)
{
    listen_again(OBX_CONTAINER(timer, struct obx_control_server, timer));
}

static void end_client(struct obx_control_server *server)
{
    close(server->client);
    server->busy = false;
    listen_again(server);
    if (!server->watch)
        server->events.idle(server->events.arg);
}

static void on_request(struct obx_work *work)
{
    struct obx_control_server *server = OBX_CONTAINER(work, struct obx_control_server, work);
    struct outbox_error answer;
    server->request[server->size] = '\0';
    if (server->size && server->watch) {
        carry_out(server, &answer);
        send_answer(server, &answer);
    }
    end_client(server);
}

static void on_client(void *arg, uint32_t events)
{
    struct obx_control_server *server = arg;
    (void)events;
    server->client = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (server->client < 0) {
        server->loop->ops->timer_set(server->loop, &server->timer, errno == EAGAIN ? 0 : PAUSE_NS);
        return;
    }
    server->busy = true;
    server->work = (struct obx_work){.work = read_request, .done = on_request};
    if (server->loop->ops->offload(server->loop, &server->work))
        end_client(server);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static int open_watch(struct obx_control_server *server, struct outbox_error *error)
{
    int status = server->loop->ops->watch_open(server->loop, server->listener, on_client, server, &server->watch);
    if (status)
        return obx_error_set(error, status, "watch the socket of service.control: %s", obx_error_text(status));
    listen_again(server);
    return OUTBOX_OK;
}

int obx_control_server_new(const char *address, struct obx_loop *loop, const struct obx_log *log,
                           const struct obx_control_events *events, struct obx_control_server **made,
                           struct outbox_error *error)
{
    struct sockaddr_un name;
    struct obx_control_server *server = obx_alloc(sizeof *server);
    *made = server;
    if (!server)
        return obx_error_no_memory(error);
    server->loop = loop;
    server->log = log;
    server->events = *events;
    server->timer.fire = on_timer;
    server->listener = -1;
    int status = obx_address_control(address, &name, error);
    if (!status)
        status = obx_listen_on_path("control", name.sun_path, 0600, &server->listener, error);
    if (!status)
        status = open_watch(server, error);
    if (!status)
        return OUTBOX_OK;
    obx_control_server_close(server);
    obx_control_server_free(server);
    *made = NULL;
    return status;
}

bool obx_control_server_close(struct obx_control_server *server)
{
    if (!server)
        return true;
    server->loop->ops->timer_clear(server->loop, &server->timer);
    server->loop->ops->watch_close(server->watch);
    server->watch = NULL;
    if (server->busy)
        shutdown(server->client, SHUT_RDWR); /* its worker ends at once */
    return !server->busy;
}

void obx_control_server_free(struct obx_control_server *server)
{
    if (server && server->listener >= 0)
        close(server->listener);
    obx_free(server);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/proxy/altering/altering_proxy.c - connections, on a thread of their own */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "alter.h"

enum { PAIRS = 16, CHUNK = 1 << 18 };
struct pair {
    int client, server; /* client < 0: free */
    int64_t moved_ms;
    struct alter alter;
};
struct proxy_run {
    struct altering_proxy *proxy;
    struct pair pairs[PAIRS];
    uint8_t chunk[CHUNK];
};

static int open_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        abort();
    return fd;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct sockaddr_in on_loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void drop(struct pair *pair)
{
    close(pair->client);
    close(pair->server);
    alter_end(&pair->alter);
    pair->client = -1;
}

static void send_at_once(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){.tv_sec = 2}, sizeof(struct timeval));
}

static void accept_one(struct proxy_run *run)
{
    struct altering_proxy *proxy = run->proxy;
    int fd = accept(proxy->listener, NULL, NULL);
    struct sockaddr_in address = on_loopback(proxy->target);
    struct pair *pair = run->pairs;
    while (pair < run->pairs + PAIRS && pair->client >= 0)
        pair++;
    if (fd < 0)
        return;
    if (pair == run->pairs + PAIRS) {
        close(fd);
        return;
    }
    *pair = (struct pair){.client = fd, .server = open_socket(), .moved_ms = now_ms()};
    send_at_once(fd);
    send_at_once(pair->server);
    alter_begin(&pair->alter, proxy->protocol, atomic_load(&proxy->seed));
    if (connect(pair->server, (struct sockaddr *)&address, sizeof address))
        drop(pair);
}

static bool send_all(int fd, const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool move_up(struct proxy_run *run, struct pair *pair)
{
    ssize_t got = recv(pair->client, run->chunk, CHUNK, 0);
    if (got <= 0)
        return false;
    if (pair->alter.protocol->sent)
        pair->alter.protocol->sent(&pair->alter, run->chunk, (size_t)got);
    return send_all(pair->server, run->chunk, (size_t)got);
}

static bool move_down(struct proxy_run *run, struct pair *pair)
{
    ssize_t got = recv(pair->server, run->chunk, CHUNK, 0);
    if (got <= 0)
        return false;
    alter_take(&pair->alter, run->chunk, (size_t)got, run->proxy);
    bool sent = send_all(pair->client, pair->alter.out, pair->alter.out_size);
    pair->alter.out_size = 0;
    return sent;
}

/* False: it has ended. */
static bool move(struct proxy_run *run, struct pair *pair, bool up, bool down)
{
    if (up || down)
        pair->moved_ms = now_ms();
    else
        return !run->proxy->idle_ms || now_ms() - pair->moved_ms < run->proxy->idle_ms;
    return (!up || move_up(run, pair)) && (!down || move_down(run, pair));
}

static void turn(struct proxy_run *run)
{
    struct pollfd fds[1 + 2 * PAIRS] = {{.fd = run->proxy->listener, .events = POLLIN}};
    for (int i = 0; i < PAIRS; i++) {
        bool open = run->pairs[i].client >= 0;
        fds[1 + 2 * i] = (struct pollfd){.fd = open ? run->pairs[i].client : -1, .events = POLLIN};
        fds[2 + 2 * i] = (struct pollfd){.fd = open ? run->pairs[i].server : -1, .events = POLLIN};
    }
    poll(fds, 1 + 2 * PAIRS, run->proxy->idle_ms ? (int)run->proxy->idle_ms : 100);
    for (int i = 0; i < PAIRS; i++)
        if (run->pairs[i].client >= 0 &&
            !move(run, &run->pairs[i], fds[1 + 2 * i].revents != 0, fds[2 + 2 * i].revents != 0))
            drop(&run->pairs[i]);
    if (fds[0].revents)
        accept_one(run);
}

static void *serve(void *arg)
{
    struct proxy_run *run = calloc(1, sizeof *run);
    if (!run)
        abort();
    run->proxy = arg;
    for (int i = 0; i < PAIRS; i++)
        run->pairs[i].client = -1;
    while (!atomic_load(&run->proxy->stop))
        turn(run);
    for (int i = 0; i < PAIRS; i++)
        if (run->pairs[i].client >= 0)
            drop(&run->pairs[i]);
    free(run);
    return NULL;
}

void altering_proxy_start(struct altering_proxy *proxy, const struct alter_protocol *protocol, int target)
{
    struct sockaddr_in address = on_loopback((int)proxy->port);
    socklen_t size = sizeof address;
    proxy->protocol = protocol;
    proxy->target = target;
    proxy->listener = open_socket();
    setsockopt(proxy->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(proxy->listener, (struct sockaddr *)&address, size) || listen(proxy->listener, 16) ||
        getsockname(proxy->listener, (struct sockaddr *)&address, &size) ||
        pthread_create(&proxy->thread, NULL, serve, proxy))
        abort();
    proxy->port = ntohs(address.sin_port);
}

void altering_proxy_stop(struct altering_proxy *proxy)
{
    atomic_store(&proxy->stop, true);
    pthread_join(proxy->thread, NULL);
    close(proxy->listener);
}

uint64_t altering_proxy_setting(const char *variable, uint64_t default_value)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : default_value;
}

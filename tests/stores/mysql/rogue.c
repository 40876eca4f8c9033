/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/rogue.c - a session of the rogue, on a thread, until the client goes or is silent for ten seconds
 */
#include "rogue.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COM_QUERY = 3 };

static bool receive(int fd, char *to, size_t size)
{
    return recv(fd, to, size, MSG_WAITALL) == (ssize_t)size;
}

/* One packet, of which the first byte is returned; -1: there is none. */
static int read_packet(struct rogue *rogue, int fd, unsigned char *number)
{
    unsigned char head[4];
    char *to = rogue->got + rogue->size;
    if (!receive(fd, (char *)head, sizeof head))
        return -1;
    size_t size = (size_t)(head[0] | head[1] << 8 | head[2] << 16);
    if (size > sizeof rogue->got - rogue->size || !receive(fd, to, size))
        return -1;
    rogue->size += size;
    *number = (unsigned char)(head[3] + 1);
    return size ? (unsigned char)*to : 0;
}

static bool send_packet(int fd, unsigned char number, const char *data, size_t size)
{
    char packet[512] = {(char)size, (char)(size >> 8), 0, (char)number};
    memcpy(packet + 4, data, size);
    return send(fd, packet, size + 4, MSG_NOSIGNAL) == (ssize_t)size + 4;
}

/* Protocol 4.1, secure connection, plugins for logging in, local files; no TLS. */
static bool greet(int fd)
{
    static const char greeting[] = "\x0a"
                                   "8.0.40\0"
                                   "\x01\0\0\0"
                                   "saltsalt\0"
                                   "\xff\xf7"
                                   "\x2d"
                                   "\x02\0"
                                   "\x0f\0"
                                   "\x15"
                                   "\0\0\0\0\0\0\0\0\0\0"
                                   "saltsaltsalt\0"
                                   "caching_sha2_password";
    return send_packet(fd, 0, greeting, sizeof greeting);
}

static void be_patient(int fd, int seconds)
{
    struct timeval patience = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

static void serve(struct rogue *rogue, int fd)
{
    static const char in_the_clear[] = "\xfemysql_clear_password", known[] = {1, 3}, ok[] = {0, 0, 0, 2, 0, 0, 0};
    char ask[256];
    unsigned char number;
    if (!greet(fd) || read_packet(rogue, fd, &number) < 0)
        return;
    if (rogue->asks_for_password) {
        send_packet(fd, number, in_the_clear, sizeof in_the_clear);
        while (read_packet(rogue, fd, &number) >= 0)
            ;
        return;
    }
    rogue->logins++;
    if (!send_packet(fd, number, known, sizeof known) || !send_packet(fd, (unsigned char)(number + 1), ok, sizeof ok))
        return;
    for (int command; (command = read_packet(rogue, fd, &number)) >= 0;) {
        if (command != COM_QUERY)
            continue;
        rogue->statements++;
        int size = snprintf(ask, sizeof ask, "\xfb%s", rogue->file);
        send_packet(fd, number, ask, (size_t)size);
        be_patient(fd, 1); /* who sends no file may send nothing at all */
        while (read_packet(rogue, fd, &number) > 0)
            ;
        send_packet(fd, number, ok, sizeof ok);
    }
}

static void *run(void *arg)
{
    struct rogue *rogue = arg;
    int fd = accept(rogue->listener, NULL, NULL);
    if (fd < 0)
        return NULL;
    be_patient(fd, 10);
    serve(rogue, fd);
    close(fd);
    return NULL;
}

void rogue_start(struct rogue *rogue)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    rogue->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(rogue->listener, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(rogue->listener, 4), 0);
    cr_assert_eq(getsockname(rogue->listener, (struct sockaddr *)&address, &size), 0);
    rogue->port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&rogue->thread, NULL, run, rogue), 0);
}

void rogue_end(struct rogue *rogue)
{
    shutdown(rogue->listener, SHUT_RDWR);
    pthread_join(rogue->thread, NULL);
    close(rogue->listener);
}

bool rogue_got(const struct rogue *rogue, const char *text)
{
    return memmem(rogue->got, rogue->size, text, strlen(text)) != NULL;
}

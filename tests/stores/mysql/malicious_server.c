/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/malicious_server.c - one session of the malicious server, on a thread, until the client closes it
 * or is silent for ten seconds
 */
#include "malicious_server.h"

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

/* Reads one packet and returns its first byte; -1: there is none. */
static int read_packet(struct malicious_server *malicious, int fd, unsigned char *number)
{
    unsigned char head[4];
    char *to = malicious->got + malicious->size;
    if (!receive(fd, (char *)head, sizeof head))
        return -1;
    size_t size = (size_t)(head[0] | head[1] << 8 | head[2] << 16);
    if (size > sizeof malicious->got - malicious->size || !receive(fd, to, size))
        return -1;
    malicious->size += size;
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

static void set_receive_timeout(int fd, int seconds)
{
    struct timeval timeout = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

static void serve(struct malicious_server *malicious, int fd)
{
    static const char in_the_clear[] = "\xfemysql_clear_password", known[] = {1, 3}, ok[] = {0, 0, 0, 2, 0, 0, 0};
    char request[256];
    unsigned char number;
    if (!greet(fd) || read_packet(malicious, fd, &number) < 0)
        return;
    if (malicious->requests_password) {
        send_packet(fd, number, in_the_clear, sizeof in_the_clear);
        while (read_packet(malicious, fd, &number) >= 0)
            ;
        return;
    }
    if (malicious->wants_key) {
        static const char in_full[] = {1, 4};
        send_packet(fd, number, in_full, sizeof in_full);
        malicious->was_asked_for_key = read_packet(malicious, fd, &number) == 2;
        return;
    }
    malicious->logins++;
    if (!send_packet(fd, number, known, sizeof known) || !send_packet(fd, (unsigned char)(number + 1), ok, sizeof ok))
        return;
    for (int command; (command = read_packet(malicious, fd, &number)) >= 0;) {
        if (command != COM_QUERY)
            continue;
        malicious->statements++;
        int size = snprintf(request, sizeof request, "\xfb%s", malicious->file);
        send_packet(fd, number, request, (size_t)size);
        set_receive_timeout(fd, 1); /* a client that refuses to send a file may send nothing */
        while (read_packet(malicious, fd, &number) > 0)
            ;
        send_packet(fd, number, ok, sizeof ok);
    }
}

static void *run(void *arg)
{
    struct malicious_server *malicious = arg;
    int fd = accept(malicious->listener, NULL, NULL);
    if (fd < 0)
        return NULL;
    set_receive_timeout(fd, 10);
    serve(malicious, fd);
    close(fd);
    return NULL;
}

void malicious_server_start(struct malicious_server *malicious)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    malicious->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(malicious->listener, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(malicious->listener, 4), 0);
    cr_assert_eq(getsockname(malicious->listener, (struct sockaddr *)&address, &size), 0);
    malicious->port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&malicious->thread, NULL, run, malicious), 0);
}

void malicious_server_end(struct malicious_server *malicious)
{
    shutdown(malicious->listener, SHUT_RDWR);
    pthread_join(malicious->thread, NULL);
    close(malicious->listener);
}

bool malicious_server_received(const struct malicious_server *malicious, const char *text)
{
    return memmem(malicious->got, malicious->size, text, strlen(text)) != NULL;
}

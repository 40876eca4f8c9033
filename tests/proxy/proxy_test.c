/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/proxy/proxy_test.c - the proxy as a program, between two sockets of the test
 *
 * Every wait ends after the timeout of the sockets, 10 s. Delays are checked for their minimum only.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct fixture {
    pid_t pid;
    FILE *to, *from; /* the proxy's stdin and stdout */
    int listener;    /* of the server */
    unsigned port;   /* of the proxy */
    int client, server;
};

static void set_deadline(int fd)
{
    struct timeval deadline = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
}

static struct sockaddr_in loopback(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static unsigned open_listener(struct fixture *fixture)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    fixture->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* else the proxy would inherit it */
    set_deadline(fixture->listener);
    cr_assert_eq(bind(fixture->listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fixture->listener, 8), 0);
    cr_assert_eq(getsockname(fixture->listener, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static void run_proxy(struct fixture *fixture, const char *route)
{
    int in[2], out[2];
    cr_assert(pipe(in) == 0 && pipe(out) == 0);
    if ((fixture->pid = fork()) == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]); /* else its stdin never ends */
        execl(getenv("OUTBOX_PROXY"), "outbox-proxy", route, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    fixture->to = fdopen(in[1], "w");
    fixture->from = fdopen(out[0], "r");
}

static void open_fixture(struct fixture *fixture)
{
    char route[32];
    snprintf(route, sizeof route, "db:%u", open_listener(fixture));
    run_proxy(fixture, route);
    cr_assert(fscanf(fixture->from, "db %u", &fixture->port) == 1 && fgetc(fixture->from) == '\n');
}

static void close_fixture(struct fixture *fixture)
{
    int status;
    fclose(fixture->to);
    cr_assert_eq(waitpid(fixture->pid, &status, 0), fixture->pid);
    cr_assert_eq(status, 0, "the proxy ends with its stdin");
    fclose(fixture->from);
    close(fixture->listener);
}

static void send_command(struct fixture *fixture, const char *line, char text[256])
{
    fprintf(fixture->to, "%s\n", line);
    fflush(fixture->to);
    cr_assert_not_null(fgets(text, 256, fixture->from));
    text[strcspn(text, "\n")] = '\0';
}

static void expect_response(struct fixture *fixture, const char *line, const char *response)
{
    char text[256];
    send_command(fixture, line, text);
    cr_assert_str_eq(text, response);
}

/* Bytes may reach the proxy after the next command: poll. */
static void wait_for_status(struct fixture *fixture, const char *response)
{
    char text[256] = "";
    for (int i = 0; i < 100000 && strcmp(text, response) != 0; i++)
        send_command(fixture, "db status", text);
    cr_assert_str_eq(text, response);
}

static int connect_client(const struct fixture *fixture)
{
    struct sockaddr_in address = loopback(fixture->port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    set_deadline(fd);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Both ends of a link: the client and the server's socket. */
static void open_link(struct fixture *fixture)
{
    fixture->client = connect_client(fixture);
    fixture->server = accept(fixture->listener, NULL, NULL);
    cr_assert_geq(fixture->server, 0);
    set_deadline(fixture->server);
}

static void expect(int fd, const char *text)
{
    char got[64];
    size_t size = strlen(text), used = 0;
    while (used < size) {
        ssize_t n = recv(fd, got + used, size - used, 0);
        cr_assert(n > 0, "%zd after %zu bytes: %s", n, used, strerror(errno));
        used += (size_t)n;
    }
    cr_assert_eq(memcmp(got, text, size), 0);
}

static void send_text(int fd, const char *text)
{
    cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void expect_reset(int fd)
{
    char byte;
    errno = 0;
    cr_assert_eq(recv(fd, &byte, 1, 0), -1);
    cr_assert_eq(errno, ECONNRESET, "%s", strerror(errno));
}

static void expect_nothing(int fd)
{
    char byte;
    errno = 0;
    cr_assert_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    cr_assert_eq(errno, EAGAIN, "%s", strerror(errno));
}

static void close_link(struct fixture *fixture)
{
    close(fixture->client);
    close(fixture->server);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Wait until the proxy has handled earlier events: a new link passes a byte. */
static void flush_proxy(struct fixture *fixture)
{
    struct fixture other = *fixture;
    open_link(&other);
    send_text(other.client, "x");
    expect(other.server, "x");
    close_link(&other);
}

Test(proxy, bytes_and_half_closes_pass_both_ways)
{
    struct fixture fixture;
    char byte;
    open_fixture(&fixture);
    open_link(&fixture);
    send_text(fixture.client, "hello");
    expect(fixture.server, "hello");
    shutdown(fixture.client, SHUT_WR);
    cr_assert_eq(recv(fixture.server, &byte, 1, 0), 0, "the end of the stream passes");
    send_text(fixture.server, "bye");
    expect(fixture.client, "bye");
    expect_response(&fixture, "db status", "ok links 1 lost 0 up 5 down 3");
    close(fixture.server);
    cr_assert_eq(recv(fixture.client, &byte, 1, 0), 0);
    close(fixture.client);
    close_fixture(&fixture);
}

Test(proxy, latency_affects_one_direction)
{
    struct fixture fixture;
    open_fixture(&fixture);
    open_link(&fixture);
    expect_response(&fixture, "db latency up 120", "ok");
    double start = now();
    send_text(fixture.client, "late");
    expect(fixture.server, "late");
    cr_assert_geq(now() - start, 0.119);
    close_link(&fixture);
    close_fixture(&fixture);
}

Test(proxy, rate_delays_bytes_and_keeps_them)
{
    static char bytes[5000], got[5000];
    struct fixture fixture;
    open_fixture(&fixture);
    open_link(&fixture);
    expect_response(&fixture, "all rate 20000", "ok");
    memset(bytes, 'r', sizeof bytes);
    double start = now();
    cr_assert_eq(send(fixture.server, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    cr_assert_eq(recv(fixture.client, got, sizeof got, MSG_WAITALL), (ssize_t)sizeof got);
    cr_assert_geq(now() - start, 0.2);
    cr_assert_eq(memcmp(bytes, got, sizeof got), 0);
    close_link(&fixture);
    close_fixture(&fixture);
}

Test(proxy, stall_loses_nothing)
{
    struct fixture fixture;
    open_fixture(&fixture);
    open_link(&fixture);
    expect_response(&fixture, "db stall up", "ok");
    send_text(fixture.client, "held");
    send_text(fixture.server, "free"); /* the other direction still passes */
    expect(fixture.client, "free");
    expect_nothing(fixture.server);
    expect_response(&fixture, "db clear", "ok");
    expect(fixture.server, "held");
    close_link(&fixture);
    close_fixture(&fixture);
}

Test(proxy, blackhole_discards_bytes_and_closes)
{
    struct fixture fixture;
    open_fixture(&fixture);
    open_link(&fixture);
    expect_response(&fixture, "db blackhole", "ok");
    int late = connect_client(&fixture); /* accepted, and gets no data */
    send_text(late, "anybody?");
    send_text(fixture.client, "lost");
    close(fixture.client);
    wait_for_status(&fixture, "ok links 2 lost 2 up 0 down 0");
    expect_nothing(fixture.server);
    expect_nothing(late);
    expect_response(&fixture, "db clear", "ok");
    expect_reset(late);
    expect_reset(fixture.server);
    flush_proxy(&fixture);
    close(late);
    close(fixture.server);
    close_fixture(&fixture);
}

Test(proxy, link_without_loss_survives_a_blackhole)
{
    struct fixture fixture;
    open_fixture(&fixture);
    open_link(&fixture);
    expect_response(&fixture, "db blackhole down", "ok");
    send_text(fixture.client, "passes");
    expect(fixture.server, "passes");
    expect_response(&fixture, "db clear", "ok");
    send_text(fixture.server, "too");
    expect(fixture.client, "too");
    close_link(&fixture);
    close_fixture(&fixture);
}

Test(proxy, reset_ends_all_links_with_rst)
{
    struct fixture fixture;
    open_fixture(&fixture);
    open_link(&fixture);
    expect_response(&fixture, "db reset", "ok");
    expect_reset(fixture.client);
    expect_reset(fixture.server);
    flush_proxy(&fixture);
    close_link(&fixture);
    close_fixture(&fixture);
}

Test(proxy, cut_resets_each_link_after_its_bytes)
{
    struct fixture fixture;
    open_fixture(&fixture);
    open_link(&fixture);
    expect_response(&fixture, "db cut down 3", "ok");
    send_text(fixture.client, "any number"); /* in the other direction */
    expect(fixture.server, "any number");
    send_text(fixture.server, "abcdef");
    expect(fixture.client, "abc");
    expect_reset(fixture.client);
    close_link(&fixture);
    open_link(&fixture);
    send_text(fixture.server, "xyz");
    expect(fixture.client, "xyz");
    expect_reset(fixture.client);
    close_link(&fixture);
    close_fixture(&fixture);
}

Test(proxy, down_resets_new_clients_only)
{
    struct fixture fixture;
    open_fixture(&fixture);
    open_link(&fixture);
    expect_response(&fixture, "db down", "ok");
    int refused = connect_client(&fixture);
    expect_reset(refused);
    close(refused);
    send_text(fixture.client, "old links live");
    expect(fixture.server, "old links live");
    expect_response(&fixture, "db clear", "ok");
    flush_proxy(&fixture);
    close_link(&fixture);
    close_fixture(&fixture);
}

Test(proxy, unreachable_server_resets_the_client)
{
    struct fixture fixture;
    open_fixture(&fixture);
    close(fixture.listener);
    int client = connect_client(&fixture);
    expect_reset(client);
    close(client);
    fixture.listener = -1;
    close_fixture(&fixture);
}

Test(proxy, invalid_command_is_refused)
{
    struct fixture fixture;
    open_fixture(&fixture);
    expect_response(&fixture, "db", "error: invalid command: db");
    expect_response(&fixture, "db explode", "error: invalid command: db explode");
    expect_response(&fixture, "db latency", "error: invalid command: db latency");
    expect_response(&fixture, "db latency sideways 3", "error: invalid command: db latency sideways 3");
    expect_response(&fixture, "kafka reset", "error: no route kafka");
    close_fixture(&fixture);
}

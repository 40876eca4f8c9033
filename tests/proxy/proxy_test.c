/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/proxy/proxy_test.c - the proxy as a program, between two sockets of the test
 *
 * Every wait has a deadline of the sockets (10 s). Delays are only ever checked from below.
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

struct rig {
    pid_t pid;
    FILE *to, *from; /* the proxy's stdin and stdout */
    int listener;    /* the server behind it */
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

static unsigned listen_somewhere(struct rig *rig)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    rig->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* or the proxy would keep it open */
    set_deadline(rig->listener);
    cr_assert_eq(bind(rig->listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(rig->listener, 8), 0);
    cr_assert_eq(getsockname(rig->listener, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static void run_proxy(struct rig *rig, const char *route)
{
    int in[2], out[2];
    cr_assert(pipe(in) == 0 && pipe(out) == 0);
    if ((rig->pid = fork()) == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]); /* or its stdin never ends */
        execl(getenv("OUTBOX_PROXY"), "outbox-proxy", route, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    rig->to = fdopen(in[1], "w");
    rig->from = fdopen(out[0], "r");
}

static void open_rig(struct rig *rig)
{
    char route[32];
    snprintf(route, sizeof route, "db:%u", listen_somewhere(rig));
    run_proxy(rig, route);
    cr_assert(fscanf(rig->from, "db %u", &rig->port) == 1 && fgetc(rig->from) == '\n');
}

static void close_rig(struct rig *rig)
{
    int status;
    fclose(rig->to);
    cr_assert_eq(waitpid(rig->pid, &status, 0), rig->pid);
    cr_assert_eq(status, 0, "the proxy ends when its stdin does");
    fclose(rig->from);
    close(rig->listener);
}

static void ask(struct rig *rig, const char *line, char text[256])
{
    fprintf(rig->to, "%s\n", line);
    fflush(rig->to);
    cr_assert_not_null(fgets(text, 256, rig->from));
    text[strcspn(text, "\n")] = '\0';
}

static void say(struct rig *rig, const char *line, const char *answer)
{
    char text[256];
    ask(rig, line, text);
    cr_assert_str_eq(text, answer);
}

/* What was sent may still be on its way to the proxy when the next line is. */
static void wait_for_status(struct rig *rig, const char *answer)
{
    char text[256] = "";
    for (int i = 0; i < 100000 && strcmp(text, answer) != 0; i++)
        ask(rig, "db status", text);
    cr_assert_str_eq(text, answer);
}

static int call_in(const struct rig *rig)
{
    struct sockaddr_in address = loopback(rig->port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    set_deadline(fd);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* A client and the server's end of the same link. */
static void open_link(struct rig *rig)
{
    rig->client = call_in(rig);
    rig->server = accept(rig->listener, NULL, NULL);
    cr_assert_geq(rig->server, 0);
    set_deadline(rig->server);
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

static void close_link(struct rig *rig)
{
    close(rig->client);
    close(rig->server);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* What was said before has gone through the proxy when a link of after it has. */
static void let_pass(struct rig *rig)
{
    struct rig other = *rig;
    open_link(&other);
    send_text(other.client, "x");
    expect(other.server, "x");
    close_link(&other);
}

Test(proxy, passes_both_ways_and_half_closes)
{
    struct rig rig;
    char byte;
    open_rig(&rig);
    open_link(&rig);
    send_text(rig.client, "hello");
    expect(rig.server, "hello");
    shutdown(rig.client, SHUT_WR);
    cr_assert_eq(recv(rig.server, &byte, 1, 0), 0, "the end comes through");
    send_text(rig.server, "bye");
    expect(rig.client, "bye");
    say(&rig, "db status", "ok links 1 lost 0 up 5 down 3");
    close(rig.server);
    cr_assert_eq(recv(rig.client, &byte, 1, 0), 0);
    close(rig.client);
    close_rig(&rig);
}

Test(proxy, latency_is_of_one_direction)
{
    struct rig rig;
    open_rig(&rig);
    open_link(&rig);
    say(&rig, "db latency up 120", "ok");
    double start = now();
    send_text(rig.client, "late");
    expect(rig.server, "late");
    cr_assert_geq(now() - start, 0.119);
    close_link(&rig);
    close_rig(&rig);
}

Test(proxy, a_rate_takes_its_time_and_changes_nothing)
{
    static char bytes[5000], got[5000];
    struct rig rig;
    open_rig(&rig);
    open_link(&rig);
    say(&rig, "all rate 20000", "ok");
    memset(bytes, 'r', sizeof bytes);
    double start = now();
    cr_assert_eq(send(rig.server, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    cr_assert_eq(recv(rig.client, got, sizeof got, MSG_WAITALL), (ssize_t)sizeof got);
    cr_assert_geq(now() - start, 0.2);
    cr_assert_eq(memcmp(bytes, got, sizeof got), 0);
    close_link(&rig);
    close_rig(&rig);
}

Test(proxy, a_stall_loses_nothing)
{
    struct rig rig;
    open_rig(&rig);
    open_link(&rig);
    say(&rig, "db stall up", "ok");
    send_text(rig.client, "held");
    send_text(rig.server, "free"); /* the other direction passes */
    expect(rig.client, "free");
    expect_nothing(rig.server);
    say(&rig, "db clear", "ok");
    expect(rig.server, "held");
    close_link(&rig);
    close_rig(&rig);
}

Test(proxy, a_blackhole_tells_nobody_anything)
{
    struct rig rig;
    open_rig(&rig);
    open_link(&rig);
    say(&rig, "db blackhole", "ok");
    int late = call_in(&rig); /* let in, and never answered */
    send_text(late, "anybody?");
    send_text(rig.client, "lost");
    close(rig.client);
    wait_for_status(&rig, "ok links 2 lost 2 up 0 down 0");
    expect_nothing(rig.server);
    expect_nothing(late);
    say(&rig, "db clear", "ok");
    expect_reset(late);
    expect_reset(rig.server);
    let_pass(&rig);
    close(late);
    close(rig.server);
    close_rig(&rig);
}

Test(proxy, who_lost_nothing_in_a_blackhole_lives_on)
{
    struct rig rig;
    open_rig(&rig);
    open_link(&rig);
    say(&rig, "db blackhole down", "ok");
    send_text(rig.client, "passes");
    expect(rig.server, "passes");
    say(&rig, "db clear", "ok");
    send_text(rig.server, "too");
    expect(rig.client, "too");
    close_link(&rig);
    close_rig(&rig);
}

Test(proxy, reset_ends_all_links_with_rst)
{
    struct rig rig;
    open_rig(&rig);
    open_link(&rig);
    say(&rig, "db reset", "ok");
    expect_reset(rig.client);
    expect_reset(rig.server);
    let_pass(&rig);
    close_link(&rig);
    close_rig(&rig);
}

Test(proxy, a_cut_comes_after_so_many_bytes_of_each_link)
{
    struct rig rig;
    open_rig(&rig);
    open_link(&rig);
    say(&rig, "db cut down 3", "ok");
    send_text(rig.client, "any number"); /* of the other direction */
    expect(rig.server, "any number");
    send_text(rig.server, "abcdef");
    expect(rig.client, "abc");
    expect_reset(rig.client);
    close_link(&rig);
    open_link(&rig);
    send_text(rig.server, "xyz");
    expect(rig.client, "xyz");
    expect_reset(rig.client);
    close_link(&rig);
    close_rig(&rig);
}

Test(proxy, down_lets_nobody_in)
{
    struct rig rig;
    open_rig(&rig);
    open_link(&rig);
    say(&rig, "db down", "ok");
    int refused = call_in(&rig);
    expect_reset(refused);
    close(refused);
    send_text(rig.client, "old links live");
    expect(rig.server, "old links live");
    say(&rig, "db clear", "ok");
    let_pass(&rig);
    close_link(&rig);
    close_rig(&rig);
}

Test(proxy, a_server_that_is_not_there_resets_the_client)
{
    struct rig rig;
    open_rig(&rig);
    close(rig.listener);
    int client = call_in(&rig);
    expect_reset(client);
    close(client);
    rig.listener = -1;
    close_rig(&rig);
}

Test(proxy, what_makes_no_sense_is_told)
{
    struct rig rig;
    open_rig(&rig);
    say(&rig, "db", "error: not understood: db");
    say(&rig, "db explode", "error: not understood: db explode");
    say(&rig, "db latency", "error: not understood: db latency");
    say(&rig, "db latency sideways 3", "error: not understood: db latency sideways 3");
    say(&rig, "kafka reset", "error: no route kafka");
    close_rig(&rig);
}

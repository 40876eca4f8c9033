/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/proxy/main.c - outbox-proxy NAME:TARGET_PORT[:PORT] ...: the proxy as a program, driven by lines on stdin
 *
 * At the start it prints "NAME PORT" for each route, in the order of the arguments; then one response to each line of
 * stdin (control.c). It ends with 0 when stdin does, so that it never outlives its test; 64 usage, 69 a port cannot be
 * had.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

static struct proxy_route *routes;
static char line[256];
static size_t line_size;

static void obey(void)
{
    char answer[200];
    line[line_size] = '\0';
    line_size = 0;
    proxy_control(routes, line, answer);
    puts(answer);
    fflush(stdout);
}

static void take(const char *text, ssize_t size)
{
    for (ssize_t i = 0; i < size; i++) {
        if (text[i] == '\n')
            obey();
        else if (line_size < sizeof line - 1)
            line[line_size++] = text[i];
    }
}

static void allocate_line(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char room[256];
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(room, sizeof room);
}

static void on_line(uv_stream_t *in, ssize_t size, const uv_buf_t *buf)
{
    if (size < 0)
        uv_stop(in->loop);
    else
        take(buf->base, size);
}

static bool parse_route(char *text, struct proxy_route *route)
{
    char *target = strchr(text, ':'), *port = target ? strchr(target + 1, ':') : NULL;
    if (!target)
        return false;
    *target = '\0';
    *route = (struct proxy_route){.name = text, .target = (unsigned)strtoul(target + 1, NULL, 10)};
    route->port = port ? (unsigned)strtoul(port + 1, NULL, 10) : 0;
    return *text && route->target;
}

static int open_route(uv_loop_t *loop, char *text)
{
    struct proxy_route *route = calloc(1, sizeof *route), **at = &routes;
    if (!route || !parse_route(text, route)) {
        fputs("usage: outbox-proxy NAME:TARGET_PORT[:PORT] ...\n", stderr);
        free(route);
        return 64;
    }
    int code = proxy_route_open(loop, route);
    if (code) {
        fprintf(stderr, "outbox-proxy: listen on 127.0.0.1:%u: %s\n", route->port, uv_strerror(code));
        return 69;
    }
    while (*at)
        at = &(*at)->next;
    *at = route;
    printf("%s %u\n", route->name, route->port);
    return 0;
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    uv_pipe_t in;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 1, code; i < argc; i++)
        if ((code = open_route(loop, argv[i])))
            return code;
    fflush(stdout);
    uv_pipe_init(loop, &in, 0);
    uv_pipe_open(&in, 0);
    uv_read_start((uv_stream_t *)&in, allocate_line, on_line);
    uv_run(loop, UV_RUN_DEFAULT);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/proxy/link.c - routes and their links: listen, accept, connect, close
 *
 * If the server cannot be reached, the client is reset. A link is freed when its two sockets and its two timers are
 * closed.
 */
#include <stdlib.h>

#include "proxy.h"

static void on_closed(uv_handle_t *handle)
{
    struct proxy_flow *flow = handle->data;
    struct proxy_link *link = flow->link;
    if (--link->handles)
        return;
    for (int i = 0; i < PROXY_DIRECTIONS; i++) {
        link->flows[i].writing = false;
        proxy_flow_drop(&link->flows[i]);
    }
    *link->back = link->next;
    if (link->next)
        link->next->back = link->back;
    link->route->count--;
    free(link);
}

/* With RST, unless a shutdown is in progress. */
static void close_socket(uv_tcp_t *socket, bool reset)
{
    if (!reset || uv_tcp_close_reset(socket, on_closed))
        uv_close((uv_handle_t *)socket, on_closed);
}

static void close_link(struct proxy_link *link, bool reset)
{
    if (link->closing)
        return;
    link->closing = true;
    close_socket(&link->client, reset);
    close_socket(&link->server, reset);
    for (int i = 0; i < PROXY_DIRECTIONS; i++)
        uv_close((uv_handle_t *)&link->flows[i].timer, on_closed);
}

void proxy_link_reset(struct proxy_link *link)
{
    close_link(link, true);
}

void proxy_link_finished(struct proxy_link *link)
{
    if (link->flows[PROXY_UP].finished && link->flows[PROXY_DOWN].finished)
        close_link(link, false);
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct proxy_link *link = connect->data;
    if (link->closing)
        return;
    if (status < 0) {
        proxy_link_reset(link);
        return;
    }
    link->connected = true;
    uv_tcp_nodelay(&link->server, 1);
    for (int i = 0; i < PROXY_DIRECTIONS; i++)
        proxy_flow_start(&link->flows[i]);
}

static void open_link(struct proxy_link *link, uv_loop_t *loop)
{
    struct proxy_route *route = link->route;
    uv_tcp_init(loop, &link->client);
    uv_tcp_init(loop, &link->server);
    link->flows[PROXY_UP] = (struct proxy_flow){.from = &link->client, .to = &link->server};
    link->flows[PROXY_DOWN] = (struct proxy_flow){.from = &link->server, .to = &link->client};
    for (int i = 0; i < PROXY_DIRECTIONS; i++) {
        link->flows[i].link = link;
        link->flows[i].rule = &route->rules[i];
        proxy_flow_open(&link->flows[i], loop);
    }
    link->handles = 2 + PROXY_DIRECTIONS;
    link->next = route->links;
    link->back = &route->links;
    if (link->next)
        link->next->back = &link->next;
    route->links = link;
    route->count++;
}

static void connect_link(struct proxy_link *link)
{
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", (int)link->route->target, &address);
    link->connect.data = link;
    if (uv_tcp_connect(&link->connect, &link->server, (const struct sockaddr *)&address, on_connect))
        proxy_link_reset(link);
}

static void on_client(uv_stream_t *listener, int status)
{
    struct proxy_route *route = listener->data;
    struct proxy_link *link = status < 0 ? NULL : calloc(1, sizeof *link);
    if (!link)
        return;
    link->route = route;
    open_link(link, listener->loop);
    uv_accept(listener, (uv_stream_t *)&link->client);
    uv_tcp_nodelay(&link->client, 1);
    link->lost = route->rules[PROXY_UP].mode == PROXY_BLACKHOLE;
    if (route->down)
        proxy_link_reset(link);
    else if (!link->lost)
        connect_link(link);
}

int proxy_route_open(uv_loop_t *loop, struct proxy_route *route)
{
    struct sockaddr_in address;
    int size = sizeof address, code;
    uv_ip4_addr("127.0.0.1", (int)route->port, &address);
    uv_tcp_init(loop, &route->listener);
    route->listener.data = route;
    if ((code = uv_tcp_bind(&route->listener, (const struct sockaddr *)&address, 0)) ||
        (code = uv_listen((uv_stream_t *)&route->listener, 128, on_client)) ||
        (code = uv_tcp_getsockname(&route->listener, (struct sockaddr *)&address, &size)))
        return code;
    route->port = ntohs(address.sin_port);
    return 0;
}

void proxy_route_changed(struct proxy_route *route)
{
    for (struct proxy_link *link = route->links; link; link = link->next)
        for (int i = 0; i < PROXY_DIRECTIONS && !link->closing; i++)
            proxy_flow_changed(&link->flows[i]);
}

void proxy_route_hold(struct proxy_route *route, const bool directions[PROXY_DIRECTIONS])
{
    static const struct proxy_rule held = {.mode = PROXY_STALL};
    for (struct proxy_link *link = route->links; link; link = link->next)
        for (int i = 0; i < PROXY_DIRECTIONS; i++)
            if (directions[i])
                link->flows[i].rule = &held;
}

void proxy_route_release(struct proxy_route *route)
{
    for (struct proxy_link *link = route->links; link; link = link->next)
        for (int i = 0; i < PROXY_DIRECTIONS; i++)
            link->flows[i].rule = &route->rules[i];
}

void proxy_route_reset(struct proxy_route *route, bool only_lost)
{
    for (struct proxy_link *link = route->links; link; link = link->next)
        if (link->lost || !only_lost)
            proxy_link_reset(link);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/proxy/proxy.h - a TCP proxy on loopback that injects network faults
 *
 * A route listens on a port and connects each client to a port of a server. A link has two flows: up (from client to
 * server) and down. Each direction of a route has a rule for all its links, which can change at any time (control.c):
 *
 * - latency: bytes arrive later, in order; jitter adds a random delay
 * - rate: maximum bytes a second
 * - hold: the bytes of the links that are open now wait, also after the sender has closed; new links pass
 * - stall: nothing passes, nothing is lost; a network that is interrupted for a while
 * - blackhole: everything is discarded, FIN and RST included; a peer that disappears. New clients are accepted and get
 * no data. At the end, links that lost bytes are reset, as by a host that rebooted
 * - cut: the link is reset after this many bytes, in the middle of a message
 * - down: new clients are reset
 *
 * The command reset ends all links with RST at once.
 */
#ifndef OBX_TESTS_PROXY_PROXY_H
#define OBX_TESTS_PROXY_PROXY_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum proxy_mode { PROXY_PASS, PROXY_STALL, PROXY_BLACKHOLE };
enum proxy_direction { PROXY_UP, PROXY_DOWN, PROXY_DIRECTIONS };

struct proxy_rule {
    enum proxy_mode mode;
    uint64_t latency_ms, jitter_ms;
    uint64_t rate; /* bytes a second; 0: unlimited */
    bool cut;
    uint64_t cut_after; /* bytes of each link, counted from the command on */
};

struct proxy_chunk { /* bytes in transit */
    struct proxy_chunk *next;
    uint64_t due; /* time of the loop's clock */
    size_t size, sent;
    char data[];
};

struct proxy_link;

struct proxy_flow {
    struct proxy_link *link;
    const struct proxy_rule *rule;
    uv_tcp_t *from, *to;
    uv_timer_t timer; /* until the first chunk is due */
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct proxy_chunk *first, **last;
    uint64_t queued, free_at; /* free_at: when the rate allows the next byte */
    uint64_t left;            /* bytes until the cut */
    bool writing, ended, finished;
};

struct proxy_link {
    struct proxy_link *next, **back;
    struct proxy_route *route;
    uv_tcp_t client, server;
    uv_connect_t connect;
    struct proxy_flow flows[PROXY_DIRECTIONS];
    bool connected, lost, closing; /* lost: bytes were discarded */
    unsigned handles;              /* open; the last one to close frees the link */
};

struct proxy_route {
    struct proxy_route *next;
    const char *name;
    uv_tcp_t listener;
    unsigned port, target;
    struct proxy_rule rules[PROXY_DIRECTIONS];
    bool down;
    struct proxy_link *links;
    unsigned count; /* links */
    uint64_t passed[PROXY_DIRECTIONS];
};

/* Listen on `port`; 0: a free port, which is stored in route->port. Returns 0 or an error of libuv. */
int proxy_route_open(uv_loop_t *loop, struct proxy_route *route);

/* control.c: execute one line. The response is "ok ..." or "error: ...". */
void proxy_control(struct proxy_route *routes, const char *line, char response[200]);

/* The rules of the route have changed: apply them to its links. */
void proxy_route_changed(struct proxy_route *route);
void proxy_route_reset(struct proxy_route *route, bool only_lost);
/* Bytes of the open links in these directions wait until proxy_route_release(). */
void proxy_route_hold(struct proxy_route *route, const bool directions[PROXY_DIRECTIONS]);
void proxy_route_release(struct proxy_route *route);

/* link.c, for flow.c */
void proxy_link_reset(struct proxy_link *link);
void proxy_link_finished(struct proxy_link *link); /* a flow has ended: close the link when both have */

/* flow.c */
void proxy_flow_open(struct proxy_flow *flow, uv_loop_t *loop);
void proxy_flow_start(struct proxy_flow *flow); /* both ends are connected */
void proxy_flow_changed(struct proxy_flow *flow);
void proxy_flow_drop(struct proxy_flow *flow); /* discard the bytes in transit */

#endif

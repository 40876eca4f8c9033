/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/proxy/proxy.h - a TCP proxy on loopback that breaks connections as networks do
 *
 * A route listens on a port and connects each client to a port of a server. Between them a link has two flows: up (from
 * client to server) and down. A rule for each direction of a route says what happens to the bytes of all its links; it
 * may change at any time (control.c has the words). What faults there are: latency    bytes come later, in order;
 * jitter adds a random share rate       so many bytes a second at most stall      nothing passes, nothing is lost: a
 * network that is away for a while blackhole  everything is taken and thrown away, closing included: a peer that is
 * gone without a word. A new client is let in and never answered. When that ends, the links that lost something are
 * reset, as a host does that has come back without its memory cut        after so many more bytes a link is reset, in
 * the middle of whatever it was down       new clients are reset at once and, at once, reset: all links end with RST.
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
    uint64_t rate; /* bytes a second; 0: as fast as it goes */
    bool cut;
    uint64_t cut_after; /* bytes of each link, from the time of the command on */
};

struct proxy_chunk { /* bytes on their way */
    struct proxy_chunk *next;
    uint64_t due; /* of the loop's clock */
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
    uint64_t queued, free_at; /* free_at: when the rate lets the next byte pass */
    uint64_t left;            /* bytes until the cut */
    bool writing, ended, finished;
};

struct proxy_link {
    struct proxy_link *next, **back;
    struct proxy_route *route;
    uv_tcp_t client, server;
    uv_connect_t connect;
    struct proxy_flow flows[PROXY_DIRECTIONS];
    bool connected, lost, closing; /* lost: it has swallowed something */
    unsigned handles;              /* to be closed before it may be freed */
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

/* Listen on `port` (0: one that is free, given back in route->port); 0 or an error of libuv. */
int proxy_route_open(uv_loop_t *loop, struct proxy_route *route);

/* control.c: one line of commands. The answer, "ok ..." or "error: ...", fits into 200 bytes. */
void proxy_control(struct proxy_route *routes, const char *line, char answer[200]);

/* The rules of the route have changed: have all its links follow. */
void proxy_route_changed(struct proxy_route *route);
void proxy_route_reset(struct proxy_route *route, bool only_lost);

/* link.c, for flow.c */
void proxy_link_reset(struct proxy_link *link);
void proxy_link_finished(struct proxy_link *link); /* a flow came to its end: close when both did */

/* flow.c */
void proxy_flow_open(struct proxy_flow *flow, uv_loop_t *loop);
void proxy_flow_start(struct proxy_flow *flow); /* both ends are there */
void proxy_flow_changed(struct proxy_flow *flow);
void proxy_flow_drop(struct proxy_flow *flow); /* forget what is on its way */

#endif

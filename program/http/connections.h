/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/http/connections.h - the connections of the HTTP server: a deadline for each request, and room for the next
 *
 * libmicrohttpd's own timeout begins anew with each byte, so a client that sends a byte a second would keep its place
 * for ever. Here each request has REQUEST_MS from the end of the one before it, whatever arrives. When a connection
 * comes and there are many, the oldest without a complete request gives way. Only on the server's thread.
 */
#ifndef OBX_PROGRAM_HTTP_CONNECTIONS_H
#define OBX_PROGRAM_HTTP_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum { OBX_HTTP_CONNECTIONS = 64, OBX_HTTP_CONNECTIONS_PER_ADDRESS = 32 };

struct obx_http_connection {
    int fd; /* -1: free */
    bool ended;
    bool has_request;  /* complete, and not answered yet */
    uint64_t since_ms; /* it waits for a request */
};
struct obx_http_connections {
    struct obx_http_connection all[2 * OBX_HTTP_CONNECTIONS];
};

void obx_http_connections_init(struct obx_http_connections *connections);
/* A client has connected: others may be ended, by shutdown(). NULL: there is no room for it. */
struct obx_http_connection *obx_http_connection_open(struct obx_http_connections *connections, int fd, uint64_t now_ms);
void obx_http_connection_requested(struct obx_http_connection *connection);
void obx_http_connection_answered(struct obx_http_connection *connection, uint64_t now_ms);
void obx_http_connection_close(struct obx_http_connection *connection);

#endif

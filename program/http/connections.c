/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/connections.c - see connections.h */
#include "http/connections.h"

#include <stddef.h>
#include <sys/socket.h>

#include "base/mem.h"

#define REQUEST_MS UINT64_C(10000)

void obx_http_connections_init(struct obx_http_connections *connections)
{
    for (size_t i = 0; i < OBX_COUNT(connections->all); i++)
        connections->all[i] = (struct obx_http_connection){.fd = -1};
}

/* The server's thread notices, and closes it. */
static void end(struct obx_http_connection *connection)
{
    shutdown(connection->fd, SHUT_RDWR);
    connection->ended = true;
}

static bool waits(const struct obx_http_connection *connection)
{
    return connection->fd >= 0 && !connection->ended && !connection->has_request;
}

static void end_late(struct obx_http_connections *connections, uint64_t now_ms)
{
    for (size_t i = 0; i < OBX_COUNT(connections->all); i++)
        if (waits(&connections->all[i]) && now_ms - connections->all[i].since_ms > REQUEST_MS)
            end(&connections->all[i]);
}

static void end_oldest(struct obx_http_connections *connections)
{
    struct obx_http_connection *oldest = NULL;
    unsigned count = 0;
    for (size_t i = 0; i < OBX_COUNT(connections->all); i++) {
        struct obx_http_connection *connection = &connections->all[i];
        count += connection->fd >= 0 && !connection->ended;
        if (waits(connection) && (!oldest || connection->since_ms < oldest->since_ms))
            oldest = connection;
    }
    if (count >= OBX_HTTP_CONNECTIONS && oldest)
        end(oldest);
}

struct obx_http_connection *obx_http_connection_open(struct obx_http_connections *connections, int fd, uint64_t now_ms)
{
    end_late(connections, now_ms);
    end_oldest(connections);
    for (size_t i = 0; i < OBX_COUNT(connections->all); i++)
        if (connections->all[i].fd < 0) {
            connections->all[i] = (struct obx_http_connection){.fd = fd, .since_ms = now_ms};
            return &connections->all[i];
        }
    return NULL;
}

void obx_http_connection_requested(struct obx_http_connection *connection)
{
    if (connection)
        connection->has_request = true;
}

void obx_http_connection_answered(struct obx_http_connection *connection, uint64_t now_ms)
{
    if (!connection)
        return;
    connection->has_request = false;
    connection->since_ms = now_ms;
}

void obx_http_connection_close(struct obx_http_connection *connection)
{
    if (connection)
        connection->fd = -1;
}

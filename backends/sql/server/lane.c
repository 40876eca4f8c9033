/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/lane.c - the queue of a lane */
#include "sql/server/lane.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include <outbox/plugin_util.h>

#include "sql/server/driver.h"

bool sql_lane_is_open(const struct sql_lane *lane)
{
    return lane->driver && lane->driver->is_open(lane);
}

void sql_request_end(struct sql_request *request, const struct outbox_error *error)
{
    if (request->done)
        request->done(request, error);
}

int sql_bad_shape(struct outbox_error *error, const char *what)
{
    return outbox_error_set(error, OUTBOX_E_CORRUPT,
                            "%s: the result has unexpected columns or rows; check the proxies between the relay and "
                            "the server",
                            what);
}

static bool put_text(struct sql_request *request)
{
    struct obx_sql_text sql = {.host = request->lane->host};
    obx_sql_text_puts(&sql, request->text);
    return request->lane->driver->put_text(request, &sql);
}

void sql_lane_submit(struct sql_lane *lane, struct sql_request *request)
{
    struct outbox_error error;
    request->next = NULL;
    request->lane = lane;
    if (!request->put)
        request->put = put_text;
    if (sql_lane_is_open(lane)) {
        lane->sent(lane);
        lane->driver->submit(lane, request);
        return;
    }
    outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "%s: there is no connection", request->what);
    sql_request_end(request, &error);
}

void sql_lane_close(struct sql_lane *lane, const struct outbox_error *why)
{
    if (lane->driver)
        lane->driver->close(lane, why);
}

static void set_head(struct sql_lane *lane, struct sql_request *request)
{
    lane->head = request;
    lane->head_since_ns = lane->host->now(lane->host);
}

void sql_lane_append(struct sql_lane *lane, struct sql_request *request)
{
    if (lane->tail)
        lane->tail->next = request;
    else
        set_head(lane, request);
    lane->tail = request;
}

void sql_lane_prepend(struct sql_lane *lane, struct sql_request *request)
{
    request->next = lane->head;
    set_head(lane, request);
    if (!lane->tail)
        lane->tail = request;
}

void sql_lane_complete(struct sql_lane *lane)
{
    struct sql_request *request = lane->head;
    struct outbox_error error = lane->error;
    lane->error.code = OUTBOX_OK;
    lane->is_counting = false;
    set_head(lane, request->next);
    if (!lane->head)
        lane->tail = NULL;
    sql_request_end(request, &error);
}

void sql_lane_fail_all(struct sql_lane *lane, const struct outbox_error *why)
{
    struct sql_request *request = lane->head;
    lane->head = lane->tail = NULL;
    lane->error.code = OUTBOX_OK;
    while (request) {
        struct sql_request *next = request->next; /* the memory may be gone after done() */
        sql_request_end(request, why);
        request = next;
    }
}

/* ---- how much a server may answer -------------------------------------------------------------------------------- */

/* 0: it is not known. */
static uint64_t received(int fd)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) ||
        size < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
        return 0;
    return info.tcpi_bytes_received;
}

static uint64_t allowed(const struct sql_lane *lane)
{
    uint64_t bytes = SQL_ANSWER_BYTES; /* what the socket holds already */
    for (const struct sql_request *request = lane->head; request; request = request->next)
        bytes += request->answer_bytes ? request->answer_bytes : SQL_ANSWER_BYTES;
    return bytes;
}

bool sql_lane_answer_fits(struct sql_lane *lane, int fd, struct outbox_error *error)
{
    uint64_t now = lane->head ? received(fd) : 0;
    if (!lane->is_counting)
        lane->counted_from = now;
    lane->is_counting = lane->head;
    if (!lane->head || now - lane->counted_from <= allowed(lane))
        return true;
    outbox_error_set(error, OUTBOX_E_CORRUPT, "%s: the server has answered %llu MB, more than the question can have",
                     lane->head->what, (unsigned long long)(now - lane->counted_from) >> 20);
    return false;
}

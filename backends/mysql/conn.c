/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/conn.c - sends requests one after the other, as far as the socket allows without blocking */
#include "conn.h"

#include <sys/socket.h>

#include "dial.h"
#include "error.h"
#include "sql/server/store.h"

static void pump(struct mys_conn *conn, uint32_t events);

bool mys_conn_is_open(const struct sql_lane *lane)
{
    return mys_conn_of(lane)->client.mysql != NULL;
}

static void drop_handles(struct mys_conn *conn)
{
    conn->lane.host->watch_close(conn->watch);
    conn->watch = NULL;
    conn->lane.host->timer_close(conn->timer);
    conn->timer = NULL;
}

void mys_conn_close(struct sql_lane *lane, const struct outbox_error *why)
{
    struct mys_conn *conn = mys_conn_of(lane);
    mys_dial_abandon(conn);
    if (!conn->client.mysql)
        return;
    drop_handles(conn); /* before the descriptor is closed */
    mys_close(&conn->client, conn->stage != MYS_IDLE);
    conn->stage = MYS_IDLE;
    conn->rolling_back = false;
    sql_lane_fail_all(lane, why);
}

/* The connection is unusable. */
static void fail_connection(struct mys_conn *conn, struct outbox_error *error)
{
    struct sql_lane *lane = &conn->lane;
    bool had_requests = lane->head && lane->head != &conn->ping;
    error->code = OUTBOX_E_NOT_CONNECTED;
    mys_conn_close(lane, error);
    if (!had_requests)
        lane->lost(lane, error);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static void ready(void *arg, uint32_t events)
{
    pump(arg, events);
}

static void on_timer(void *arg)
{
    pump(arg, 0);
}

static void finish_connect(struct mys_conn *conn, struct mys_client *client, const struct outbox_error *error)
{
    const struct outbox_host *host = conn->lane.host;
    struct sql_store *store = conn->lane.store;
    struct outbox_error wrong = *error;
    conn->client = *client;
    if (!wrong.code && (host->timer_open(host, on_timer, conn, &conn->timer) ||
                        host->watch_open(host, mys_fd(client), ready, conn, &conn->watch)))
        mys_fail(&wrong, OUTBOX_E_NO_MEMORY, "connect: the loop has no memory for it");
    if (wrong.code)
        mys_conn_close(&conn->lane, &wrong);
    else
        host->watch_arm(conn->watch, OUTBOX_READABLE);
    conn->lane.connected(&conn->lane, &wrong);
    store->when_idle(store);
}

int mys_conn_open(struct mys_conn *conn, const struct mys_target *target, uint64_t timeout_ms,
                  struct outbox_error *error)
{
    conn->stage = MYS_IDLE;
    conn->rolling_back = conn->busy = false;
    conn->max_packet = 0;
    return mys_dial(conn, target, timeout_ms, finish_connect, error);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void complete(struct mys_conn *conn)
{
    conn->stage = MYS_IDLE;
    conn->rolling_back = false;
    sql_lane_complete(&conn->lane);
}

/* A statement was refused, or the connection broke. */
static void on_refusal(struct mys_conn *conn)
{
    struct sql_lane *lane = &conn->lane;
    unsigned number = mysql_errno(conn->client.mysql);
    struct outbox_error error;
    mys_error_of(&error, lane->head->what, conn->client.mysql);
    if (mys_error_is_loss(number) || conn->rolling_back) {
        fail_connection(conn, &error);
        return;
    }
    lane->error = error;
    lane->head->failed = lane->head->index;
    if (lane->head->transaction) {
        conn->rolling_back = true;
        conn->stage = MYS_QUERY;
    } else {
        complete(conn);
    }
}

static void on_result(struct mys_conn *conn)
{
    struct sql_request *request = conn->lane.head;
    MYSQL_RES *result = conn->client.result;
    conn->client.result = NULL;
    bool more = mysql_more_results(conn->client.mysql);
    request->affected = mysql_affected_rows(conn->client.mysql);
    if (conn->rolling_back || !request->result)
        mysql_free_result(result);
    else
        request->result(request, result);
    request->index++;
    if (more)
        conn->stage = MYS_NEXT;
    else
        complete(conn);
}

static struct mys_wait step(struct mys_conn *conn, uint32_t events)
{
    static const char rollback[] = "ROLLBACK";
    const struct obx_sql_text *sql = conn->lane.head->sql;
    if (conn->stage == MYS_QUERY && conn->rolling_back)
        return mys_query(&conn->client, rollback, sizeof rollback - 1, events);
    if (conn->stage == MYS_QUERY)
        return mys_query(&conn->client, sql->data, sql->size, events);
    return conn->stage == MYS_STORE ? mys_store(&conn->client, events) : mys_next(&conn->client, events);
}

static void advance(struct mys_conn *conn)
{
    if (conn->client.failed)
        on_refusal(conn);
    else if (conn->stage == MYS_STORE)
        on_result(conn);
    else
        conn->stage = MYS_STORE;
}

/* Bytes arrived without a request: the end of the connection, the server's reason for it, or only a TLS session ticket.
 * A statement without effect shows which. */
static void on_idle_readable(struct mys_conn *conn)
{
    static char nothing[] = "DO 0";
    struct outbox_error error;
    char byte;
    ssize_t got = recv(mys_fd(&conn->client), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (!got) {
        mys_fail(&error, OUTBOX_E_NOT_CONNECTED, "the server has closed the %s connection", conn->lane.name);
        fail_connection(conn, &error);
        return;
    }
    conn->ping_sql = (struct obx_sql_text){.data = nothing, .size = sizeof nothing - 1};
    conn->ping = (struct sql_request){.what = "wait for work", .sql = &conn->ping_sql};
    sql_lane_append(&conn->lane, &conn->ping);
}

static void arm(struct mys_conn *conn, struct mys_wait wait)
{
    const struct outbox_host *host = conn->lane.host;
    host->watch_arm(conn->watch, wait.events);
    if (wait.again_us)
        host->timer_set(conn->timer, wait.again_us);
    else
        host->timer_clear(conn->timer);
}

static void wait_or_refuse(struct mys_conn *conn, struct mys_wait wait)
{
    struct outbox_error error;
    if (sql_lane_answer_fits(&conn->lane, mys_fd(&conn->client), &error))
        arm(conn, wait);
    else
        fail_connection(conn, &error);
}

static void pump(struct mys_conn *conn, uint32_t events)
{
    if (events && conn->stage == MYS_IDLE && !conn->lane.head)
        on_idle_readable(conn);
    conn->busy = true;
    while (conn->client.mysql && conn->lane.head) {
        if (conn->stage == MYS_IDLE) {
            conn->stage = MYS_QUERY;
            conn->lane.head->index = 0;
            events = 0;
        }
        struct mys_wait wait = step(conn, events);
        if (mys_waits(wait)) {
            conn->busy = false;
            wait_or_refuse(conn, wait);
            return;
        }
        events = 0;
        advance(conn);
    }
    conn->busy = false;
    if (conn->client.mysql)
        arm(conn, (struct mys_wait){.events = OUTBOX_READABLE});
}

/* The server would drop the connection over a packet that is too large. */
static int validate(const struct mys_conn *conn, const struct sql_request *request, struct outbox_error *error)
{
    enum { MARGIN = 1024 };
    if (request->sql->failed)
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "%s: out of memory", request->what);
    if (conn->max_packet && request->sql->size + (uint64_t)MARGIN > conn->max_packet)
        return mys_fail(error, OUTBOX_E_INVALID,
                        "%s: the statement has %u bytes, and the server takes %llu; raise its max_allowed_packet, or "
                        "send fewer events at a time",
                        request->what, request->sql->size, (unsigned long long)conn->max_packet);
    return OUTBOX_OK;
}

void mys_conn_submit(struct sql_lane *lane, struct sql_request *request)
{
    struct mys_conn *conn = mys_conn_of(lane);
    struct outbox_error error;
    obx_sql_text_clear(request->sql);
    request->sql->failed = !request->put(request) || request->sql->failed;
    if (validate(conn, request, &error)) {
        sql_request_end(request, &error);
        return;
    }
    if (request->first && conn->stage == MYS_IDLE)
        sql_lane_prepend(lane, request);
    else
        sql_lane_append(lane, request);
    if (!conn->busy && conn->stage == MYS_IDLE)
        pump(conn, 0);
}

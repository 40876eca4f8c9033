/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/conn.c - requests, one after the other, as far as the socket allows at the moment */
#include "conn.h"

#include <string.h>
#include <sys/socket.h>

#include "dial.h"
#include "error.h"

static void pump(struct mys_conn *conn, uint32_t events);

static void drop_handles(struct mys_conn *conn)
{
    conn->host->watch_close(conn->watch);
    conn->watch = NULL;
    conn->host->timer_close(conn->timer);
    conn->timer = NULL;
}

void mys_conn_close(struct mys_conn *conn, const struct outbox_error *why)
{
    struct mys_request *request = conn->head;
    mys_dial_abandon(conn);
    if (!conn->client.mysql)
        return;
    drop_handles(conn); /* before the descriptor is closed */
    conn->head = conn->tail = NULL;
    mys_close(&conn->client, conn->stage != MYS_IDLE);
    conn->stage = MYS_IDLE;
    conn->rolling_back = false;
    while (request) {
        struct mys_request *next = request->next; /* the memory is gone after done() */
        request->done(request, why);
        request = next;
    }
}

/* The connection is unusable. */
static void break_off(struct mys_conn *conn, struct outbox_error *error)
{
    bool had_requests = conn->head && conn->head != &conn->ping;
    error->code = OUTBOX_E_NOT_CONNECTED;
    mys_conn_close(conn, error);
    if (!had_requests)
        conn->lost(conn, error);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static void ready(void *arg, uint32_t events)
{
    pump(arg, events);
}

static void try_again(void *arg)
{
    pump(arg, 0);
}

static void dialed(struct mys_conn *conn, struct mys_client *client, const struct outbox_error *error)
{
    struct outbox_error wrong = *error;
    conn->client = *client;
    if (!wrong.code && (conn->host->timer_open(conn->host, try_again, conn, &conn->timer) ||
                        conn->host->watch_open(conn->host, mys_fd(client), ready, conn, &conn->watch)))
        mys_fail(&wrong, OUTBOX_E_NO_MEMORY, "connect: the loop has no memory for it");
    if (wrong.code)
        mys_conn_close(conn, &wrong);
    else
        conn->host->watch_arm(conn->watch, OUTBOX_READABLE);
    conn->connected(conn, &wrong);
    conn->idle(conn);
}

int mys_conn_open(struct mys_conn *conn, const struct mys_target *target, uint64_t timeout_ms,
                  struct outbox_error *error)
{
    return mys_dial(conn, target, timeout_ms, dialed, error);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void complete(struct mys_conn *conn)
{
    struct mys_request *request = conn->head;
    struct outbox_error error = conn->error;
    conn->stage = MYS_IDLE;
    conn->rolling_back = false;
    conn->error.code = OUTBOX_OK;
    conn->head = request->next;
    if (!conn->head)
        conn->tail = NULL;
    request->done(request, &error);
}

/* A statement was refused, or the connection broke. */
static void refused(struct mys_conn *conn)
{
    unsigned number = mysql_errno(conn->client.mysql);
    struct outbox_error error;
    mys_error_of(&error, conn->head->what, conn->client.mysql);
    if (mys_error_is_loss(number) || conn->rolling_back) {
        break_off(conn, &error);
        return;
    }
    conn->error = error;
    if (conn->head->transaction) {
        conn->rolling_back = true;
        conn->stage = MYS_QUERY;
    } else {
        complete(conn);
    }
}

static void take(struct mys_conn *conn)
{
    struct mys_request *request = conn->head;
    MYSQL_RES *result = conn->client.result;
    conn->client.result = NULL;
    bool more = mysql_more_results(conn->client.mysql);
    if (conn->rolling_back || !request->result)
        mysql_free_result(result);
    else {
        request->affected = mysql_affected_rows(conn->client.mysql);
        request->result(request, result);
    }
    request->index++;
    if (more)
        conn->stage = MYS_NEXT;
    else
        complete(conn);
}

static struct mys_wait step(struct mys_conn *conn, uint32_t events)
{
    static const char rollback[] = "ROLLBACK";
    if (conn->stage == MYS_QUERY && conn->rolling_back)
        return mys_query(&conn->client, rollback, sizeof rollback - 1, events);
    if (conn->stage == MYS_QUERY)
        return mys_query(&conn->client, conn->head->sql, conn->head->size, events);
    return conn->stage == MYS_STORE ? mys_store(&conn->client, events) : mys_next(&conn->client, events);
}

static void advance(struct mys_conn *conn)
{
    if (conn->client.failed)
        refused(conn);
    else if (conn->stage == MYS_STORE)
        take(conn);
    else
        conn->stage = MYS_STORE;
}

static void answered(struct mys_request *request, const struct outbox_error *error)
{
    (void)request;
    (void)error;
}

/* Something has come while nothing was asked: the end of the connection, the server's last words, or no more than a
 * ticket of TLS. */
static void overhear(struct mys_conn *conn)
{
    static const char nothing[] = "DO 0";
    char byte;
    struct outbox_error error;
    ssize_t got = recv(mys_fd(&conn->client), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (!got) {
        mys_fail(&error, OUTBOX_E_NOT_CONNECTED, "the server has closed the %s connection", conn->name);
        break_off(conn, &error);
        return;
    }
    conn->ping = (struct mys_request){
        .what = "wait for work", .sql = nothing, .size = sizeof nothing - 1, .done = answered, .arg = conn};
    conn->head = conn->tail = &conn->ping;
}

static void arm(struct mys_conn *conn, struct mys_wait wait)
{
    conn->host->watch_arm(conn->watch, wait.events);
    if (wait.again_us)
        conn->host->timer_set(conn->timer, wait.again_us);
    else
        conn->host->timer_clear(conn->timer);
}

static void pump(struct mys_conn *conn, uint32_t events)
{
    if (events && conn->stage == MYS_IDLE && !conn->head)
        overhear(conn);
    conn->busy = true;
    while (conn->client.mysql && conn->head) {
        if (conn->stage == MYS_IDLE) {
            conn->stage = MYS_QUERY;
            conn->head->index = 0;
            events = 0;
        }
        struct mys_wait wait = step(conn, events);
        if (mys_waits(wait)) {
            conn->busy = false;
            arm(conn, wait);
            return;
        }
        events = 0;
        advance(conn);
    }
    conn->busy = false;
    if (conn->client.mysql)
        arm(conn, (struct mys_wait){.events = OUTBOX_READABLE});
}

static void enqueue(struct mys_conn *conn, struct mys_request *request)
{
    request->next = NULL;
    if (request->first && conn->stage == MYS_IDLE) {
        request->next = conn->head;
        conn->head = request;
        if (!conn->tail)
            conn->tail = request;
        return;
    }
    if (conn->tail)
        conn->tail->next = request;
    else
        conn->head = request;
    conn->tail = request;
}

void mys_conn_submit(struct mys_conn *conn, struct mys_request *request)
{
    struct outbox_error error;
    if (!mys_conn_is_open(conn)) {
        mys_fail(&error, OUTBOX_E_NOT_CONNECTED, "%s: there is no connection", request->what);
        request->done(request, &error);
        return;
    }
    if (!request->size)
        request->size = strlen(request->sql);
    enqueue(conn, request);
    if (!conn->busy && conn->stage == MYS_IDLE)
        pump(conn, 0);
}

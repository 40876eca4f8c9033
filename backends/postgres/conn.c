/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/conn.c - sending requests and taking in their results, as far as the socket allows at the moment */
#include "conn.h"

#include "error.h"

static void ready(void *arg, uint32_t events);

static void drop_handles(struct pg_conn *conn)
{
    conn->host->watch_close(conn->watch);
    conn->watch = NULL;
    conn->host->timer_close(conn->timer);
    conn->timer = NULL;
}

void pg_conn_close(struct pg_conn *conn, const struct outbox_error *why)
{
    if (!conn->pg)
        return;
    PGconn *pg = conn->pg;
    struct pg_request *request = conn->head;
    drop_handles(conn); /* before the descriptor is closed */
    conn->pg = NULL;
    conn->head = conn->tail = NULL;
    conn->connecting = false;
    PQfinish(pg);
    while (request) {
        struct pg_request *next = request->next; /* the memory is gone after done() */
        request->done(request, why);
        request = next;
    }
}

/* The connection is unusable. */
static void fail(struct pg_conn *conn, const char *what)
{
    struct outbox_error error;
    bool had_requests = conn->head != NULL, was_connecting = conn->connecting;
    if (conn->error.code && conn->head) /* the server said why before it hung up */
        error = conn->error;
    else
        pg_error_of_conn(&error, what, conn->pg);
    if (error.code != OUTBOX_E_NO_MEMORY && !was_connecting)
        error.code = OUTBOX_E_NOT_CONNECTED;
    conn->error.code = 0;
    pg_conn_close(conn, &error);
    if (was_connecting)
        conn->connected(conn, &error);
    else if (!had_requests)
        conn->lost(conn, &error);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static void step(struct pg_conn *conn, PostgresPollingStatusType status);

static void connect_ready(void *arg, uint32_t events)
{
    struct pg_conn *conn = arg;
    (void)events;
    /* PQconnectPoll may close the socket and open another, with the same number even. */
    conn->host->watch_close(conn->watch);
    conn->watch = NULL;
    step(conn, PQconnectPoll(conn->pg));
}

static void timed_out(void *arg)
{
    struct pg_conn *conn = arg;
    struct outbox_error error;
    pg_fail(&error, OUTBOX_E_TIMEOUT, "connect to %s: no answer in time; look at the network and the server",
            pg_where(conn->pg).text);
    pg_conn_close(conn, &error);
    conn->connected(conn, &error);
}

static void finish_connecting(struct pg_conn *conn)
{
    static const struct outbox_error none;
    conn->host->timer_close(conn->timer);
    conn->timer = NULL;
    if (PQsetnonblocking(conn->pg, 1) || (!conn->hear && !PQenterPipelineMode(conn->pg)) ||
        conn->host->watch_open(conn->host, PQsocket(conn->pg), ready, conn, &conn->watch)) {
        fail(conn, "connect");
        return;
    }
    PQsetErrorVerbosity(conn->pg, PQERRORS_DEFAULT);
    conn->connecting = false;
    conn->host->watch_arm(conn->watch, OUTBOX_READABLE);
    conn->connected(conn, &none);
}

static void step(struct pg_conn *conn, PostgresPollingStatusType status)
{
    uint32_t events = status == PGRES_POLLING_READING ? OUTBOX_READABLE : OUTBOX_WRITABLE;
    if (status == PGRES_POLLING_OK)
        finish_connecting(conn);
    else if (status == PGRES_POLLING_FAILED ||
             conn->host->watch_open(conn->host, PQsocket(conn->pg), connect_ready, conn, &conn->watch))
        fail(conn, "connect");
    else
        conn->host->watch_arm(conn->watch, events);
}

static void quiet(void *arg, const PGresult *notice)
{
    struct pg_conn *conn = arg;
    conn->host->log(conn->host, OUTBOX_LOG_DEBUG, "%s connection: %s", conn->name,
                    PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
}

int pg_conn_open(struct pg_conn *conn, const char *const *keywords, const char *const *values, uint64_t timeout_us,
                 struct outbox_error *error)
{
    conn->error.code = 0;
    conn->pg = PQconnectStartParams(keywords, values, 0);
    if (!conn->pg)
        return pg_fail(error, OUTBOX_E_NO_MEMORY, "connect: out of memory");
    if (PQstatus(conn->pg) == CONNECTION_BAD || PQsocket(conn->pg) < 0) {
        pg_error_of_conn(error, "connect", conn->pg);
    } else if (conn->host->timer_open(conn->host, timed_out, conn, &conn->timer) ||
               conn->host->watch_open(conn->host, PQsocket(conn->pg), connect_ready, conn, &conn->watch)) {
        pg_fail(error, OUTBOX_E_NO_MEMORY, "connect: the loop has no memory for it");
    } else {
        PQsetErrorVerbosity(conn->pg, PQERRORS_VERBOSE); /* else a refused login has no SQLSTATE */
        PQsetNoticeReceiver(conn->pg, quiet, conn);
        conn->connecting = true;
        conn->host->timer_set(conn->timer, timeout_us);
        conn->host->watch_arm(conn->watch, OUTBOX_WRITABLE);
        return OUTBOX_OK;
    }
    pg_conn_close(conn, error);
    return error->code;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void complete(struct pg_conn *conn)
{
    struct pg_request *request = conn->head;
    struct outbox_error error = conn->error;
    conn->error.code = 0;
    conn->head = request->next;
    if (!conn->head)
        conn->tail = NULL;
    request->done(request, &error);
}

static void take_in(struct pg_conn *conn, PGresult *result)
{
    struct pg_request *request = conn->head;
    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        complete(conn);
        return;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        if (request->result && !conn->error.code) {
            request->result(request, result);
            return;
        }
        break;
    case PGRES_PIPELINE_ABORTED:
        break;
    default:
        if (!conn->error.code)
            pg_error_of_result(&conn->error, request->what, result);
        break;
    }
    PQclear(result);
}

/* Everything that has come. False: the connection is gone, or is another one. */
static bool receive(struct pg_conn *conn)
{
    unsigned idle = 0;
    while (conn->pg && conn->head && !PQisBusy(conn->pg)) {
        PGresult *result = PQgetResult(conn->pg); /* NULL stands between the statements of a pipeline */
        idle = result ? 0 : idle + 1;
        if (result)
            take_in(conn, result);
        else if (idle > 2)
            break;
    }
    return pg_conn_is_open(conn); /* not when a done() has closed it, or begun to connect it anew */
}

static void notifications(struct pg_conn *conn)
{
    PGnotify *notify;
    while (pg_conn_is_open(conn) && (notify = PQnotifies(conn->pg))) {
        conn->notified(conn, notify->relname);
        PQfreemem(notify);
    }
}

/* Send what waits to be sent, and wait for what is to come. */
static void flush(struct pg_conn *conn)
{
    int more = PQflush(conn->pg);
    if (more < 0)
        fail(conn, conn->head ? conn->head->what : "send");
    else
        conn->host->watch_arm(conn->watch, more ? OUTBOX_READABLE | OUTBOX_WRITABLE : OUTBOX_READABLE);
}

static void ready(void *arg, uint32_t events)
{
    struct pg_conn *conn = arg;
    (void)events; /* while writing we also read: two sides that only write would wait for each other for ever */
    int fine = PQconsumeInput(conn->pg);
    conn->busy = true;
    if (conn->hear)
        conn->hear(conn);
    else if (receive(conn))
        notifications(conn);
    conn->busy = false;
    if (!pg_conn_is_open(conn))
        return;
    if (!fine || PQstatus(conn->pg) == CONNECTION_BAD)
        fail(conn, conn->head ? conn->head->what : "wait for work");
    else
        flush(conn);
}

void pg_conn_flush(struct pg_conn *conn)
{
    if (!conn->busy) /* else it comes when everything has been taken in */
        flush(conn);
}

void pg_conn_submit(struct pg_conn *conn, struct pg_request *request)
{
    struct outbox_error error;
    request->next = NULL;
    if (!pg_conn_is_open(conn)) {
        pg_fail(&error, OUTBOX_E_NOT_CONNECTED, "%s: there is no connection", request->what);
        request->done(request, &error);
        return;
    }
    if (conn->tail)
        conn->tail->next = request;
    else
        conn->head = request;
    conn->tail = request;
    if (request->send(request, conn->pg) != 1 || PQpipelineSync(conn->pg) != 1) {
        fail(conn, request->what);
        return;
    }
    pg_conn_flush(conn);
}

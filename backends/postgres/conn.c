/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/conn.c - sends requests and reads results, as far as the socket allows without blocking */
#include "conn.h"

#include <stdlib.h>

#include "error.h"
#include "result.h"

static void ready(void *arg, uint32_t events);

bool pg_conn_is_open(const struct sql_lane *lane)
{
    const struct pg_conn *conn = pg_conn_of(lane);
    return conn->pg && !conn->connecting;
}

static void drop_handles(struct pg_conn *conn)
{
    conn->lane.host->watch_close(conn->watch);
    conn->watch = NULL;
    conn->lane.host->timer_close(conn->timer);
    conn->timer = NULL;
}

void pg_conn_close(struct sql_lane *lane, const struct outbox_error *why)
{
    struct pg_conn *conn = pg_conn_of(lane);
    PGconn *pg = conn->pg;
    if (!pg)
        return;
    drop_handles(conn); /* before the descriptor is closed */
    conn->pg = NULL;
    conn->connecting = false;
    PQfinish(pg);
    sql_lane_fail_all(lane, why);
}

/* The connection is unusable. */
static void fail(struct pg_conn *conn, const char *what)
{
    struct outbox_error error;
    struct sql_lane *lane = &conn->lane;
    bool had_requests = lane->head != NULL, was_connecting = conn->connecting;
    if (lane->error.code && lane->head) /* the server's reason came before the connection broke */
        error = lane->error;
    else
        pg_error_of_conn(&error, what, conn->pg);
    if (error.code != OUTBOX_E_NO_MEMORY && !was_connecting)
        error.code = OUTBOX_E_NOT_CONNECTED;
    pg_conn_close(lane, &error);
    if (was_connecting)
        lane->connected(lane, &error);
    else if (!had_requests)
        lane->lost(lane, &error);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static void step(struct pg_conn *conn, PostgresPollingStatusType status);

static void connect_ready(void *arg, uint32_t events)
{
    struct pg_conn *conn = arg;
    (void)events;
    /* PQconnectPoll() may close the socket and open another one, even with the same number. */
    conn->lane.host->watch_close(conn->watch);
    conn->watch = NULL;
    step(conn, PQconnectPoll(conn->pg));
}

static void timed_out(void *arg)
{
    struct pg_conn *conn = arg;
    struct outbox_error error;
    pg_fail(&error, OUTBOX_E_TIMEOUT, "connect to %s: no response in time; check the network and the server",
            pg_where(conn->pg).text);
    pg_conn_close(&conn->lane, &error);
    conn->lane.connected(&conn->lane, &error);
}

static void finish_connecting(struct pg_conn *conn)
{
    static const struct outbox_error none;
    conn->lane.host->timer_close(conn->timer);
    conn->timer = NULL;
    if (PQsetnonblocking(conn->pg, 1) || (!conn->readable && !PQenterPipelineMode(conn->pg)) ||
        conn->lane.host->watch_open(conn->lane.host, PQsocket(conn->pg), ready, conn, &conn->watch)) {
        fail(conn, "connect");
        return;
    }
    PQsetErrorVerbosity(conn->pg, PQERRORS_DEFAULT);
    conn->connecting = false;
    conn->lane.host->watch_arm(conn->watch, OUTBOX_READABLE);
    conn->lane.connected(&conn->lane, &none);
}

static void step(struct pg_conn *conn, PostgresPollingStatusType status)
{
    uint32_t events = status == PGRES_POLLING_READING ? OUTBOX_READABLE : OUTBOX_WRITABLE;
    if (status == PGRES_POLLING_OK)
        finish_connecting(conn);
    else if (status == PGRES_POLLING_FAILED ||
             conn->lane.host->watch_open(conn->lane.host, PQsocket(conn->pg), connect_ready, conn, &conn->watch))
        fail(conn, "connect");
    else
        conn->lane.host->watch_arm(conn->watch, events);
}

static void quiet(void *arg, const PGresult *notice)
{
    struct pg_conn *conn = arg;
    const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    conn->lane.host->log(conn->lane.host, OUTBOX_LOG_DEBUG, "%s connection: %s", conn->lane.name, text ? text : "");
}

int pg_conn_open(struct pg_conn *conn, const char *const *keywords, const char *const *values, uint64_t timeout_us,
                 struct outbox_error *error)
{
    conn->connecting = conn->busy = conn->pinned = conn->held = false;
    conn->lane.error.code = OUTBOX_OK;
    conn->pg = PQconnectStartParams(keywords, values, 0);
    if (!conn->pg)
        return pg_fail(error, OUTBOX_E_NO_MEMORY, "connect: out of memory");
    if (PQstatus(conn->pg) == CONNECTION_BAD || PQsocket(conn->pg) < 0) {
        pg_error_of_conn(error, "connect", conn->pg);
    } else if (conn->lane.host->timer_open(conn->lane.host, timed_out, conn, &conn->timer) ||
               conn->lane.host->watch_open(conn->lane.host, PQsocket(conn->pg), connect_ready, conn, &conn->watch)) {
        pg_fail(error, OUTBOX_E_NO_MEMORY, "connect: the loop has no memory for it");
    } else {
        PQsetErrorVerbosity(conn->pg, PQERRORS_VERBOSE); /* else a refused login has no SQLSTATE */
        PQsetNoticeReceiver(conn->pg, quiet, conn);
        conn->connecting = true;
        conn->lane.host->timer_set(conn->timer, timeout_us);
        conn->lane.host->watch_arm(conn->watch, OUTBOX_WRITABLE);
        return OUTBOX_OK;
    }
    pg_conn_close(&conn->lane, error);
    return error->code;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* No statement of ours copies; libpq would give out such a result without end. */
static void on_copy(struct pg_conn *conn, PGresult *result)
{
    PQclear(result);
    if (!conn->lane.error.code)
        sql_bad_shape(&conn->lane.error, conn->lane.head->what);
    fail(conn, conn->lane.head->what);
}

static void on_result(struct pg_conn *conn, PGresult *result)
{
    struct sql_lane *lane = &conn->lane;
    struct sql_request *request = lane->head;
    switch (PQresultStatus(result)) {
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        on_copy(conn, result);
        return;
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        sql_lane_complete(lane);
        return;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        if (request->answers_pin) {
            request->answers_pin = false;
        } else if (request->result && !lane->error.code) {
            request->affected = strtoull(PQcmdTuples(result), NULL, 10);
            request->result(request, result);
            return;
        }
        break;
    case PGRES_PIPELINE_ABORTED:
        break;
    default:
        if (!lane->error.code)
            pg_error_of_result(&lane->error, request->what, result);
        break;
    }
    PQclear(result);
}

/* Reads all results that have arrived. False: the connection is closed, or was replaced by another one. */
static bool receive(struct pg_conn *conn)
{
    unsigned idle = 0;
    while (conn->pg && conn->lane.head && !PQisBusy(conn->pg)) {
        PGresult *result = PQgetResult(conn->pg); /* NULL stands between the statements of a pipeline */
        idle = result ? 0 : idle + 1;
        if (result)
            on_result(conn, result);
        else if (idle > 2)
            break;
    }
    return pg_conn_is_open(&conn->lane); /* not when a done() has closed it, or begun to connect it anew */
}

static void notifications(struct pg_conn *conn)
{
    PGnotify *notify;
    while (pg_conn_is_open(&conn->lane) && (notify = PQnotifies(conn->pg))) {
        PQfreemem(notify);
        conn->lane.host->wake(conn->lane.host);
    }
}

/* Sends the pending output, and waits for input. */
static void flush(struct pg_conn *conn)
{
    int more = PQflush(conn->pg);
    if (more < 0)
        fail(conn, conn->lane.head ? conn->lane.head->what : "send");
    else
        conn->lane.host->watch_arm(conn->watch, (conn->held ? 0 : OUTBOX_READABLE) | (more ? OUTBOX_WRITABLE : 0));
}

void pg_conn_hold(struct pg_conn *conn, bool held)
{
    conn->held = held;
    pg_conn_flush(conn);
}

static void ready(void *arg, uint32_t events)
{
    struct pg_conn *conn = arg;
    (void)events; /* reads also while writing: two sides that only write would block each other */
    int fine = PQconsumeInput(conn->pg) &&
               (conn->readable || sql_lane_answer_fits(&conn->lane, PQsocket(conn->pg), &conn->lane.error));
    conn->busy = true;
    if (conn->readable)
        conn->readable(conn);
    else if (receive(conn))
        notifications(conn);
    conn->busy = false;
    if (!pg_conn_is_open(&conn->lane))
        return;
    if (!fine || PQstatus(conn->pg) == CONNECTION_BAD)
        fail(conn, conn->lane.head ? conn->lane.head->what : "wait for work");
    else
        flush(conn);
}

void pg_conn_flush(struct pg_conn *conn)
{
    if (!conn->busy) /* otherwise the reason is reported after all results */
        flush(conn);
}

bool pg_send_text(struct sql_request *request, const char *sql, const struct pg_params *params)
{
    static const struct pg_params none;
    const struct pg_params *p = params ? params : &none;
    return PQsendQueryParams(pg_of(request), sql, p->count, NULL, p->values, p->lengths, p->formats, 1) == 1;
}

bool pg_send_sql(struct sql_request *request, struct obx_sql_text *sql, const struct pg_params *params)
{
    bool sent = !sql->failed && pg_send_text(request, obx_sql_text_get(sql), params);
    obx_sql_text_free(sql);
    return sent;
}

bool pg_put_text(struct sql_request *request, struct obx_sql_text *sql)
{
    return pg_send_sql(request, sql, NULL);
}

bool pg_send_arrays(struct sql_request *request, struct obx_sql_text *sql, struct pg_buf *arrays, int count)
{
    struct pg_params params = {0};
    for (int i = 0; i < count; i++) {
        sql->failed = sql->failed || arrays[i].failed;
        pg_param_buf(&params, &arrays[i]);
    }
    bool sent = pg_send_sql(request, sql, &params);
    for (int i = 0; i < count; i++)
        pg_buf_free(&arrays[i]);
    return sent;
}

bool pg_send_prepared(struct sql_request *request, const char *name, const struct pg_params *params)
{
    return PQsendQueryPrepared(pg_of(request), name, params->count, params->values, params->lengths, params->formats,
                               1) == 1;
}

static bool pin(struct pg_conn *conn, struct sql_request *request)
{
    request->answers_pin = !conn->pinned && !request->fires_triggers;
    return !request->answers_pin ||
           pg_send_text(request, "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)", NULL);
}

bool pg_pin_session(struct sql_request *request)
{
    pg_conn_of(request->lane)->pinned = true;
    return pg_send_text(request, "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)", NULL);
}

void pg_conn_submit(struct sql_lane *lane, struct sql_request *request)
{
    struct pg_conn *conn = pg_conn_of(lane);
    sql_lane_append(lane, request);
    if (!pin(conn, request) || !request->put(request) || PQpipelineSync(conn->pg) != 1)
        fail(conn, request->what);
    else
        pg_conn_flush(conn);
}

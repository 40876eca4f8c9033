/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/wal_stream.c - a connection on which the server sends its log as to a replica
 *
 * Connect with replication=true, START_REPLICATION PHYSICAL at the last known end of the log, then messages in COPY
 * BOTH mode: log, whose content is ignored, and keepalives, which are answered when the server requests it. There is no
 * slot, so the server keeps no log for the relay. Received log is reported as written but never as flushed: so no
 * commit waits for the relay, whatever synchronous_standby_names is. A server that shuts down waits until the relay
 * reports all log as written, at most wal_sender_timeout. The session sets that to a short time (dsn.c), so that a
 * hanging relay does not delay the shutdown.
 *
 * Fails when connecting fails (the role, pg_hba.conf, max_wal_senders, a pooler), when the server ends the stream, and
 * when it does not answer.
 */
#include <stdio.h>
#include <time.h>

#include "store.h"

#define MS UINT64_C(1000000)
#define PING_AFTER_NS (2000 * MS) /* without a message: then request one */
#define SILENCE_NS (4000 * MS)    /* without an answer: then the stream is dead */
enum {
    DATA_HEAD = 25,      /* 'w', where it begins, where the log ends, when it was sent; then the log */
    KEEPALIVE_SIZE = 18, /* 'k', where the log ends, when it was sent, whether to answer */
    REPLY_SIZE = 34      /* 'r', what was written, flushed, applied, when it is sent, whether to answer */
};
static const char what[] = "follow the server's log";

static void fail_stream(struct pg_store *store, const struct outbox_error *why)
{
    pg_wal_end(&store->wal);
    store->wal.events->failed(store, why);
}

void pg_wal_end(struct pg_wal *wal)
{
    wal->streaming = wal->answer_due = false;
    pg_conn_close(&wal->conn.lane, NULL); /* there is no request on it */
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static void reply(struct pg_store *store, bool wants_reply)
{
    enum { EPOCH = 946684800 }; /* 2000-01-01 */
    char text[REPLY_SIZE] = {'r'};
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    pg_put_int8(text + 1, store->wal.received);
    pg_put_int8(text + 25, (uint64_t)((t.tv_sec - EPOCH) * 1000000 + t.tv_nsec / 1000));
    text[REPLY_SIZE - 1] = wants_reply;
    if (PQputCopyData(store->wal.conn.pg, text, sizeof text) == 1)
        pg_conn_flush(&store->wal.conn); /* if not, the answer will not come */
}

static void note_ping(struct pg_store *store)
{
    store->wal.answer_due = true;
    store->wal.ping_ns = store->sql.host->now(store->sql.host);
}

/* A connection may die silently. */
void pg_wal_keep_alive(struct pg_store *store)
{
    struct pg_wal *wal = &store->wal;
    struct outbox_error error;
    uint64_t now = store->sql.host->now(store->sql.host);
    if (!pg_conn_is_open(&wal->conn.lane))
        return;
    if (wal->answer_due && now - wal->ping_ns > SILENCE_NS) {
        pg_fail(&error, OUTBOX_E_TIMEOUT, "%s: the server does not answer", what);
        fail_stream(store, &error);
    } else if (!wal->answer_due && now - wal->received_ns > PING_AFTER_NS) {
        note_ping(store);
        reply(store, true);
    }
}

/* ---- receiving --------------------------------------------------------------------------------------------------- */

static void note_received(struct pg_store *store)
{
    store->wal.answer_due = false;
    store->wal.received_ns = store->sql.host->now(store->sql.host);
}

static void on_message(struct pg_store *store, const char *data, int size)
{
    note_received(store);
    if (data[0] == 'w' && size > DATA_HEAD) {
        store->wal.received = pg_get_int8(data + 1) + (uint64_t)(size - DATA_HEAD);
        store->wal.events->grown(store);
    } else if (data[0] == 'k' && size >= KEEPALIVE_SIZE && data[KEEPALIVE_SIZE - 1]) {
        reply(store, false);
    }
}

/* False: no complete message now, or the stream has ended. */
static bool read_data(struct pg_store *store)
{
    struct outbox_error error;
    char *data = NULL;
    int size = PQgetCopyData(store->wal.conn.pg, &data, 1);
    if (size > 0) {
        on_message(store, data, size);
        PQfreemem(data);
    } else if (size == -1) {
        store->wal.streaming = false; /* its reason comes next */
    } else if (size < 0) {
        pg_error_of_conn(&error, what, store->wal.conn.pg);
        fail_stream(store, &error);
    }
    return size != 0;
}

/* To START_REPLICATION; or the result that comes when the stream has ended. */
static bool read_answer(struct pg_store *store)
{
    struct outbox_error error;
    PGresult *result = PQisBusy(store->wal.conn.pg) ? NULL : PQgetResult(store->wal.conn.pg);
    ExecStatusType status = PQresultStatus(result);
    if (!result)
        return false;
    if (status == PGRES_FATAL_ERROR)
        pg_error_of_result(&error, what, result);
    else
        pg_fail(&error, OUTBOX_E_NOT_CONNECTED, "%s: the server has ended it", what);
    PQclear(result);
    if (status != PGRES_COPY_BOTH) {
        fail_stream(store, &error);
        return false;
    }
    store->wal.streaming = true;
    note_received(store);
    store->wal.events->begun(store);
    return true;
}

static void readable(struct pg_conn *conn)
{
    struct pg_store *store = pg_store_of(conn->lane.store);
    while (pg_conn_is_open(&conn->lane) && (store->wal.streaming ? read_data(store) : read_answer(store)))
        ;
}

/* ---- its begin --------------------------------------------------------------------------------------------------- */

static void lost(struct sql_lane *lane, const struct outbox_error *error)
{
    fail_stream(pg_store_of(lane->store), error);
}

static void connected(struct sql_lane *lane, const struct outbox_error *error)
{
    struct pg_store *store = pg_store_of(lane->store);
    struct pg_conn *conn = pg_conn_of(lane);
    struct outbox_error failure;
    char sql[64];
    if (error->code) {
        fail_stream(store, error);
        return;
    }
    store->wal.received = store->wal.end;
    snprintf(sql, sizeof sql, "START_REPLICATION PHYSICAL %X/%X", (unsigned)(store->wal.end >> 32),
             (unsigned)store->wal.end);
    note_ping(store);
    if (PQsendQuery(conn->pg, sql) == 1) {
        pg_conn_flush(conn);
        return;
    }
    pg_error_of_conn(&failure, what, conn->pg);
    fail_stream(store, &failure);
}

void pg_wal_begin(struct pg_store *store, const struct pg_wal_events *events)
{
    struct pg_wal *wal = &store->wal;
    struct outbox_error error;
    wal->conn = (struct pg_conn){.lane = {.driver = store->sql.driver,
                                          .host = store->sql.host,
                                          .store = &store->sql,
                                          .name = "wake-up",
                                          .connected = connected,
                                          .lost = lost},
                                 .readable = readable};
    wal->events = events;
    wal->begun_ns = store->sql.host->now(store->sql.host);
    pg_target_choose(&store->target, store->sql.candidate, PG_FOR_LOG);
    if (pg_conn_open(&wal->conn, store->target.keywords, store->target.values, pg_connect_us(store), &error))
        fail_stream(store, &error);
}

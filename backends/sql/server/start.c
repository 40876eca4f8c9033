/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/start.c - connecting
 *
 * resolve addresses -> for each of them: connect the owner, take the driver's steps, connect the reader at the first
 * step that needs it -> started. If an address does not respond, or its server is read-only, the next one is tried; any
 * other failure would be the same on each of them. Each start resolves addresses and reads secrets again.
 */
#include "sql/server/start.h"

#include <stdio.h>
#include <string.h>

#include "sql/capture/capture.h"
#include "sql/server/claim.h"
#include "sql/server/lock_watch.h"

static void try_candidate(struct sql_store *store);

/* ---- the end of a start ------------------------------------------------------------------------------------------ */

void sql_close_all(struct sql_store *store, const struct outbox_error *why)
{
    store->owns = false;
    sql_capture_stop(store);
    sql_lane_close(store->reader, why);
    sql_lane_close(store->owner, why);
    sql_lock_watch_end(store);
    if (store->driver->close_others)
        store->driver->close_others(store, why);
}

static void finish(struct sql_store *store, const struct outbox_error *error)
{
    outbox_op_t op = store->start_op;
    store->start_op = 0;
    store->start = NULL;
    store->phase = error ? SQL_STOPPED : SQL_STARTED;
    if (error)
        sql_close_all(store, error);
    store->host->op_done(store->host, op, error);
    store->when_idle(store);
}

#define LOG_NS 60000000000u /* the same line at most once a minute */

/* To where: a dsn may name several hosts, and a name may lead elsewhere after a failover. */
static void log_connected(struct sql_store *store)
{
    char server[200], text[sizeof store->connected_text];
    uint64_t now = store->host->now(store->host);
    if (!sql_start_is_for_relaying(store))
        return;
    store->driver->describe(store, server, sizeof server);
    snprintf(text, sizeof text, "connected to %s, table %s.%s", server, store->table.schema, store->outbox.name);
    bool known = !strcmp(text, store->connected_text) && now - store->connected_logged_ns < LOG_NS;
    store->host->log(store->host, known ? OUTBOX_LOG_DEBUG : OUTBOX_LOG_INFO, "%s", text);
    if (known)
        return;
    snprintf(store->connected_text, sizeof store->connected_text, "%s", text);
    store->connected_logged_ns = now;
}

static bool another_may_do(const struct outbox_error *error)
{
    return error->code == OUTBOX_E_NOT_CONNECTED || error->code == OUTBOX_E_TIMEOUT ||
           error->code == OUTBOX_E_READ_ONLY;
}

static void fail(struct sql_store *store, const struct outbox_error *error)
{
    struct outbox_error kept = *error;
    if (!store->start_op || store->failing)
        return;
    store->failing = true; /* requests in flight on the other lane fail as well, and call this function */
    sql_lane_close(store->owner, &kept);
    sql_lane_close(store->reader, &kept);
    sql_lock_watch_end(store);
    store->failing = false;
    if (!another_may_do(&kept) || store->candidate + 1 >= store->driver->candidates(store)) {
        finish(store, &kept);
        return;
    }
    store->host->log(store->host, OUTBOX_LOG_DEBUG, "%s; trying the next address", kept.text);
    store->candidate++;
    try_candidate(store);
}

void sql_start_cancel(struct sql_store *store)
{
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_CANCELED, "connect: canceled");
    if (*sql_lock_watch_reason(store))
        outbox_error_set(&error, OUTBOX_E_AGAIN, "%s: it waits for %s", store->step->what,
                         sql_lock_watch_reason(store));
    if (store->start_op)
        finish(store, &error);
}

/* ---- the steps --------------------------------------------------------------------------------------------------- */

static void take_step(struct sql_store *store);

bool sql_start_is_for_relaying(const struct sql_store *store)
{
    return store->start->column_count > 0;
}

static void step_done(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_store *store = request->arg;
    struct outbox_error verdict = error->code ? *error : store->start_error;
    if (!store->start_op || store->failing)
        return;
    if (error->code && *sql_lock_watch_reason(store))
        outbox_error_set(&verdict, error->code, "%.*s; it waited for %s", OUTBOX_CUT(error->text, 180),
                         sql_lock_watch_reason(store));
    if (store->step->validate)
        store->step->validate(store, &verdict);
    if (verdict.code) {
        fail(store, &verdict);
        return;
    }
    store->step++;
    take_step(store);
}

static void connect_lane(struct sql_store *store, struct sql_lane *lane);

static void take_step(struct sql_store *store)
{
    while (store->step->what && store->step->relaying && !sql_start_is_for_relaying(store))
        store->step++;
    const struct sql_step *step = store->step;
    struct sql_lane *lane = step->lane == SQL_OWNER ? store->owner : store->reader;
    if (!step->what) {
        SQL_FAILPOINT(store, connected);
        sql_claim_rewind(store);
        log_connected(store);
        finish(store, NULL);
    } else if (!sql_lane_is_open(lane)) {
        connect_lane(store, lane);
    } else {
        sql_lock_watch_forget(store);
        store->step_request = (struct sql_request){.what = step->what,
                                                   .put = step->put,
                                                   .text = step->text,
                                                   .result = step->result,
                                                   .done = step_done,
                                                   .arg = store,
                                                   .store = store,
                                                   .sql = &store->step_sql};
        sql_lane_submit(lane, &store->step_request);
    }
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void connected(struct sql_lane *lane, const struct outbox_error *error)
{
    struct sql_store *store = lane->store;
    if (error->code) {
        fail(store, error);
        return;
    }
    if (lane == store->owner)
        store->driver->begin_session(store);
    take_step(store);
}

static void lost(struct sql_lane *lane, const struct outbox_error *error)
{
    struct sql_store *store = lane->store;
    if (lane == store->owner)
        store->owns = false;
    if (store->start_op)
        fail(store, error);
    else if (store->phase == SQL_STARTED)
        store->host->lost(store->host, error);
}

static void sent(struct sql_lane *lane)
{
    sql_lock_watch_begin(lane->store);
}

static void connect_lane(struct sql_store *store, struct sql_lane *lane)
{
    struct outbox_error error;
    *lane = (struct sql_lane){.driver = store->driver,
                              .host = store->host,
                              .store = store,
                              .name = lane == store->owner ? "owner" : "reader",
                              .connected = connected,
                              .lost = lost,
                              .sent = sent};
    if (SQL_FAILPOINT_ERROR(store, before_connect, &error) || store->driver->open(store, lane, &error))
        fail(store, &error);
}

static void try_candidate(struct sql_store *store)
{
    store->start_error.code = OUTBOX_OK;
    store->table.schema[0] = '\0';
    store->table.exists = false;
    store->step = store->driver->steps;
    connect_lane(store, store->owner);
}

void sql_start_resolved(struct sql_store *store, const struct outbox_error *error)
{
    if (error->code)
        finish(store, error);
    else
        try_candidate(store);
}

void sql_start(void *self, outbox_op_t op, const struct outbox_store_start *start)
{
    struct sql_store *store = self;
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "connect: restarting");
    sql_close_all(store, &error);
    store->phase = SQL_STARTING;
    store->start_op = op;
    store->start = start;
    store->candidate = 0;
    store->driver->resolve(store);
}

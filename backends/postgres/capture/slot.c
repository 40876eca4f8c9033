/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/slot.c - the slot and the publication of `capture: logical`
 *
 * A server sends from the slot's confirmed position on, whatever START_REPLICATION names before that: silently. So the
 * slot must not be beyond our own position. Only the owner reads: another session with the slot is a former owner, and
 * is ended.
 *
 * A publication that does not exist, or that the table has left, loses rows without an error. So it is looked up when
 * the reading begins, and whenever the server repeats the columns of the table. The OID of the table's entry in it is
 * in the position row: a table that has left and come back has another one. A warning of the server, which 18 gives in
 * place of an error, ends the stream.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../store.h"

/* Of rows: the OID of the table's entry in the publication. Else whether there is a publication. 0: no. */
static void append_published(const struct pg_store *store, struct obx_sql_text *sql)
{
    if (store->capture_rows) {
        obx_sql_text_puts(sql,
                          "SELECT coalesce(max(r.oid::int8), 0) FROM pg_publication p JOIN pg_publication_rel r ON "
                          "r.prpubid = p.oid AND p.pubinsert AND r.prrelid = ");
        obx_sql_text_int(sql, store->table_oid);
    } else {
        obx_sql_text_puts(sql, "SELECT count(*) FROM pg_publication p");
    }
    obx_sql_text_format(sql, " WHERE p.pubname = %l", store->capture.publication);
}

bool pg_slot_put(void *arg, struct obx_sql_text *sql)
{
    const struct pg_store *store = arg;
    obx_sql_text_puts(sql, "SELECT s.confirmed_flush_lsn, s.restart_lsn, (");
    append_published(store, sql);
    obx_sql_text_format(sql,
                        "), pg_terminate_backend(s.active_pid) FROM (SELECT 1) one LEFT JOIN pg_replication_slots s ON "
                        "s.slot_name = %l AND s.plugin = 'pgoutput' AND s.database = current_database()",
                        store->capture.slot);
    return true;
}

static void fail_lost(struct pg_store *store, const char *before, const char *name, const char *after)
{
    struct outbox_error error;
    char why[160];
    snprintf(why, sizeof why, "%s%.*s%s", before, OUTBOX_CUT(name, 70), after);
    pg_log_lost(&store->capture.stream, store->capture.position.passed, why, &error);
    pg_capture_fail(store, &error);
}

static void note_published(struct pg_store *store, uint32_t published)
{
    struct pg_capture *capture = &store->capture;
    struct outbox_error error;
    if (!published) {
        pg_fail(&error, OUTBOX_E_SCHEMA,
                "read the server's log: there is no publication \"%s\"%s; run 'outbox init', and write events again "
                "that were committed while it was missing; see docs/CAPTURE-POSTGRES.md",
                capture->publication, store->capture_rows ? " for inserts into the table" : "");
        pg_capture_fail(store, &error);
    } else if (store->capture_rows && capture->published && capture->published != published) {
        fail_lost(store, "the table has left the publication ", capture->publication, " and come back");
    } else {
        capture->published = store->capture_rows ? published : 0;
    }
}

void pg_slot_result(void *arg, const PGresult *result)
{
    struct pg_store *store = arg;
    struct pg_capture *capture = &store->capture;
    uint64_t confirmed = pg_wal_position(pg_text(result, 0, 0));
    capture->logical.slot_restart = pg_wal_position(pg_text(result, 0, 1));
    if (!confirmed)
        fail_lost(store, "there is no slot ", capture->slot, "");
    else if (confirmed > capture->position.passed)
        fail_lost(store, "the slot is at ", pg_text(result, 0, 0), " already: another program has moved it");
    else
        note_published(store, (uint32_t)strtoul(pg_text(result, 0, 2), NULL, 10));
}

/* ---- the publication, while the log is read ---------------------------------------------------------------------- */

static bool put_published(struct sql_request *request)
{
    struct obx_sql_text sql = sql_text(request->store);
    append_published(pg_store_of(request->store), &sql);
    return pg_put_text(request, &sql);
}

static void published_result(struct sql_request *request, void *result)
{
    struct pg_store *store = pg_store_of(request->store);
    bool reading = store->sql.capture.reading, fits = pg_has_shape(result, 1, 1, "8");
    struct outbox_error error;
    if (reading && fits) {
        note_published(store, (uint32_t)pg_integer(result, 0, 0, 0));
    } else if (reading) {
        sql_bad_shape(&error, request->what);
        pg_capture_fail(store, &error);
    }
    PQclear(result);
}

/* If the connection failed, the next statement on it does as well, and the reading begins again. Any other failure ends
 * the reading, as rows could be missing. */
static void on_published(struct sql_request *request, const struct outbox_error *error)
{
    struct pg_store *store = pg_store_of(request->store);
    struct pg_capture *capture = &store->capture;
    capture->moving_slot = false;
    if (!store->sql.capture.reading || !sql_lane_is_open(store->sql.reader))
        return;
    if (error->code)
        pg_capture_fail(store, error);
    else if (capture->logical.look_again)
        pg_slot_look_up_publication(store);
}

void pg_slot_look_up_publication(struct pg_store *store)
{
    struct pg_capture *capture = &store->capture;
    capture->logical.look_again = capture->moving_slot; /* the one in flight may have been answered before */
    if (capture->moving_slot || !sql_lane_is_open(store->sql.reader))
        return;
    capture->moving_slot = true;
    capture->slot_request = (struct sql_request){.what = "read the publication",
                                                 .put = put_published,
                                                 .result = published_result,
                                                 .done = on_published,
                                                 .arg = store,
                                                 .store = &store->sql,
                                                 .sql = &capture->slot_sql};
    sql_lane_submit(store->sql.reader, &capture->slot_request);
}

/* ---- the stream -------------------------------------------------------------------------------------------------- */

static void on_notice(void *arg, const PGresult *notice)
{
    struct pg_log_stream *stream = arg;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    if (severity && !strcmp(severity, "WARNING"))
        snprintf(stream->warning, sizeof stream->warning, "%.*s", OUTBOX_CUT(text ? text : "a warning", 150));
}

void pg_slot_start(struct pg_store *store)
{
    struct pg_capture *capture = &store->capture;
    struct obx_sql_text sql = sql_text(&store->sql), names = sql_text(&store->sql);
    uint64_t from = capture->position.passed;
    char lsn[24];
    snprintf(lsn, sizeof lsn, "%X/%X", (unsigned)(from >> 32), (unsigned)from);
    obx_sql_text_name(&names, capture->publication);
    obx_sql_text_format(&sql,
                        "START_REPLICATION SLOT %n LOGICAL %s (proto_version '1', messages 'true', publication_names "
                        "%l)",
                        capture->slot, lsn, obx_sql_text_get(&names));
    /* `from` may not be recorded yet, and the slot must not pass the record. */
    capture->stream.recorded = capture->stream.confirmed = capture->recorded.passed;
    capture->stream.warning[0] = '\0'; /* of the statements before */
    if (store->capture_rows)
        PQsetNoticeReceiver(capture->stream.conn.pg, on_notice, &capture->stream);
    if (sql.failed || names.failed)
        pg_capture_no_memory(store);
    else
        pg_log_start_slot(&capture->stream, from, obx_sql_text_get(&sql));
    obx_sql_text_free(&sql);
    obx_sql_text_free(&names);
}

/* ---- a trial ----------------------------------------------------------------------------------------------------- */

void pg_slot_end_trial(struct pg_store *store, const struct outbox_error *why)
{
    struct pg_logical *logical = &store->capture.logical;
    void (*tried)(void *arg, const struct outbox_error *error) = logical->tried;
    logical->tried = NULL;
    if (!tried)
        return;
    pg_log_close(&store->capture.stream);
    tried(logical->tried_arg, why);
}

static bool put_nothing(void *arg, struct obx_sql_text *sql)
{
    (void)arg;
    obx_sql_text_puts(sql, "SELECT 1");
    return true;
}

static void ignore_result(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static void on_tried(void *arg)
{
    static const struct outbox_error none;
    pg_slot_end_trial(arg, &none);
}

static void on_refused(void *arg, const struct outbox_error *error)
{
    pg_slot_end_trial(arg, error);
}

void pg_slot_try(struct pg_store *store, void (*then)(void *arg, const struct outbox_error *error), void *arg)
{
    static const struct pg_log_events events = {
        .put_slot = put_nothing, .slot_result = ignore_result, .opened = on_tried, .failed = on_refused};
    static const struct outbox_error none;
    if (store->capture.stream.state != PG_LOG_CLOSED) { /* the relay reads */
        then(arg, &none);
        return;
    }
    store->capture.logical.tried = then;
    store->capture.logical.tried_arg = arg;
    pg_log_open(&store->capture.stream, store, &events, store);
}

/* ---- the safety valve -------------------------------------------------------------------------------------------- */

/* The slot keeps the log from the begin of the oldest open transaction on: a position after it frees no log. */
bool pg_slot_can_relieve(struct sql_store *sql)
{
    enum { WORTH_BYTES = 16 << 20 };
    struct pg_capture *capture = &pg_store_of(sql)->capture;
    bool can = capture->recorded.passed <= capture->logical.slot_restart + WORTH_BYTES;
    if (!can && !capture->held_xid)
        sql->host->log(sql->host, OUTBOX_LOG_WARN,
                       "the slot %s keeps log from before the position: a transaction is open for long; see "
                       "pg_stat_activity and pg_prepared_xacts",
                       capture->slot);
    capture->held_xid = !can;
    return can;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/horizon.c - which commits are visible, where the log ends, and the slot
 *
 * A commit is in the log before other sessions see it, and before the standbys of synchronous_standby_names have it. A
 * snapshot has it only after both. So no event is published that a failover to such a standby could lose.
 *
 * The slot keeps the log from the recorded restart on. It is moved by a statement: the stream does not use it, so that
 * its reports make no commit wait. If the server crashes the slot may go back, which keeps more log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../store.h"

#define MS UINT64_C(1000000)
enum { SLOT_EVERY_BYTES = 16 << 20 };
#define SLOT_EVERY_NS (1000 * MS)

/* ---- the snapshot ------------------------------------------------------------------------------------------------ */

bool pg_capture_put_horizon(struct sql_request *request)
{
    return pg_send_text(request, "SELECT pg_current_snapshot()::text, pg_current_wal_flush_lsn()::text", NULL);
}

/* "xmin:xmax:running,running" */
static bool read_snapshot(struct pg_store *store, const char *text)
{
    struct pg_capture *capture = &store->capture;
    char *at;
    capture->running_count = 0;
    capture->xmin = strtoull(text, &at, 10);
    if (*at != ':')
        return false;
    capture->xmax = strtoull(at + 1, &at, 10);
    if (*at != ':')
        return false;
    while ((*at == ':' || *at == ',') && at[1] >= '0' && at[1] <= '9') {
        if (!obx_sql_grow(store->sql.host, (void **)&capture->running, &capture->running_room,
                          capture->running_count + 1, sizeof *capture->running))
            return false;
        capture->running[capture->running_count++] = strtoull(at + 1, &at, 10);
    }
    return true;
}

/* A page's header stands between the end of a record and the begin of the next one. */
static uint64_t without_header(uint64_t lsn)
{
    uint64_t in_page = lsn % PG_WAL_PAGE;
    return in_page == 24 || in_page == PG_WAL_PAGE_HEAD_MAX ? lsn - in_page : lsn;
}

bool pg_capture_horizon_result(struct sql_store *sql, void *result)
{
    struct pg_store *store = pg_store_of(sql);
    bool fine = pg_has_shape(result, 1, 1, "tt") && read_snapshot(store, pg_text(result, 0, 0));
    store->capture.log_end = fine ? without_header(pg_wal_position(pg_text(result, 0, 1))) : 0;
    PQclear(result);
    return fine;
}

bool pg_capture_is_visible(const struct sql_store *sql, const struct sql_capture_commit *commit)
{
    const struct pg_capture *capture = &pg_store_in(sql)->capture;
    uint32_t xid = (uint32_t)commit->marks[PG_MARK_TIMELINE_XID];
    uint64_t wide = capture->xmax + (uint64_t)(int64_t)(int32_t)(xid - (uint32_t)capture->xmax);
    if (wide < capture->xmin)
        return true;
    if (wide >= capture->xmax)
        return false;
    for (uint32_t i = 0; i < capture->running_count; i++)
        if (capture->running[i] == wide)
            return false;
    return true;
}

bool pg_capture_has_reached(const struct sql_store *sql)
{
    const struct pg_capture *capture = &pg_store_in(sql)->capture;
    return capture->stream.state == PG_LOG_STREAMING && !capture->reading_again && !capture->rest_size &&
           pg_wal_pages_end(&capture->pages) >= capture->log_end;
}

/* ---- the slot ---------------------------------------------------------------------------------------------------- */

/* Forward only. A slot that is missing or lost is reported by check and with the distance. */
static bool put_move_slot(struct sql_request *request)
{
    struct pg_store *store = pg_store_of(request->store);
    struct pg_capture *capture = &store->capture;
    struct obx_sql_text sql = sql_text(&store->sql);
    char lsn[24];
    snprintf(lsn, sizeof lsn, "%X/%X", (unsigned)(capture->recorded.restart >> 32),
             (unsigned)capture->recorded.restart);
    obx_sql_text_format(&sql,
                        "SELECT pg_replication_slot_advance(slot_name, least(%l::pg_lsn, pg_current_wal_flush_lsn())) "
                        "FROM pg_replication_slots WHERE slot_name = %l AND NOT active AND restart_lsn < %l::pg_lsn",
                        lsn, capture->slot, lsn);
    return pg_put_text(request, &sql);
}

static void on_slot_moved(struct sql_request *request, const struct outbox_error *error)
{
    struct pg_store *store = pg_store_of(request->store);
    store->capture.moving_slot = false;
    if (error->code && error->code != OUTBOX_E_CANCELED && error->code != OUTBOX_E_NOT_CONNECTED)
        store->sql.host->log(store->sql.host, OUTBOX_LOG_WARN, "the slot %s is not moved, so the server keeps log: %s",
                             store->capture.slot, error->text);
}

static void move_slot(struct pg_store *store)
{
    struct pg_capture *capture = &store->capture;
    capture->moving_slot = true;
    capture->slot_moved_to = capture->recorded.restart;
    capture->slot_moved_ns = store->sql.host->now(store->sql.host);
    capture->slot_request = (struct sql_request){.what = "move the slot",
                                                 .put = put_move_slot,
                                                 .done = on_slot_moved,
                                                 .arg = store,
                                                 .store = &store->sql,
                                                 .sql = &capture->slot_sql};
    sql_lane_submit(store->sql.reader, &capture->slot_request);
}

void pg_capture_recorded(struct sql_store *sql)
{
    struct pg_store *store = pg_store_of(sql);
    struct pg_capture *capture = &store->capture;
    capture->recorded = capture->position;
    uint64_t behind = capture->recorded.restart - capture->slot_moved_to;
    bool due =
        behind >= SLOT_EVERY_BYTES || (behind && sql->host->now(sql->host) - capture->slot_moved_ns > SLOT_EVERY_NS);
    if (due && !capture->moving_slot && sql_lane_is_open(sql->reader))
        move_slot(store);
}

/* ---- the safety valve -------------------------------------------------------------------------------------------- */

/* What the server keeps for the slot, and how much it may keep: -1 without a limit. Lost: all of it. */
bool pg_capture_put_distance(struct sql_request *request)
{
    struct pg_store *store = pg_store_of(request->store);
    struct obx_sql_text sql = sql_text(&store->sql);
    obx_sql_text_puts(&sql, "SELECT ");
    pg_capture_append_distance(&sql);
    obx_sql_text_format(&sql,
                        ", pg_wal_lsn_diff(restart_lsn, '0/0')::int8 FROM pg_replication_slots WHERE slot_name = %l",
                        store->capture.slot);
    return pg_put_text(request, &sql);
}

void pg_capture_append_distance(struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql,
                      "pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::int8, (SELECT CASE WHEN setting::int8 < 0 "
                      "THEN -1 ELSE setting::int8 * 1048576 END FROM pg_settings WHERE name = "
                      "'max_slot_wal_keep_size'), coalesce(wal_status, '')");
}

bool pg_capture_keeps_log(const PGresult *result)
{
    return PQntuples(result) > 0 && strcmp(pg_text(result, 0, 2), "lost");
}

void pg_capture_warn_of_slot(const struct pg_store *store)
{
    store->sql.host->log(store->sql.host, OUTBOX_LOG_WARN,
                         "the server keeps no log for this outbox: slot %s is missing or lost; run 'outbox init'",
                         store->capture.slot);
}

static void note_slot(struct pg_store *store, bool gone)
{
    if (gone && !store->capture.slot_gone)
        pg_capture_warn_of_slot(store);
    store->capture.slot_gone = gone;
}

/* How much is kept for a slot that keeps nothing is unknown. */
void pg_capture_distance_result(struct sql_request *request, void *result)
{
    struct sql_store *store = request->store;
    if (pg_has_shape(result, 0, 1, "88t8")) {
        struct pg_logical *logical = &pg_store_of(store)->capture.logical;
        bool keeps = pg_capture_keeps_log(result);
        store->capture.log_bytes = keeps ? pg_integer(result, 0, 0, -1) : -1;
        store->capture.log_limit = pg_integer(result, 0, 1, -1);
        logical->slot_restart = (uint64_t)pg_integer(result, 0, 3, (int64_t)logical->slot_restart);
        note_slot(pg_store_of(store), !keeps);
    }
    PQclear(result);
}

/* Reading begins at the first event of the oldest open transaction: a position after it frees no log. */
bool pg_capture_can_relieve(struct sql_store *sql)
{
    enum { WORTH_BYTES = 16 << 20 };
    struct pg_capture *capture = &pg_store_of(sql)->capture;
    struct pg_open_place oldest = pg_open_oldest(&capture->open);
    if (capture->stream.state != PG_LOG_STREAMING)
        return sql->capture.relieving; /* what is open is not known yet */
    bool can = !oldest.lsn || oldest.lsn > capture->recorded.restart + WORTH_BYTES;
    if (!can && capture->held_xid != oldest.xid)
        sql->host->log(sql->host, OUTBOX_LOG_WARN,
                       "transaction %u is open, and the server keeps the log from its first event on: end it, or, if "
                       "it is prepared, commit it or roll it back; see pg_stat_activity and pg_prepared_xacts",
                       oldest.xid);
    capture->held_xid = can ? 0 : oldest.xid;
    return can;
}

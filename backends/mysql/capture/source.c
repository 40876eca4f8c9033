/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/source.c - the binlog as the source of backends/sql/capture
 *
 *     begin -> [worker connects] -> events -> transactions -> queue;  full: pause -> go_on
 *
 * The position row has the GTIDs that are passed; and, for `outbox status`, the place in the log of the server that
 * they were read from. A record is a transaction of the log itself: an idle position is recorded once a minute, or
 * after 16 MiB of log, and only if there was more than the record before (M17).
 */
#include <stdlib.h>
#include <string.h>

#include "mysql/store.h"

#define RECORD_NS UINT64_C(60000000000)
#define RECORD_BYTES (UINT64_C(16) << 20)
#define LARGE_BYTES ((size_t)16 << 20)

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void stop_reading(struct mys_store *store)
{
    store->capture.reading = store->capture.mid_event = false;
    store->capture.layout.searching = store->capture.layout.waiting = false;
    mys_dump_close(&store->capture.dump);
    mys_transactions_close(store);
}

static void fail_reading(struct mys_store *store, const struct outbox_error *error)
{
    struct outbox_error kept = *error;
    stop_reading(store);
    sql_capture_fail(&store->sql, &kept);
}

static void opened(void *arg, const struct mys_dump_facts *facts)
{
    struct mys_store *store = arg;
    mys_reader_restart(&store->capture.reader, facts->has_checksums);
    store->capture.reader.name.fold_case = facts->fold_case;
    OUTBOX_FAILPOINT(store->sql.host, capture, log_opened);
}

static void open_stream(struct mys_store *store)
{
    struct mys_capture *capture = &store->capture;
    const struct mys_dump_from from = {
        .from = &capture->position.read, .done = &capture->position.done, .identity = store->server.identity};
    struct mys_target target = mys_target(store, false);
    target.waits = true;
    mys_dump_open(&capture->dump, &target, (uint64_t)store->sql.connect_ms, &from);
}

/* The log was searched, and is read now. */
static enum mys_dump_answer open_again(struct mys_store *store)
{
    store->capture.layout.searching = false;
    store->capture.recorded_bytes = 0;
    mys_transactions_close(store);
    mys_dump_close(&store->capture.dump);
    open_stream(store);
    return MYS_DUMP_CLOSED;
}

/* Items of the event that was fed last. */
static enum mys_dump_answer take_items(struct mys_store *store, struct outbox_error *error)
{
    struct mys_capture *capture = &store->capture;
    struct mys_item item;
    while (!mys_reader_next(&capture->reader, &item, error) && item.kind != MYS_ITEM_NONE) {
        if (mys_transactions_take(store, &item, error))
            break;
        if (mys_layout_found(capture))
            return open_again(store);
        if (item.kind == MYS_ITEM_TURN)
            return MYS_DUMP_TURN;
        if (capture->layout.waiting)
            return mys_layout_must_renew(store, error) ? MYS_DUMP_NEXT : MYS_DUMP_PAUSED;
        if (item.kind != MYS_ITEM_ROW && item.kind != MYS_ITEM_COMMIT)
            continue;
        if (sql_capture_is_full(&store->sql))
            return MYS_DUMP_PAUSED;
    }
    return MYS_DUMP_NEXT;
}

/* No other transaction is kept in memory as a whole. */
static void warn_of_memory(const struct mys_store *store, size_t bytes)
{
    char gtid[MYS_GTID_TEXT];
    mys_gtid_print(&store->capture.reader.gtid, gtid);
    store->sql.host->log(store->sql.host, OUTBOX_LOG_WARN,
                         "transaction %s is compressed, and its %zu MiB are in memory until it is relayed; set "
                         "binlog_transaction_compression = OFF in sessions that write such transactions",
                         gtid, bytes >> 20);
}

static int feed(struct mys_store *store, struct outbox_bytes event, struct outbox_error *error)
{
    struct mys_reader *reader = &store->capture.reader;
    if (mys_reader_feed(reader, event, error))
        return error->code;
    if (reader->event.type == MYS_EV_TRANSACTION_PAYLOAD && event.size >= LARGE_BYTES)
        warn_of_memory(store, event.size);
    return OUTBOX_OK;
}

static enum mys_dump_answer on_event(void *arg, struct outbox_bytes event)
{
    struct mys_store *store = arg;
    struct outbox_error error = {.code = OUTBOX_OK};
    enum mys_dump_answer answer = MYS_DUMP_NEXT;
    if (mys_layout_must_renew(store, &error))
        answer = MYS_DUMP_CLOSED;
    else if (store->capture.layout.waiting)
        answer = MYS_DUMP_PAUSED; /* not all events before the ALTER are passed */
    else if (!event.data || !feed(store, event, &error))
        answer = take_items(store, &error);
    if (store->capture.position.failed && !error.code)
        mys_fail(&error, OUTBOX_E_NO_MEMORY, "read the binlog: no memory for the position");
    if (!error.code)
        return answer;
    fail_reading(store, &error);
    return MYS_DUMP_CLOSED;
}

static void on_drained(void *arg)
{
    struct mys_store *store = arg;
    sql_capture_progress(&store->sql);
}

static void on_failed(void *arg, const struct outbox_error *error)
{
    fail_reading(arg, error);
}

static void on_idle(void *arg)
{
    struct mys_store *store = arg;
    store->sql.when_idle(&store->sql);
}

static int open_reader(struct mys_store *store, struct outbox_error *error)
{
    struct mys_capture *capture = &store->capture;
    const struct mys_log_name name = {.schema = store->sql.table.schema, .table = capture->table.name};
    mys_reader_free(&capture->reader);
    if (mys_reader_init(&capture->reader, store->sql.host, &name, capture->wanted, capture->wanted_count, error))
        return error->code;
    capture->reader.table_columns = capture->table_columns;
    return OUTBOX_OK;
}

static void begin(struct sql_store *sql)
{
    struct mys_store *store = mys_store_of(sql);
    struct mys_capture *capture = &store->capture;
    struct outbox_error error = {.code = OUTBOX_OK};
    mys_position_restart(&capture->position, mys_transactions_held(capture));
    mys_transactions_reset(store);
    capture->layout.proven = false;
    capture->skip = sql->capture.passed_index;
    capture->recorded_ordinal = capture->recorded_bytes = 0;
    capture->reading = true;
    capture->dump.host = sql->host;
    capture->dump.arg = store;
    capture->dump.opened = opened;
    capture->dump.event = on_event;
    capture->dump.drained = on_drained;
    capture->dump.failed = on_failed;
    capture->dump.idle = on_idle;
    if (open_reader(store, &error))
        fail_reading(store, &error);
    else
        open_stream(store);
}

static void end(struct sql_store *sql)
{
    if (mys_store_of(sql)->capture.reading)
        stop_reading(mys_store_of(sql));
}

static void go_on(struct sql_store *sql)
{
    mys_dump_go_on(&mys_store_of(sql)->capture.dump);
}

/* ---- the position ------------------------------------------------------------------------------------------------ */

static int read_position(struct sql_store *sql, struct outbox_error *error)
{
    struct mys_store *store = mys_store_of(sql);
    struct mys_capture *capture = &store->capture;
    const char *text = obx_sql_text_get(&sql->capture.row.position);
    mys_transactions_reset(store);
    mys_position_free(&capture->position);
    mys_position_init(&capture->position, sql->host, store->server.mariadb);
    capture->recorded_ns = sql->host->now(sql->host);
    if (mys_position_parse(&capture->position, text))
        return OUTBOX_OK;
    return mys_fail(error, OUTBOX_E_SCHEMA,
                    "read the position of %s: \"%.*s\" is no position of %s; was the outbox moved from another kind of "
                    "server?",
                    sql->table_name, OUTBOX_CUT(text, 100), store->server.mariadb ? "MariaDB" : "MySQL");
}

static void pass(void *arg, const uint64_t marks[SQL_CAPTURE_MARKS])
{
    struct mys_store *store = arg;
    mys_transactions_passed(store, marks[0]);
    mys_position_pass(&store->capture.position, marks[0]);
}

static void put_position(const struct sql_store *sql, struct obx_sql_text *identity, struct obx_sql_text *position)
{
    const struct mys_store *store = mys_store_in(sql);
    char place[200], text[200];
    mys_distance_print(&store->capture, place);
    snprintf(text, sizeof text, "%.*s %.*s", OUTBOX_CUT(place, 80), OUTBOX_CUT(store->server.identity, 100));
    obx_sql_text_puts(identity, text);
    mys_position_print(&store->capture.position, mys_transactions_held(&store->capture), position);
}

static void recorded(struct sql_store *sql)
{
    struct mys_capture *capture = &mys_store_of(sql)->capture;
    capture->recorded_ns = sql->host->now(sql->host);
    capture->recorded_bytes = capture->dump.bytes;
    capture->recorded_ordinal = capture->position.read_ordinal;
    if (capture->layout.waiting)
        mys_dump_go_on_soon(&capture->dump);
}

static bool worth_recording(const struct sql_store *sql)
{
    const struct mys_capture *capture = &mys_store_in(sql)->capture;
    uint64_t now = sql->host->now(sql->host);
    return capture->position.read_ordinal > capture->recorded_ordinal + 1 &&
           (now - capture->recorded_ns > RECORD_NS || capture->dump.bytes - capture->recorded_bytes > RECORD_BYTES);
}

/* Of what it remembers of transactions that are not passed. */
static uint64_t bytes(const struct sql_store *sql)
{
    return mys_position_bytes(&mys_store_in(sql)->capture.position);
}

static bool put_take_over(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    struct obx_sql_text *sql = request->sql;
    const char *epoch = sql_capture_columns[SQL_CAPTURE_EPOCH];
    obx_sql_text_puts(sql, "UPDATE ");
    sql_capture_append_table(store, sql);
    obx_sql_text_format(sql, " SET %n = %n + 1 WHERE id = 1; SELECT ", epoch, epoch);
    sql_capture_append_row_columns(sql);
    obx_sql_text_puts(sql, " FROM ");
    sql_capture_append_table(store, sql);
    obx_sql_text_puts(sql, " WHERE id = 1");
    return true;
}

/* ---- the end of the log ------------------------------------------------------------------------------------------ */

static bool put_horizon(struct sql_request *request)
{
    bool mariadb = mys_store_in(request->store)->server.mariadb;
    obx_sql_text_puts(request->sql, mariadb ? "SELECT @@gtid_binlog_pos" : "SELECT @@global.gtid_executed");
    return true;
}

static bool horizon_result(struct sql_store *sql, void *result)
{
    struct mys_gtid_set *horizon = &mys_store_of(sql)->capture.horizon;
    struct mys_row row;
    const char *text = mys_first(result, &row) ? mys_text_of(&row, 0) : NULL;
    horizon->mariadb = mys_store_in(sql)->server.mariadb;
    bool parsed = text && mys_gtid_set_parse(horizon, text);
    mysql_free_result(result);
    return parsed;
}

/* The log has only what is committed; the server has flushed it before it sends it. */
static bool is_visible(const struct sql_store *sql, const struct sql_capture_commit *commit)
{
    (void)sql;
    (void)commit;
    return true;
}

static bool has_reached(const struct sql_store *sql)
{
    const struct mys_capture *capture = &mys_store_in(sql)->capture;
    return mys_gtid_set_covers(&capture->position.read, &capture->horizon);
}

const struct sql_capture_source mys_capture_source = {.put_take_over = put_take_over,
                                                      .read_position = read_position,
                                                      .begin = begin,
                                                      .end = end,
                                                      .go_on = go_on,
                                                      .pass = pass,
                                                      .put_position = put_position,
                                                      .recorded = recorded,
                                                      .worth_recording = worth_recording,
                                                      .bytes = bytes,
                                                      .put_horizon = put_horizon,
                                                      .horizon_result = horizon_result,
                                                      .is_visible = is_visible,
                                                      .has_reached = has_reached,
                                                      .decode = mys_event_decode,
                                                      .put_spool = mys_put_spool,
                                                      .put_dead = mys_put_dead_event,
                                                      .name_event = mys_name_event,
                                                      .put_distance = mys_put_distance,
                                                      .distance_result = mys_on_distance};

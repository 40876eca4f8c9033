/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/transactions.c - which rows of the log are events, and when
 *
 * A transaction's events go to the queue at its end. One with more than PART_BYTES goes in parts, before its end is
 * read: the server writes a transaction to its log as a whole, after the decision to commit it, so memory stays bounded
 * (M16). An XA transaction is in the log at its PREPARE: its events are held until the decision.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mysql/store.h"

enum { PART_BYTES = 1 << 20, HELD_BYTES = 64 << 20 };

/* ---- the queue --------------------------------------------------------------------------------------------------- */

static int fail_memory(struct outbox_error *error)
{
    return mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: out of memory");
}

/* Events so far; whole: and these are the last. */
static int give(struct mys_store *store, struct sql_capture_list *events, uint64_t ordinal, bool whole,
                struct outbox_error *error)
{
    struct mys_open *open = &store->capture.open;
    const uint64_t marks[SQL_CAPTURE_MARKS] = {ordinal};
    uint64_t count = events->count;
    if (!sql_capture_commit(&store->sql, events, marks, open->given, whole))
        return fail_memory(error);
    open->given += count;
    return OUTBOX_OK;
}

static int row(struct mys_store *store, const struct mys_item *item, struct outbox_error *error)
{
    struct mys_capture *capture = &store->capture;
    struct mys_open *open = &capture->open;
    if (!open->open)
        return mys_fail(error, OUTBOX_E_SCHEMA,
                        "read the binlog: it has rows of table %s.%s outside a transaction; the log is damaged, or of "
                        "a newer server",
                        store->sql.table.schema, capture->table.name);
    if (open->ignored && !open->xa)
        return OUTBOX_OK;
    if (!mys_layout_is_known(store, error))
        return error->code;
    if (capture->skip && !open->xa) {
        capture->skip--;
        open->given++;
        return OUTBOX_OK;
    }
    struct sql_capture_memory *memory = &store->sql.capture.queue.memory;
    struct sql_capture_event *event = mys_event_new(memory, item->values, capture->wanted_count);
    if (!event)
        return fail_memory(error);
    event->order = open->given + open->events.count;
    sql_capture_list_append(&open->events, event);
    if (open->xa && open->events.bytes + capture->held_bytes > HELD_BYTES)
        return mys_fail(
            error, OUTBOX_E_NO_MEMORY,
            "read the binlog: XA transactions with more than 64 MiB of events are prepared and not decided; "
            "decide them (XA RECOVER), or write events in ordinary transactions");
    if (!open->xa && open->events.bytes > PART_BYTES)
        return give(store, &open->events, capture->position.read_ordinal + 1, false, error);
    return OUTBOX_OK;
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

/* has_events: they are in the queue, or held. */
static uint64_t end(struct mys_store *store, bool has_events)
{
    struct mys_capture *capture = &store->capture;
    struct mys_open *open = &capture->open;
    open->open = false;
    return mys_position_read(&capture->position, &open->gtid, open->place, has_events);
}

static void advance(struct mys_store *store)
{
    const uint64_t marks[SQL_CAPTURE_MARKS] = {store->capture.position.read_ordinal};
    sql_capture_advance(&store->sql, marks);
}

static int commit(struct mys_store *store, struct outbox_error *error)
{
    struct mys_open *open = &store->capture.open;
    bool has_events = open->events.count || open->given;
    uint64_t ordinal = end(store, has_events && !open->ignored);
    if (has_events && !open->ignored && give(store, &open->events, ordinal, true, error))
        return error->code;
    if (has_events && open->ignored)
        sql_capture_list_drop(&store->sql.capture.queue.memory, &open->events);
    else if (!has_events)
        advance(store);
    return OUTBOX_OK;
}

/* A server logs a rollback if tables without transactions were changed, too. */
static int roll_back(struct mys_store *store, struct outbox_error *error)
{
    struct mys_open *open = &store->capture.open;
    char gtid[MYS_GTID_TEXT];
    sql_capture_list_drop(&store->sql.capture.queue.memory, &open->events);
    if (!open->given) {
        end(store, false);
        advance(store);
        return OUTBOX_OK;
    }
    mys_gtid_print(&open->gtid, gtid);
    store->sql.host->log(store->sql.host, OUTBOX_LOG_ERROR,
                         "transaction %s was rolled back after %llu of its events were published: it was large, and "
                         "changed a table without transactions; convert that table to InnoDB",
                         gtid, (unsigned long long)open->given);
    return give(store, &open->events, end(store, true), true, error);
}

/* ---- XA ---------------------------------------------------------------------------------------------------------- */

static int hold(struct mys_store *store, const char *xid, struct outbox_error *error)
{
    struct mys_capture *capture = &store->capture;
    struct mys_open *open = &capture->open;
    const struct outbox_host *host = store->sql.host;
    if (!open->events.count) {
        end(store, false);
        advance(store);
        return OUTBOX_OK;
    }
    struct mys_held *held = host->alloc(host, sizeof *held);
    if (!held)
        return fail_memory(error);
    mys_gtid_set_init(&held->before, host, open->gtid.mariadb);
    mys_gtid_set_copy(&held->before, &capture->position.read);
    capture->position.failed |= held->before.failed;
    held->place = open->place;
    held->prepared = end(store, true);
    held->events = open->events;
    held->next = capture->held;
    snprintf(held->xid, sizeof held->xid, "%s", xid);
    capture->held = held;
    capture->held_bytes += held->events.bytes;
    open->events = (struct sql_capture_list){0};
    return OUTBOX_OK;
}

static struct mys_held *find(const struct mys_capture *capture, const char *xid)
{
    for (struct mys_held *held = capture->held; held; held = held->next)
        if (!held->decided && !strcmp(held->xid, xid))
            return held;
    return NULL;
}

static void forget(struct mys_store *store, struct mys_held **at)
{
    struct mys_held *held = *at;
    *at = held->next;
    mys_gtid_set_free(&held->before);
    sql_capture_list_drop(&store->sql.capture.queue.memory, &held->events);
    store->sql.host->release(store->sql.host, held);
}

/* Events that were passed before a restart are skipped here, for they were numbered at the decision. */
static int decide(struct mys_store *store, const char *xid, bool committed, struct outbox_error *error)
{
    struct mys_capture *capture = &store->capture;
    struct mys_held *held = find(capture, xid);
    bool given = held && committed && !capture->open.ignored;
    uint64_t ordinal = end(store, given);
    if (!held) {
        advance(store);
        return OUTBOX_OK;
    }
    held->decided = ordinal;
    capture->held_bytes -= held->events.bytes;
    if (!given) {
        sql_capture_list_drop(&store->sql.capture.queue.memory, &held->events);
        mys_transactions_passed(store, capture->position.done_ordinal);
        advance(store);
        return OUTBOX_OK;
    }
    uint64_t skip = capture->skip < held->events.count ? capture->skip : held->events.count;
    capture->skip -= skip;
    capture->open.given = sql_capture_list_skip(&store->sql.capture.queue.memory, &held->events, skip);
    return give(store, &held->events, ordinal, true, error);
}

const struct mys_held *mys_transactions_oldest(const struct mys_capture *capture)
{
    const struct mys_held *oldest = capture->held;
    for (const struct mys_held *held = oldest; held; held = held->next)
        oldest = held->prepared < oldest->prepared ? held : oldest;
    return oldest;
}

const struct mys_gtid_set *mys_transactions_held(const struct mys_capture *capture)
{
    const struct mys_held *oldest = mys_transactions_oldest(capture);
    return oldest && oldest->prepared <= capture->position.done_ordinal ? &oldest->before : NULL;
}

void mys_transactions_passed(struct mys_store *store, uint64_t ordinal)
{
    for (struct mys_held **at = &store->capture.held; *at;) {
        if ((*at)->decided && (*at)->decided <= ordinal)
            forget(store, at);
        else
            at = &(*at)->next;
    }
}

/* ---- items ------------------------------------------------------------------------------------------------------- */

void mys_transactions_close(struct mys_store *store)
{
    struct mys_capture *capture = &store->capture;
    sql_capture_list_drop(&store->sql.capture.queue.memory, &capture->open.events);
    capture->open = (struct mys_open){.open = false};
}

void mys_transactions_reset(struct mys_store *store)
{
    struct mys_capture *capture = &store->capture;
    mys_transactions_close(store);
    while (capture->held)
        forget(store, &capture->held);
    capture->held_bytes = 0;
}

/* "binlog.000012": 12. */
static uint32_t file_number(const char *name)
{
    const char *point = strrchr(name, '.');
    return point ? (uint32_t)strtoul(point + 1, NULL, 10) : 0;
}

static int begin(struct mys_store *store, const struct mys_item *item, struct outbox_error *error)
{
    struct mys_capture *capture = &store->capture;
    if (!item->gtid.number)
        return mys_fail(error, OUTBOX_E_UNSUPPORTED,
                        "read the binlog: it has a transaction without a GTID; set gtid_mode = ON");
    /* A number of MariaDB stands for those before it, but without gtid_strict_mode a lower one may come later. */
    bool comparable = !item->gtid.mariadb || capture->position.replays;
    capture->open = (struct mys_open){.gtid = item->gtid,
                                      .open = true,
                                      .xa = item->gtid.prepares,
                                      .ignored = comparable && mys_gtid_set_has(&capture->position.done, &item->gtid),
                                      .place = {.timestamp_s = item->timestamp_s,
                                                .file = file_number(capture->file),
                                                .offset = capture->file_position}};
    return OUTBOX_OK;
}

static int altered(struct mys_store *store, bool inside, struct outbox_error *error)
{
    if (!inside && commit(store, error))
        return error->code;
    return mys_layout_altered(store, inside, error);
}

static void log_statement(struct mys_store *store, const struct mys_item *item)
{
    if (store->capture.statement_logged)
        return;
    char gtid[MYS_GTID_TEXT];
    mys_gtid_print(&store->capture.open.gtid, gtid);
    store->capture.statement_logged = true;
    store->sql.host->log(store->sql.host, OUTBOX_LOG_WARN,
                         "a session logs statements in place of rows (%.*s, schema %.*s, transaction %s); events that "
                         "its triggers insert are not in the log; set binlog_format = ROW in all sessions",
                         (int)item->text.size, (const char *)item->text.data, (int)item->schema.size,
                         (const char *)item->schema.data, gtid);
}

static void note_file(struct mys_capture *capture, const struct mys_item *item)
{
    snprintf(capture->file, sizeof capture->file, "%.*s", (int)item->text.size, (const char *)item->text.data);
    capture->file_position = item->offset;
}

int mys_transactions_take(struct mys_store *store, const struct mys_item *item, struct outbox_error *error)
{
    if (item->end)
        store->capture.file_position = item->end;
    if (store->capture.layout.searching && item->kind != MYS_ITEM_FILE)
        return mys_layout_search(store, item, error);
    switch (item->kind) {
    case MYS_ITEM_BEGIN:
        return begin(store, item, error);
    case MYS_ITEM_XA:
        store->capture.open.xa = true;
        return OUTBOX_OK;
    case MYS_ITEM_ROW:
        return row(store, item, error);
    case MYS_ITEM_COMMIT:
        return commit(store, error);
    case MYS_ITEM_ROLLBACK:
        return roll_back(store, error);
    case MYS_ITEM_PREPARED:
        return hold(store, item->xid, error);
    case MYS_ITEM_XA_COMMIT:
    case MYS_ITEM_XA_ROLLBACK:
        return decide(store, item->xid, item->kind == MYS_ITEM_XA_COMMIT, error);
    case MYS_ITEM_ALTERED:
        return altered(store, item->inside, error);
    case MYS_ITEM_STATEMENT:
        log_statement(store, item);
        return OUTBOX_OK;
    case MYS_ITEM_FILE:
        note_file(&store->capture, item);
        return OUTBOX_OK;
    default:
        return OUTBOX_OK;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/layout.c - which columns a row has, where the log has no names of columns
 *
 *   row, log behind the columns ──► search up to where the columns were read ──► no definition: the rows, from the
 * start ──► a definition: halt ALTER, newer than the columns ──► read no more ──► all before it is passed ──► connect
 * again: new columns
 *
 * Two columns of one type may have changed their places, and nothing in a row would show it. So a row is read only if
 * no definition of the table lies between it and the reading of the columns, for which the server held the definition
 * fast. An ALTER that the relay meets while it runs is passed first, with all events before it: then nothing has to be
 * read with other columns than it was written with. A relay that was killed or stopped right then finds both, and
 * halts.
 */
#include "mysql/store.h"

static bool is_newer(const struct mys_capture *capture)
{
    return !mys_gtid_set_has(&capture->layout.known_at, &capture->open.gtid);
}

static int fail_renew(const struct mys_store *store, struct outbox_error *error)
{
    return mys_fail(error, OUTBOX_E_NOT_CONNECTED,
                    "read the binlog: table %s.%s was altered, and the log has no names of columns "
                    "(binlog_row_metadata); the relay connects again to read them",
                    store->sql.table.schema, store->capture.table.name);
}

/* ---- the search -------------------------------------------------------------------------------------------------- */

/* The transaction is read again from its begin: what was given of it is skipped then. */
static void begin_search(struct mys_store *store)
{
    struct mys_capture *capture = &store->capture;
    sql_capture_list_drop(&store->sql.capture.queue.memory, &capture->open.events);
    capture->skip += capture->open.given;
    capture->open.given = 0;
    capture->layout.searching = true;
    mys_gtid_set_copy(&capture->layout.searched, &capture->position.read);
    capture->position.failed |= capture->layout.searched.failed;
}

bool mys_layout_is_known(struct mys_store *store, struct outbox_error *error)
{
    struct mys_capture *capture = &store->capture;
    struct mys_layout *layout = &capture->layout;
    if (capture->reader.map.has_names)
        return true;
    if (mys_gtid_set_has(&capture->position.read, &layout->altered_by)) {
        fail_renew(store, error);
        return false;
    }
    layout->proven = layout->proven || mys_gtid_set_covers(&capture->position.read, &layout->known_at);
    if (!layout->proven)
        begin_search(store);
    return layout->proven;
}

static int fail_altered(const struct mys_store *store, struct outbox_error *error)
{
    char gtid[MYS_GTID_TEXT];
    mys_gtid_print(&store->capture.open.gtid, gtid);
    return mys_fail(error, OUTBOX_E_SCHEMA,
                    "read the binlog: table %s.%s was altered by transaction %s, and events before that are not "
                    "published; the log has no names of columns, so their values cannot be told apart. Publish them "
                    "from the application's tables, then set a position after %s: see \"A position that is lost\" in "
                    "CAPTURE-MYSQL.md; set binlog_row_metadata = FULL",
                    store->sql.table.schema, store->capture.table.name, gtid, gtid);
}

static void end_transaction(struct mys_capture *capture)
{
    struct mys_layout *layout = &capture->layout;
    mys_gtid_set_add(&layout->searched, &capture->open.gtid);
    capture->position.failed |= layout->searched.failed;
    layout->proven = mys_gtid_set_covers(&layout->searched, &layout->known_at);
}

int mys_layout_search(struct mys_store *store, const struct mys_item *item, struct outbox_error *error)
{
    struct mys_capture *capture = &store->capture;
    switch (item->kind) {
    case MYS_ITEM_BEGIN:
        capture->open.gtid = item->gtid;
        return OUTBOX_OK;
    case MYS_ITEM_ALTERED:
        if (!is_newer(capture))
            return fail_altered(store, error);
        if (item->inside)
            return OUTBOX_OK;
        end_transaction(capture);
        return OUTBOX_OK;
    case MYS_ITEM_COMMIT:
    case MYS_ITEM_ROLLBACK:
    case MYS_ITEM_PREPARED:
    case MYS_ITEM_XA_COMMIT:
    case MYS_ITEM_XA_ROLLBACK:
        end_transaction(capture);
        return OUTBOX_OK;
    default:
        return OUTBOX_OK;
    }
}

bool mys_layout_found(const struct mys_capture *capture)
{
    return capture->layout.searching && capture->layout.proven;
}

/* ---- an ALTER in the stream -------------------------------------------------------------------------------------- */

int mys_layout_altered(struct mys_store *store, bool inside, struct outbox_error *error)
{
    struct mys_capture *capture = &store->capture;
    if (!is_newer(capture))
        return OUTBOX_OK;
    capture->layout.altered_by = capture->open.gtid;
    if (capture->reader.map.has_names)
        return OUTBOX_OK;
    if (inside)
        return fail_renew(store, error);
    capture->layout.waiting = true;
    return OUTBOX_OK;
}

bool mys_layout_must_renew(struct mys_store *store, struct outbox_error *error)
{
    const struct sql_capture *capture = &store->sql.capture;
    bool passed = capture->queue.low >= capture->queue.last && !capture->unrecorded;
    if (!store->capture.layout.waiting || !passed)
        return false;
    fail_renew(store, error);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/capture/records.c - see records.h; the layouts are those of access/xact.h, standbydefs.h, message.h
 */
#include "records.h"

/* Before the main data of a record, where it has no blocks. */
enum { ID_TOP_XID = 252, ID_ORIGIN = 253, ID_LONG = 254, ID_SHORT = 255 };
/* Parts of the end of a transaction, in this order. */
enum {
    HAS_DATABASE = 1 << 0,
    HAS_SUBXACTS = 1 << 1,
    HAS_FILES = 1 << 2,
    HAS_INVALIDATIONS = 1 << 3,
    HAS_TWO_PHASE = 1 << 4,
    HAS_DROPPED_STATISTICS = 1 << 8
};

struct view {
    const unsigned char *at;
    size_t left;
    bool failed;
};

static const unsigned char *take(struct view *view, uint64_t size)
{
    const unsigned char *at = view->at;
    if (view->failed || size > view->left) {
        view->failed = true;
        return NULL;
    }
    view->at += size;
    view->left -= (size_t)size;
    return at;
}

static uint32_t take_u32(struct view *view)
{
    const unsigned char *at = take(view, 4);
    return at ? pg_wal_u32(at) : 0;
}

/* An array after its number of elements. */
static const unsigned char *take_array(struct view *view, uint32_t element, uint32_t *count)
{
    *count = take_u32(view);
    return take(view, (uint64_t)*count * element);
}

/* The main data: what follows the ids. */
static uint8_t take_u8(struct view *view)
{
    const unsigned char *at = take(view, 1);
    return at ? *at : 0;
}

static struct view main_data(const struct pg_wal_record *record)
{
    struct view view = {record->body, record->size, false};
    uint64_t size = 0;
    while (!view.failed && !size) {
        const unsigned char *id = take(&view, 1);
        if (!id)
            break;
        if (*id == ID_ORIGIN)
            take(&view, 2);
        else if (*id == ID_TOP_XID)
            take(&view, 4);
        else if (*id == ID_SHORT)
            size = take_u8(&view);
        else if (*id == ID_LONG)
            size = take_u32(&view);
        else
            view.failed = true; /* blocks: none of ours has them */
    }
    view.failed = view.failed || size != view.left;
    return view;
}

/* dbId, transactional, prefix_size, message_size; then the prefix with its NUL, and the message. */
static enum pg_wal_kind read_message(const struct pg_wal_record *record, struct pg_wal_message *message)
{
    struct view view = main_data(record);
    const unsigned char *head = take(&view, 24);
    if (!head || !head[4]) /* not transactional: it would come from a rolled back transaction, too */
        return PG_WAL_OTHER;
    message->xid = record->xid;
    message->database = pg_wal_u32(head);
    message->prefix.size = (size_t)pg_wal_u64(head + 8);
    message->content.size = (size_t)pg_wal_u64(head + 16);
    message->prefix.data = take(&view, message->prefix.size);
    message->content.data = take(&view, message->content.size);
    if (view.failed || view.left || !message->prefix.size)
        return PG_WAL_OTHER;
    message->prefix.size--;
    return PG_WAL_MESSAGE;
}

static bool is_commit(uint8_t operation)
{
    return operation == PG_XACT_COMMIT || operation == PG_XACT_COMMIT_PREPARED;
}

/* Only for the id of a prepared transaction, which the session that ends it does not have. */
static void read_two_phase(struct view *view, uint32_t parts, unsigned major, struct pg_wal_end *end)
{
    uint32_t count;
    if (parts & HAS_FILES)
        take_array(view, 12, &count);
    if (major >= 15 && parts & HAS_DROPPED_STATISTICS)
        take_array(view, major >= 18 ? 16 : 12, &count);
    if (end->commits && parts & HAS_INVALIDATIONS)
        take_array(view, 16, &count);
    if (parts & HAS_TWO_PHASE)
        end->xid = take_u32(view);
}

static enum pg_wal_kind read_end(const struct pg_wal_record *record, unsigned major, struct pg_wal_end *end)
{
    uint8_t operation = record->info & PG_XACT_OPERATION;
    struct view view = main_data(record);
    uint32_t parts = 0;
    *end = (struct pg_wal_end){.commits = is_commit(operation), .xid = record->xid};
    if (!end->commits && operation != PG_XACT_ABORT && operation != PG_XACT_ABORT_PREPARED)
        return PG_WAL_OTHER;
    take(&view, 8); /* the time */
    if (record->info & PG_XACT_HAS_INFO)
        parts = take_u32(&view);
    if (parts & HAS_DATABASE)
        take(&view, 8);
    if (parts & HAS_SUBXACTS)
        end->subxids = take_array(&view, 4, &end->subxid_count);
    read_two_phase(&view, parts, major, end);
    return view.failed ? PG_WAL_UNKNOWN : PG_WAL_END;
}

/* xcnt, subxcnt, subxid_overflow, nextXid, oldestRunningXid, latestCompletedXid; then the ids */
static enum pg_wal_kind read_running(const struct pg_wal_record *record, struct pg_wal_running *running)
{
    struct view view = main_data(record);
    const unsigned char *head = take(&view, 24);
    if (!head)
        return PG_WAL_OTHER;
    uint64_t count = (uint64_t)pg_wal_u32(head) + pg_wal_u32(head + 4);
    *running = (struct pg_wal_running){.next = pg_wal_u32(head + 12),
                                       .oldest = pg_wal_u32(head + 16),
                                       .xids = take(&view, count * 4),
                                       .count = (uint32_t)count,
                                       .complete = !head[8]};
    return view.failed ? PG_WAL_OTHER : PG_WAL_RUNNING;
}

bool pg_wal_runs(const struct pg_wal_running *running, uint32_t xid)
{
    if (!pg_wal_precedes(xid, running->next) || (!running->complete && !pg_wal_precedes(xid, running->oldest)))
        return true;
    for (uint32_t i = 0; i < running->count; i++)
        if (pg_wal_xid_at(running->xids, i) == xid)
            return true;
    return false;
}

enum pg_wal_kind pg_wal_record_read(const struct pg_wal_record *record, unsigned major, struct pg_wal_meaning *meaning)
{
    if (record->manager == PG_RM_MESSAGE)
        return read_message(record, &meaning->message);
    if (record->manager == PG_RM_XACT)
        return read_end(record, major, &meaning->end);
    if (record->manager == PG_RM_STANDBY && (record->info & 0xf0) == PG_STANDBY_RUNNING)
        return read_running(record, &meaning->running);
    return PG_WAL_OTHER;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/refused.c - see refused.h */
#include "sql/server/refused.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/memory.h"
#include "sql/server/locked_rows.h"
#include "sql/server/removal.h"

#define LOG_EVERY_NS 60000000000ull
#define RETRY_MIN_NS 5000000000ull
#define RETRY_MAX_NS 60000000000ull

uint64_t sql_ranges_rows(const struct obx_sql_range *ranges, uint32_t count)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < count; i++)
        rows += (uint64_t)(ranges[i].hi - ranges[i].lo) + 1;
    return rows;
}

struct sql_id_list sql_id_list(const struct obx_sql_ranges *ids)
{
    enum { SHOWN = 4 };
    struct sql_id_list list = {.text = ""};
    uint64_t total = sql_ranges_rows(ids->items, ids->count), shown = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < ids->count; i++)
        for (int64_t id = ids->items[i].lo; id <= ids->items[i].hi && shown < SHOWN; id++)
            at += (size_t)snprintf(list.text + at, sizeof list.text - at, "%s%lld", shown++ ? ", " : "", (long long)id);
    if (total > shown)
        snprintf(list.text + at, sizeof list.text - at, " and %llu more", (unsigned long long)(total - shown));
    return list;
}

/* ---- which rows are still there? --------------------------------------------------------------------------------- */

static bool put_remaining(struct sql_request *request)
{
    const struct sql_op *op = request->arg;
    return request->store->driver->put_remaining(request, op->ranges, op->range_count);
}

static void on_remaining(struct sql_request *request, void *result)
{
    struct sql_store *store = request->store;
    uint32_t count = 0;
    obx_sql_ranges_clear(&store->remaining);
    bool fine = store->driver->read_ids(store, result, &count) &&
                obx_sql_ranges_add_ids(store->host, &store->remaining, store->ids, count);
    store->driver->free_result(result);
    if (!fine)
        store->outstanding.incomplete = true; /* then there are no stray scans, which would return the rows again */
}

void sql_remaining_read(struct sql_op *op, const struct obx_sql_range *ranges, uint32_t count,
                        void (*done)(struct sql_request *request, const struct outbox_error *error))
{
    op->ranges = ranges;
    op->range_count = count;
    op->request.transaction = op->request.fires_triggers = false;
    sql_op_submit(op, op->store->owner, "read the rows that were not removed", put_remaining, on_remaining, done);
}

/* ---- why --------------------------------------------------------------------------------------------------------- */

/* "settle rows: TEXT; run 'outbox init'" -> "TEXT" */
void sql_copy_reason(char *to, size_t size, const struct outbox_error *error)
{
    const char *from = strstr(error->text, ": ");
    from = from ? from + 2 : error->text;
    snprintf(to, size, "%.*s", OUTBOX_CUT(from, size - 1));
    char *advice = strstr(to, "; run 'outbox");
    advice = advice ? advice : strstr(to, "; see 'outbox");
    if (advice)
        *advice = '\0';
}

void sql_refused_set_reason(struct sql_store *store, const struct outbox_error *error)
{
    store->refused_right = error && error->code == OUTBOX_E_PERMISSION;
    if (error)
        sql_copy_reason(store->refused_reason, sizeof store->refused_reason, error);
    else
        snprintf(store->refused_reason, sizeof store->refused_reason,
                 "still there after DELETE, which a trigger or a rule of table %.*s has prevented",
                 OUTBOX_CUT(store->table_name, 60));
}

/* ---- recording --------------------------------------------------------------------------------------------------- */

static unsigned long long count_rows(const struct obx_sql_ranges *ids)
{
    return sql_ranges_rows(ids->items, ids->count);
}

const char *sql_refused_reason(const struct sql_store *store)
{
    return store->refused_reason;
}

bool sql_refused_has_room(const struct sql_store *store, int64_t id)
{
    return count_rows(&store->refused) < SQL_REFUSED_MAX || obx_sql_ranges_contain(&store->refused, id);
}

static void add_remaining(struct sql_store *store, const struct obx_sql_ranges *remaining)
{
    for (uint32_t i = 0; i < remaining->count; i++) {
        const struct obx_sql_range *range = &remaining->items[i];
        if (!obx_sql_ranges_add(store->host, &store->refused, range->lo, range->hi) ||
            !obx_sql_ranges_add(store->host, &store->outstanding.ids, range->lo, range->hi))
            store->outstanding.incomplete = true;
    }
}

static void begin_retries(struct sql_store *store)
{
    store->refused_cursor = INT64_MIN;
    store->refused_pause_ns = RETRY_MIN_NS;
    store->refused_retry_ns = store->host->now(store->host) + RETRY_MIN_NS;
}

static void log_gone(struct sql_store *store)
{
    if (store->refused_logged)
        store->host->log(store->host, OUTBOX_LOG_INFO,
                         "table %s.%s: the published rows that could not be removed are gone", store->table.schema,
                         store->outbox.name);
    store->refused_logged = false;
}

void sql_refused_note(struct sql_store *store, const struct obx_sql_range *ranges, uint32_t count,
                      const struct obx_sql_ranges *remaining)
{
    bool any = store->refused.count > 0;
    for (uint32_t i = 0; any && i < count; i++)
        obx_sql_ranges_remove(store->host, &store->refused, ranges[i].lo, ranges[i].hi);
    if (remaining)
        add_remaining(store, remaining);
    if (!any && store->refused.count)
        begin_retries(store);
    else if (any && !store->refused.count)
        log_gone(store);
}

bool sql_refused_leave_out(struct sql_store *store, struct obx_sql_ranges *ranges)
{
    for (uint32_t i = 0; i < store->refused.count; i++)
        if (!obx_sql_ranges_remove(store->host, ranges, store->refused.items[i].lo, store->refused.items[i].hi))
            return false;
    return true;
}

void sql_refused_reset(struct sql_store *store)
{
    obx_sql_ranges_clear(&store->refused);
}

/* ---- reporting --------------------------------------------------------------------------------------------------- */

static uint32_t name_rows(struct sql_store *store, const struct obx_sql_ranges *ids, uint32_t count)
{
    for (uint32_t i = 0; i < ids->count; i++)
        for (int64_t id = ids->items[i].lo; id <= ids->items[i].hi; id++)
            store->staying[count++] = (struct outbox_position){(uint64_t)id, 0};
    return count;
}

static int by_position(const void *left, const void *right)
{
    const struct outbox_position *a = left, *b = right;
    return (a->major > b->major) - (a->major < b->major);
}

/* Without memory none is named. */
static uint32_t list_staying(struct sql_store *store)
{
    uint64_t most = count_rows(&store->refused) + count_rows(&store->capture.proofs) + store->locked.count;
    if (!obx_sql_grow(store->host, (void **)&store->staying, &store->staying_room, (uint32_t)most,
                      sizeof *store->staying))
        return 0;
    uint32_t count = name_rows(store, &store->capture.proofs, name_rows(store, &store->refused, 0));
    for (uint32_t i = 0; i < store->locked.count; i++)
        store->staying[count++] = (struct outbox_position){(uint64_t)store->locked.rows[i].id, 0};
    if (count)
        qsort(store->staying, count, sizeof *store->staying, by_position);
    return count;
}

bool sql_refused_report(struct sql_store *store, const struct outbox_settle *settle, struct outbox_error *error)
{
    char why[300];
    uint64_t lasting = sql_locked_lasting(store, why, sizeof why), rows = count_rows(&store->refused) + lasting;
    if (store->refused.count)
        snprintf(why, sizeof why, "row %s: %.*s", sql_id_list(&store->refused).text,
                 OUTBOX_CUT(store->refused_reason, 160));
    if (!OUTBOX_HAS_MEMBER(settle, refused) || !settle->refused)
        return !rows || !outbox_error_set(error, OUTBOX_E_AGAIN, "settle rows of %s: %s", store->table_name, why);
    settle->refused->rows = rows;
    snprintf(settle->refused->reason, sizeof settle->refused->reason, "%.*s",
             OUTBOX_CUT(why, sizeof settle->refused->reason - 1));
    OUTBOX_SET_MEMBER(settle->refused, locked, store->locked.count - lasting + count_rows(&store->capture.proofs));
    if (OUTBOX_HAS_MEMBER(settle->refused, position_count)) {
        settle->refused->position_count = list_staying(store);
        settle->refused->positions = store->staying;
    }
    return true;
}

void sql_refused_log(struct sql_store *store)
{
    uint64_t now = store->host->now(store->host);
    if (!store->refused.count || now < store->refused_log_ns)
        return;
    store->refused_log_ns = now + LOG_EVERY_NS;
    store->refused_logged = true;
    store->host->log(store->host, OUTBOX_LOG_ERROR,
                     "table %s.%s: %llu published rows cannot be removed, row %s: %s; %s; the relay tries again every "
                     "60 s, and a restart publishes these rows again",
                     store->table.schema, store->outbox.name, count_rows(&store->refused),
                     sql_id_list(&store->refused).text, store->refused_reason,
                     store->refused_right ? "grant what 'outbox init --print-grants' prints, or what a trigger needs"
                                          : "correct the triggers, rules and foreign keys of the table");
}

/* ---- later ------------------------------------------------------------------------------------------------------- */

/* What is refused again is recorded again. Too many failing statements end this retry; the next one goes on there. */
static void on_retried(struct sql_op *op, const struct outbox_error *error)
{
    struct sql_store *store = op->store;
    const struct sql_removal *removal = &op->removal;
    bool done = removal->first == removal->ranges->count;
    store->refused_cursor = done ? INT64_MIN : removal->ranges->items[removal->first].lo - 1;
    obx_sql_outstanding_removed(&store->outstanding);
    sql_refused_log(store);
    sql_locked_log(store);
    sql_op_complete(op, error->code == OUTBOX_E_AGAIN ? NULL : error);
}

static bool list_rows(struct sql_store *store)
{
    obx_sql_ranges_clear(&store->retried);
    for (uint32_t i = 0; i < store->refused.count; i++)
        if (!obx_sql_ranges_add(store->host, &store->retried, store->refused.items[i].lo, store->refused.items[i].hi))
            return false;
    return store->refused_cursor == INT64_MIN ||
           obx_sql_ranges_remove(store->host, &store->retried, INT64_MIN, store->refused_cursor);
}

void sql_refused_retry(struct sql_op *op)
{
    struct sql_store *store = op->store;
    uint64_t now = store->host->now(store->host), pause = store->refused_pause_ns * 2;
    if (!store->refused.count || now < store->refused_retry_ns || !list_rows(store)) {
        sql_locked_log(store);
        sql_op_complete(op, NULL);
        return;
    }
    store->refused_pause_ns = pause < RETRY_MAX_NS ? pause : RETRY_MAX_NS;
    store->refused_retry_ns = now + store->refused_pause_ns;
    obx_sql_outstanding_removing(&store->outstanding);
    sql_remove(op, &store->retried, INT64_MAX, on_retried);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/refused.c - see refused.h */
#include "sql/server/refused.h"

#include <stdio.h>

#define INTERVAL_NS 60000000000ull /* of the log lines */

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

void sql_refused_look(struct sql_op *op, const struct obx_sql_range *ranges, uint32_t count,
                      void (*done)(struct sql_request *request, const struct outbox_error *error))
{
    op->ranges = ranges;
    op->range_count = count;
    op->request.transaction = false;
    sql_op_submit(op, op->store->owner, "read the rows that were not removed", put_remaining, on_remaining, done);
}

/* ---- the rows that are ------------------------------------------------------------------------------------------- */

static unsigned long long count_rows(const struct obx_sql_ranges *ids)
{
    return sql_ranges_rows(ids->items, ids->count);
}

static void log_rows(struct sql_store *store)
{
    store->refused_due_ns = store->host->now(store->host) + INTERVAL_NS;
    store->refused_retry = true;
    store->host->log(store->host, OUTBOX_LOG_ERROR,
                     "table %s.%s: %llu published rows cannot be removed (%s): they are still there after DELETE; "
                     "correct the triggers and rules of the table; a restart publishes these rows again",
                     store->table.schema, store->outbox.name, count_rows(&store->refused),
                     sql_id_list(&store->refused).text);
}

static void add_remaining(struct sql_store *store)
{
    for (uint32_t i = 0; i < store->remaining.count; i++) {
        const struct obx_sql_range *range = &store->remaining.items[i];
        if (!obx_sql_ranges_add(store->host, &store->refused, range->lo, range->hi) ||
            !obx_sql_ranges_add(store->host, &store->outstanding.ids, range->lo, range->hi))
            store->outstanding.incomplete = true;
    }
}

void sql_refused_note(struct sql_store *store, const struct obx_sql_range *ranges, uint32_t count, bool remain)
{
    bool any = store->refused.count > 0;
    for (uint32_t i = 0; any && i < count; i++)
        obx_sql_ranges_remove(store->host, &store->refused, ranges[i].lo, ranges[i].hi);
    if (remain)
        add_remaining(store);
    if (!any && store->refused.count)
        log_rows(store);
    else if (any && !store->refused.count)
        store->host->log(store->host, OUTBOX_LOG_INFO,
                         "table %s.%s: the published rows that could not be removed are gone", store->table.schema,
                         store->outbox.name);
}

void sql_refused_retry(struct sql_store *store)
{
    if (!store->refused_retry)
        return;
    store->refused_retry = false;
    for (uint32_t i = 0; i < store->refused.count; i++)
        obx_sql_ranges_add(store->host, &store->ranges, store->refused.items[i].lo, store->refused.items[i].hi);
}

bool sql_refused_report(const struct sql_store *store, const struct outbox_settle *settle, struct outbox_error *error)
{
    char why[300];
    if (!store->refused.count)
        return true;
    snprintf(why, sizeof why, "%s: still there after DELETE, which a trigger or a rule of table %.60s has prevented",
             sql_id_list(&store->refused).text, store->table_name);
    if (settle->struct_size < sizeof *settle || !settle->refused)
        return !outbox_error_set(error, OUTBOX_E_AGAIN, "settle rows of %s: row %s", store->table_name, why);
    settle->refused->rows = count_rows(&store->refused);
    snprintf(settle->refused->reason, sizeof settle->refused->reason, "row %.190s", why);
    return true;
}

void sql_refused_log(struct sql_store *store)
{
    if (store->refused.count && store->host->now(store->host) >= store->refused_due_ns)
        log_rows(store);
}

void sql_refused_reset(struct sql_store *store)
{
    obx_sql_ranges_clear(&store->refused);
    store->refused_retry = false;
}

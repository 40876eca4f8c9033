/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/locked_rows.c - see locked_rows.h */
#include "sql/server/locked_rows.h"

#include <stdio.h>
#include <string.h>

#include "sql/memory.h"
#include "sql/server/refused.h"
#include "sql/server/removal.h"

#define SECOND_NS UINT64_C(1000000000)
#define SKIP_NS (60 * SECOND_NS)
#define RETRY_NS SECOND_NS
#define LASTING_NS (5 * SECOND_NS)
#define LOG_EVERY_NS (60 * SECOND_NS)

static uint64_t now_of(const struct sql_store *store)
{
    return store->host->now(store->host);
}

enum sql_locked_mode sql_locked_mode(const struct sql_store *store)
{
    return now_of(store) < store->locked.until_ns ? store->locked.mode : SQL_LOCKED_WAIT;
}

void sql_locked_found(struct sql_store *store, enum sql_locked_mode next)
{
    struct sql_locked *all = &store->locked;
    if (sql_locked_mode(store) < next)
        all->mode = next;
    all->until_ns = now_of(store) + SKIP_NS;
}

void sql_locked_reset(struct sql_store *store)
{
    store->locked.count = 0;
    store->locked.cursor = INT64_MIN;
}

/* ---- recording --------------------------------------------------------------------------------------------------- */

static bool is_within(const struct obx_sql_range *ranges, uint32_t count, int64_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (ranges[i].lo <= id && id <= ranges[i].hi)
            return true;
    return false;
}

static bool is_noted(const struct sql_locked *all, int64_t id)
{
    for (uint32_t i = 0; i < all->count; i++)
        if (all->rows[i].id == id)
            return true;
    return false;
}

bool sql_locked_has_room(const struct sql_store *store, const struct obx_sql_ranges *locked)
{
    return store->locked.count + sql_ranges_rows(locked->items, locked->count) <= SQL_LOCKED_MAX;
}

/* Without memory it is as if the row were gone, but no stray scan returns it. */
static void add(struct sql_store *store, int64_t id)
{
    struct sql_locked *all = &store->locked;
    if (is_noted(all, id))
        return;
    if (!all->count)
        all->retry_ns = now_of(store) + RETRY_NS;
    if (obx_sql_grow(store->host, (void **)&all->rows, &all->room, all->count + 1, sizeof *all->rows))
        all->rows[all->count++] = (struct sql_locked_row){.id = id, .since_ns = now_of(store)};
    else
        store->outstanding.incomplete = true;
}

static void forget_gone(struct sql_locked *all, const struct obx_sql_range *ranges, uint32_t count,
                        const struct obx_sql_ranges *locked)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < all->count; i++)
        if (!is_within(ranges, count, all->rows[i].id) || (locked && obx_sql_ranges_contain(locked, all->rows[i].id)))
            all->rows[kept++] = all->rows[i];
    all->count = kept;
}

void sql_locked_note(struct sql_store *store, const struct obx_sql_range *ranges, uint32_t count,
                     const struct obx_sql_ranges *locked)
{
    forget_gone(&store->locked, ranges, count, locked);
    for (uint32_t i = 0; locked && i < locked->count; i++) {
        const struct obx_sql_range *range = &locked->items[i];
        for (int64_t id = range->lo; id <= range->hi; id++)
            add(store, id);
        if (!obx_sql_ranges_add(store->host, &store->outstanding.ids, range->lo, range->hi))
            store->outstanding.incomplete = true;
    }
}

bool sql_locked_leave_out(struct sql_store *store, struct obx_sql_ranges *ranges)
{
    const struct sql_locked *all = &store->locked;
    for (uint32_t i = 0; i < all->count; i++)
        if (!obx_sql_ranges_remove(store->host, ranges, all->rows[i].id, all->rows[i].id))
            return false;
    return true;
}

/* ---- later ------------------------------------------------------------------------------------------------------- */

/* What is still locked is noted already. */
static void on_retried(struct sql_op *op, const struct outbox_error *error)
{
    struct sql_locked *all = &op->store->locked;
    const struct sql_removal *removal = &op->removal;
    bool done = removal->first == removal->ranges->count;
    all->cursor = done ? INT64_MIN : removal->ranges->items[removal->first].lo - 1;
    obx_sql_outstanding_removed(&op->store->outstanding);
    if (error->code && error->code != OUTBOX_E_AGAIN)
        sql_op_complete(op, error);
    else
        removal->then(op);
}

static bool list_rows(struct sql_store *store)
{
    const struct sql_locked *all = &store->locked;
    obx_sql_ranges_clear(&store->retried);
    for (uint32_t i = 0; i < all->count; i++)
        if (!obx_sql_ranges_add(store->host, &store->retried, all->rows[i].id, all->rows[i].id))
            return false;
    return all->cursor == INT64_MIN || obx_sql_ranges_remove(store->host, &store->retried, INT64_MIN, all->cursor);
}

void sql_locked_retry(struct sql_op *op, void (*then)(struct sql_op *op))
{
    struct sql_store *store = op->store;
    if (!store->locked.count || now_of(store) < store->locked.retry_ns || !list_rows(store)) {
        then(op);
        return;
    }
    store->locked.retry_ns = now_of(store) + RETRY_NS;
    obx_sql_outstanding_removing(&store->outstanding);
    sql_remove_locked(op, &store->retried, then, on_retried);
}

/* ---- reporting --------------------------------------------------------------------------------------------------- */

uint64_t sql_locked_lasting(const struct sql_store *store, char *text, size_t size)
{
    const struct sql_locked *all = &store->locked;
    uint64_t now = now_of(store), count = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < all->count; i++) {
        const struct sql_locked_row *row = &all->rows[i];
        if (now - row->since_ns < LASTING_NS)
            continue;
        if (!count++)
            snprintf(text, size, "row %lld: another session has had a lock on it for %llu s", (long long)row->id,
                     (unsigned long long)((now - row->since_ns) / SECOND_NS));
    }
    return count;
}

void sql_locked_log(struct sql_store *store)
{
    char row[120];
    uint64_t now = now_of(store), count = sql_locked_lasting(store, row, sizeof row);
    if (!count || now < store->locked.log_ns)
        return;
    store->locked.log_ns = now + LOG_EVERY_NS;
    store->host->log(store->host, OUTBOX_LOG_WARN,
                     "table %s.%s: %llu published rows cannot be removed yet, %s; end the transaction that holds it; "
                     "the relay tries again every second, and a restart publishes these rows again",
                     store->table.schema, store->outbox.name, (unsigned long long)count, row);
}

/*
 * backends/mysql/look.c - who can still fill a hole
 *
 * Where performance_schema.metadata_locks can be read, it shows every transaction that has written to the table and not
 * ended. A writer takes that lock before it draws an id: so when all that held one at a first look have let go, a
 * claim that comes later has seen whatever there will be in the holes noted before. XA transactions: MySQL shows the
 * lock of one that was prepared with another event of the same session, whether that has ended or not, and it is
 * followed there. MariaDB does not show the lock once the session that prepared has ended: those rows are left to the
 * sweep.
 *
 * Elsewhere the rows of transactions in flight are looked at by a READ UNCOMMITTED read, which takes no locks. A hole
 * of some age (hole_grace) without such a row is forgotten. That is no proof: an id may have been drawn and not be
 * inserted yet, by a slow INSERT .. SELECT. Its row is then found by the sweep, and comes late.
 */
#include <stdlib.h>

#include "store.h"

#define MS 1000000ull
enum { LOOK_AGE_MS = 20, UNCOMMITTED_EVERY_MS = 1000 };

static uint64_t age_ns(const struct mys_store *store)
{
    return store->server.locks_visible ? LOOK_AGE_MS * MS : (uint64_t)store->grace_ms * MS;
}

bool mys_look_due(const struct mys_store *store)
{
    uint64_t now = store->host->now(store->host);
    uint64_t often = store->server.locks_visible ? LOOK_AGE_MS : UNCOMMITTED_EVERY_MS;
    uint64_t every = often * MS < age_ns(store) ? often * MS : age_ns(store);
    return now - store->looked_ns >= every && obx_sql_holes_want_proof(&store->holes, now, age_ns(store));
}

static void put_locks(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(
        sql,
        "SELECT DISTINCT OWNER_THREAD_ID, OWNER_EVENT_ID FROM performance_schema.metadata_locks WHERE "
        "OBJECT_TYPE = 'TABLE' AND OBJECT_SCHEMA = %l AND OBJECT_NAME = %l AND LOCK_STATUS = 'GRANTED' AND "
        "LOCK_TYPE NOT IN ('SHARED_READ', 'SHARED', 'SHARED_HIGH_PRIO', 'SHARED_UPGRADABLE')",
        store->table.schema, store->name);
}

static void put_uncommitted(const struct mys_store *store, struct obx_sql_text *sql)
{
    uint64_t before = store->looked_ns - age_ns(store);
    obx_sql_text_format(sql, "SELECT %n FROM ", store->table.id);
    mys_table_put(store, sql);
    obx_sql_text_format(sql, " WHERE %n = 0", store->table.id);
    for (uint32_t i = 0; i < store->holes.hot.count; i++) {
        const struct obx_sql_hole *hole = &store->holes.hot.items[i];
        if (hole->noted_ns > before)
            continue;
        obx_sql_text_format(sql, " OR %n BETWEEN ", store->table.id);
        mys_put_int(sql, hole->lo);
        obx_sql_text_puts(sql, " AND ");
        mys_put_int(sql, hole->hi);
    }
    obx_sql_text_format(sql, " ORDER BY %n", store->table.id);
}

void mys_look_put(struct mys_store *store, struct obx_sql_text *sql)
{
    if (store->server.locks_visible)
        put_locks(store, sql);
    else
        put_uncommitted(store, sql);
}

static void take_locks(struct mys_store *store, MYSQL_RES *result)
{
    MYSQL_ROW row;
    uint32_t count = 0;
    if (!obx_sql_grow(store->host, (void **)&store->holders, &store->holder_room, (uint32_t)mysql_num_rows(result) + 1,
                      sizeof *store->holders))
        return;
    while ((row = mysql_fetch_row(result))) {
        uint64_t thread = row[0] ? strtoull(row[0], NULL, 10) : 0, event = row[1] ? strtoull(row[1], NULL, 10) : 0;
        store->holders[count++] = (struct obx_sql_holder){.name = thread << 40 | event, .session = thread};
    }
    obx_sql_holes_prove(&store->holes, store->holders, count);
}

static void take_uncommitted(struct mys_store *store, MYSQL_RES *result)
{
    MYSQL_ROW row;
    uint32_t count = 0;
    if (!obx_sql_grow(store->host, (void **)&store->ids, &store->id_room, (uint32_t)mysql_num_rows(result) + 1,
                      sizeof *store->ids))
        return;
    while ((row = mysql_fetch_row(result)))
        store->ids[count++] = strtoll(row[0], NULL, 10);
    obx_sql_holes_expire(&store->holes, store->looked_ns - age_ns(store), store->ids, count);
}

void mys_look_take(struct mys_store *store, MYSQL_RES *result)
{
    if (!result)
        return;
    if (store->server.locks_visible)
        take_locks(store, result);
    else
        take_uncommitted(store, result);
}

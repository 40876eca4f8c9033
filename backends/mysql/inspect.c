/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/inspect.c - who can still fill a hole
 *
 * Before a claim, when holes have some age, in the best way that the server offers:
 *
 * LOCKS. performance_schema.metadata_locks shows every transaction that has written to the table and not ended. A
 * writer takes that lock before it draws an id: so when all that held one at a first look have let go, a claim that
 * comes later has seen whatever there will be in the holes noted before. XA transactions: MySQL shows the lock of one
 * that was prepared with another event of the same session, whether that has ended or not, and it is followed there.
 * MariaDB does not show the lock once the session that prepared has ended: those rows are left to the sweep.
 *
 * STATEMENTS (MariaDB, where the performance schema is off as a rule). A READ UNCOMMITTED read, which takes no locks,
 * shows the rows of transactions in flight. What it does not show is an id that was drawn for a row not inserted yet;
 * but the statement that drew it runs. So a hole without such a row is empty for good once every statement has ended
 * that ran when it was noted. First the statements, then the rows: between the two one may end, and is seen by its row.
 *
 * AGE. As before, and a hole older than gap_timeout is taken for empty: a guess. So it is on Galera, where an id may
 * have been drawn on another server. The row of a slow INSERT .. SELECT is then found by the sweep, and comes late.
 */
#include <stdlib.h>

#include "store.h"

#define MS 1000000ull
enum { LOCKS_EVERY_MS = 20, STATEMENTS_EVERY_MS = 50, UNCOMMITTED_EVERY_MS = 1000 };
enum { STATEMENT_MARGIN_MS = 20 }; /* of what the server says: its milliseconds are cut, its clock is not ours */

static uint64_t every_ns(const struct mys_store *store)
{
    if (store->server.locks_visible)
        return LOCKS_EVERY_MS * MS;
    uint64_t every = (store->server.statements_visible ? STATEMENTS_EVERY_MS : UNCOMMITTED_EVERY_MS) * MS;
    uint64_t grace = (uint64_t)store->grace_ms * MS;
    return every < grace ? every : grace;
}

bool mys_look_due(const struct mys_store *store)
{
    uint64_t now = store->host->now(store->host), every = every_ns(store);
    bool by_age = !store->server.locks_visible && !store->server.statements_visible;
    uint64_t age = by_age ? (uint64_t)store->grace_ms * MS : every;
    return now - store->looked_ns >= every && obx_sql_gaps_want_proof(&store->holes, now, age);
}

/* ---- locks ------------------------------------------------------------------------------------------------------- */

static void put_locks(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(
        sql,
        "SELECT DISTINCT OWNER_THREAD_ID, OWNER_EVENT_ID FROM performance_schema.metadata_locks WHERE "
        "OBJECT_TYPE = 'TABLE' AND OBJECT_SCHEMA = %l AND OBJECT_NAME = %l AND LOCK_STATUS = 'GRANTED' AND "
        "LOCK_TYPE NOT IN ('SHARED_READ', 'SHARED', 'SHARED_HIGH_PRIO', 'SHARED_UPGRADABLE')",
        store->table.schema, store->name);
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
    obx_sql_gaps_prove(&store->holes, store->holders, count);
}

/* Without memory the holes just stay open a little longer. */
static void locks_seen(struct mys_op *op)
{
    if (op->result)
        take_locks(op->store, op->result);
    op->store->look_then(op);
}

/* ---- rows in flight ---------------------------------------------------------------------------------------------- */

static void put_uncommitted(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(sql, "SELECT %n FROM ", store->table.id);
    mys_table_put(store, sql);
    obx_sql_text_format(sql, " WHERE %n = 0", store->table.id);
    mys_holes_put(store, sql, store->old_ns);
    obx_sql_text_format(sql, " ORDER BY %n", store->table.id);
}

static void take_uncommitted(struct mys_store *store, MYSQL_RES *result)
{
    uint32_t count;
    if (mys_ids_read(store, result, &count))
        obx_sql_gaps_expire(&store->holes, store->old_ns, store->ids, count);
}

static void rows_seen(struct mys_op *op)
{
    if (op->result)
        take_uncommitted(op->store, op->result);
    op->store->look_then(op);
}

static void uncommitted(struct mys_op *op)
{
    obx_sql_text_clear(&op->sql);
    put_uncommitted(op->store, &op->sql);
    op->then = rows_seen;
    mys_op_submit(op, &op->store->reader, "look for rows in flight", mys_keep, mys_go_on);
}

static void look_at_rows(struct mys_op *op)
{
    obx_sql_text_clear(&op->sql);
    obx_sql_text_puts(&op->sql, "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"); /* for the next statement */
    op->then = uncommitted;
    mys_op_submit(op, &op->store->reader, "look for rows in flight", NULL, mys_go_on);
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

/* For how long has one run that may insert? What replicates gives ids that were drawn elsewhere; who has not said yet
 * who he is runs nothing. */
static void put_statements(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "SELECT IFNULL(MAX(TIME_MS), 0) FROM information_schema.PROCESSLIST WHERE COMMAND NOT IN "
                           "('Sleep', 'Daemon', 'Binlog Dump') AND USER NOT IN ('system user', 'unauthenticated user') "
                           "AND IFNULL(INFO, '') NOT LIKE "
                           "'SELECT%' AND IFNULL(INFO, '') NOT LIKE 'COMMIT%' AND ID NOT IN (CONNECTION_ID(), ");
    mys_put_int(sql, (int64_t)store->server.owner_id);
    obx_sql_text_puts(sql, ")");
}

static void statements_seen(struct mys_op *op)
{
    struct mys_store *store = op->store;
    uint64_t longest = (uint64_t)mys_number(op->result, 0, store->grace_ms) + STATEMENT_MARGIN_MS;
    if (longest < (uint64_t)store->grace_ms)
        store->old_ns = store->looked_ns - longest * MS;
    mysql_free_result(op->result);
    op->result = NULL;
    if (obx_sql_gaps_want_proof(&store->holes, store->looked_ns, store->looked_ns - store->old_ns))
        look_at_rows(op);
    else
        store->look_then(op);
}

static void look_at_statements(struct mys_op *op)
{
    obx_sql_text_clear(&op->sql);
    put_statements(op->store, &op->sql);
    op->then = statements_seen;
    mys_op_submit(op, &op->store->reader, "look at what runs", mys_keep, mys_go_on);
}

void mys_look(struct mys_op *op, void (*then)(struct mys_op *op))
{
    struct mys_store *store = op->store;
    store->look_then = then;
    store->looked_ns = store->host->now(store->host);
    store->old_ns = store->looked_ns - (uint64_t)store->grace_ms * MS;
    if (store->server.locks_visible) {
        obx_sql_text_clear(&op->sql);
        put_locks(store, &op->sql);
        op->then = locks_seen;
        mys_op_submit(op, &store->reader, "look for writers", mys_keep, mys_go_on);
    } else if (store->server.statements_visible) {
        look_at_statements(op);
    } else {
        look_at_rows(op);
    }
}

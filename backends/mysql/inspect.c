/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/inspect.c - which transactions can still fill a gap
 *
 * Runs before a claim, when gaps have reached a certain age. Uses the best method that the server offers:
 *
 * LOCKS. performance_schema.metadata_locks shows every open transaction that has written to the table. A writer takes
 * that lock before it draws an id. When all transactions that held the lock at the first inspection have released it,
 * the gaps noted before it are final for any later claim. XA transactions: MySQL shows the lock of a prepared
 * transaction with another event of the same session, which the relay tracks. MariaDB hides the lock once the preparing
 * session has ended: the stray scan finds those rows.
 *
 * STATEMENTS (MariaDB, where the performance schema is off as a rule). A READ UNCOMMITTED read takes no locks and shows
 * the rows of open transactions. It does not show an id whose row is not inserted yet, but then the statement that drew
 * the id is still running. So a gap without an uncommitted row stays empty once all statements have ended that ran when
 * the gap was noted. Statements are read first, then rows: a statement that ends in between shows its row.
 *
 * AGE. As STATEMENTS, but without the running statements: a gap older than gap_timeout without an uncommitted row is
 * assumed to be empty. Galera uses this method as well, since an id may have been drawn on another server. If the
 * assumption is wrong (a slow INSERT .. SELECT), the stray scan finds the row later.
 */
#include <stdlib.h>

#include "store.h"

#define MS 1000000ull
enum { LOCKS_EVERY_MS = 20, STATEMENTS_EVERY_MS = 50, UNCOMMITTED_EVERY_MS = 1000 };
enum { STATEMENT_MARGIN_MS = 20 }; /* the server truncates to milliseconds, and its clock differs from ours */

static uint64_t timeout_ns(const struct mys_store *store)
{
    return (uint64_t)store->gap_timeout_ms * MS;
}

static uint64_t interval_ns(const struct mys_store *store)
{
    if (store->server.locks_visible)
        return LOCKS_EVERY_MS * MS;
    uint64_t interval = (store->server.statements_visible ? STATEMENTS_EVERY_MS : UNCOMMITTED_EVERY_MS) * MS;
    return interval < timeout_ns(store) ? interval : timeout_ns(store);
}

bool mys_inspection_due(const struct sql_store *sql)
{
    const struct mys_store *store = mys_store_in(sql);
    uint64_t now = sql->host->now(sql->host), interval = interval_ns(store);
    bool by_age = !store->server.locks_visible && !store->server.statements_visible;
    return now - sql->inspected_ns >= interval &&
           obx_sql_gaps_resolution_due(&sql->gaps, now, by_age ? timeout_ns(store) : interval);
}

/* A failure ends the operation. */
static void query(struct sql_op *op, const char *what, bool (*put)(struct sql_request *request),
                  void (*then)(struct sql_op *op))
{
    op->then = then;
    sql_op_submit(op, op->store->reader, what, put, sql_op_store_result, sql_op_continue);
}

static void end_inspection(struct sql_op *op)
{
    sql_op_drop_result(op);
    mys_store_of(op->store)->inspected(op);
}

/* ---- locks ------------------------------------------------------------------------------------------------------- */

static bool put_locks(struct sql_request *request)
{
    obx_sql_text_format(
        request->sql,
        "SELECT DISTINCT OWNER_THREAD_ID, OWNER_EVENT_ID FROM performance_schema.metadata_locks WHERE "
        "OBJECT_TYPE = 'TABLE' AND OBJECT_SCHEMA = %l AND OBJECT_NAME = %l AND LOCK_STATUS = 'GRANTED' AND "
        "LOCK_TYPE NOT IN ('SHARED_READ', 'SHARED', 'SHARED_HIGH_PRIO', 'SHARED_UPGRADABLE')",
        request->store->table.schema, request->store->outbox.name);
    return true;
}

/* Without memory, or an answer, the gaps just stay open a little longer. */
static void on_locks(struct sql_op *op)
{
    struct sql_store *store = op->store;
    struct mys_row row;
    uint32_t count = 0;
    bool fine =
        mys_has_columns(op->result, 2) && obx_sql_grow(store->host, (void **)&store->writers, &store->writer_room,
                                                       (uint32_t)mys_count(op->result) + 1, sizeof *store->writers);
    while (fine && mys_fetch(op->result, &row)) {
        uint64_t thread = (uint64_t)mys_integer_of(&row, 0, 0), event = (uint64_t)mys_integer_of(&row, 1, 0);
        store->writers[count++] = (struct obx_sql_writer){.name = thread << 40 | event, .session = thread};
    }
    if (fine)
        obx_sql_gaps_resolve(&store->gaps, store->writers, count);
    end_inspection(op);
}

/* ---- rows in flight ---------------------------------------------------------------------------------------------- */

static bool put_uncommitted(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    obx_sql_text_format(request->sql, "SELECT %n FROM ", store->table.id);
    sql_append_outbox(store, request->sql);
    obx_sql_text_format(request->sql, " WHERE %n = 0", store->table.id);
    mys_append_gaps(store, request->sql, mys_store_in(store)->old_ns);
    obx_sql_text_format(request->sql, " ORDER BY %n", store->table.id);
    return true;
}

static void on_uncommitted(struct sql_op *op)
{
    struct sql_store *store = op->store;
    uint32_t count;
    if (op->result && mys_read_ids(store, op->result, &count))
        obx_sql_gaps_expire(&store->gaps, mys_store_of(store)->old_ns, store->ids, count);
    end_inspection(op);
}

static void query_uncommitted(struct sql_op *op)
{
    query(op, "read uncommitted rows", put_uncommitted, on_uncommitted);
}

static void inspect_rows(struct sql_op *op)
{
    op->request.text = "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"; /* of the next statement */
    query(op, "read uncommitted rows", NULL, query_uncommitted);
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

/* The running time of the longest statement that may insert. Replication inserts ids that were drawn elsewhere; a
 * session that is still logging in runs nothing. */
static bool put_statements(struct sql_request *request)
{
    obx_sql_text_puts(request->sql,
                      "SELECT IFNULL(MAX(TIME_MS), 0) FROM information_schema.PROCESSLIST WHERE COMMAND NOT IN "
                      "('Sleep', 'Daemon', 'Binlog Dump') AND USER NOT IN ('system user', 'unauthenticated user') "
                      "AND IFNULL(INFO, '') NOT LIKE "
                      "'SELECT%' AND IFNULL(INFO, '') NOT LIKE 'COMMIT%' AND ID NOT IN (CONNECTION_ID(), ");
    obx_sql_text_int(request->sql, (int64_t)mys_store_in(request->store)->server.owner_id);
    obx_sql_text_puts(request->sql, ")");
    return true;
}

static void on_statements(struct sql_op *op)
{
    struct sql_store *sql = op->store;
    struct mys_store *store = mys_store_of(sql);
    uint64_t longest = (uint64_t)mys_value(op->result, 0, store->gap_timeout_ms) + STATEMENT_MARGIN_MS;
    if (longest < (uint64_t)store->gap_timeout_ms)
        store->old_ns = sql->inspected_ns - longest * MS;
    sql_op_drop_result(op);
    if (obx_sql_gaps_resolution_due(&sql->gaps, sql->inspected_ns, sql->inspected_ns - store->old_ns))
        inspect_rows(op);
    else
        end_inspection(op);
}

void mys_inspect_writers(struct sql_op *op, void (*then)(struct sql_op *op))
{
    struct sql_store *sql = op->store;
    struct mys_store *store = mys_store_of(sql);
    store->inspected = then;
    sql->inspected_ns = sql->host->now(sql->host);
    store->old_ns = sql->inspected_ns - timeout_ns(store);
    if (store->server.locks_visible)
        query(op, "read the locks of writers", put_locks, on_locks);
    else if (store->server.statements_visible)
        query(op, "read the running statements", put_statements, on_statements);
    else
        inspect_rows(op);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/locks.c - which metadata lock a session waits for, and who holds it
 *
 * Both servers have that in the performance schema, MariaDB also in the plugin metadata_lock_info. Where neither can be
 * read, the process list shows at least that the session waits.
 *
 * Several sessions may wait, one behind the other: for a transaction that has read the table an ALTER TABLE waits, and
 * for that the relay. The ALTER TABLE has a lock of the table, too. So a session that does not wait itself comes first.
 */
#include "store.h"

static uint64_t connection_of(const struct sql_request *request)
{
    const struct mys_conn *waiting = mys_conn_of(request->arg);
    return mysql_thread_id(waiting->client.mysql);
}

static bool put_holder(struct sql_request *request)
{
    obx_sql_text_puts(
        request->sql,
        "SELECT CONCAT('the metadata lock ', w.LOCK_TYPE, ' of ', w.OBJECT_SCHEMA, '.', w.OBJECT_NAME, ', which "
        "connection ', IFNULL(t.PROCESSLIST_ID, '?'), ' (', CONCAT_WS(', ', CONCAT('user ', t.PROCESSLIST_USER), "
        "t.PROCESSLIST_HOST, CONCAT(t.PROCESSLIST_COMMAND, ' for ', t.PROCESSLIST_TIME, ' s')), ') holds') "
        "FROM performance_schema.threads m JOIN performance_schema.metadata_locks w ON w.OWNER_THREAD_ID = m.THREAD_ID "
        "AND w.LOCK_STATUS = 'PENDING' JOIN performance_schema.metadata_locks h ON h.OBJECT_TYPE = w.OBJECT_TYPE AND "
        "h.OBJECT_SCHEMA = w.OBJECT_SCHEMA AND h.OBJECT_NAME = w.OBJECT_NAME AND h.LOCK_STATUS = 'GRANTED' AND "
        "h.OWNER_THREAD_ID <> w.OWNER_THREAD_ID JOIN performance_schema.threads t ON t.THREAD_ID = h.OWNER_THREAD_ID "
        "WHERE m.PROCESSLIST_ID = ");
    obx_sql_text_int(request->sql, (int64_t)connection_of(request));
    obx_sql_text_puts(request->sql,
                      " ORDER BY EXISTS (SELECT 1 FROM performance_schema.metadata_locks p WHERE p.OWNER_THREAD_ID = "
                      "h.OWNER_THREAD_ID AND p.LOCK_STATUS = 'PENDING'), h.LOCK_TYPE LIKE 'SHARED_READ' OR h.LOCK_TYPE "
                      "LIKE 'SHARED_WRITE', t.PROCESSLIST_TIME DESC LIMIT 1");
    return true;
}

/* Only if the session does wait for such a lock: the plugin lists all locks of the table. On MySQL it is a query of a
 * table that is not there. */
static bool put_holder_by_plugin(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    obx_sql_text_format(
        request->sql,
        "SELECT CONCAT('the metadata lock of ', l.TABLE_SCHEMA, '.', l.TABLE_NAME, ', which connection ', l.THREAD_ID, "
        "' (', CONCAT_WS(', ', CONCAT('user ', p.USER), p.HOST, CONCAT(p.COMMAND, ' for ', p.TIME, ' s'), "
        "l.LOCK_MODE), ') holds') FROM information_schema.METADATA_LOCK_INFO l LEFT JOIN "
        "information_schema.PROCESSLIST p ON p.ID = l.THREAD_ID WHERE l.TABLE_SCHEMA = %l AND l.TABLE_NAME = %l AND "
        "EXISTS (SELECT 1 FROM information_schema.PROCESSLIST w WHERE w.STATE LIKE 'Waiting for %%lock%%' AND w.ID = ",
        sql_schema_of(store, &store->outbox), store->outbox.name);
    obx_sql_text_int(request->sql, (int64_t)connection_of(request));
    obx_sql_text_puts(request->sql, ") AND l.THREAD_ID <> ");
    obx_sql_text_int(request->sql, (int64_t)connection_of(request));
    obx_sql_text_puts(request->sql, " ORDER BY EXISTS (SELECT 1 FROM information_schema.PROCESSLIST o WHERE o.ID = "
                                    "l.THREAD_ID AND o.STATE LIKE 'Waiting for %lock%'), p.TIME DESC LIMIT 1");
    return true;
}

static bool put_state(struct sql_request *request)
{
    obx_sql_text_puts(
        request->sql,
        "SELECT CONCAT('a lock of another session (', STATE, '); SHOW FULL PROCESSLIST may show it') FROM "
        "information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for %lock%' AND ID = ");
    obx_sql_text_int(request->sql, (int64_t)connection_of(request));
    return true;
}

bool (*const mys_lock_questions[])(struct sql_request *request) = {put_holder, put_holder_by_plugin, put_state, NULL};

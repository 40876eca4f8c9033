/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/owner.c - the lock, and ending the session of an owner that hangs
 *
 * Ownership is a session-level advisory lock, named by the table. If the owner was silent for a whole lease by the
 * server's clock, a standby ends the owner's session; the same role may do that. An owner that waits for a lock of
 * another session counts as alive; lock_timeout bounds that wait.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

/* One row: whether the lock was acquired; else pid, name, address and idle time of its owner, and whether this
 * statement ended the owner's session; the epoch. $1, $2 the lock; $3 the lease in milliseconds. A role that may not
 * see the owner's times never ends its session. %s: from version 14 on, wait for the end of that session.
 *
 * The epoch is the id of the transaction that acquired: such ids only rise. A commit that wrote nothing is not flushed,
 * and a crash would give its id away again; the message makes the commit wait for the disk.
 *
 * When the ownership began, in seconds, is the key of a second lock of that session: PG_OWNED_SINCE reads it. */
enum { GOT, PID, NAME, CLIENT, SILENT_MS, ENDED, EPOCH, SINCE_S };
static const char acquire_format[] =
    "WITH lock AS MATERIALIZED (SELECT pg_try_advisory_lock($1::int4, $2::int4) AS got), "
    "holder AS MATERIALIZED (SELECT a.pid, a.application_name, coalesce(host(a.client_addr), 'local') AS client, "
    "extract(epoch FROM clock_timestamp() - greatest(a.state_change, a.query_start)) * 1000 AS silent, "
    "coalesce(a.wait_event_type = 'Lock', false) AS waits, " PG_OWNED_SINCE " AS since "
    "FROM lock, pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE NOT lock.got AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND l.classid = $1::int4::oid AND l.objid = ($2::int4::int8 & 4294967295)::oid LIMIT 1), "
    "clock AS MATERIALIZED (SELECT floor(extract(epoch FROM clock_timestamp()))::int8 AS now) "
    "SELECT lock.got, holder.pid, coalesce(holder.application_name, ''), coalesce(holder.client, ''), "
    "coalesce(holder.silent, -1)::int8, "
    "CASE WHEN holder.silent > $3::int4 AND NOT holder.waits THEN pg_terminate_backend(holder.pid%s) ELSE false END, "
    "CASE WHEN lock.got AND pg_logical_emit_message(true, 'outbox owner', ''::text) IS NOT NULL "
    "THEN pg_current_xact_id()::text::int8 ELSE 0 END, "
    "CASE WHEN lock.got THEN CASE WHEN pg_try_advisory_lock($2::int4::int8 << 32 | now) THEN now ELSE 0 END "
    "ELSE coalesce(holder.since, 0) END "
    "FROM lock CROSS JOIN clock LEFT JOIN holder ON true";

/* The owner as text for pg_describe_owner(), "" if there is none, and the server's version. */
void pg_append_owner(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(
        sql,
        "coalesce((SELECT " PG_OWNER_TEXT " FROM "
        "pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = "
        "'advisory' AND l.granted AND l.objsubid = 2 AND l.database = (SELECT oid FROM pg_database WHERE datname = "
        "current_database()) AND l.classid = ");
    obx_sql_text_int(sql, PG_LOCK_CLASS);
    obx_sql_text_puts(sql, " AND l.objid = ");
    obx_sql_text_int(sql, pg_store_in(store)->table_oid);
    obx_sql_text_puts(sql, " LIMIT 1), ''), current_setting('server_version')");
}

/* ---- is it still the same table? --------------------------------------------------------------------------------- */

/* The lock is on the OID; statements use the name. chr(0) is an error, and chr(1) is not. A statement locks the table
 * that it uses, so the name cannot change during it. */
static void append_is_same(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "(pg_catalog.to_regclass(");
    sql_append_table_literal(store, sql, &store->outbox);
    obx_sql_text_puts(sql, ")::pg_catalog.oid OPERATOR(pg_catalog.=) ");
    obx_sql_text_int(sql, pg_store_in(store)->table_oid);
    obx_sql_text_puts(sql, "::pg_catalog.oid)");
}

void pg_append_same_table(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "pg_catalog.chr(");
    append_is_same(store, sql);
    obx_sql_text_puts(sql, "::pg_catalog.int4) OPERATOR(pg_catalog.<>) ''");
}

/* What a trigger or a function of the application raises has the same SQLSTATE, and another native number. */
bool pg_is_fenced(const struct sql_request *request, struct outbox_error *error)
{
    const struct sql_store *store = request->store;
    if (error->native != PG_NATIVE_CHR)
        return false;
    pg_fail(error, OUTBOX_E_FENCED,
            "table %s.%s is another one than when this relay became its owner: it was renamed or replaced; the relay "
            "restarts",
            store->table.schema, store->outbox.name);
    return true;
}

/* Before version 15 the server waits for another process, for up to 10 s, to return its count. */
static bool counts_deletes(const struct sql_store *store)
{
    return !sql_captures(store) && pg_store_in(store)->server.version >= 150000;
}

/* The lock shows to pg_put_foreign_deletes() what was found. */
bool pg_put_renew(struct sql_request *request)
{
    struct sql_store *store = request->store;
    uint32_t table = pg_store_of(store)->table_oid;
    struct obx_sql_text sql = {.host = store->host};
    obx_sql_text_puts(&sql, "SELECT ");
    pg_append_same_table(store, &sql);
    if (counts_deletes(store)) {
        obx_sql_text_puts(&sql, ", pg_catalog.pg_stat_get_tuples_deleted(");
        obx_sql_text_int(&sql, table);
        obx_sql_text_puts(&sql, ")");
    }
    if (store->foreign.found && !store->foreign.shown)
        obx_sql_text_format(&sql, ", pg_catalog.pg_try_advisory_lock(%d, %d)", PG_DELETES_CLASS, (int32_t)table);
    return pg_send_sql(request, &sql, NULL);
}

void pg_renew_result(struct sql_request *request, void *result)
{
    enum { SAME, DELETED, SHOWN };
    struct sql_store *store = request->store;
    if (PQnfields(result) > SHOWN)
        store->foreign.shown = true;
    if (counts_deletes(store))
        sql_foreign_deletes_measure(store, pg_integer(result, 0, DELETED, -1));
    PQclear(result);
}

/* ---- becoming the owner ------------------------------------------------------------------------------------------ */

bool pg_same_database(struct sql_store *sql)
{
    struct pg_store *store = pg_store_of(sql);
    bool same = !strcmp(store->owned_identity, store->server.identity) && store->owned_oid == store->table_oid;
    store->owned_oid = store->table_oid;
    snprintf(store->owned_identity, sizeof store->owned_identity, "%s", store->server.identity);
    return same;
}

static bool put_acquire(struct sql_request *request)
{
    const struct pg_store *store = pg_store_of(request->store);
    struct pg_params params = {0};
    struct obx_sql_text sql = {.host = request->store->host};
    pg_param_int4(&params, PG_LOCK_CLASS);
    pg_param_int4(&params, (int32_t)store->table_oid);
    pg_param_int4(&params, (int32_t)sql_acquire_of(request->arg)->lease_ms);
    obx_sql_text_format(&sql, acquire_format, store->server.version >= 140000 ? ", 2000" : "");
    return pg_send_sql(request, &sql, &params);
}

/* Where in an application name is the host, "outbox RELAY@HOST:PROCESS"? NULL: it is another name. */
static const char *find_host(const char *name)
{
    const char *host = strrchr(name, '@'), *process = strrchr(name, ':');
    return !strncmp(name, "outbox ", 7) && host && process && host < process && process[1] ? host : NULL;
}

bool pg_names_process(const char *name)
{
    return find_host(name) != NULL;
}

/* client: the address that the session comes from; session: its pid on the server. */
static void describe_session(const char *name, const char *client, long session, char *owner, size_t size)
{
    const char *host = find_host(name);
    int relay_size = host ? (int)(host - name) - 7 : 0;
    int host_size = host ? (int)(strrchr(name, ':') - host) - 1 : 0;
    if (host)
        snprintf(owner, size, "%.*s on %.*s, process %.*s, session %ld", relay_size, name + 7, host_size, host + 1,
                 OUTBOX_CUT(host + host_size + 2, 10), session);
    else
        snprintf(owner, size, "%.*s at %.*s, session %ld", OUTBOX_CUT(*name ? name : "a relay", 40),
                 OUTBOX_CUT(client, 30), session);
}

int64_t pg_describe_owner(const char *holder, char *owner, size_t size)
{
    char client[48] = "", name[80] = "";
    char *at;
    long session = strtol(holder, &at, 10);
    int64_t since_s = strtoll(at, &at, 10);
    owner[0] = '\0';
    if (session && sscanf(at, "\n%47[^\n]\n%79[^\n]", client, name) >= 1)
        describe_session(name, client, session, owner, size);
    return since_s * 1000000;
}

static void describe_holder(const PGresult *result, char *owner, size_t size)
{
    long session = (long)pg_integer(result, 0, PID, -1);
    owner[0] = '\0';
    if (session >= 0)
        describe_session(pg_text(result, 0, NAME), pg_text(result, 0, CLIENT), session, owner, size);
}

/* The lock is free as soon as the session has ended: tries again, a few times. */
static void acquire_again(struct sql_op *op)
{
    const struct outbox_host *host = op->store->host;
    if (!op->tries++)
        host->log(host, OUTBOX_LOG_WARN, "the owner (%s) has been silent for %lld ms: its database session was ended",
                  sql_acquire_of(op)->owner, (long long)pg_integer(op->result, 0, SILENT_MS, -1));
    pg_acquire(op);
}

/* "SYSTEM TIMELINE": another cluster, or one that was promoted or restored, has other rows at these positions. */
static void name_outbox(const struct pg_store *store, char *identity, size_t size)
{
    size_t system = strcspn(store->server.identity, " ");
    size_t timeline = strcspn(store->server.identity + system + 1, " ");
    snprintf(identity, size, "postgres %.*s %u %u", (int)(system + 1 + timeline), store->server.identity,
             store->server.database_oid, store->table_oid);
}

static void on_answer(struct sql_op *op)
{
    enum { TRIES = 20 };
    struct outbox_acquire *acquire = sql_acquire_of(op);
    OUTBOX_SET_MEMBER(acquire, since_us, pg_integer(op->result, 0, SINCE_S, 0) * 1000000);
    if (pg_integer(op->result, 0, GOT, 0)) {
        acquire->epoch = (uint64_t)pg_integer(op->result, 0, EPOCH, 0);
        name_outbox(pg_store_of(op->store), acquire->identity, sizeof acquire->identity);
        sql_become_owner(op);
        return;
    }
    describe_holder(op->result, acquire->owner, sizeof acquire->owner);
    if (pg_integer(op->result, 0, ENDED, 0) && op->tries < TRIES)
        acquire_again(op);
    else
        sql_stand_by(op);
}

static void acquired(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct outbox_error verdict = *error;
    SQL_FAILPOINT(op->store, after_acquire);
    if (!verdict.code && !pg_has_shape(op->result, 1, 1, "b4tt8b88"))
        sql_bad_shape(&verdict, request->what);
    if (verdict.code)
        sql_op_complete(op, &verdict);
    else
        on_answer(op);
}

void pg_acquire(struct sql_op *op)
{
    sql_op_submit(op, op->store->owner, "own the outbox", put_acquire, sql_op_store_result, acquired);
}

bool pg_put_release(struct sql_request *request)
{
    return pg_send_text(request, "SELECT pg_advisory_unlock_all()", NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/owner.c - owning an outbox: the lock, the lease, and ending the session of an owner that hangs
 *
 * Ownership is a session-level advisory lock, named by the table, on the connection that settles: when that session
 * ends, for whatever reason, the lock is free and nothing can be settled by it any more. An owner that lives shows it
 * by a small statement a few times in a lease. One that has been silent for a whole lease, by the server's clock, has
 * its session ended by the one who waits: the same role may do that.
 */
#include <stdio.h>
#include <string.h>

#include "store.h"

enum { LOCK_CLASS = 0x6f626f78 }; /* "obox" */

/* One row: got it or not; and of the holder, if it is another: who, where, how long silent, whether it was ended now.
 * $1, $2 the lock; $3 the lease in milliseconds. The holder's times are hidden from roles without a right to see
 * them: then it cannot be judged and is left alone. %s: from version 14 on, wait for the end of that session. */
static const char acquire_format[] =
    "WITH lock AS MATERIALIZED (SELECT pg_try_advisory_lock($1::int4, $2::int4) AS got), "
    "holder AS MATERIALIZED (SELECT a.pid, a.application_name, coalesce(host(a.client_addr), 'local') AS client, "
    "extract(epoch FROM clock_timestamp() - greatest(a.state_change, a.query_start)) * 1000 AS silent "
    "FROM lock, pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE NOT lock.got AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND l.classid = $1::int4::oid AND l.objid = ($2::int4::int8 & 4294967295)::oid LIMIT 1) "
    "SELECT lock.got, holder.pid, coalesce(holder.application_name, ''), coalesce(holder.client, ''), "
    "coalesce(holder.silent, -1)::int8, "
    "CASE WHEN holder.silent > $3::int4 THEN pg_terminate_backend(holder.pid%s) ELSE false END "
    "FROM lock LEFT JOIN holder ON true";

/* The same holder as one text, for status. $1: the table. 0x6f626f78 is LOCK_CLASS. */
const char pg_holder_sql[] =
    "coalesce((SELECT coalesce(a.application_name, '') || ' at ' || coalesce(host(a.client_addr), 'local') || ', pid ' "
    "|| l.pid FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND "
    "l.granted AND l.objsubid = 2 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND l.classid = 1868722040 AND l.objid = $1::oid LIMIT 1), '')";

static void submit(struct pg_op *op);

static struct outbox_acquire *acquire_of(const struct pg_op *op)
{
    return op->out;
}

static int send_acquire(struct pg_request *request, PGconn *pg)
{
    const struct pg_op *op = request->arg;
    struct pg_params params = {0};
    pg_param_int4(&params, LOCK_CLASS);
    pg_param_int4(&params, (int32_t)op->store->table.oid);
    pg_param_int4(&params, (int32_t)acquire_of(op)->lease_ms);
    struct obx_sql_text sql = {.host = op->store->host};
    obx_sql_text_format(&sql, acquire_format, op->store->server.version >= 140000 ? ", 2000" : "");
    int fine = !sql.failed &&
               PQsendQueryParams(pg, sql.data, params.count, NULL, params.values, params.lengths, params.formats, 1);
    obx_sql_text_free(&sql);
    return fine;
}

static void become_owner(struct pg_op *op)
{
    static const struct outbox_error none;
    struct pg_store *store = op->store;
    bool same = !strcmp(store->owned_identity, store->server.identity);
    acquire_of(op)->flags = same ? OUTBOX_ACQUIRED_SAME : 0;
    snprintf(store->owned_identity, sizeof store->owned_identity, "%s", store->server.identity);
    store->owns = true;
    pg_op_finish(op, &none);
}

/* Its session was told to end; the lock is free as soon as it has. Ask again, some times. */
static bool ask_again(struct pg_op *op, bool ended, const char *name, int64_t silent)
{
    const struct outbox_host *host = op->store->host;
    if (!ended || op->number >= 20)
        return false;
    if (!op->number++)
        host->log(host, OUTBOX_LOG_WARN, "the owner (%s) has been silent for %lld ms: its database session was ended",
                  name, (long long)silent);
    submit(op);
    return true;
}

static void judge(struct pg_op *op)
{
    struct outbox_acquire *acquire = acquire_of(op);
    const PGresult *r = op->result;
    struct outbox_error error;
    if (*PQgetvalue(r, 0, 0)) {
        become_owner(op);
        return;
    }
    int64_t silent = (int64_t)pg_get_int8(PQgetvalue(r, 0, 4));
    if (PQgetisnull(r, 0, 1))
        acquire->owner[0] = '\0';
    else
        snprintf(acquire->owner, sizeof acquire->owner, "%.40s at %.30s, pid %u", PQgetvalue(r, 0, 2),
                 PQgetvalue(r, 0, 3), pg_get_int4(PQgetvalue(r, 0, 1)));
    if (ask_again(op, *PQgetvalue(r, 0, 5), acquire->owner, silent))
        return;
    pg_fail(&error, OUTBOX_E_STANDBY, "own outbox %s.%s: owned by %s", op->store->table.schema, op->store->table.name,
            acquire->owner[0] ? acquire->owner : "another session");
    pg_op_finish(op, &error);
}

static void acquired(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_op *op = request->arg;
    struct outbox_error wrong = *error;
    OUTBOX_FAILPOINT(op->store->host, postgres, after_acquire);
    if (!wrong.code && (!op->result || PQntuples(op->result) != 1))
        pg_fail(&wrong, OUTBOX_E_BUG, "own outbox %s: an answer of another shape than asked for",
                op->store->table_name);
    if (wrong.code)
        pg_op_finish(op, &wrong);
    else
        judge(op);
}

static void submit(struct pg_op *op)
{
    op->request = (struct pg_request){
        .what = "own the outbox", .send = send_acquire, .result = pg_keep, .done = acquired, .arg = op};
    pg_conn_submit(&op->store->owner, &op->request);
}

void pg_acquire(void *self, outbox_op_t id, struct outbox_acquire *acquire)
{
    struct pg_op *op = pg_op(self, id);
    struct outbox_error error;
    op->out = acquire;
    acquire->flags = 0;
    acquire->owner[0] = '\0';
    if (OUTBOX_FAILPOINT_ERROR(op->store->host, postgres, before_acquire, &error))
        pg_op_finish(op, &error);
    else
        submit(op);
}

/* ---- the lease --------------------------------------------------------------------------------------------------- */

static int send_renew(struct pg_request *request, PGconn *pg)
{
    (void)request;
    return PQsendQueryParams(pg, "SELECT", 0, NULL, NULL, NULL, NULL, 1);
}

static void renewed(struct pg_request *request, const struct outbox_error *error)
{
    pg_op_finish(request->arg, error);
}

void pg_renew(void *self, outbox_op_t id)
{
    struct pg_store *store = self;
    struct pg_op *op = pg_op(store, id);
    struct outbox_error error;
    op->request =
        (struct pg_request){.what = "show that the owner lives", .send = send_renew, .done = renewed, .arg = op};
    if (store->owns) {
        pg_conn_submit(&store->owner, &op->request);
        return;
    }
    pg_fail(&error, OUTBOX_E_FENCED, "renew: this relay does not own outbox %s", store->table_name);
    pg_op_finish(op, &error);
}

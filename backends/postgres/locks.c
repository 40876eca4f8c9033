/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/locks.c - which lock a session waits for, and who holds it */
#include "store.h"

/* What a role may not see of another's session is left out. A prepared transaction has the pid 0. */
static const char holder_sql[] =
    "SELECT 'the lock ' || l.mode || ' of ' || coalesce(n.nspname || '.' || c.relname, l.locktype) || ', which ' || "
    "CASE WHEN b.pid = 0 THEN 'a prepared transaction' ELSE 'pid ' || b.pid || ' (' || concat_ws(', ', 'user ' || "
    "a.usename, 'application \"' || nullif(a.application_name, '') || '\"', host(a.client_addr), a.state, "
    "'in a transaction since ' || to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')) || ')' "
    "END || ' holds or waits for' "
    "FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace, "
    "LATERAL unnest(pg_blocking_pids(l.pid)) b(pid) LEFT JOIN pg_stat_activity a ON a.pid = b.pid "
    "WHERE l.pid = $1::int4 AND NOT l.granted ORDER BY a.xact_start NULLS LAST LIMIT 1";

static bool put_holder(struct sql_request *request)
{
    const struct pg_conn *waiting = pg_conn_of(request->arg);
    struct pg_params params = {0};
    pg_param_int4(&params, PQbackendPID(waiting->pg));
    return pg_send_text(request, holder_sql, &params);
}

bool (*const pg_lock_questions[])(struct sql_request *request) = {put_holder, NULL};

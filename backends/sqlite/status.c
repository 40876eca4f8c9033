/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/status.c - how many rows wait, since when, how many died, and who relays
 */
#include "store.h"

#include <stdio.h>
#include <string.h>

#define ASKING "read the status of"

static int64_t read_oldest(struct lite_job *job, struct lite_conn *conn)
{
    const struct lite_store *store = job->store;
    sqlite3_stmt *statement = NULL;
    int64_t oldest = -1;
    if (!lite_has_column(conn, store->table, store->physical[NAME_CREATED_AT]))
        return -1;
    char *sql = sqlite3_mprintf("SELECT \"%w\" FROM \"%w\" ORDER BY \"%w\" LIMIT 1", store->physical[NAME_CREATED_AT],
                                store->table, store->physical[NAME_ID]);
    int code = sql ? sqlite3_prepare_v2(conn->db, sql, -1, &statement, NULL) : SQLITE_NOMEM;
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        oldest = lite_time(statement, 0);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        lite_fail(conn, code, ASKING, &job->error);
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return oldest == INT64_MIN ? -1 : oldest;
}

static void status_run(struct lite_job *job, struct lite_conn *conn)
{
    const struct lite_store *store = job->store;
    lite_admin_conn(job, conn, ASKING);
    if (!lite_ok(job))
        return;
    job->as.status.pending = lite_ask(job, conn, sqlite3_mprintf("SELECT count(*) FROM \"%w\"", store->table), ASKING);
    job->as.status.dead =
        lite_ask(job, conn, sqlite3_mprintf("SELECT count(*) FROM \"%w\"", store->dead_table), ASKING);
    job->as.status.oldest_us = read_oldest(job, conn);
    lite_read_owner(conn, job->as.status.owner, sizeof job->as.status.owner);
}

static void status_finish(struct lite_job *job)
{
    struct outbox_store_status *status = job->as.status.args;
    status->pending = job->as.status.pending;
    status->oldest_us = job->as.status.oldest_us;
    status->dead = job->as.status.dead;
    memcpy(status->owner, job->as.status.owner, sizeof status->owner);
    snprintf(status->server, sizeof status->server, "SQLite %s", sqlite3_libversion());
}

void lite_status(void *self, outbox_op_t op, struct outbox_store_status *status)
{
    struct lite_job *job = lite_job_new(self, op, LANE_ADMIN, status_run);
    job->as.status.args = status;
    job->finish = status_finish;
    lite_job_submit(job);
}

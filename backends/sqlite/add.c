/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/add.c - adding events: one transaction, in the order given
 */
#include "store.h"

#include <stdio.h>

#define ADDING "add events to"

static void add_run(struct lite_job *job, struct lite_conn *conn)
{
    const struct lite_store *store = job->store;
    const struct outbox_add *add = job->as.add;
    char what[64];
    lite_admin_conn(job, conn, ADDING);
    if (!lite_ok(job) || lite_exec(conn, sqlite3_mprintf("BEGIN IMMEDIATE"), ADDING, &job->error))
        return;
    for (uint32_t i = 0; i < add->count && lite_ok(job); i++) {
        snprintf(what, sizeof what, "add event %u of %u", i + 1, add->count);
        lite_insert(conn->db, store->table, store->physical + NAME_EVENT_ID, add->events[i], what, NULL, &job->error);
    }
    if (lite_ok(job))
        lite_exec(conn, sqlite3_mprintf("COMMIT"), ADDING, &job->error);
    lite_rollback(conn);
}

void lite_add(void *self, outbox_op_t op, const struct outbox_add *add)
{
    struct lite_job *job = lite_job_new(self, op, LANE_ADMIN, add_run);
    job->as.add = add;
    lite_job_submit(job);
}

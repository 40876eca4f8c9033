/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/add.c - add events: one transaction, in the order of the array
 *
 * Failure modes: the error names the event that SQLite refused; no event was added then.
 */
#include <stdio.h>

#include "insert.h"
#include "sql/event.h"
#include "store.h"

#define ADDING "add events to"

struct add_op {
    struct lite_op op;
    const struct outbox_add *args;
};
LITE_OP_FITS(struct add_op);

static void add_run(struct lite_op *op, struct lite_conn *conn)
{
    const struct lite_schema *schema = &op->store->schema;
    const struct outbox_add *add = ((struct add_op *)op)->args;
    char what[64];
    if (obx_sql_add_validate(add, &op->error))
        return;
    lite_admin_open(op, conn, ADDING);
    if (!lite_op_ok(op) || lite_exec(conn, sqlite3_mprintf("BEGIN IMMEDIATE"), ADDING, &op->error))
        return;
    for (uint32_t i = 0; i < add->count && lite_op_ok(op); i++) {
        snprintf(what, sizeof what, "add event %u of %u", i + 1, add->count);
        lite_insert(conn->db, schema->table, schema->physical + COLUMN_EVENT_ID, add->events[i], what, NULL,
                    &op->error);
    }
    if (lite_op_ok(op))
        lite_exec(conn, sqlite3_mprintf("COMMIT"), ADDING, &op->error);
    lite_rollback(conn);
}

void lite_add(void *self, outbox_op_t id, const struct outbox_add *args)
{
    struct lite_store *store = self;
    struct add_op *add = lite_op_begin(&store->lanes, id, LANE_ADMIN, add_run);
    add->args = args;
    lite_op_submit(&add->op);
}

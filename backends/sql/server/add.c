/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/add.c - adding events: one statement, so one transaction, in the order given */
#include "sql/event.h"
#include "sql/server/table.h"
#include "sql/server/verbs.h"

static int validate(const struct sql_store *store, const struct outbox_add *add, struct outbox_error *error)
{
    if (!store->table.exists)
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND, "add events: there is no table %s; run 'outbox init'",
                                store->table_name);
    for (int i = 0; i < OBX_SQL_FIELDS; i++)
        if (obx_sql_field_required(i) && !sql_column_of(store, obx_sql_columns[i]))
            return outbox_error_set(error, OUTBOX_E_SCHEMA,
                                    "add events: table %s.%s has no column for %s; see 'outbox check'",
                                    store->table.schema, store->outbox.name, obx_sql_columns[i]);
    return obx_sql_add_validate(add, error);
}

void sql_add(void *self, outbox_op_t id, const struct outbox_add *add)
{
    struct sql_op *op = sql_op_begin(self, id);
    struct outbox_error error = {.code = OUTBOX_OK};
    op->in = add;
    op->request.fires_triggers = true;
    if (validate(op->store, add, &error) || !add->count)
        sql_op_complete(op, &error);
    else
        sql_op_submit(op, op->store->owner, "add events", op->store->driver->put_add, NULL, sql_op_end);
}

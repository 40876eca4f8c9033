/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/settle.c - deleting what was published
 *
 * Each transaction requires the epoch of this owner. One DELETE for each range of consecutive ids, with the length of
 * the range as LIMIT: the server stops at the last row, and neither reads nor waits for the next row, which a writer
 * may have locked. (Without the limit it locks the next record to find the end of the range, and several ranges in one
 * statement wait for what lies between them.) Where several rows may have one id, a LIMIT could leave a claimed row in
 * place of another one: there the number of deleted rows shows what went too much, and the settle may wait.
 *
 * Large settles go as several transactions (plugin.c has the limits): a commit is written to the binlog as a whole,
 * with the rows it deletes where binlog_row_image is FULL, and other commits wait for that.
 */
#include "store.h"

static void append_range(const struct sql_store *store, struct obx_sql_text *sql, const struct obx_sql_range *range)
{
    obx_sql_text_puts(sql, " FROM ");
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, " WHERE %n BETWEEN ", store->table.id);
    obx_sql_text_int(sql, range->lo);
    obx_sql_text_puts(sql, " AND ");
    obx_sql_text_int(sql, range->hi);
    obx_sql_text_format(sql, " ORDER BY %n", store->table.id);
    if (!store->shared_ids) {
        obx_sql_text_puts(sql, " LIMIT ");
        obx_sql_text_int(sql, range->hi - range->lo + 1);
    }
}

/* A DELETE cannot skip; the join reads its rows one by one, by their ids. The LIMIT keeps the server from merging both
 * parts. */
void mys_append_delete(const struct sql_op *op, struct obx_sql_text *sql, const struct obx_sql_range *range)
{
    const struct sql_store *store = op->store;
    if (op->removal.mode == SQL_LOCKED_SKIP) {
        obx_sql_text_format(sql, "DELETE o FROM (SELECT %n AS id", store->table.id);
        append_range(store, sql, range);
        obx_sql_text_puts(sql, " FOR UPDATE SKIP LOCKED) k STRAIGHT_JOIN ");
        sql_append_outbox(store, sql);
        obx_sql_text_format(sql, " o ON o.%n = k.id; ", store->table.id);
    } else {
        obx_sql_text_puts(sql, "DELETE");
        append_range(store, sql, range);
        obx_sql_text_puts(sql, "; ");
    }
}

bool mys_is_lock_wait(const struct outbox_error *error)
{
    enum { LOCK_WAIT_TIMEOUT = 1205 };
    return error->native == LOCK_WAIT_TIMEOUT;
}

bool mys_put_settle(struct sql_request *request)
{
    struct sql_op *op = sql_op_of(request);
    mys_append_fence(op, request->sql, op->in);
    for (uint32_t i = 0; i < op->range_count; i++)
        mys_append_delete(op, request->sql, &op->ranges[i]);
    obx_sql_text_puts(request->sql, "COMMIT");
    return true;
}

bool mys_put_remaining(struct sql_request *request, const struct obx_sql_range *ranges, uint32_t count)
{
    const struct sql_store *store = request->store;
    obx_sql_text_format(request->sql, "SELECT %n FROM ", store->table.id);
    sql_append_outbox(store, request->sql);
    for (uint32_t i = 0; i < count; i++) {
        obx_sql_text_format(request->sql, "%s%n BETWEEN ", i ? " OR " : " WHERE ", store->table.id);
        obx_sql_text_int(request->sql, ranges[i].lo);
        obx_sql_text_puts(request->sql, " AND ");
        obx_sql_text_int(request->sql, ranges[i].hi);
    }
    obx_sql_text_format(request->sql, " ORDER BY %n", store->table.id);
    return true;
}

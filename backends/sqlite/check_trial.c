/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/check_trial.c - can the first rows be read and removed? Those that cannot are named
 *
 * A virtual column that raises an error keeps its row from being read; a trigger on delete keeps one from being
 * removed.
 */
#include "check_trial.h"

#include <stdio.h>

#include "refused.h"
#include "unreadable.h"

enum { TRIED_ROWS = 1000, NAMED_MAX = 5, LIST_SIZE = 120 };

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* The first row above `last` that cannot be read; 0: there is none. */
static int64_t find_unreadable(struct lite_check_op *check, struct lite_conn *conn, int64_t last, char *why,
                               size_t size)
{
    const struct lite_schema *schema = &check->op.store->schema;
    const char *id = schema->physical[COLUMN_ID], *table = schema->table;
    sqlite3_stmt *statement =
        lite_prepare_once(conn,
                          sqlite3_mprintf("SELECT \"%w\", * FROM \"%w\" WHERE \"%w\" > %lld ORDER BY \"%w\" LIMIT %d",
                                          id, table, id, (long long)last, id, TRIED_ROWS),
                          LITE_CHECKING, &check->op.error);
    int code = statement ? sqlite3_step(statement) : SQLITE_DONE;
    for (; code == SQLITE_ROW; code = sqlite3_step(statement))
        last = sqlite3_column_int64(statement, 0);
    bool fails = lite_may_be_content(code);
    if (fails)
        snprintf(why, size, "%s", sqlite3_errmsg(conn->db));
    sqlite3_finalize(statement);
    return fails ? lite_query_int64(conn,
                                    sqlite3_mprintf("SELECT coalesce(min(\"%w\"), 0) FROM \"%w\" WHERE \"%w\" > %lld",
                                                    id, table, id, (long long)last),
                                    LITE_CHECKING, &check->op.error)
                 : 0;
}

void lite_try_reading(struct lite_check_op *check, struct lite_conn *conn)
{
    char why[200];
    int64_t id = 0;
    for (int named = 0; named < NAMED_MAX && (id = find_unreadable(check, conn, id, why, sizeof why)) > 0; named++)
        lite_check_find(
            check, OUTBOX_SEVERITY_ERROR, "correct its values: until then the relay rejects this event as it is",
            "row %lld of table \"%s\" cannot be read: %s", (long long)id, check->op.store->schema.table, why);
}

/* ---- removal ----------------------------------------------------------------------------------------------------- */

/* "3, 5 to 9" */
static void list_ids(const struct obx_sql_ranges *ids, char list[LIST_SIZE])
{
    size_t used = 0;
    list[0] = '\0';
    for (uint32_t i = 0; i < ids->count && i < NAMED_MAX && used < LIST_SIZE; i++) {
        const struct obx_sql_range *range = &ids->items[i];
        used += (size_t)snprintf(list + used, LIST_SIZE - used, "%s%lld", i ? ", " : "", (long long)range->lo);
        if (range->hi > range->lo && used < LIST_SIZE)
            used += (size_t)snprintf(list + used, LIST_SIZE - used, " to %lld", (long long)range->hi);
    }
}

static void report_kept(struct lite_check_op *check, const struct lite_refused *refused)
{
    char list[LIST_SIZE];
    list_ids(&refused->ids, list);
    lite_check_find(check, OUTBOX_SEVERITY_ERROR, "correct the triggers of the table",
                    "%llu of the first %d rows of table \"%s\" cannot be removed, %s; the last is %s",
                    (unsigned long long)lite_refused_count(refused), TRIED_ROWS, check->op.store->schema.table, list,
                    refused->reason);
}

/* In a transaction that is rolled back: would the relay be able to remove the first rows? */
void lite_try_removal(struct lite_check_op *check, struct lite_conn *conn)
{
    const struct lite_schema *schema = &check->op.store->schema;
    const char *table = schema->table, *id = schema->physical[COLUMN_ID];
    struct outbox_error *error = &check->op.error;
    struct lite_refused refused = {0};
    int64_t last =
        lite_query_int64(conn,
                         sqlite3_mprintf("SELECT max(\"%w\") FROM (SELECT \"%w\" FROM \"%w\" WHERE \"%w\" > 0 ORDER BY "
                                         "\"%w\" LIMIT %d)",
                                         id, id, table, id, id, TRIED_ROWS),
                         LITE_CHECKING, error);
    if (last < 1 || lite_prepare_removal(schema, conn, LITE_CHECKING, error) ||
        lite_exec(conn, sqlite3_mprintf("BEGIN IMMEDIATE"), LITE_CHECKING, error))
        return;
    enum lite_removal removal = lite_remove(&refused, conn, 1, last, LITE_CHECKING, error);
    lite_rollback(conn);
    if (removal == LITE_ROLLED_BACK)
        lite_check_find(check, OUTBOX_SEVERITY_ERROR, "drop it, or let it raise ABORT",
                        "a trigger of table \"%s\" rolls back the transaction that removes a row", table);
    else if (refused.ids.count)
        report_kept(check, &refused);
    lite_refused_fini(&refused, conn->host);
}

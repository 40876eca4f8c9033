/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/dead.c - the dead-letter statements that are specific to Postgres */
#include <string.h>

#include "store.h"

void pg_append_letter(const struct sql_store *store, struct obx_sql_text *sql)
{
    const struct sql_column *payload = sql_column_of(store, "payload");
    obx_sql_text_format(sql,
                        ", event_id::text, aggregatetype::text, aggregateid::text, type::text, payload%s, "
                        "headers::text",
                        payload && !strcmp(payload->base, PG_BASE_BYTEA) ? "" : "::text");
}

void pg_append_kept_value(const struct sql_store *store, struct obx_sql_text *sql, const struct sql_column *column)
{
    obx_sql_text_puts(sql, "(pg_catalog.jsonb_populate_record(NULL::");
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, ", rest)).%n", column->name);
}

/* One statement, so one transaction. */
static bool put_replay(struct sql_request *request)
{
    struct obx_sql_text sql = sql_text(request->store);
    obx_sql_text_puts(&sql, "WITH g AS (DELETE FROM ");
    sql_append_dead(request->store, &sql);
    sql_append_which(request->arg, &sql);
    obx_sql_text_puts(&sql, " RETURNING *) ");
    sql_append_replay(request->store, &sql);
    obx_sql_text_puts(&sql, " FROM g ORDER BY number");
    return pg_put_text(request, &sql);
}

void pg_replay(struct sql_op *op)
{
    sql_dead_move(op, put_replay);
}

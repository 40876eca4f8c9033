/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/dead.c - the dead-letter statements that are specific to Postgres */
#include <string.h>

#include "store.h"

void pg_append_letter(const struct sql_store *store, struct obx_sql_text *sql)
{
    static const char *const columns[] = {"event_id", "aggregatetype", "aggregateid", "type", "payload", "headers"};
    const struct sql_column *payload = sql_column_of(store, "payload");
    for (unsigned i = 0; i < sizeof columns / sizeof *columns; i++) {
        obx_sql_text_puts(sql, ", ");
        if (payload && !strcmp(columns[i], "payload") && !strcmp(payload->base, PG_BASE_BYTEA))
            obx_sql_text_name(sql, columns[i]);
        else
            pg_append_printed(sql, NULL, columns[i]);
    }
}

/* By the input function of the type. jsonb_to_record() calls it for a text, but for the types of JSON, which a cast
 * calls it for: there is no other cast from text to them. */
void pg_append_kept_value(const struct sql_store *store, struct obx_sql_text *sql, const struct sql_column *column)
{
    (void)store;
    if (!strcmp(column->base, PG_BASE_JSON) || !strcmp(column->base, PG_BASE_JSONB))
        obx_sql_text_format(sql, "CAST(rest OPERATOR(pg_catalog.->>) %l AS %s)", column->name, column->declared);
    else
        obx_sql_text_format(sql, "(SELECT x.%n FROM pg_catalog.jsonb_to_record(rest) x(%n %s))", column->name,
                            column->name, column->declared);
}

/* One statement, so one transaction. */
static bool put_replay(struct sql_request *request)
{
    struct obx_sql_text sql = sql_text(request->store);
    obx_sql_text_puts(&sql, "WITH g AS (DELETE FROM ");
    sql_append_dead(request->store, &sql);
    sql_append_which(request->arg, &sql);
    obx_sql_text_puts(&sql, " RETURNING *) ");
    sql_append_replay(request->arg, &sql);
    obx_sql_text_puts(&sql, " FROM g ORDER BY number");
    return pg_put_text(request, &sql);
}

void pg_replay(struct sql_op *op)
{
    sql_dead_move(op, put_replay);
}

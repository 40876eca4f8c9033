/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/dead.c - statements of the dead letters; $1: the last number of the page before, $2: which letters
 */
#include <string.h>

#include "sql/dead.h"
#include "store.h"

static void append_which(struct obx_sql_text *sql, const struct outbox_dead *dead)
{
    obx_sql_text_puts(sql, dead->count ? "d.number = ANY($2::int8[])" : "$2::int8[] IS NOT NULL");
}

static void append_letters(const struct sql_store *store, struct obx_sql_text *sql, const struct outbox_dead *dead)
{
    const struct sql_column *payload = sql_column_of(store, "payload");
    obx_sql_text_format(sql,
                        "SELECT d.number, convert_to(d.topic, 'UTF8'), d.key, d.reason, d.attempts, "
                        "(extract(epoch FROM d.died_at) * 1000000)::int8, d.event_id::text, d.aggregatetype::text, "
                        "d.aggregateid::text, d.type::text, d.payload%s, d.headers::text FROM ",
                        payload && !strcmp(payload->base, PG_BASE_BYTEA) ? "" : "::text");
    sql_append_dead(store, sql);
    obx_sql_text_puts(sql, " d WHERE d.number > $1::int8 AND ");
    append_which(sql, dead);
    obx_sql_text_format(sql, " ORDER BY d.number LIMIT %d", OBX_SQL_LETTERS_PAGE);
}

static void append_keys(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "SELECT min(d.number), convert_to(d.topic, 'UTF8'), d.key FROM ");
    sql_append_dead(store, sql);
    obx_sql_text_format(sql,
                        " d WHERE $2::int8[] IS NOT NULL GROUP BY d.topic, d.key HAVING min(d.number) > $1::int8 "
                        "ORDER BY 1 LIMIT %d",
                        OBX_SQL_KEYS_PAGE);
}

static void append_drop(const struct sql_store *store, struct obx_sql_text *sql, const struct outbox_dead *dead)
{
    obx_sql_text_puts(sql, "DELETE FROM ");
    sql_append_dead(store, sql);
    obx_sql_text_puts(sql, " d WHERE d.number > $1::int8 AND ");
    append_which(sql, dead);
}

/* The value of a column of the outbox, from the letter g. */
static void append_value(const struct sql_store *store, struct obx_sql_text *sql, const char *name)
{
    const char *logical = obx_sql_logical(&store->column_names, name);
    if (logical) {
        obx_sql_text_format(sql, "g.%n", logical);
        return;
    }
    obx_sql_text_puts(sql, "(jsonb_populate_record(NULL::");
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, ", g.rest)).%n", name);
}

static void append_replay(const struct sql_store *store, struct obx_sql_text *sql, const struct outbox_dead *dead)
{
    const struct sql_table *table = &store->table;
    obx_sql_text_puts(sql, "WITH g AS (");
    append_drop(store, sql, dead);
    obx_sql_text_puts(sql, " RETURNING d.*) INSERT INTO ");
    sql_append_outbox(store, sql);
    for (int pass = 0; pass < 2; pass++) {
        const char *comma = pass ? ") SELECT " : " (";
        for (uint32_t i = 0; i < table->column_count; i++) {
            const char *name = table->columns[i].name;
            if (!strcmp(name, table->id))
                continue;
            obx_sql_text_puts(sql, comma);
            comma = ", ";
            if (pass)
                append_value(store, sql, name);
            else
                obx_sql_text_name(sql, name);
        }
    }
    obx_sql_text_puts(sql, " FROM g ORDER BY g.number");
}

static bool send(struct sql_request *request, struct obx_sql_text *sql)
{
    const struct sql_op *op = request->arg;
    const struct outbox_dead *dead = sql_dead_of(op);
    struct pg_buf numbers = {.host = op->store->host};
    struct pg_params params = {0};
    pg_array_begin(&numbers, PG_OID_INT8, dead->count);
    for (uint32_t i = 0; i < dead->count; i++)
        pg_array_int8(&numbers, (int64_t)dead->numbers[i]);
    pg_param_int8(&params, (int64_t)op->cursor);
    pg_param_buf(&params, &numbers);
    sql->failed = sql->failed || numbers.failed;
    bool sent = pg_send_sql(request, sql, &params);
    pg_buf_free(&numbers);
    return sent;
}

bool pg_put_letters(struct sql_request *request)
{
    struct obx_sql_text sql = {.host = request->store->host};
    const struct outbox_dead *dead = sql_dead_of(request->arg);
    if (dead->action == OUTBOX_DEAD_KEYS)
        append_keys(request->store, &sql);
    else
        append_letters(request->store, &sql, dead);
    return send(request, &sql);
}

bool pg_put_drop(struct sql_request *request)
{
    struct obx_sql_text sql = {.host = request->store->host};
    append_drop(request->store, &sql, sql_dead_of(request->arg));
    return send(request, &sql);
}

static bool put_replay(struct sql_request *request)
{
    struct obx_sql_text sql = {.host = request->store->host};
    append_replay(request->store, &sql, sql_dead_of(request->arg));
    return send(request, &sql);
}

void pg_replay(struct sql_op *op)
{
    sql_dead_move(op, put_replay);
}

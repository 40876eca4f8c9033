/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/dead.c - the dead letters: list, show, keys, replay, drop
 *
 * Letters are read a page at a time. A replay gives each event a new id, thus the end of the queue, and keeps its
 * event id; it is one transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "sql/dead.h"
#include "store.h"

static struct outbox_dead *dead_of(const struct pg_op *op)
{
    return op->out;
}

static void put_which(struct obx_sql_text *sql, const struct outbox_dead *dead)
{
    obx_sql_text_puts(sql, dead->count ? "d.number = ANY($2::int8[])" : "$2::int8[] IS NOT NULL");
}

/* $1: the last number of the page before. */
static void put_read(const struct pg_store *store, struct obx_sql_text *sql, const struct outbox_dead *dead)
{
    const struct pg_column *payload = pg_column_of(store, "payload");
    obx_sql_text_format(sql,
                        "SELECT d.number, convert_to(d.topic, 'UTF8'), d.key, d.reason, d.attempts, d.died_at, "
                        "d.event_id::text, d.aggregatetype::text, d.aggregateid::text, d.type::text, d.payload%s, "
                        "d.headers::text FROM ",
                        payload && payload->base == PG_OID_BYTEA ? "" : "::text");
    pg_dead_name_put(store, sql);
    obx_sql_text_puts(sql, " d WHERE d.number > $1::int8 AND ");
    put_which(sql, dead);
    obx_sql_text_format(sql, " ORDER BY d.number LIMIT %d", OBX_SQL_LETTERS_PAGE);
}

static void put_keys(const struct pg_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "SELECT min(d.number), convert_to(d.topic, 'UTF8'), d.key FROM ");
    pg_dead_name_put(store, sql);
    obx_sql_text_format(sql,
                        " d WHERE $2::int8[] IS NOT NULL GROUP BY d.topic, d.key HAVING min(d.number) > $1::int8 "
                        "ORDER BY 1 LIMIT %d",
                        OBX_SQL_KEYS_PAGE);
}

static void put_drop(const struct pg_store *store, struct obx_sql_text *sql, const struct outbox_dead *dead)
{
    obx_sql_text_puts(sql, "DELETE FROM ");
    pg_dead_name_put(store, sql);
    obx_sql_text_puts(sql, " d WHERE d.number > $1::int8 AND ");
    put_which(sql, dead);
}

static void put_replay(const struct pg_store *store, struct obx_sql_text *sql, const struct outbox_dead *dead)
{
    const struct pg_table *table = &store->table;
    obx_sql_text_puts(sql, "WITH g AS (");
    put_drop(store, sql, dead);
    obx_sql_text_puts(sql, " RETURNING d.*), n AS (INSERT INTO ");
    obx_sql_text_table(sql, table->schema, table->name);
    const char *comma = " (";
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (!strcmp(table->columns[i].name, table->id))
            continue;
        obx_sql_text_format(sql, "%s%n", comma, table->columns[i].name);
        comma = ", ";
    }
    comma = ") SELECT ";
    for (uint32_t i = 0; i < table->column_count; i++) {
        const char *name = table->columns[i].name, *logical = obx_sql_logical(&store->column_names, name);
        if (!strcmp(name, table->id))
            continue;
        obx_sql_text_puts(sql, comma);
        comma = ", ";
        if (logical) {
            obx_sql_text_format(sql, "g.%n", logical);
            continue;
        }
        obx_sql_text_puts(sql, "(jsonb_populate_record(NULL::");
        obx_sql_text_table(sql, table->schema, table->name);
        obx_sql_text_format(sql, ", g.rest)).%n", name);
    }
    obx_sql_text_puts(sql, " FROM g ORDER BY g.number RETURNING 1) SELECT count(*) FROM n");
}

static int send_dead(struct pg_request *request, PGconn *pg)
{
    struct pg_op *op = request->arg;
    const struct outbox_dead *dead = dead_of(op);
    struct obx_sql_text sql = {.host = op->store->host};
    struct pg_params params = {0};
    if (dead->action == OUTBOX_DEAD_LIST || dead->action == OUTBOX_DEAD_SHOW)
        put_read(op->store, &sql, dead);
    else if (dead->action == OUTBOX_DEAD_KEYS)
        put_keys(op->store, &sql);
    else if (dead->action == OUTBOX_DEAD_DROP)
        put_drop(op->store, &sql, dead);
    else
        put_replay(op->store, &sql, dead);
    pg_array_begin(&op->buf, PG_OID_INT8, dead->count);
    for (uint32_t i = 0; i < dead->count; i++)
        pg_array_int8(&op->buf, (int64_t)dead->numbers[i]);
    pg_param_int8(&params, (int64_t)op->number);
    pg_param_buf(&params, &op->buf);
    int fine = !sql.failed && !op->buf.failed &&
               PQsendQueryParams(pg, sql.data, 2, NULL, params.values, params.lengths, params.formats, 1);
    obx_sql_text_free(&sql);
    return fine;
}

static struct outbox_bytes bytes(const PGresult *result, int row, int part)
{
    if (PQgetisnull(result, row, part))
        return (struct outbox_bytes){0};
    return (struct outbox_bytes){PQgetvalue(result, row, part), (size_t)PQgetlength(result, row, part)};
}

static void tell(const struct outbox_dead *dead, const PGresult *result, int row)
{
    static const int64_t epoch_us = 946684800000000;
    struct outbox_dead_letter letter = {.struct_size = sizeof letter, .event.struct_size = sizeof letter.event};
    int parts = obx_sql_dead_parts(dead);
    letter.number = pg_get_int8(PQgetvalue(result, row, OBX_SQL_NUMBER));
    for (int part = OBX_SQL_TOPIC; part < parts; part++)
        if (obx_sql_letter_part(&letter, part))
            *obx_sql_letter_part(&letter, part) = bytes(result, row, part);
    if (parts == OBX_SQL_PARTS) {
        letter.attempts = (int32_t)pg_get_int4(PQgetvalue(result, row, OBX_SQL_ATTEMPTS));
        letter.died_us = (int64_t)pg_get_int8(PQgetvalue(result, row, OBX_SQL_DIED_AT)) + epoch_us;
    }
    dead->row(dead->arg, &letter);
}

static void submit(struct pg_op *op);

/* True: another page is on its way. */
static bool take_page(struct pg_op *op)
{
    struct outbox_dead *dead = dead_of(op);
    int rows = PQntuples(op->result);
    for (int i = 0; i < rows; i++) {
        if (dead->limit && dead->affected == dead->limit)
            return false;
        tell(dead, op->result, i);
        dead->affected++;
        op->number = pg_get_int8(PQgetvalue(op->result, i, OBX_SQL_NUMBER));
    }
    if (rows < obx_sql_dead_page(dead))
        return false;
    submit(op);
    return true;
}

static void done(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_op *op = request->arg;
    struct outbox_dead *dead = dead_of(op);
    bool reads = dead->action != OUTBOX_DEAD_REPLAY && dead->action != OUTBOX_DEAD_DROP;
    if (!error->code && op->result) {
        if (reads && take_page(op))
            return;
        if (dead->action == OUTBOX_DEAD_REPLAY)
            dead->affected = pg_get_int8(PQgetvalue(op->result, 0, 0));
        else if (dead->action == OUTBOX_DEAD_DROP)
            dead->affected = strtoull(PQcmdTuples(op->result), NULL, 10);
    }
    pg_op_finish(op, error);
}

static void submit(struct pg_op *op)
{
    op->request = (struct pg_request){
        .what = obx_sql_dead_what(dead_of(op)), .send = send_dead, .result = pg_keep, .done = done, .arg = op};
    pg_conn_submit(&op->store->owner, &op->request);
}

void pg_dead(void *self, outbox_op_t id, struct outbox_dead *dead)
{
    struct pg_op *op = pg_op(self, id);
    struct outbox_error error;
    op->out = dead;
    dead->affected = 0;
    if (obx_sql_dead_judge(dead, op->store->table.oid != 0, op->store->table_name, &error))
        pg_op_finish(op, &error);
    else
        submit(op);
}

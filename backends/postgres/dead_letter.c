/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/dead_letter.c - moving rows to the dead-letter table
 *
 * One statement, so one transaction: what is deleted from the outbox is what is inserted, and a row that is gone
 * already is not. Columns that the relay has no name for are kept as one JSON object, for the replay.
 */
#include "sql/dead.h"
#include "store.h"

static const char *dead_schema(const struct pg_store *store)
{
    if (*store->dead_schema)
        return store->dead_schema;
    return *store->table.schema ? store->table.schema : store->schema;
}

void pg_dead_name_put(const struct pg_store *store, struct obx_sql_text *sql)
{
    const char *schema = dead_schema(store);
    obx_sql_text_table(sql, *schema ? schema : NULL, store->dead_table);
}

/* The columns without such a name, as a JSON object. */
static void put_rest(const struct pg_store *store, struct obx_sql_text *sql)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < store->table.column_count; i++) {
        const char *name = store->table.columns[i].name;
        if (obx_sql_logical(&store->column_names, name))
            continue;
        obx_sql_text_format(sql, count++ ? ", %l, g.%n" : ", jsonb_build_object(%l, g.%n", name, name);
    }
    obx_sql_text_puts(sql, count ? ")" : ", NULL");
}

static void put_park(const struct pg_store *store, struct obx_sql_text *sql)
{
    const struct pg_table *table = &store->table;
    obx_sql_text_puts(sql,
                      "WITH p AS MATERIALIZED (SELECT * FROM unnest($1::int8[], $2::int4[], $3::text[], $4::bytea[], "
                      "$5::text[]) p(id, attempts, topic, key, reason)), g AS (DELETE FROM ");
    obx_sql_text_table(sql, table->schema, table->name);
    obx_sql_text_format(sql, " t WHERE t.%n = ANY($1::int8[]) RETURNING t.*) INSERT INTO ", table->id);
    pg_dead_name_put(store, sql);
    obx_sql_text_puts(sql, " (outbox_id, topic, key, reason, attempts");
    for (int i = 0; i < OBX_SQL_COLUMNS; i++)
        if (pg_column_of(store, obx_sql_columns[i]))
            obx_sql_text_format(sql, ", %n", obx_sql_columns[i]);
    obx_sql_text_format(sql, ", rest) SELECT p.id, p.topic, p.key, p.reason, p.attempts");
    for (int i = 0; i < OBX_SQL_COLUMNS; i++)
        if (pg_column_of(store, obx_sql_columns[i]))
            obx_sql_text_format(sql, ", g.%n", pg_column_of(store, obx_sql_columns[i])->name);
    put_rest(store, sql);
    obx_sql_text_format(sql, " FROM g JOIN p ON p.id = g.%n ORDER BY p.id", table->id);
}

/* Five arrays, one after the other through one buffer each. */
static int send_park(struct pg_request *request, PGconn *pg)
{
    struct pg_op *op = request->arg;
    struct pg_store *store = op->store;
    const struct outbox_dead_letter_rows *park = op->in;
    static const uint32_t types[5] = {PG_OID_INT8, PG_OID_INT4, PG_OID_TEXT, PG_OID_BYTEA, PG_OID_TEXT};
    struct pg_buf bufs[5] = {{.host = store->host},
                             {.host = store->host},
                             {.host = store->host},
                             {.host = store->host},
                             {.host = store->host}};
    struct obx_sql_text sql = {.host = store->host};
    struct pg_params params = {0};
    bool failed = false;
    for (int b = 0; b < 5; b++)
        pg_array_begin(&bufs[b], types[b], park->count);
    for (uint32_t i = 0; i < park->count; i++) {
        const struct outbox_dead_row *row = &park->rows[i];
        pg_array_int8(&bufs[0], (int64_t)row->position.major);
        pg_array_int4(&bufs[1], (int32_t)(row->attempts < INT32_MAX ? row->attempts : INT32_MAX));
        pg_array_bytes(&bufs[2], obx_sql_dead_topic(row));
        pg_array_bytes(&bufs[3], row->key);
        pg_array_bytes(&bufs[4], obx_sql_dead_reason(row));
    }
    put_park(store, &sql);
    for (int b = 0; b < 5; b++) {
        failed = failed || bufs[b].failed;
        pg_param_buf(&params, &bufs[b]);
    }
    int fine = !failed && !sql.failed &&
               PQsendQueryParams(pg, sql.data, params.count, NULL, params.values, params.lengths, params.formats, 1);
    for (int b = 0; b < 5; b++)
        pg_buf_free(&bufs[b]);
    obx_sql_text_free(&sql);
    return fine;
}

static void parked(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_op *op = request->arg;
    struct pg_store *store = op->store;
    if (!error->code)
        obx_sql_outstanding_remove_parked(&store->given, op->in);
    obx_sql_outstanding_removed(&store->given);
    pg_op_finish(op, error);
}

void pg_park(void *self, outbox_op_t id, const struct outbox_dead_letter_rows *park)
{
    struct pg_store *store = self;
    struct pg_op *op = pg_op(store, id);
    struct outbox_error error;
    op->in = park;
    op->request = (struct pg_request){.what = "park rows", .send = send_park, .done = parked, .arg = op};
    if (store->owns) {
        obx_sql_outstanding_removing(&store->given);
        pg_conn_submit(&store->owner, &op->request);
        OUTBOX_FAILPOINT(store->host, postgres, dead_letter_sent);
        return;
    }
    pg_fail(&error, OUTBOX_E_FENCED, "park rows of %s: this relay does not own the outbox", store->table_name);
    pg_op_finish(op, &error);
}

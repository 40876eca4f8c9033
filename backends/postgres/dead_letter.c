/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/dead_letter.c - moving rows to the dead-letter table
 *
 * One statement, so one transaction: it inserts exactly the rows that it deletes from the outbox. A row that is gone
 * already is not inserted. Columns that the relay has no name for are kept as one JSON object, for the replay. As in
 * settle.c, all names are qualified.
 */
#include "sql/dead.h"
#include "sql/server/dead_letter.h"
#include "store.h"

enum { ARRAYS = 5 };

/* As the server prints it: its input function reads the same value from that, whatever the type. A conversion to JSON
 * would lose the bounds of an array, the text of a json value, the sign of a zero. */
void pg_append_json_value(struct obx_sql_text *sql, const struct sql_column *column)
{
    pg_append_printed(sql, "g", column->name);
}

static void append_move(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "WITH p AS MATERIALIZED (SELECT * FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.int8[]), "
                           "pg_catalog.unnest($2::pg_catalog.int4[]), pg_catalog.unnest($3::pg_catalog.text[]), "
                           "pg_catalog.unnest($4::pg_catalog.bytea[]), pg_catalog.unnest($5::pg_catalog.text[])) "
                           "p(id, attempts, topic, key, reason)), g AS (DELETE FROM ");
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, " t WHERE t.%n OPERATOR(pg_catalog.=) ANY($1::pg_catalog.int8[]) AND ", store->table.id);
    pg_append_same_table(store, sql);
    obx_sql_text_puts(sql, " RETURNING t.*) INSERT INTO ");
    sql_append_dead(store, sql);
    obx_sql_text_puts(sql, " (outbox_id, topic, key, reason, attempts");
    sql_append_columns(store, sql, false, "");
    obx_sql_text_puts(sql, ", rest) SELECT p.id, p.topic, p.key, p.reason, p.attempts");
    sql_append_columns(store, sql, true, "g.");
    sql_append_rest(store, sql);
    obx_sql_text_format(sql, " FROM g JOIN p ON p.id OPERATOR(pg_catalog.=) g.%n ORDER BY p.id", store->table.id);
}

static void append_rows(struct pg_buf arrays[ARRAYS], const struct outbox_dead_letter_rows *rows)
{
    static const uint32_t types[ARRAYS] = {PG_OID_INT8, PG_OID_INT4, PG_OID_TEXT, PG_OID_BYTEA, PG_OID_TEXT};
    for (int a = 0; a < ARRAYS; a++)
        pg_array_begin(&arrays[a], types[a], rows->count);
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct outbox_dead_row *row = &rows->rows[i];
        pg_array_int8(&arrays[0], (int64_t)row->position.major);
        pg_array_int4(&arrays[1], (int32_t)(row->attempts < INT32_MAX ? row->attempts : INT32_MAX));
        pg_array_bytes(&arrays[2], obx_sql_dead_topic(row));
        pg_array_bytes(&arrays[3], row->key);
        pg_array_bytes(&arrays[4], obx_sql_dead_reason(row));
    }
}

bool pg_put_dead_letters(struct sql_request *request)
{
    const struct outbox_host *host = request->store->host;
    struct pg_buf arrays[ARRAYS] = {{.host = host}, {.host = host}, {.host = host}, {.host = host}, {.host = host}};
    struct obx_sql_text sql = {.host = host};
    struct outbox_dead_letter_rows rows = sql_dead_letter_rows(sql_op_of(request));
    if (!pg_put_hurry(request))
        return false;
    append_rows(arrays, &rows);
    append_move(request->store, &sql);
    return pg_send_arrays(request, &sql, arrays, ARRAYS);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/add.c - adding events: one statement over arrays, so one transaction, in the order given
 */
#include "sql/event.h"
#include "store.h"

static const struct pg_column *column_of(const struct pg_store *store, int index)
{
    return pg_column_of(store, obx_sql_columns[index]);
}

static void put_insert(const struct pg_store *store, struct obx_sql_text *sql)
{
    const char *comma = " (";
    obx_sql_text_puts(sql, "INSERT INTO ");
    obx_sql_text_table(sql, store->table.schema, store->table.name);
    for (int i = 0; i < OBX_SQL_FIELDS; i++) {
        if (!column_of(store, i))
            continue;
        obx_sql_text_format(sql, "%s%n", comma, column_of(store, i)->name);
        comma = ", ";
    }
    comma = ") SELECT ";
    for (int i = 0; i < OBX_SQL_FIELDS; i++) {
        const struct pg_column *column = column_of(store, i);
        if (!column)
            continue;
        obx_sql_text_format(sql, i ? "%se.f%d::%s" : "%scoalesce(e.f%d::%s, gen_random_uuid()::%s)", comma, i,
                            column->type, column->type);
        comma = ", ";
    }
    obx_sql_text_puts(sql, " FROM ROWS FROM (");
    for (int i = 0; i < OBX_SQL_FIELDS; i++)
        obx_sql_text_format(sql, i ? ", unnest($%d::%s)" : "unnest($%d::%s)", i + 1,
                            column_of(store, i) && column_of(store, i)->base == PG_OID_BYTEA ? "bytea[]" : "text[]");
    obx_sql_text_puts(sql, ") WITH ORDINALITY e(f0, f1, f2, f3, f4, f5, n) ORDER BY e.n");
}

static int send_add(struct pg_request *request, PGconn *pg)
{
    struct pg_op *op = request->arg;
    struct pg_store *store = op->store;
    const struct outbox_add *add = op->in;
    struct obx_sql_text sql = {.host = store->host};
    struct pg_buf bufs[OBX_SQL_FIELDS] = {{0}};
    struct pg_params params = {0};
    bool failed = false;
    put_insert(store, &sql);
    for (int i = 0; i < OBX_SQL_FIELDS; i++) {
        const struct pg_column *column = column_of(store, i);
        bufs[i].host = store->host;
        pg_array_begin(&bufs[i], column && column->base == PG_OID_BYTEA ? PG_OID_BYTEA : PG_OID_TEXT, add->count);
        for (uint32_t e = 0; e < add->count; e++)
            pg_array_bytes(&bufs[i], obx_sql_field(add->events[e], i));
        pg_param_buf(&params, &bufs[i]);
        failed = failed || bufs[i].failed;
    }
    int fine = !failed && !sql.failed &&
               PQsendQueryParams(pg, sql.data, params.count, NULL, params.values, params.lengths, params.formats, 1);
    for (int i = 0; i < OBX_SQL_FIELDS; i++)
        pg_buf_free(&bufs[i]);
    obx_sql_text_free(&sql);
    return fine;
}

static int judge(const struct pg_store *store, const struct outbox_add *add, struct outbox_error *error)
{
    if (!store->table.oid)
        return pg_fail(error, OUTBOX_E_NOT_FOUND, "add events: there is no table %s; run 'outbox init'",
                       store->table_name);
    for (int i = 0; i < OBX_SQL_FIELDS; i++)
        if (obx_sql_field_required(i) && !column_of(store, i))
            return pg_fail(error, OUTBOX_E_SCHEMA, "add events: table %s.%s has no column for %s; see 'outbox check'",
                           store->table.schema, store->table.name, obx_sql_columns[i]);
    return obx_sql_add_judge(add, error);
}

static void added(struct pg_request *request, const struct outbox_error *error)
{
    pg_op_finish(request->arg, error);
}

void pg_add(void *self, outbox_op_t id, const struct outbox_add *add)
{
    struct pg_op *op = pg_op(self, id);
    struct outbox_error error = {.code = OUTBOX_OK};
    op->in = add;
    op->request = (struct pg_request){.what = "add events", .send = send_add, .done = added, .arg = op};
    if (judge(op->store, add, &error) || !add->count)
        pg_op_finish(op, &error);
    else
        pg_conn_submit(&op->store->owner, &op->request);
}

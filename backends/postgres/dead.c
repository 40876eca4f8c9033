/*
 * backends/postgres/dead.c - the dead letters: list, show, keys, replay, drop
 *
 * Letters are read a page at a time. A replay gives each event a new id, thus the end of the queue, and keeps its
 * event id; it is one transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum { PAGE = 100, KEYS_PAGE = 5000 };

enum part {
    NUMBER,
    TOPIC,
    KEY,
    REASON,
    ATTEMPTS,
    DIED_AT,
    EVENT_ID,
    AGGREGATE_TYPE,
    AGGREGATE_ID,
    TYPE,
    PAYLOAD,
    HEADERS
};

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
    const struct pg_column *payload = pg_column_find(&store->table, obx_sql_column(&store->column_names, "payload"));
    obx_sql_text_format(sql,
                        "SELECT d.number, convert_to(d.topic, 'UTF8'), d.key, d.reason, d.attempts, d.died_at, "
                        "d.event_id::text, d.aggregatetype::text, d.aggregateid::text, d.type::text, d.payload%s, "
                        "d.headers::text FROM ",
                        payload && payload->base == PG_OID_BYTEA ? "" : "::text");
    pg_dead_name_put(store, sql);
    obx_sql_text_puts(sql, " d WHERE d.number > $1::int8 AND ");
    put_which(sql, dead);
    obx_sql_text_format(sql, " ORDER BY d.number LIMIT %d", PAGE);
}

static void put_keys(const struct pg_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "SELECT min(d.number), convert_to(d.topic, 'UTF8'), d.key FROM ");
    pg_dead_name_put(store, sql);
    obx_sql_text_format(sql,
                        " d WHERE $2::int8[] IS NOT NULL GROUP BY d.topic, d.key HAVING min(d.number) > $1::int8 "
                        "ORDER BY 1 LIMIT %d",
                        KEYS_PAGE);
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
        const char *name = table->columns[i].name, *logical = NULL;
#define IS_LOGICAL(column)                                            \
    if (!strcmp(name, obx_sql_column(&store->column_names, #column))) \
        logical = #column;
        OBX_SQL_COLUMNS(IS_LOGICAL)
#undef IS_LOGICAL
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

static struct outbox_bytes bytes(const PGresult *result, int row, enum part part)
{
    if (PQgetisnull(result, row, (int)part))
        return (struct outbox_bytes){0};
    return (struct outbox_bytes){PQgetvalue(result, row, (int)part), (size_t)PQgetlength(result, row, (int)part)};
}

static void tell(const struct outbox_dead *dead, const PGresult *result, int row)
{
    static const int64_t epoch_us = 946684800000000;
    struct outbox_dead_letter letter = {.struct_size = sizeof letter,
                                        .number = pg_get_int8(PQgetvalue(result, row, NUMBER)),
                                        .topic = bytes(result, row, TOPIC),
                                        .key = bytes(result, row, KEY)};
    letter.event.struct_size = sizeof letter.event;
    if (dead->action != OUTBOX_DEAD_KEYS) {
        letter.reason = bytes(result, row, REASON);
        letter.attempts = (int32_t)pg_get_int4(PQgetvalue(result, row, ATTEMPTS));
        letter.died_us = (int64_t)pg_get_int8(PQgetvalue(result, row, DIED_AT)) + epoch_us;
        letter.event.event_id = bytes(result, row, EVENT_ID);
        letter.event.aggregate_type = bytes(result, row, AGGREGATE_TYPE);
        letter.event.aggregate_id = bytes(result, row, AGGREGATE_ID);
        letter.event.type = bytes(result, row, TYPE);
        letter.event.payload = bytes(result, row, PAYLOAD);
        letter.event.headers = bytes(result, row, HEADERS);
    }
    dead->row(dead->arg, &letter);
}

static void submit(struct pg_op *op);

/* True: another page is on its way. */
static bool take_page(struct pg_op *op)
{
    struct outbox_dead *dead = dead_of(op);
    int rows = PQntuples(op->result), page = dead->action == OUTBOX_DEAD_KEYS ? KEYS_PAGE : PAGE;
    for (int i = 0; i < rows; i++) {
        if (dead->limit && dead->affected == dead->limit)
            return false;
        tell(dead, op->result, i);
        dead->affected++;
        op->number = pg_get_int8(PQgetvalue(op->result, i, NUMBER));
    }
    if (rows < page)
        return false;
    submit(op);
    return true;
}

static void take(struct pg_request *request, PGresult *result)
{
    struct pg_op *op = request->arg;
    PQclear(op->result);
    op->result = result;
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
    static const char *const what[] = {"list dead letters", "show dead letters", "replay dead letters",
                                       "drop dead letters", "list the keys of dead letters"};
    op->request = (struct pg_request){
        .what = what[dead_of(op)->action], .send = send_dead, .result = take, .done = done, .arg = op};
    pg_conn_submit(&op->store->owner, &op->request);
}

void pg_dead(void *self, outbox_op_t id, struct outbox_dead *dead)
{
    struct pg_op *op = pg_op(self, id);
    struct outbox_error error;
    op->out = dead;
    dead->affected = 0;
    if (dead->action > OUTBOX_DEAD_KEYS)
        pg_fail(&error, OUTBOX_E_UNSUPPORTED, "dead letters: action %u is not known", dead->action);
    else if (!op->store->table.oid)
        pg_fail(&error, OUTBOX_E_NOT_FOUND, "dead letters of %s: there is no such outbox; run 'outbox init'",
                op->store->table_name);
    else {
        submit(op);
        return;
    }
    pg_op_finish(op, &error);
}

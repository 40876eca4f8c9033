/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/setup.c - the tables as SQL: made by setup, or only printed
 *
 * The outbox is made when there is none; one that exists is never altered. The dead-letter table takes the types of
 * payload and headers from the outbox, so that what is parked can be replayed byte by byte. Both in one transaction.
 */
#include <string.h>

#include "store.h"

/* Deleted rows should be cleared away soon, and with little scanning. */
#define STORAGE                                                                        \
    "WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000,\n" \
    "      autovacuum_vacuum_cost_delay = 0)"

static const char *named(const struct pg_store *store, const char *logical)
{
    return obx_sql_column(&store->column_names, logical);
}

static void outbox_sql(const struct pg_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
    pg_table_put(store, sql);
    obx_sql_text_format(
        sql,
        " (\n    %n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
        "    %n uuid NOT NULL DEFAULT gen_random_uuid(),\n"
        "    %n text NOT NULL,\n    %n text NOT NULL,\n    %n text NOT NULL,\n    %n text,\n    %n json,\n"
        "    %n timestamptz NOT NULL DEFAULT now()\n) " STORAGE,
        named(store, "id"), named(store, "event_id"), named(store, "aggregatetype"), named(store, "aggregateid"),
        named(store, "type"), named(store, "payload"), named(store, "headers"), named(store, "created_at"));
}

/* The type of an outbox column, or what it is by default. */
static const char *type_of(const struct pg_store *store, const char *logical, const char *default_value)
{
    const struct pg_column *column = pg_column_of(store, logical);
    return column ? column->type : default_value;
}

static void dead_sql(const struct pg_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
    pg_dead_name_put(store, sql);
    obx_sql_text_format(
        sql,
        " (\n    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    outbox_id bigint NOT NULL,\n"
        "    event_id %s,\n    aggregatetype %s,\n    aggregateid %s,\n    type %s,\n    payload %s,\n"
        "    headers %s,\n    created_at %s,\n    topic text,\n    key bytea,\n"
        "    reason text NOT NULL,\n    attempts integer NOT NULL,\n"
        "    died_at timestamptz NOT NULL DEFAULT now(),\n    rest jsonb\n)",
        type_of(store, "event_id", "uuid"), type_of(store, "aggregatetype", "text"),
        type_of(store, "aggregateid", "text"), type_of(store, "type", "text"), type_of(store, "payload", "text"),
        type_of(store, "headers", "json"), type_of(store, "created_at", "timestamptz"));
}

/* The n-th statement; false: there are no more. */
static bool statement(const struct pg_store *store, struct obx_sql_text *sql, int n)
{
    obx_sql_text_clear(sql);
    if (n == 0)
        outbox_sql(store, sql);
    else if (n == 1)
        dead_sql(store, sql);
    else if (store->doorbell == PG_DOORBELL_TRIGGER && n < 2 + PG_BELL_STATEMENTS)
        pg_bell_sql(store, sql, n - 2);
    else
        return false;
    return true;
}

static int send_setup(struct pg_request *request, PGconn *pg)
{
    struct pg_store *store = ((struct pg_op *)request->arg)->store;
    struct obx_sql_text sql = {.host = store->host};
    /* Whoever waits for a lock on the table lets nobody else have one: not for long. */
    int fine = PQsendQueryParams(pg, "SELECT set_config('lock_timeout', '5s', true)", 0, NULL, NULL, NULL, NULL, 0);
    for (int n = 0; fine && statement(store, &sql, n); n++)
        fine = !sql.failed && PQsendQueryParams(pg, obx_sql_text_get(&sql), 0, NULL, NULL, NULL, NULL, 0);
    obx_sql_text_free(&sql);
    return fine && pg_look_send_table(store, pg); /* what comes next on this store is to know the new table */
}

static void take(struct pg_request *request, PGresult *result)
{
    struct pg_store *store = ((struct pg_op *)request->arg)->store;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQnfields(result) > 1)
        pg_look_take_table(store, result, &store->start_error);
    else
        PQclear(result);
}

static void set_up(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_op *op = request->arg;
    pg_op_finish(op, error->code ? error : &op->store->start_error);
}

void pg_setup(void *self, outbox_op_t id)
{
    struct pg_op *op = pg_op(self, id);
    op->store->start_error.code = OUTBOX_OK;
    op->request =
        (struct pg_request){.what = "set up the tables", .send = send_setup, .result = take, .done = set_up, .arg = op};
    pg_conn_submit(&op->store->owner, &op->request);
}

/* ---- print ------------------------------------------------------------------------------------------------------- */

static const char *relay_role(const struct pg_store *store)
{
    for (const PQconninfoOption *o = store->target.parsed; o && o->keyword; o++)
        if (!strcmp(o->keyword, "user") && o->val && *o->val)
            return o->val;
    return "relay";
}

static void grants_sql(const struct pg_store *store, struct obx_sql_text *sql)
{
    const char *role = relay_role(store), *schema = *store->schema ? store->schema : "public";
    obx_sql_text_format(sql, "-- the relay\nGRANT USAGE ON SCHEMA %n TO %n;\nGRANT SELECT, DELETE ON ", schema, role);
    pg_table_put(store, sql);
    obx_sql_text_format(sql, " TO %n;\nGRANT SELECT, INSERT, DELETE ON ", role);
    pg_dead_name_put(store, sql);
    obx_sql_text_format(sql, " TO %n;\n-- only for 'outbox add' and 'outbox dead replay'\nGRANT INSERT ON ", role);
    pg_table_put(store, sql);
    obx_sql_text_format(sql, " TO %n;\n-- each application that writes events\nGRANT INSERT ON ", role);
    pg_table_put(store, sql);
    obx_sql_text_puts(sql, " TO \"application\";");
    if (store->doorbell == PG_DOORBELL_WAL)
        obx_sql_text_format(sql,
                            "\n-- for wakeup: wal; whoever has it may read all that is in the server\n"
                            "ALTER ROLE %n REPLICATION;\n-- and in pg_hba.conf: host replication %n ADDRESS METHOD",
                            role, role);
}

int pg_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
             struct outbox_error *error)
{
    struct pg_store *store = self;
    struct obx_sql_text sql = {.host = store->host};
    bool failed = false;
    if (what == OUTBOX_PRINT_GRANTS) {
        grants_sql(store, &sql);
        failed = sql.failed;
        if (!failed)
            obx_sql_text_tell(&sql, line, arg);
    }
    for (int n = 0; what == OUTBOX_PRINT_SQL && !failed && statement(store, &sql, n); n++) {
        obx_sql_text_puts(&sql, ";");
        failed = sql.failed;
        if (!failed)
            obx_sql_text_tell(&sql, line, arg);
    }
    obx_sql_text_free(&sql);
    return failed ? pg_fail(error, OUTBOX_E_NO_MEMORY, "print the tables: out of memory") : OUTBOX_OK;
}

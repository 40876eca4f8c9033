/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/plugin.c - the Postgres store: options, life cycle and descriptor */
#include <stdio.h>

#include "store.h"

#include <outbox/version.h>

struct pg_op *pg_op(struct pg_store *store, outbox_op_t id)
{
    struct pg_op *op = store->host->op_scratch(store->host, id);
    op->store = store;
    op->op = id;
    op->request.arg = op;
    op->buf.host = store->host;
    store->ops++;
    return op;
}

void pg_keep(struct pg_request *request, PGresult *result)
{
    struct pg_op *op = request->arg;
    PQclear(op->result);
    op->result = result;
}

void pg_op_finish(struct pg_op *op, const struct outbox_error *error)
{
    struct pg_store *store = op->store;
    outbox_op_t id = op->op;
    PQclear(op->result);
    pg_buf_free(&op->buf);
    store->ops--;
    if (store->claim_op == id)
        store->claim_op = 0;
    store->host->op_done(store->host, id, error); /* the scratch memory is gone now */
    pg_stop_if_idle(store);
}

void pg_close_all(struct pg_store *store, const struct outbox_error *why)
{
    store->owns = false;
    pg_conn_close(&store->reader, why);
    pg_conn_close(&store->owner, why);
    pg_wal_close(store, why);
}

static void finish_stop(struct pg_store *store)
{
    struct outbox_error error;
    outbox_op_t op = store->stop_op;
    store->stop_op = 0;
    store->stopping = false;
    store->phase = PG_STOPPED;
    pg_fail(&error, OUTBOX_E_CANCELED, "stop: the connection is closed");
    pg_close_all(store, &error);
    store->host->op_done(store->host, op, NULL);
}

static int send_unlock(struct pg_request *request, PGconn *pg)
{
    (void)request;
    return PQsendQueryParams(pg, "SELECT pg_advisory_unlock_all()", 0, NULL, NULL, NULL, NULL, 1);
}

static void unlocked(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    (void)error;
    if (store->stopping)
        finish_stop(store);
}

/* The lock is given back and not just left to the end of the session, which comes a little later. */
void pg_stop_if_idle(struct pg_store *store)
{
    if (!store->stop_op || store->stopping || store->ops || store->start_op || store->lookups)
        return;
    if (!store->owns || !pg_conn_is_open(&store->owner)) {
        finish_stop(store);
        return;
    }
    store->stopping = true;
    store->owns = false;
    store->step =
        (struct pg_request){.what = "give ownership back", .send = send_unlock, .done = unlocked, .arg = store};
    pg_conn_submit(&store->owner, &store->step);
}

static void stop(void *self, outbox_op_t op)
{
    struct pg_store *store = self;
    store->stop_op = op;
    if (store->start_op)
        pg_start_cancel(store);
    else
        pg_stop_if_idle(store);
}

/* A statement cannot be taken back without waiting; its connection can. */
static void cancel(void *self, outbox_op_t op)
{
    struct pg_store *store = self;
    struct outbox_error error;
    pg_fail(&error, OUTBOX_E_CANCELED, "canceled: the connection was closed");
    if (op == store->start_op) {
        pg_start_cancel(store);
    } else if (op == store->claim_op) {
        pg_conn_close(&store->reader, &error);
    } else {
        store->owns = false;
        pg_conn_close(&store->owner, &error);
        pg_wal_close(store, &error);
        if (op == store->stop_op)
            pg_conn_close(&store->reader, &error);
    }
}

static int check_names(struct pg_store *store, struct outbox_error *error)
{
    char dead[2 * PG_NAME + 8];
    const char *unknown = obx_sql_columns_unknown(&store->column_names);
    if (unknown)
        return pg_fail(
            error, OUTBOX_E_CONFIG,
            "columns: there is no logical column \"%s\"; they are id, event_id, aggregatetype, aggregateid, type, "
            "payload, headers, created_at",
            unknown);
    if (!obx_sql_split_table(store->table_name, store->schema, store->name, PG_NAME))
        return pg_fail(error, OUTBOX_E_CONFIG, "table: \"%s\" is no name of a table; write TABLE or SCHEMA.TABLE",
                       store->table_name);
    if (store->dead_name)
        snprintf(dead, sizeof dead, "%s", store->dead_name);
    else
        snprintf(dead, sizeof dead, "%s_dead", store->table_name);
    if (!obx_sql_split_table(dead, store->dead_schema, store->dead_table, PG_NAME))
        return pg_fail(error, OUTBOX_E_CONFIG, "dead_table: \"%s\" is no name of a table; write TABLE or SCHEMA.TABLE",
                       dead);
    return OUTBOX_OK;
}

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct pg_store *store = self;
    store->host = init->host;
    snprintf(store->relay, sizeof store->relay, "%s", init->relay);
    store->lo.host = store->hi.host = store->relations.host = init->host;
    store->run_lo.host = store->run_hi.host = init->host;
    store->claim_plain.host = store->claim_guarded.host = store->settle_sql.host = init->host;
    obx_sql_gaps_init(&store->holes, init->host, 1000000000);
    store->given.host = init->host;
    store->sweep.pages.holes = &store->holes;
    store->sweep.pages.given = &store->given;
    store->sweep.pages.before_first = INT64_MIN;
    if (!PQisthreadsafe())
        return pg_fail(error, OUTBOX_E_UNSUPPORTED, "this libpq was built without threads");
    if (check_names(store, error))
        return error->code;
    return pg_target_parse(&store->target, store->dsn, store->relay, error);
}

static void fini(void *self)
{
    struct pg_store *store = self;
    if (!store->host)
        return;
    pg_target_free(&store->target);
    pg_table_free(store);
    obx_sql_batches_free(&store->batches, store->host);
    obx_sql_gaps_free(&store->holes);
    obx_sql_outstanding_free(&store->given);
    obx_sql_ranges_free(store->host, &store->runs);
    struct pg_buf *bufs[] = {&store->lo, &store->hi, &store->relations, &store->run_lo, &store->run_hi};
    for (unsigned i = 0; i < sizeof bufs / sizeof *bufs; i++)
        pg_buf_free(bufs[i]);
    obx_sql_text_free(&store->claim_plain);
    obx_sql_text_free(&store->claim_guarded);
    obx_sql_text_free(&store->settle_sql);
    store->host->release(store->host, store->active);
    store->host->release(store->host, store->holders);
    store->host->release(store->host, store->ids);
}

static const char *const doorbells[] = {"off", "trigger", "wal", NULL};
static const struct outbox_option options[] = {
    {"dsn", OUTBOX_OPT_STRING, OUTBOX_OPT_REQUIRED | OUTBOX_OPT_SECRET | OUTBOX_OPT_IDENTITY,
     offsetof(struct pg_store, dsn), NULL, 0, 0, NULL,
     "a conninfo string or URI of libpq; several hosts are tried in turn"},
    {"table", OUTBOX_OPT_STRING, OUTBOX_OPT_IDENTITY, offsetof(struct pg_store, table_name), "outbox", 0, 0, NULL,
     "the outbox table, with its schema if that is not in the search path"},
    {"dead_table", OUTBOX_OPT_STRING, 0, offsetof(struct pg_store, dead_name), NULL, 0, 0, NULL,
     "the dead-letter table; by default the outbox table's name with _dead behind"},
    {"columns", OUTBOX_OPT_MAP, 0, offsetof(struct pg_store, column_names), NULL, 0, 0, NULL,
     "the table's own names for id, event_id, aggregatetype, aggregateid, type, payload, headers and created_at"},
    {"connect_timeout", OUTBOX_OPT_DURATION, 0, offsetof(struct pg_store, connect_ms), "5s", 100, 600000, NULL,
     "how long one address may take to let the relay in, unless the dsn has a connect_timeout"},
    {"statement_timeout", OUTBOX_OPT_DURATION, 0, offsetof(struct pg_store, statement_ms), "30s", 100, 3600000, NULL,
     "after this the server gives up a statement, or waiting for a lock"},
    {"wakeup", OUTBOX_OPT_ENUM, 0, offsetof(struct pg_store, doorbell), "off", 0, 0, doorbells,
     "what wakes an idle relay. trigger, or true: writers, by a trigger that 'outbox init' makes; wal: the server's "
     "log, which the relay is sent as a replica is and needs the rights of one for; off: it is polled"},
    {"stray_scan_interval", OUTBOX_OPT_DURATION, 0, offsetof(struct pg_store, sweep.pages.pause_ms), "10s", 10,
     86400000, NULL, "how often an idle relay looks for rows below those read, with ids chosen by hand for example"},
};

static const struct outbox_store_ops ops = {
    .struct_size = sizeof ops,
    .init = init,
    .fini = fini,
    .start = pg_start,
    .stop = stop,
    .cancel = cancel,
    .acquire = pg_acquire,
    .renew = pg_renew,
    .claim = pg_claim,
    .release = pg_release,
    .settle = pg_settle,
    .dead_letter = pg_park,
    .setup = pg_setup,
    .print = pg_print,
    .check = pg_check,
    .status = pg_status,
    .add = pg_add,
    .dead = pg_dead,
};

OUTBOX_PLUGIN(store, postgres) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_STORE,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_WAKE | OUTBOX_CAP_DEAD_LETTERS | OUTBOX_CAP_ADMIN,
    .name = "postgres",
    .version = OUTBOX_VERSION_STRING,
    .description = "an outbox table in PostgreSQL 13 and later",
    .instance_size = sizeof(struct pg_store),
    .op_size = sizeof(struct pg_op),
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .ops = &ops,
};

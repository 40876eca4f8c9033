/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/plugin.c - the store for MySQL and MariaDB: options, life cycle and descriptor */
#include <stdio.h>

#include "store.h"

#include <outbox/version.h>

struct mys_op *mys_op(struct mys_store *store, outbox_op_t id)
{
    struct mys_op *op = store->host->op_scratch(store->host, id);
    op->store = store;
    op->op = id;
    op->request.arg = op;
    op->sql = (struct obx_sql_text){.host = store->host, .dialect = OBX_SQL_MYSQL};
    store->ops++;
    return op;
}

void mys_op_finish(struct mys_op *op, const struct outbox_error *error)
{
    struct mys_store *store = op->store;
    outbox_op_t id = op->op;
    mysql_free_result(op->result);
    obx_sql_text_free(&op->sql);
    store->ops--;
    if (store->claim_op == id)
        store->claim_op = 0;
    store->host->op_done(store->host, id, error); /* the scratch memory is gone now */
    mys_stop_if_idle(store);
}

void mys_op_submit(struct mys_op *op, struct mys_conn *conn, const char *what,
                   void (*result)(struct mys_request *request, MYSQL_RES *result),
                   void (*done)(struct mys_request *request, const struct outbox_error *error))
{
    struct outbox_error error;
    bool transaction = op->request.transaction, first = op->request.first;
    op->request = (struct mys_request){.what = what,
                                       .sql = obx_sql_text_get(&op->sql),
                                       .size = op->sql.size,
                                       .transaction = transaction,
                                       .first = first,
                                       .result = result,
                                       .done = done,
                                       .arg = op};
    if (!op->sql.failed) {
        mys_conn_submit(conn, &op->request);
        return;
    }
    mys_fail(&error, OUTBOX_E_NO_MEMORY, "%s: out of memory", what);
    done(&op->request, &error);
}

void mys_keep(struct mys_request *request, MYSQL_RES *result)
{
    struct mys_op *op = request->arg;
    if (!result)
        return;
    mysql_free_result(op->result);
    op->result = result;
}

void mys_done(struct mys_request *request, const struct outbox_error *error)
{
    mys_op_finish(request->arg, error);
}

void mys_go_on(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    if (error->code)
        mys_op_finish(op, error);
    else
        op->then(op);
}

void mys_close_all(struct mys_store *store, const struct outbox_error *why)
{
    store->owns = false;
    mys_conn_close(&store->reader, why);
    mys_conn_close(&store->owner, why);
}

static void released(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_store *store = request->arg;
    (void)error;
    store->releasing = false;
    mys_stop_if_idle(store);
}

/* A server may take its time to notice that a session has ended, and a standby waits for just that. */
static void release_lock(struct mys_store *store)
{
    struct obx_sql_text *sql = &store->step_sql;
    store->owns = false;
    obx_sql_text_clear(sql);
    obx_sql_text_puts(sql, "DO RELEASE_LOCK(");
    mys_lock_put(store, sql);
    obx_sql_text_puts(sql, ")");
    store->releasing = !sql->failed;
    store->step =
        (struct mys_request){.what = "give the outbox back", .sql = sql->data, .done = released, .arg = store};
    if (store->releasing)
        mys_conn_submit(&store->owner, &store->step);
}

void mys_stop_if_idle(struct mys_store *store)
{
    struct outbox_error error;
    outbox_op_t op = store->stop_op;
    if (!op || store->ops || store->start_op || store->reader.dials || store->owner.dials || store->releasing ||
        store->bell.running)
        return;
    if (store->owns && mys_conn_is_open(&store->owner)) {
        release_lock(store);
        if (store->releasing || !store->stop_op)
            return;
    }
    store->stop_op = 0;
    store->phase = MYS_STOPPED;
    mys_fail(&error, OUTBOX_E_CANCELED, "stop: the connection is closed");
    mys_close_all(store, &error);
    store->host->op_done(store->host, op, NULL);
}

static void stop(void *self, outbox_op_t op)
{
    struct mys_store *store = self;
    store->stop_op = op;
    mys_bell_stop(store);
    if (store->start_op)
        mys_start_cancel(store);
    else
        mys_stop_if_idle(store);
}

/* A statement cannot be taken back without waiting; its connection can. */
static void cancel(void *self, outbox_op_t op)
{
    struct mys_store *store = self;
    struct outbox_error error;
    mys_fail(&error, OUTBOX_E_CANCELED, "canceled: the connection was closed");
    if (op == store->start_op) {
        mys_start_cancel(store);
    } else if (op == store->claim_op) {
        mys_conn_close(&store->reader, &error);
    } else {
        store->owns = false;
        mys_conn_close(&store->owner, &error);
        if (op == store->stop_op)
            mys_conn_close(&store->reader, &error);
    }
}

/* A table's name in two, or, if none is configured, the outbox's with `suffix` behind. */
static int split(const struct mys_store *store, const char *option, const char *value, const char *suffix,
                 char schema[MYS_NAME], char name[MYS_NAME], struct outbox_error *error)
{
    char made[2 * MYS_NAME + 16];
    snprintf(made, sizeof made, "%s%s", value ? value : store->table_name, value ? "" : suffix);
    if (obx_sql_split_table(made, schema, name, MYS_NAME))
        return OUTBOX_OK;
    return mys_fail(error, OUTBOX_E_CONFIG, "%s: \"%s\" is no name of a table; write TABLE or DATABASE.TABLE", option,
                    made);
}

static int check_names(struct mys_store *store, struct outbox_error *error)
{
    const char *unknown = obx_sql_columns_unknown(&store->column_names);
    if (unknown)
        return mys_fail(
            error, OUTBOX_E_CONFIG,
            "columns: there is no logical column \"%s\"; they are id, event_id, aggregatetype, aggregateid, "
            "type, payload, headers, created_at",
            unknown);
    if (split(store, "table", store->table_name, "", store->schema, store->name, error) ||
        split(store, "dead_table", store->dead_name, "_dead", store->dead_schema, store->dead_table, error) ||
        split(store, "relay_table", store->relay_name, "_relay", store->relay_schema, store->relay_table, error))
        return error->code;
    if (!*store->schema && !store->database)
        return mys_fail(error, OUTBOX_E_CONFIG, "table: \"%s\" is in no database; set database:, or write DATABASE.%s",
                        store->table_name, store->table_name);
    return OUTBOX_OK;
}

static void set_host(struct mys_store *store, const struct outbox_host *host)
{
    struct obx_sql_text *texts[] = {&store->claim_sql, &store->settle_sql, &store->step_sql, &store->sweep.sql};
    store->host = store->reader.host = store->owner.host = host;
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = (struct obx_sql_text){.host = host, .dialect = OBX_SQL_MYSQL};
    mys_bell_init(store);
    obx_sql_gaps_init(&store->holes, host, UINT64_MAX); /* never cold: all holes are in every claim */
    store->given.host = host;
    store->sweep.pages.holes = &store->holes;
    store->sweep.pages.given = &store->given;
}

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct mys_store *store = self;
    set_host(store, init->host);
    snprintf(store->relay, sizeof store->relay, "%s", init->relay);
    if (mys_library())
        return mys_fail(error, OUTBOX_E_UNSUPPORTED, "the client library of MySQL does not start");
    if (check_names(store, error) || !mys_hosts_fit(store, error))
        return error->code;
    return OUTBOX_OK;
}

static void fini(void *self)
{
    struct mys_store *store = self;
    const struct outbox_host *host = store->host;
    if (!host)
        return;
    mys_bell_fini(store);
    mys_table_free(store);
    obx_sql_batches_free(&store->batches, store->host);
    obx_sql_gaps_free(&store->holes);
    obx_sql_outstanding_free(&store->given);
    obx_sql_ranges_free(host, &store->runs);
    obx_sql_text_free(&store->claim_sql);
    obx_sql_text_free(&store->settle_sql);
    obx_sql_text_free(&store->step_sql);
    obx_sql_text_free(&store->sweep.sql);
    host->release(host, store->holders);
    host->release(host, store->ids);
}

static const char *const tls_choices[] = {"auto", "off", "require", "verify", NULL};
static const char *const doorbell_choices[] = {"off", "binlog", NULL};

#define AT(field) offsetof(struct mys_store, field)
static const struct outbox_option options[] = {
    {"host", OUTBOX_OPT_STRING, OUTBOX_OPT_IDENTITY, AT(hosts), NULL, 0, 0, NULL,
     "the server; several, with commas between them, are tried in turn; HOST:PORT for one on another port"},
    {"port", OUTBOX_OPT_INT, OUTBOX_OPT_IDENTITY, AT(port), "3306", 1, 65535, NULL, "the port of hosts that name none"},
    {"socket", OUTBOX_OPT_STRING, OUTBOX_OPT_IDENTITY, AT(socket), NULL, 0, 0, NULL,
     "the path of the server's unix socket, in place of a host"},
    {"user", OUTBOX_OPT_STRING, OUTBOX_OPT_REQUIRED, AT(user), NULL, 0, 0, NULL, "who logs in"},
    {"password", OUTBOX_OPT_STRING, OUTBOX_OPT_SECRET, AT(password), NULL, 0, 0, NULL, "the password of that user"},
    {"database", OUTBOX_OPT_STRING, OUTBOX_OPT_IDENTITY, AT(database), NULL, 0, 0, NULL,
     "the database that the tables are in"},
    {"tls", OUTBOX_OPT_ENUM, 0, AT(tls), "auto", 0, 0, tls_choices,
     "verify: only with TLS and a certificate for that host; require: TLS with any certificate; off: none; auto: "
     "verify, but off on this machine"},
    {"tls_ca", OUTBOX_OPT_STRING, 0, AT(tls_ca), NULL, 0, 0, NULL,
     "a file of certificates to trust; the system's by default"},
    {"tls_cert", OUTBOX_OPT_STRING, 0, AT(tls_cert), NULL, 0, 0, NULL, "a file with the relay's own certificate"},
    {"tls_key", OUTBOX_OPT_STRING, 0, AT(tls_key), NULL, 0, 0, NULL, "a file with the key of that certificate"},
    {"table", OUTBOX_OPT_STRING, OUTBOX_OPT_IDENTITY, AT(table_name), "outbox", 0, 0, NULL,
     "the outbox table, with its database if that is another one"},
    {"dead_table", OUTBOX_OPT_STRING, 0, AT(dead_name), NULL, 0, 0, NULL,
     "the dead-letter table; by default the outbox table's name with _dead behind"},
    {"relay_table", OUTBOX_OPT_STRING, 0, AT(relay_name), NULL, 0, 0, NULL,
     "the table of one row that tells who relays; by default the outbox table's name with _relay behind"},
    {"columns", OUTBOX_OPT_MAP, 0, AT(column_names), NULL, 0, 0, NULL,
     "the table's own names for id, event_id, aggregatetype, aggregateid, type, payload, headers and created_at"},
    {"connect_timeout", OUTBOX_OPT_DURATION, 0, AT(connect_ms), "5s", 100, 600000, NULL,
     "how long one host may take to let the relay in"},
    {"statement_timeout", OUTBOX_OPT_DURATION, 0, AT(statement_ms), "30s", 100, 3600000, NULL,
     "after this the server gives up a statement that reads, or waiting for one that alters the table"},
    {"stray_scan_interval", OUTBOX_OPT_DURATION, 0, AT(sweep.pages.pause_ms), "10s", 10, 86400000, NULL,
     "how often, while idle, to look for rows that no claim can find: ids written by hand, or very late"},
    {"gap_timeout", OUTBOX_OPT_DURATION, 0, AT(grace_ms), "10s", 10, 86400000, NULL,
     "how long an id that is in no transaction's row may still come in order, where it cannot be seen who writes"},
    {"wakeup", OUTBOX_OPT_ENUM, 0, AT(doorbell), "off", 0, 0, doorbell_choices,
     "binlog: commits wake an idle relay, which reads the server's binlog for that and needs the rights of a replica; "
     "off: it is polled"},
};

static const struct outbox_store_ops ops = {
    .struct_size = sizeof ops,
    .init = init,
    .fini = fini,
    .start = mys_start,
    .stop = stop,
    .cancel = cancel,
    .acquire = mys_acquire,
    .renew = mys_renew,
    .claim = mys_claim,
    .release = mys_release,
    .settle = mys_settle,
    .dead_letter = mys_park,
    .setup = mys_setup,
    .print = mys_print,
    .check = mys_check,
    .status = mys_status,
    .add = mys_add,
    .dead = mys_dead,
};

OUTBOX_PLUGIN(store, mysql) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_STORE,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_WAKE | OUTBOX_CAP_DEAD_LETTERS | OUTBOX_CAP_ADMIN,
    .name = "mysql",
    .version = OUTBOX_VERSION_STRING,
    .description = "an outbox table in MySQL 8.0 and later, or MariaDB 10.6 and later",
    .instance_size = sizeof(struct mys_store),
    .op_size = sizeof(struct mys_op),
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .ops = &ops,
};

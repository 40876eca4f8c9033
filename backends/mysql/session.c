/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/session.c - what is asked and set on fresh connections before they are used
 *
 * owner: look at the server and the table, judge them, set the session up, try what the relay will have to do ->
 * reader: set up.
 */
#include <stdlib.h>
#include <string.h>

#include "store.h"

static void submit(struct mys_store *store, struct mys_conn *conn, const char *what,
                   void (*result)(struct mys_request *request, MYSQL_RES *result),
                   void (*done)(struct mys_request *request, const struct outbox_error *error))
{
    struct outbox_error error;
    store->step = (struct mys_request){.what = what,
                                       .sql = obx_sql_text_get(&store->step_sql),
                                       .size = store->step_sql.size,
                                       .result = result,
                                       .done = done,
                                       .arg = store};
    mys_fail(&error, OUTBOX_E_NO_MEMORY, "%s: out of memory", what);
    if (store->step_sql.failed)
        mys_start_failed(store, &error);
    else
        mys_conn_submit(conn, &store->step);
}

static void ignore(struct mys_request *request, MYSQL_RES *result)
{
    (void)request;
    mysql_free_result(result);
}

/* ---- the server and the table ------------------------------------------------------------------------------------ */

/* Whatever the server says of all sessions, no answer is cut or refused. */
#define WHOLE_ANSWERS "sql_select_limit = 18446744073709551615, sql_big_selects = 1"

enum look { LOOK_WHOLE, LOOK_SERVER, LOOK_UPTIME, LOOK_TABLE, LOOK_COLUMNS };
enum look_server { L_VERSION, L_USER, L_NOW, L_READ_ONLY, L_PACKET, L_GALERA, L_STATEMENTS, L_IDENTITY };

/* Is it a node of a cluster; may the user see what others run? (MySQL shows that in whole seconds: of no use.) */
static const char sees_mariadb[] =
    "(SELECT COUNT(*) FROM information_schema.global_variables WHERE variable_name = 'WSREP_ON' AND variable_value = "
    "'ON'), (SELECT COUNT(*) FROM information_schema.user_privileges WHERE privilege_type = 'PROCESS' AND grantee = "
    "CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1))))";

static void put_look(struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "SET SESSION " WHOLE_ANSWERS "; "
                           "SELECT @@version, CURRENT_USER(), UNIX_TIMESTAMP(), @@global.read_only OR "
                           "@@global.innodb_read_only, @@max_allowed_packet, ");
    obx_sql_text_puts(sql, store->server.mariadb ? sees_mariadb : "0, 0");
    obx_sql_text_puts(sql, ", CONCAT_WS(' ', @@hostname, @@port, @@server_id, @@datadir");
    obx_sql_text_puts(sql, store->server.mariadb ? "); " : ", @@server_uuid); ");
    obx_sql_text_puts(sql, "SHOW GLOBAL STATUS LIKE 'Uptime'; ");
    mys_put_table_look(store, sql);
}

static void read_server(struct mys_store *store, MYSQL_RES *result)
{
    struct mys_server *server = &store->server;
    MYSQL_ROW row = mysql_fetch_row(result);
    if (!row)
        return;
    mys_copy(server->version, sizeof server->version, row[L_VERSION]);
    mys_copy(server->user, sizeof server->user, row[L_USER]);
    mys_copy(server->identity, sizeof server->identity, row[L_IDENTITY]);
    server->started_s = mys_number(result, L_NOW, 0);
    server->read_only = mys_number(result, L_READ_ONLY, 0) != 0;
    server->max_packet = (uint64_t)mys_number(result, L_PACKET, 1 << 20);
    server->galera = mys_number(result, L_GALERA, 0) != 0;
    server->statements_visible = !server->galera && mys_number(result, L_STATEMENTS, 0) != 0;
}

static void take_look(struct mys_request *request, MYSQL_RES *result)
{
    struct mys_store *store = request->arg;
    switch (request->index) {
    case LOOK_SERVER:
        read_server(store, result);
        break;
    case LOOK_UPTIME:
        store->server.started_s -= mys_number(result, 1, 0);
        break;
    case LOOK_TABLE:
        mys_table_read(store, result);
        break;
    case LOOK_COLUMNS:
        mys_columns_read(store, result, &store->start_error);
        break;
    default:
        break;
    }
    mysql_free_result(result);
}

static int judge_server(const struct mys_store *store, struct outbox_error *error)
{
    const struct mys_server *server = &store->server;
    int major = atoi(server->version);
    const char *minor = strchr(server->version, '.');
    if (server->read_only)
        return mys_fail(
            error, OUTBOX_E_READ_ONLY,
            "connect: the server %s is read-only, as a replica is; name the primary in host:, or all servers: "
            "host: a,b",
            store->hosts ? store->host_name : store->socket);
    if (server->mariadb ? major < 10 || (major == 10 && minor && atoi(minor + 1) < 6) : major < 8)
        return mys_fail(error, OUTBOX_E_UNSUPPORTED,
                        "connect: the server is version %s; MySQL 8.0 and MariaDB 10.6 are the oldest that work",
                        server->version);
    return OUTBOX_OK;
}

static int judge_table(const struct mys_store *store, struct outbox_error *error)
{
    const struct mys_table *table = &store->table;
    if (!table->exists)
        return mys_fail(
            error, OUTBOX_E_NOT_FOUND,
            "look at table %s: there is none in database %s that user %s can see; run 'outbox init', or name "
            "the database: table: DATABASE.%s",
            store->table_name, table->schema, store->server.user, store->name);
    if (strcmp(table->kind, "BASE TABLE"))
        return mys_fail(error, OUTBOX_E_UNSUPPORTED, "look at %s.%s: it is no table; rows must be deleted from it",
                        table->schema, store->name);
    if (strcmp(table->engine, "InnoDB"))
        return mys_fail(
            error, OUTBOX_E_UNSUPPORTED,
            "look at table %s.%s: its engine is %s, which has no transactions; run ALTER TABLE %s.%s ENGINE = InnoDB",
            table->schema, store->name, table->engine, table->schema, store->name);
    return OUTBOX_OK;
}

/* Started without columns, the store is there to be administered: the table need not even exist, and one connection
 * is enough. */
static bool for_relaying(const struct mys_store *store)
{
    return store->start->column_count > 0;
}

static int judge_relaying(struct mys_store *store, struct outbox_error *error)
{
    return judge_table(store, error) ? error->code : mys_columns_choose(store, store->start, error);
}

/* ---- the session ------------------------------------------------------------------------------------------------- */

static void put_settings(struct mys_store *store)
{
    struct obx_sql_text *sql = &store->step_sql;
    int64_t seconds = (store->statement_ms + 999) / 1000;
    bool mariadb = store->server.mariadb;
    obx_sql_text_clear(sql);
    obx_sql_text_format(
        sql,
        "SET SESSION " WHOLE_ANSWERS ", sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00', autocommit = 1, "
        "%s = 'READ-COMMITTED', innodb_lock_wait_timeout = 1, wait_timeout = 28800, lock_wait_timeout = ",
        mariadb ? "tx_isolation" : "transaction_isolation");
    mys_put_int(sql, seconds);
    obx_sql_text_puts(sql, mariadb ? ", max_statement_time = " : ", max_execution_time = ");
    mys_put_int(sql, mariadb ? seconds : store->statement_ms);
}

/* What the relay will do, with no effect. */
static void put_trial(struct mys_store *store)
{
    struct obx_sql_text *sql = &store->step_sql;
    obx_sql_text_clear(sql);
    obx_sql_text_puts(sql, "EXPLAIN DELETE FROM ");
    mys_table_put(store, sql);
    obx_sql_text_format(sql, " WHERE %n = 0; EXPLAIN UPDATE ", store->table.id);
    mys_relay_put(store, sql);
    obx_sql_text_puts(sql, " SET epoch = epoch WHERE id = 1");
}

/* A statement sees its own lock of the table, if locks can be seen at all. */
static void put_locks_trial(struct mys_store *store)
{
    struct obx_sql_text *sql = &store->step_sql;
    obx_sql_text_clear(sql);
    obx_sql_text_puts(sql, "SELECT COUNT(*), (SELECT COUNT(*) FROM ");
    mys_table_put(store, sql);
    obx_sql_text_format(sql,
                        " WHERE %n = 0) FROM performance_schema.metadata_locks WHERE OBJECT_SCHEMA = %l AND "
                        "OBJECT_NAME = %l",
                        store->table.id, store->table.schema, store->name);
}

static void take_locks_trial(struct mys_request *request, MYSQL_RES *result)
{
    struct mys_store *store = request->arg;
    store->server.locks_visible = mys_number(result, 0, 0) > 0 && !store->server.galera;
    mysql_free_result(result);
}

static void locks_tried(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_store *store = request->arg;
    if (error->code == OUTBOX_E_NOT_CONNECTED)
        mys_start_failed(store, error);
    else
        mys_start_connect_reader(store); /* a refusal only means that holes are judged by their age */
}

static void tried(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_store *store = request->arg;
    struct outbox_error wrong = *error;
    if (error->code == OUTBOX_E_PERMISSION)
        mys_fail(&wrong, OUTBOX_E_PERMISSION, "look at table %s: %s", store->table_name, error->text);
    if (wrong.code) {
        mys_start_failed(store, &wrong);
        return;
    }
    store->server.locks_visible = false;
    put_locks_trial(store);
    submit(store, &store->owner, "look at the locks", take_locks_trial, locks_tried);
}

static void owner_set(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_store *store = request->arg;
    if (error->code) {
        mys_start_failed(store, error);
    } else if (for_relaying(store)) {
        put_trial(store);
        submit(store, &store->owner, "try what a relay does", ignore, tried);
    } else {
        mys_start_done(store);
    }
}

static void looked(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_store *store = request->arg;
    struct outbox_error wrong = error->code ? *error : store->start_error;
    if (wrong.code || judge_server(store, &wrong) || (for_relaying(store) && judge_relaying(store, &wrong))) {
        mys_start_failed(store, &wrong);
        return;
    }
    put_settings(store);
    submit(store, &store->owner, "set the session up", ignore, owner_set);
}

void mys_session_begin(struct mys_store *store)
{
    store->start_error.code = OUTBOX_OK;
    store->server = (struct mys_server){.mariadb = strstr(mysql_get_server_info(store->owner.client.mysql), "MariaDB"),
                                        .owner_id = mysql_thread_id(store->owner.client.mysql)};
    obx_sql_text_clear(&store->step_sql);
    put_look(store, &store->step_sql);
    submit(store, &store->owner, "look at the server", take_look, looked);
}

/* ---- the reader -------------------------------------------------------------------------------------------------- */

static void reader_set(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_store *store = request->arg;
    if (error->code)
        mys_start_failed(store, error);
    else
        mys_start_done(store);
}

void mys_session_reader(struct mys_store *store)
{
    struct outbox_error error;
    store->server.reader_id = mysql_thread_id(store->reader.client.mysql);
    store->server.tls = mysql_get_ssl_cipher(store->reader.client.mysql) != NULL;
    if (store->server.reader_id == store->server.owner_id) {
        mys_fail(&error, OUTBOX_E_UNSUPPORTED,
                 "connect: a pooler stands before the server and gives both connections one session; connect directly");
        mys_start_failed(store, &error);
        return;
    }
    put_settings(store);
    submit(store, &store->reader, "set the session up", ignore, reader_set);
}

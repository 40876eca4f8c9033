/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/session.c - the steps of a start
 *
 * owner: probe the server and the table, set the session up -> reader: set up -> owner: try the relay's statements. The
 * reader is there before the first statement that may wait for a lock: it queries the server whose lock that is.
 */
#include <stdlib.h>
#include <string.h>

#include "store.h"

/* ---- the server and the table ------------------------------------------------------------------------------------ */

/* Before anything is read: init_connect, or a server that ignores the character set of the handshake, may have set
 * others for the session. No result is converted, cut or refused. */
#define WHOLE_RESULTS "NAMES utf8mb4, sql_select_limit = 18446744073709551615, sql_big_selects = 1"

enum { PROBE_SETTINGS, PROBE_SERVER, PROBE_UPTIME, PROBE_TABLE, PROBE_COLUMNS };
enum { S_VERSION, S_USER, S_NOW, S_READ_ONLY, S_PACKET, S_GALERA, S_STATEMENTS, S_IDENTITY, S_EXPIRY, S_COLUMNS };

/* Is it a node of a cluster? May the user see the statements of others? (MySQL shows their time in whole seconds, which
 * is too coarse.) */
static const char sees_mariadb[] =
    "(SELECT COUNT(*) FROM information_schema.global_variables WHERE variable_name = 'WSREP_ON' AND variable_value = "
    "'ON'), (SELECT COUNT(*) FROM information_schema.user_privileges WHERE privilege_type = 'PROCESS' AND grantee = "
    "CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1))))";

static bool put_probe(struct sql_request *request)
{
    struct obx_sql_text *sql = request->sql;
    bool mariadb = mys_store_in(request->store)->server.mariadb;
    obx_sql_text_puts(sql, "SET " WHOLE_RESULTS "; "
                           "SELECT @@version, CURRENT_USER(), UNIX_TIMESTAMP(), @@global.read_only OR "
                           "@@global.innodb_read_only, @@max_allowed_packet, ");
    obx_sql_text_puts(sql, mariadb ? sees_mariadb : "0, 0");
    obx_sql_text_puts(sql, ", CONCAT_WS(' ', @@hostname, @@port, @@server_id, @@datadir");
    obx_sql_text_puts(sql, mariadb ? "), " : ", @@server_uuid), ");
    obx_sql_text_puts(sql, "@@global.binlog_expire_logs_seconds; ");
    obx_sql_text_puts(sql, "SHOW GLOBAL STATUS LIKE 'Uptime'; ");
    mys_append_probe(request->store, sql);
    return true;
}

static void read_server(struct mys_store *store, MYSQL_RES *result)
{
    struct mys_server *server = &store->server;
    struct mys_row row;
    mys_first(result, &row);
    if (row.columns != S_COLUMNS)
        sql_bad_shape(&store->sql.start_error, "inspect the server");
    mys_copy(server->version, sizeof server->version, mys_text_of(&row, S_VERSION));
    mys_copy(server->user, sizeof server->user, mys_text_of(&row, S_USER));
    mys_copy(server->identity, sizeof server->identity, mys_text_of(&row, S_IDENTITY));
    server->started_s = mys_value(result, S_NOW, 0);
    server->read_only = mys_value(result, S_READ_ONLY, 0) != 0;
    server->max_packet = (uint64_t)mys_value(result, S_PACKET, 1 << 20);
    store->owner.max_packet = server->max_packet;
    server->expiry_s = mys_value(result, S_EXPIRY, 0);
    server->galera = mys_value(result, S_GALERA, 0) != 0;
    server->statements_visible = !server->galera && mys_value(result, S_STATEMENTS, 0) != 0;
}

static void on_probe(struct sql_request *request, void *result)
{
    struct mys_store *store = request->arg;
    if (request->index >= PROBE_TABLE) {
        mys_on_probe(request->store, result, request->index - PROBE_TABLE);
        return;
    }
    if (request->index == PROBE_SERVER)
        read_server(store, result);
    else if (request->index == PROBE_UPTIME)
        store->server.started_s -= mys_value(result, 1, 0);
    mysql_free_result(result);
}

static int validate_server(const struct mys_store *store, struct outbox_error *error)
{
    const struct mys_server *server = &store->server;
    long major = strtol(server->version, NULL, 10);
    const char *minor = strchr(server->version, '.');
    if (server->read_only)
        return mys_fail(
            error, OUTBOX_E_READ_ONLY,
            "connect: the server %s is read-only, as a replica is; name the primary in host:, or all servers: "
            "host: a,b",
            store->hosts ? store->host_name : store->socket);
    if (server->mariadb ? major < 10 || (major == 10 && minor && strtol(minor + 1, NULL, 10) < 6) : major < 8)
        return mys_fail(error, OUTBOX_E_UNSUPPORTED,
                        "connect: the server is version %s; MySQL 8.0 and MariaDB 10.6 are the oldest that work",
                        server->version);
    return OUTBOX_OK;
}

static void validate_probe(struct sql_store *sql, struct outbox_error *error)
{
    const struct mys_store *store = mys_store_of(sql);
    if (error->code || validate_server(store, error) || !sql_start_is_for_relaying(sql) ||
        mys_table_validate(store, error))
        return;
    sql_columns_choose(sql, error);
}

/* ---- the session ------------------------------------------------------------------------------------------------- */

static bool put_settings(struct sql_request *request)
{
    struct obx_sql_text *sql = request->sql;
    int64_t milliseconds = request->store->statement_ms, seconds = (milliseconds + 999) / 1000;
    bool mariadb = mys_store_in(request->store)->server.mariadb;
    obx_sql_text_format(
        sql,
        "SET " WHOLE_RESULTS ", sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION', time_zone = "
        "'+00:00', timestamp = DEFAULT, "
        "autocommit = 1, completion_type = 'NO_CHAIN', %s = 0, %s = 'READ-COMMITTED', innodb_lock_wait_timeout = 1, "
        "wait_timeout = 28800, lock_wait_timeout = ",
        mariadb ? "tx_read_only" : "transaction_read_only", mariadb ? "tx_isolation" : "transaction_isolation");
    obx_sql_text_int(sql, seconds);
    obx_sql_text_puts(sql, mariadb ? ", max_statement_time = " : ", max_execution_time = ");
    obx_sql_text_int(sql, mariadb ? seconds : milliseconds);
    if (mariadb && sql_captures(request->store)) /* the spool takes what the log had */
        obx_sql_text_puts(sql, ", check_constraint_checks = 0");
    return true;
}

static const char charsets_sql[] =
    "SELECT CONCAT_WS(' ', @@character_set_client, @@character_set_connection, @@character_set_results)";

static void on_charsets(struct sql_request *request, void *result)
{
    static const char wanted[] = "utf8mb4 utf8mb4 utf8mb4";
    struct mys_row row;
    const char *sets = mys_first(result, &row) ? mys_text_of(&row, 0) : NULL;
    if (!sets || strcmp(sets, wanted) != 0)
        mys_fail(
            &request->store->start_error, OUTBOX_E_UNSUPPORTED,
            "set the session up: the character sets (client, connection, results) are \"%.*s\" after SET NAMES "
            "utf8mb4, and events would be changed on their way; check the proxies between the relay and the server",
            OUTBOX_CUT(sets ? sets : "", 100));
    mysql_free_result(result);
}

static bool put_captured(struct sql_request *request)
{
    if (mys_captures(&mys_store_in(request->store)->capture))
        return mys_put_captured(request);
    obx_sql_text_puts(request->sql, "DO 0");
    return true;
}

static bool put_captured_locked(struct sql_request *request)
{
    if (mys_captures(&mys_store_in(request->store)->capture))
        return mys_put_captured_locked(request);
    obx_sql_text_puts(request->sql, "DO 0");
    return true;
}

/* The statements of the relay, without effect. */
static bool put_trial(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    mys_put(request, "EXPLAIN DELETE FROM ", &store->outbox, " WHERE ");
    obx_sql_text_format(request->sql, "%n = 0; ", store->table.id);
    return mys_put(request, "EXPLAIN UPDATE ", &mys_store_in(store)->relay_table, " SET epoch = epoch WHERE id = 1");
}

static void validate_trial(struct sql_store *store, struct outbox_error *error)
{
    struct outbox_error why = *error;
    if (error->code == OUTBOX_E_PERMISSION)
        mys_fail(error, OUTBOX_E_PERMISSION, "inspect table %s: %s", store->table_name, why.text);
}

/* A statement sees its own lock of the table, if locks can be seen at all. */
static bool put_locks_trial(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    mys_store_of(request->store)->server.locks_visible = false;
    mys_put(request, "SELECT COUNT(*), (SELECT COUNT(*) FROM ", &store->outbox, " WHERE ");
    obx_sql_text_format(request->sql,
                        "%n = 0) FROM performance_schema.metadata_locks WHERE OBJECT_SCHEMA = %l AND "
                        "OBJECT_NAME = %l",
                        store->table.id, store->table.schema, store->outbox.name);
    return true;
}

static void on_locks_trial(struct sql_request *request, void *result)
{
    struct mys_server *server = &mys_store_of(request->store)->server;
    server->locks_visible = mys_value(result, 0, 0) > 0 && !server->galera;
    mysql_free_result(result);
}

/* As the server counts them from its start on, with those that were undone. No row: it does not count. */
void mys_append_deleted(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(sql,
                        "SELECT COUNT_DELETE FROM performance_schema.table_io_waits_summary_by_table WHERE OBJECT_TYPE "
                        "= 'TABLE' AND OBJECT_SCHEMA = %l AND OBJECT_NAME = %l",
                        store->table.schema, store->outbox.name);
}

static bool put_deletes_trial(struct sql_request *request)
{
    mys_store_of(request->store)->server.deletes_visible = false;
    if (sql_captures(request->store))
        obx_sql_text_puts(request->sql, "DO 0");
    else
        mys_append_deleted(request->store, request->sql);
    return true;
}

static void on_deletes_trial(struct sql_request *request, void *result)
{
    mys_store_of(request->store)->server.deletes_visible = mys_value(result, 0, -1) >= 0;
    mysql_free_result(result);
}

/* A refusal only means that gaps are retired by their age, and that deletes by others are not noticed. */
static void validate_trial_of_rights(struct sql_store *store, struct outbox_error *error)
{
    (void)store;
    if (error->code != OUTBOX_E_NOT_CONNECTED)
        error->code = OUTBOX_OK;
}

static void validate_reader(struct sql_store *sql, struct outbox_error *error)
{
    struct mys_store *store = mys_store_of(sql);
    MYSQL *mysql = store->reader.client.mysql;
    if (error->code)
        return;
    store->server.reader_id = mysql_thread_id(mysql);
    store->server.tls = mysql_get_ssl_cipher(mysql) != NULL;
    if (store->server.reader_id == store->server.owner_id)
        mys_fail(error, OUTBOX_E_UNSUPPORTED,
                 "connect: a pooler before the server gives both connections one session; connect directly");
}

void mys_begin_session(struct sql_store *sql)
{
    struct mys_store *store = mys_store_of(sql);
    MYSQL *mysql = store->owner.client.mysql;
    store->server = (struct mys_server){.mariadb = strstr(mysql_get_server_info(mysql), "MariaDB"),
                                        .owner_id = mysql_thread_id(mysql)};
}

const struct sql_step mys_steps[] = {
    {"read the server's settings", SQL_OWNER, false, put_probe, NULL, on_probe, validate_probe},
    {"set the session up", SQL_OWNER, false, put_settings, NULL, NULL, NULL},
    {"inspect the captured table", SQL_OWNER, false, put_captured, NULL, mys_on_captured, mys_validate_captured},
    {"read the character sets", SQL_OWNER, false, NULL, charsets_sql, on_charsets, NULL},
    {"set the session up", SQL_READER, true, put_settings, NULL, NULL, validate_reader},
    {"read the character sets", SQL_READER, true, NULL, charsets_sql, on_charsets, NULL},
    {"inspect the captured table", SQL_OWNER, true, put_captured_locked, NULL, mys_on_captured_locked,
     mys_validate_captured},
    {"try what a relay does", SQL_OWNER, true, put_trial, NULL, NULL, validate_trial},
    {"read the locks", SQL_OWNER, true, put_locks_trial, NULL, on_locks_trial, validate_trial_of_rights},
    {"read the count of deletes", SQL_OWNER, true, put_deletes_trial, NULL, on_deletes_trial, validate_trial_of_rights},
    {"search for ids below 1", SQL_READER, true, sql_put_low_id, NULL, sql_on_low_id, NULL},
    {.what = NULL},
};

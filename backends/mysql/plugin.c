/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/plugin.c - the store for MySQL and MariaDB: driver table, options, descriptor */
#include "sql/server/lifecycle.h"
#include "store.h"

#include <stdio.h>

#include <outbox/version.h>

/* ---- connections ------------------------------------------------------------------------------------------------- */

static int open_lane(struct sql_store *sql, struct sql_lane *lane, struct outbox_error *error)
{
    struct mys_store *store = mys_store_of(sql);
    struct mys_target target = mys_target(store, lane == sql->owner);
    return mys_conn_open(mys_conn_of(lane), &target, (uint64_t)sql->connect_ms, error);
}

static bool is_busy(const struct sql_store *sql)
{
    const struct mys_store *store = mys_store_in(sql);
    return store->reader.dials || store->owner.dials || store->wakeup.running || store->capture.dump.works;
}

static void describe(const struct sql_store *sql, char *text, size_t size)
{
    const struct mys_store *store = mys_store_in(sql);
    const struct mys_server *server = &store->server;
    const char *host = mysql_get_host_info(store->owner.client.mysql);
    snprintf(text, size, "%s %.*s at %.*s as %.*s", server->mariadb ? "MariaDB" : "MySQL",
             OUTBOX_CUT(server->version, 40), OUTBOX_CUT(host ? host : "?", 60), OUTBOX_CUT(server->user, 60));
}

static const char *place_of(const struct sql_store *store)
{
    return store->table.schema;
}

static const struct sql_wakeup *const wakeups[] = {[MYS_WAKEUP_OFF] = NULL, [MYS_WAKEUP_BINLOG] = &mys_binlog_wakeup};

static const struct sql_driver driver = {
    .name = "mysql",
    .schema = "database",
    .SCHEMA = "DATABASE",
    .id_type = "BIGINT",
    .add_id = "BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE",
    .id_base = "bigint",
    .stray_causes = "ids chosen by hand, a counter that was set back, or a statement slower than gap_timeout",
    .duplicate_advice = "make ids unique",
    .before_first = INT64_MIN,
    .cold_after_ns = UINT64_MAX, /* never: all gaps are in every claim */
    .is_open = mys_conn_is_open,
    .open = open_lane,
    .close = mys_conn_close,
    .submit = mys_conn_submit,
    .resolve = mys_resolve,
    .candidates = mys_candidates,
    .is_busy = is_busy,
    .begin_session = mys_begin_session,
    .describe = describe,
    .steps = mys_steps,
    .put_text = mys_put_text,
    .free_result = mys_free_result,
    .column_count = mys_column_count,
    .next_row = mys_next_row,
    .cell = mys_cell,
    .number = mys_number,
    .read_ids = mys_read_ids,
    .types = mys_types,
    .default_encoding = MYS_AS_TEXT,
    .inspection_due = mys_inspection_due,
    .inspect_writers = mys_inspect_writers,
    .put_claim = mys_put_claim,
    .read_claim = mys_read_claim,
    .learn = mys_learn,
    .fill = mys_fill,
    .rewind = mys_rewind,
    .put_settle = mys_put_settle,
    .send_again = mys_send_again,
    .removal_result = mys_removal_result,
    .put_remaining = mys_put_remaining,
    .is_fenced = mys_is_fenced,
    .retry_mode = SQL_LOCKED_SKIP,
    .is_lock_wait = mys_is_lock_wait,
    .settle_ranges = 500,
    .settle_bytes = 4 << 20,
    .put_dead_letters = mys_put_dead_letters,
    .dead_letter_effects = 2,
    .append_letter = mys_append_letter,
    .append_json_value = mys_append_json_value,
    .append_kept_value = mys_append_kept_value,
    .object_begin = "IFNULL(JSON_OBJECT(",
    .object_end = "), JSON_ARRAY(~0 + %n))", /* an object that is larger than a packet is null: this fails then */
    .insert_as_given = "",
    .greater = ">",
    .begin_number_list = " AND number IN (",
    .end_number_list = ")",
    .replay = mys_replay,
    .acquire = mys_acquire,
    .same_database = mys_same_database,
    .put_renew = mys_put_renew,
    .renew_result = mys_on_renew,
    .put_release = mys_put_release,
    .survey = mys_survey,
    .statement = mys_statement,
    .put_grants = mys_put_grants,
    .append_missing = mys_append_missing,
    .append_alike = mys_append_alike,
    .put_setup = mys_put_setup,
    .setup_result = mys_setup_result,
    .put_inbox = mys_put_inbox,
    .put_add = mys_put_add,
    .status_probes = mys_status_probes,
    .append_estimate = mys_append_estimate,
    .append_owner = mys_append_owner,
    .epoch_us = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', %n)",
    .server_probes = mys_server_probes,
    .table_probes = mys_table_probes,
    .row_probes = mys_row_probes,
    .put_columns = mys_put_columns,
    .put_removal_trial = mys_put_removal_trial,
    .removal_refusal = mys_removal_refusal,
    .place_of = place_of,
    .lock_questions = mys_lock_questions,
    .wakeups = wakeups,
    .dialect = OBX_SQL_MYSQL,
};

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static int init_tables(struct mys_store *store, struct outbox_error *error)
{
    const char *name = store->sql.table_name;
    if (sql_name_split(&store->sql, "relay_table", store->relay_name, "_relay", &store->relay_table, error))
        return error->code;
    if (!*store->sql.outbox.schema && !store->database)
        return mys_fail(error, OUTBOX_E_CONFIG, "table: \"%s\" is in no database; set database:, or write DATABASE.%s",
                        name, name);
    return OUTBOX_OK;
}

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct mys_store *store = self;
    int code = sql_store_init(&store->sql, &driver, &store->owner.lane, &store->reader.lane, init, error);
    store->sql.default_schema = store->database;
    mys_wakeup_init(store);
    if (mys_library())
        return mys_fail(error, OUTBOX_E_UNSUPPORTED, "the client library of MySQL does not start");
    if (code || init_tables(store, error) || mys_capture_init(store, error) || !mys_hosts_are_valid(store, error))
        return error->code;
    return OUTBOX_OK;
}

static void fini(void *self)
{
    struct mys_store *store = self;
    if (!store->sql.host)
        return;
    mys_wakeup_fini(store);
    mys_capture_fini(store);
    sql_store_fini(&store->sql);
}

static const char *const tls_choices[] = {"auto", "off", "require", "verify", NULL};
static const char *const capture_choices[] = {"off", "binlog", NULL};
static const char *const payload_choices[] = {"text", "json", "bytea", NULL};
static const char *const wakeup_choices[] = {"off", "binlog", NULL};

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
    {"table", OUTBOX_OPT_STRING, OUTBOX_OPT_IDENTITY, AT(sql.table_name), "outbox", 0, 0, NULL,
     "the outbox table; DATABASE.TABLE if it is in another database"},
    {"dead_table", OUTBOX_OPT_STRING, 0, AT(sql.dead_name), NULL, 0, 0, NULL,
     "the dead-letter table; by default the name of the outbox table and _dead"},
    {"relay_table", OUTBOX_OPT_STRING, 0, AT(relay_name), NULL, 0, 0, NULL,
     "the table with the row of the owner; by default the name of the outbox table and _relay"},
    {"columns", OUTBOX_OPT_MAP, 0, AT(sql.column_names), NULL, 0, 0, NULL,
     "the table's own names for id, event_id, aggregatetype, aggregateid, type, payload, headers and created_at"},
    {"connect_timeout", OUTBOX_OPT_DURATION, 0, AT(sql.connect_ms), "5s", 100, 600000, NULL,
     "longest time for a connection to one host"},
    {"statement_timeout", OUTBOX_OPT_DURATION, 0, AT(sql.statement_ms), "30s", 100, 3600000, NULL,
     "the server cancels a read, or a wait for an ALTER TABLE, that takes longer"},
    {"stray_scan_interval", OUTBOX_OPT_DURATION, 0, AT(sql.strays.pause_ms), "1s", 10, 86400000, NULL,
     "interval of the stray scan while idle: it finds rows with ids chosen by hand, or committed very late"},
    {"gap_timeout", OUTBOX_OPT_DURATION, 0, AT(gap_timeout_ms), "10s", 10, 86400000, NULL,
     "how long a gap is kept if the relay may not see which transactions are open"},
    {"payload_type", OUTBOX_OPT_ENUM, 0, AT(sql.payload_type), "bytea", 0, 0, payload_choices,
     "type of the payload in tables that 'outbox init' creates: LONGTEXT, JSON or LONGBLOB; init --payload overrides "
     "it"},
    {"capture", OUTBOX_OPT_ENUM, 0, AT(capture.choice), "off", 0, 0, capture_choices,
     "binlog: events are read from the server's binlog, and the table needs no rows: see CAPTURE-MYSQL.md; off: the "
     "table is "
     "polled"},
    {"wakeup", OUTBOX_OPT_ENUM, 0, AT(sql.wakeup), "off", 0, 0, wakeup_choices,
     "binlog: the relay follows the server's binlog while idle, which needs the rights of a replica; off: an idle "
     "relay polls"},
};

static const struct outbox_store_ops ops = {SQL_STORE_OPS, .init = init, .fini = fini};

static const char *library(void)
{
#ifdef MARIADB_BASE_VERSION
    static const char name[] = "libmariadb";
#else
    static const char name[] = "libmysqlclient";
#endif
    static char text[64];
    snprintf(text, sizeof text, "%s %s", name, mysql_get_client_info());
    return text;
}

OUTBOX_PLUGIN(store, mysql) = {
    SQL_PLUGIN(struct mys_store, options),
    .name = "mysql",
    .version = OUTBOX_VERSION_STRING,
    .library = library,
    .description = "an outbox table in MySQL 8.0 and later, or MariaDB 10.6 and later",
    .ops = &ops,
};

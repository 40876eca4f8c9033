/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/plugin.c - the Postgres store: driver table, options, descriptor */
#include <string.h>

#include "sql/server/lifecycle.h"
#include "store.h"

#include <stdio.h>

#include <outbox/version.h>

/* ---- connections ------------------------------------------------------------------------------------------------- */

static uint32_t candidates(const struct sql_store *store)
{
    return pg_store_in(store)->target.candidate_count;
}

static int open_lane(struct sql_store *sql, struct sql_lane *lane, struct outbox_error *error)
{
    struct pg_store *store = pg_store_of(sql);
    struct pg_target *target = &store->target;
    pg_target_choose(target, sql->candidate, PG_FOR_STATEMENTS);
    return pg_conn_open(pg_conn_of(lane), target->keywords, target->values, pg_connect_us(store), error);
}

static void describe(const struct sql_store *sql, char *text, size_t size)
{
    const struct pg_store *store = pg_store_in(sql);
    const char *version = PQparameterStatus(store->owner.pg, "server_version");
    if (!version)
        version = "?";
    snprintf(text, size, "PostgreSQL %.*s at %s, database %.*s", (int)strcspn(version, " "), version,
             pg_where(store->owner.pg).text, OUTBOX_CUT(store->server.database, 63));
}

static const char *place_of(const struct sql_store *store)
{
    return pg_store_in(store)->server.database;
}

static const struct sql_wakeup *const wakeups[] = {
    [PG_WAKEUP_OFF] = NULL, [PG_WAKEUP_TRIGGER] = &pg_trigger_wakeup, [PG_WAKEUP_WAL] = &pg_wal_wakeup};

static void close_others(struct sql_store *sql, const struct outbox_error *why)
{
    pg_wal_close(sql, why);
    pg_slot_end_trial(pg_store_of(sql), why);
}

static const struct sql_driver driver = {
    .name = "postgres",
    .schema = "schema",
    .SCHEMA = "SCHEMA",
    .id_type = "bigint",
    .add_id = "bigint GENERATED ALWAYS AS IDENTITY UNIQUE",
    .id_base = PG_BASE_INT8,
    .stray_causes = "ids chosen by hand, or a sequence that was set back",
    .duplicate_advice = "make ids unique, also those of tables that inherit from this one",
    .before_first = INT64_MIN,
    .cold_after_ns = 1000000000,
    .is_open = pg_conn_is_open,
    .open = open_lane,
    .close = pg_conn_close,
    .submit = pg_conn_submit,
    .resolve = pg_resolve,
    .candidates = candidates,
    .is_busy = pg_is_resolving,
    .close_others = close_others,
    .begin_session = pg_begin_session,
    .describe = describe,
    .steps = pg_steps,
    .put_text = pg_put_text,
    .free_result = pg_free_result,
    .column_count = pg_column_count,
    .next_row = pg_next_row,
    .cell = pg_cell,
    .number = pg_number,
    .read_ids = pg_read_ids,
    .types = pg_types,
    .default_encoding = PG_AS_TEXT,
    .inspection_due = pg_inspection_due,
    .inspect_writers = pg_inspect_writers,
    .put_claim = pg_put_claim,
    .read_claim = pg_read_claim,
    .learn = pg_learn,
    .fill = pg_fill,
    .after_claim = pg_log_long_transaction,
    .put_settle = pg_put_settle,
    .is_fenced = pg_is_fenced,
    .as_text = "::text",
    .removal_result = pg_removal_result,
    .put_remaining = pg_put_remaining,
    .retry_mode = SQL_LOCKED_HURRY,
    .is_lock_wait = pg_is_lock_wait,
    .settle_ranges = UINT32_MAX,
    .settle_bytes = UINT64_MAX,
    .put_dead_letters = pg_put_dead_letters,
    .dead_letter_effects = 1,
    .append_letter = pg_append_letter,
    .append_json_value = pg_append_json_value,
    .append_kept_value = pg_append_kept_value,
    .object_begin = "pg_catalog.jsonb_object(ARRAY[",
    .object_end = "]::pg_catalog.text[])",
    .insert_as_given = " OVERRIDING SYSTEM VALUE",
    .greater = "OPERATOR(pg_catalog.>)",
    .begin_number_list = " AND number OPERATOR(pg_catalog.=) ANY(ARRAY[",
    .end_number_list = "]::pg_catalog.int8[])",
    .replay = pg_replay,
    .acquire = pg_acquire,
    .same_database = pg_same_database,
    .put_renew = pg_put_renew,
    .renew_result = pg_renew_result,
    .put_release = pg_put_release,
    .survey = pg_survey,
    .statement = pg_statement,
    .put_grants = pg_put_grants,
    .append_missing = pg_append_missing,
    .append_alike = pg_append_alike,
    .put_setup = pg_put_setup,
    .setup_goes_on = pg_setup_goes_on,
    .setup_result = pg_setup_result,
    .put_inbox = pg_put_inbox,
    .put_add = pg_put_add,
    .status_probes = pg_status_probes,
    .append_estimate = pg_append_estimate,
    .append_owner = pg_append_owner,
    .epoch_us = "(extract(epoch FROM %n) * 1000000)::int8",
    .server_probes = pg_server_probes,
    .table_probes = pg_table_probes,
    .row_probes = pg_row_probes,
    .put_columns = pg_put_columns,
    .put_removal_trial = pg_put_removal_trial,
    .removal_refusal = pg_removal_refusal,
    .place_of = place_of,
    .check_end = pg_check_end,
    .lock_questions = pg_lock_questions,
    .wakeups = wakeups,
    .dialect = OBX_SQL_POSTGRES,
};

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

/* The server would cut a longer name, and replace other characters. */
static int check_application(const char *name, struct outbox_error *error)
{
    size_t length = name ? strlen(name) : 1;
    bool printable = true;
    for (const char *at = name; at && *at; at++)
        printable = printable && *at >= ' ' && *at <= '~';
    if (length >= 1 && length <= 63 && printable)
        return OUTBOX_OK;
    return pg_fail(
        error, OUTBOX_E_CONFIG,
        "application_name: \"%s\" is no name that the server keeps; write 1 to 63 printable ASCII characters", name);
}

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct pg_store *store = self;
    const struct outbox_host *host = init->host;
    store->lo.host = store->hi.host = store->relations.host = host;
    store->claim_plain.host = store->claim_guarded.host = host;
    if (sql_store_init(&store->sql, &driver, &store->owner.lane, &store->reader.lane, init, error))
        return error->code;
    if (!PQisthreadsafe())
        return pg_fail(error, OUTBOX_E_UNSUPPORTED, "this libpq was built without threads");
    if (check_application(store->application, error))
        return error->code;
    if (store->capture_rows && store->capture_mode != PG_CAPTURE_LOGICAL)
        return pg_fail(error, OUTBOX_E_CONFIG, "capture_rows: only capture: logical reads inserted rows from the log");
    if (store->capture_mode != PG_CAPTURE_OFF && pg_capture_init(store, error))
        return error->code;
    return pg_target_parse(&store->target, store->dsn, store->application, store->sql.relay, error);
}

static void fini(void *self)
{
    struct pg_store *store = self;
    if (!store->sql.host)
        return;
    pg_target_free(&store->target);
    pg_buf_free(&store->lo);
    pg_buf_free(&store->hi);
    pg_buf_free(&store->relations);
    pg_capture_free(store);
    obx_sql_text_free(&store->claim_plain);
    obx_sql_text_free(&store->claim_guarded);
    store->sql.host->release(store->sql.host, store->active);
    sql_store_fini(&store->sql);
}

static const char *const capture_choices[] = {"off", "wal", "logical", NULL};
static const char *const wakeup_choices[] = {"off", "trigger", "wal", NULL};
static const char *const payload_choices[] = {"text", "json", "bytea", NULL};
static const struct outbox_option options[] = {
    {"dsn", OUTBOX_OPT_STRING, OUTBOX_OPT_REQUIRED | OUTBOX_OPT_SECRET | OUTBOX_OPT_IDENTITY | OUTBOX_OPT_CONNINFO,
     offsetof(struct pg_store, dsn), NULL, 0, 0, NULL,
     "a conninfo string or URI of libpq; several hosts are tried in turn; the values of ${...} are quoted"},
    {"table", OUTBOX_OPT_STRING, OUTBOX_OPT_IDENTITY, offsetof(struct pg_store, sql.table_name), "outbox", 0, 0, NULL,
     "the outbox table, with its schema if that is not in the search path"},
    {"dead_table", OUTBOX_OPT_STRING, 0, offsetof(struct pg_store, sql.dead_name), NULL, 0, 0, NULL,
     "the dead-letter table; by default the name of the outbox table and _dead"},
    {"columns", OUTBOX_OPT_MAP, 0, offsetof(struct pg_store, sql.column_names), NULL, 0, 0, NULL,
     "the table's own names for id, event_id, aggregatetype, aggregateid, type, payload, headers and created_at"},
    {"payload_type", OUTBOX_OPT_ENUM, 0, offsetof(struct pg_store, sql.payload_type), "text", 0, 0, payload_choices,
     "type of the payload in tables that 'outbox init' creates; init --payload overrides it"},
    {"application_name", OUTBOX_OPT_STRING, 0, offsetof(struct pg_store, application), NULL, 0, 0, NULL,
     "the name of the connections in pg_stat_activity, unless the dsn has an application_name; by default outbox, "
     "the relay's name, host and process id"},
    {"connect_timeout", OUTBOX_OPT_DURATION, 0, offsetof(struct pg_store, sql.connect_ms), "5s", 100, 600000, NULL,
     "longest time for a connection to one address, unless the dsn has a connect_timeout"},
    {"statement_timeout", OUTBOX_OPT_DURATION, 0, offsetof(struct pg_store, sql.statement_ms), "30s", 100, 3600000,
     NULL, "the server cancels a statement, or a wait for a lock, that takes longer"},
    {"wakeup", OUTBOX_OPT_ENUM, 0, offsetof(struct pg_store, sql.wakeup), "off", 0, 0, wakeup_choices,
     "what wakes an idle relay. trigger or true: a trigger that 'outbox init' creates; wal: the server's WAL, which "
     "needs the rights of a replica; off: nothing, the relay polls"},
    {"capture", OUTBOX_OPT_ENUM, 0, offsetof(struct pg_store, capture_mode), "off", 0, 0, capture_choices,
     "where events come from. off: rows of the table; wal: messages of NAME_emit() in the WAL of PostgreSQL 14 to 18; "
     "logical: the same, slower, by a logical slot"},
    {"capture_rows", OUTBOX_OPT_BOOL, 0, offsetof(struct pg_store, capture_rows), "false", 0, 0, NULL,
     "with capture: logical, rows that are inserted into the table are events of the log, also those that their "
     "transaction deletes; the table is not read"},
    {"stray_scan_interval", OUTBOX_OPT_DURATION, 0, offsetof(struct pg_store, sql.strays.pause_ms), "1s", 10, 86400000,
     NULL, "interval of the stray scan while idle: it finds rows below those read, such as ids chosen by hand"},
};

static const struct outbox_store_ops ops = {SQL_STORE_OPS, .init = init, .fini = fini};

static const char *library(void)
{
    static char text[32];
    int version = PQlibVersion();
    snprintf(text, sizeof text, "libpq %d.%d", version / 10000, version % 10000);
    return text;
}

OUTBOX_PLUGIN(store, postgres) = {
    SQL_PLUGIN(struct pg_store, options),
    .name = "postgres",
    .version = OUTBOX_VERSION_STRING,
    .library = library,
    .description = "an outbox table in PostgreSQL 13 and later",
    .ops = &ops,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/findings.c - what `outbox check` and `outbox status` say about the capture
 *
 * Each row of the statement is a finding: severity (3: SQL_DENIED), reason, advice, command. Without capture there are
 * none.
 */
#include "../store.h"

/* $1 the table's OID, $2 the suffix of the slot, of a logical one; $3 the position table, $4 the function. n: the
 * slot's name, as in position.c. */
#define SLOT                                                                                         \
    "(SELECT concat('outbox_', d.oid, '_', $1::oid, $2::text) FROM pg_database d WHERE d.datname = " \
    "current_database())"
#define PHYSICAL "$2::text = ''"
static const char findings_sql[] =
    "WITH n AS (SELECT " SLOT " AS slot), s AS (SELECT wal_status, pg_wal_lsn_diff(CASE WHEN NOT pg_is_in_recovery() "
    "THEN pg_current_wal_lsn() END, "
    "restart_lsn) AS kept FROM pg_replication_slots WHERE slot_name = (SELECT slot FROM n)), "
    "l AS (SELECT setting::int8 * 1048576 AS bytes FROM pg_settings WHERE name = 'max_slot_wal_keep_size'), "
    "v AS (SELECT current_setting('server_version_num')::int4 / 10000 AS major) "
    /* the server */
    "SELECT 2, format('log capture reads the log of PostgreSQL 14 to 18, and this is %s', major), 'set capture: off', "
    "NULL FROM v WHERE major < 14 OR (major > 18 AND " PHYSICAL ") "
    "UNION ALL SELECT 2, 'wal_level is minimal: the server sends no log', 'then restart the server', "
    "'ALTER SYSTEM SET wal_level = replica;' WHERE " PHYSICAL " AND current_setting('wal_level') = 'minimal' "
    "UNION ALL SELECT 3, format('user %s may not read the log', current_user), 'this right shows all data of the "
    "server', format('ALTER ROLE %I REPLICATION;', current_user) FROM pg_roles WHERE " PHYSICAL " AND rolname = "
    "current_user AND NOT (rolreplication OR rolsuper) "
    "UNION ALL SELECT 0, format('synchronous_standby_names is \"%s\": an event is published when these standbys have "
    "it', current_setting('synchronous_standby_names')), NULL, NULL WHERE current_setting('synchronous_standby_names') "
    "<> '' "
    /* the slot */
    "UNION ALL SELECT 2, format('there is no slot %s: the server may remove log that was not read', n.slot), CASE "
    "WHEN NOT " PHYSICAL
    " THEN 'run ''outbox init'' if there was none; else see docs/CAPTURE-POSTGRES.md, \"A position that "
    "the log does not have\"' END, CASE WHEN " PHYSICAL " THEN "
    "format('SELECT pg_create_physical_replication_slot(%L, true);', n.slot) END FROM n WHERE NOT EXISTS (SELECT FROM "
    "s) "
    "UNION ALL SELECT 2, format('the slot %s is %s: the server has removed log that was not read', n.slot, "
    "s.wal_status), 'see docs/CAPTURE-POSTGRES.md, \"A position that the log does not have\"', NULL FROM s, n WHERE "
    "s.wal_status = "
    "'lost' "
    "UNION ALL SELECT 1, 'max_slot_wal_keep_size has no limit: while the relay is away, log fills the disk', 'set a "
    "limit that the disk has room for, then reload', 'ALTER SYSTEM SET max_slot_wal_keep_size = ''10GB'';' FROM l "
    "WHERE l.bytes < 0 "
    "UNION ALL SELECT 1, format('%s of %s of log are kept for the slot', pg_size_pretty(s.kept), "
    "pg_size_pretty(l.bytes)), 'start the relay, or find out what it waits for', NULL FROM s, l WHERE l.bytes > 0 AND "
    "s.kept * 2 > l.bytes "
    /* the objects that init makes */
    "UNION ALL SELECT 2, format('there is no table %s, which has the position', $3::text), 'run ''outbox init''', NULL "
    "WHERE to_regclass($3::text) IS NULL "
    "UNION ALL SELECT 3, format('user %s may not read and update table %s', current_user, $3::text), 'as its owner "
    "run', "
    "format('GRANT SELECT, UPDATE ON %s TO %I;', $3::text, current_user) WHERE to_regclass($3::text) IS NOT NULL AND "
    "NOT "
    "(has_table_privilege(to_regclass($3::text), 'SELECT') AND has_table_privilege(to_regclass($3::text), 'UPDATE')) "
    "UNION ALL SELECT 2, format('there is no function %s', $4::text), 'run ''outbox init''', NULL WHERE "
    "NOT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace m ON m.oid = p.pronamespace WHERE concat('\"', m.nspname, "
    "'\".\"', p.proname, '\"') = $4::text) "
    "UNION ALL SELECT 3, format('user %s may not insert into table %s.%s: an event that cannot go now is copied to "
    "it', "
    "current_user, m.nspname, c.relname), 'as its owner run', format('GRANT INSERT ON %I.%I TO %I;', m.nspname, "
    "c.relname, current_user) FROM pg_class c JOIN pg_namespace m ON m.oid = c.relnamespace WHERE c.oid = $1::oid AND "
    "NOT has_table_privilege(c.oid, 'INSERT')";

/* Of a logical slot; $3 its publication, $4 whether that has the table. */
static const char logical_sql[] =
    "SELECT 2, format('wal_level is %s: the server decodes no log', current_setting('wal_level')), 'then restart the "
    "server', 'ALTER SYSTEM SET wal_level = logical;' WHERE current_setting('wal_level') <> 'logical' "
    "UNION ALL SELECT 2, 'synchronous_standby_names has a *, which takes the relay for a standby: commits wait for it, "
    "and it waits for the commits', 'name the standbys', NULL WHERE current_setting('synchronous_standby_names') LIKE "
    "'%*%' "
    "UNION ALL SELECT 1, format('slot %s does not go to standbys: after a failover, events that were not read are "
    "lost', s.slot_name), 'make it anew with failover => true', NULL FROM pg_replication_slots s WHERE s.slot_name "
    "= " SLOT " AND to_jsonb(s) ->> 'failover' = 'false' "
    "UNION ALL SELECT 2, format('there is no publication \"%s\"', $3::text), 'run ''outbox init'', and write events "
    "again that were committed while it was missing', NULL WHERE NOT EXISTS (SELECT FROM pg_publication WHERE pubname "
    "= "
    "$3::text) "
    "UNION ALL SELECT 2, format('the publication \"%s\" has no inserts into the table: such rows are lost', $3::text), "
    "'then write these events again', format('ALTER PUBLICATION %I ADD TABLE %s;', $3::text, $1::oid::regclass) WHERE "
    "$4::text = 'true' AND NOT EXISTS (SELECT FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid "
    "WHERE p.pubname = $3::text AND p.pubinsert AND r.prrelid = $1::oid) "
    "UNION ALL SELECT 2, format('rows of %s, a child of the table, are no events', d.oid::regclass), 'insert them into "
    "the table itself, or make the child an outbox of its own', NULL FROM (WITH RECURSIVE c(oid) AS (SELECT i.inhrelid "
    "FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent WHERE p.oid = $1::oid AND p.relkind = 'r' UNION SELECT "
    "i.inhrelid FROM pg_inherits i JOIN c ON c.oid = i.inhparent) SELECT oid FROM c) d WHERE $4::text = 'true'";
static const char no_finding[] = "SELECT 0, '', NULL, NULL WHERE false";

static void add_name(const struct sql_store *store, struct obx_sql_text *name, const char *suffix)
{
    char text[SQL_NAME + 16];
    snprintf(text, sizeof text, "%s%s", store->outbox.name, suffix);
    obx_sql_text_table(name, store->table.schema, text);
}

bool pg_put_capture_findings(struct sql_request *request)
{
    struct pg_store *store = pg_store_of(request->store);
    struct obx_sql_text position = sql_text(&store->sql), function = sql_text(&store->sql);
    struct pg_params params = {0};
    if (!sql_captures(&store->sql))
        return pg_send_text(request, no_finding, NULL);
    add_name(&store->sql, &position, "_position");
    add_name(&store->sql, &function, "_emit");
    pg_param_int4(&params, (int32_t)store->table_oid);
    pg_param_text(&params, pg_capture_slot_suffix(store));
    pg_param_text(&params, obx_sql_text_get(&position));
    pg_param_text(&params, obx_sql_text_get(&function));
    bool sent = !position.failed && !function.failed && pg_send_text(request, findings_sql, &params);
    obx_sql_text_free(&position);
    obx_sql_text_free(&function);
    return sent;
}

bool pg_put_logical_findings(struct sql_request *request)
{
    struct pg_store *store = pg_store_of(request->store);
    struct pg_params params = {0};
    if (store->capture_mode != PG_CAPTURE_LOGICAL)
        return pg_send_text(request, no_finding, NULL);
    pg_capture_name(store);
    pg_param_int4(&params, (int32_t)store->table_oid);
    pg_param_text(&params, pg_capture_slot_suffix(store));
    pg_param_text(&params, store->capture.publication);
    pg_param_text(&params, store->capture_rows ? "true" : "");
    return pg_send_text(request, logical_sql, &params);
}

/* ---- status ------------------------------------------------------------------------------------------------------ */

bool pg_put_log_status(struct sql_request *request)
{
    const struct pg_store *store = pg_store_of(request->store);
    struct pg_params params = {0};
    struct obx_sql_text sql = sql_text(&store->sql);
    if (!sql_captures(&store->sql))
        return pg_send_text(request, "SELECT -1::int8, -1::int8, ''", NULL);
    obx_sql_text_puts(&sql, "SELECT ");
    pg_capture_append_distance(&sql);
    obx_sql_text_puts(&sql, " FROM pg_replication_slots WHERE slot_name = " SLOT);
    pg_param_int4(&params, (int32_t)store->table_oid);
    pg_param_text(&params, pg_capture_slot_suffix(store));
    return pg_send_sql(request, &sql, &params);
}

void pg_report_log_status(struct sql_op *op)
{
    struct outbox_store_status *status = op->out;
    if (sql_captures(op->store) && !pg_capture_keeps_log(op->result)) {
        pg_capture_warn_of_slot(pg_store_in(op->store));
        return; /* how much is kept stays unknown */
    }
    if (!OUTBOX_HAS_MEMBER(status, log_limit))
        return;
    status->log_bytes = pg_integer(op->result, 0, 0, -1);
    status->log_limit = pg_integer(op->result, 0, 1, -1);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/check_facts.c - what the catalog has about the outbox: what acts on removals, replication, and
 * other tables that might be meant
 *
 * Each row of these statements is a finding: severity, reason, advice, command. The server quotes the names.
 */
#include "check_facts.h"

#include <string.h>

/* $1: the table's OID. Each is a query for one kind of finding. */
#define OUTBOX_NAME                                                                                                \
    "(SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace " \
    "WHERE c.oid = $1::oid)"

static bool put_for_table(struct sql_request *request, const char *sql)
{
    struct pg_params params = {0};
    pg_param_int4(&params, (int32_t)pg_store_in(request->store)->table_oid);
    return pg_send_text(request, sql, &params);
}

/* ---- removals ---------------------------------------------------------------------------------------------------- */

static const char acts_sql[] =
    /* foreign keys of other tables */
    "SELECT CASE WHEN k.confdeltype IN ('a', 'r') THEN 2 ELSE 1 END, "
    "format('foreign key %s of table %s.%s refers to the outbox: %s', k.conname, n.nspname, c.relname, CASE WHEN "
    "k.confdeltype IN ('a', 'r') THEN 'an event that it refers to cannot be removed' ELSE 'each removal of an event "
    "changes that table, too' END), 'let no table refer to the outbox', "
    "format('ALTER TABLE %I.%I DROP CONSTRAINT %I;', n.nspname, c.relname, k.conname) "
    "FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE k.contype = 'f' AND k.confrelid = $1::oid AND k.conparentid = 0 "
    /* triggers on delete */
    "UNION ALL SELECT 1, format('trigger %s of table %s runs when the relay removes events%s', t.tgname, " OUTBOX_NAME
    ", CASE WHEN t.tgtype & 3 = 3 THEN '; where it returns null, an event stays and is published again after each "
    "start' ELSE '' END), 'drop it if it is not meant for each relayed event', "
    "format('DROP TRIGGER %I ON %s;', t.tgname, " OUTBOX_NAME ") FROM pg_trigger t "
    "WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgtype & 8 <> 0 AND t.tgenabled IN ('O', 'A') "
    /* rules on delete */
    "UNION ALL SELECT CASE WHEN r.is_instead THEN 2 ELSE 1 END, format('rule %s of table %s %s', "
    "r.rulename, " OUTBOX_NAME
    ", CASE WHEN r.is_instead THEN 'replaces deletes: events stay, and are published again after each "
    "start' ELSE 'acts when the relay removes events' END), NULL, "
    "format('DROP RULE %I ON %s;', r.rulename, " OUTBOX_NAME ") FROM pg_rewrite r "
    "WHERE r.ev_class = $1::oid AND r.ev_type = '4' AND r.ev_enabled IN ('O', 'A')";

bool pg_put_acts(struct sql_request *request)
{
    return put_for_table(request, acts_sql);
}

/* As settle.c finds them, and for so long that it is not the relay's own removal. */
bool pg_put_locked(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const char *schema = store->table.schema, *table = store->outbox.name, *id = store->table.id;
    struct obx_sql_text sql = sql_text(store);
    obx_sql_text_format(
        &sql,
        "SELECT 1, concat('row ', o.id, ' of table ', %l, '.', %l, ' is locked by process ', l.pid, "
        "a.since, ': the relay cannot remove it until that transaction ends'), 'end the transaction if "
        "it is not needed', concat('SELECT pg_terminate_backend(', l.pid, ');') FROM (SELECT %n AS id, "
        "xmax AS holder FROM %n.%n ORDER BY %n LIMIT %d) o JOIN pg_locks l ON l.locktype = "
        "'transactionid' AND l.transactionid = o.holder AND l.mode = 'ExclusiveLock' AND l.granted "
        "LEFT JOIN LATERAL (SELECT xact_start, concat(', application \"', application_name, '\", for ', "
        "extract(epoch FROM clock_timestamp() - xact_start)::int8, ' s') AS since FROM "
        "pg_stat_activity WHERE pid = l.pid) a ON true WHERE coalesce(a.xact_start < clock_timestamp() "
        "- interval '5 s', true) LIMIT 5",
        schema, table, id, schema, table, id, SQL_TRIAL_ROWS);
    return pg_send_sql(request, &sql, NULL);
}

/* In one block: its end undoes it in any case. Rows that others lock are not waited for. Operators are qualified: the
 * session has the path that the triggers of the application expect. While another session owns the outbox nothing is
 * tried: the server counts deletes that were undone, which the owner would take for deletes by others, and the owner
 * reports by itself what it cannot remove. */
bool pg_put_removal_trial(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const char *schema = store->table.schema, *table = store->outbox.name, *id = store->table.id;
    struct obx_sql_text sql = sql_text(store);
    obx_sql_text_format(&sql,
                        "DO $outbox$ DECLARE ids pg_catalog.int8[]; kept pg_catalog.int8; BEGIN "
                        "IF EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid "
                        "OPERATOR(pg_catalog.=) l.database WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND "
                        "l.granted AND l.objsubid OPERATOR(pg_catalog.=) 2 AND d.datname OPERATOR(pg_catalog.=) "
                        "pg_catalog.current_database() AND l.classid OPERATOR(pg_catalog.=) %d::pg_catalog.int4"
                        "::pg_catalog.oid AND l.objid OPERATOR(pg_catalog.=) %d::pg_catalog.int4::pg_catalog.oid AND "
                        "l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()) THEN RETURN; END IF; "
                        "SET LOCAL lock_timeout = '200ms'; SET CONSTRAINTS ALL IMMEDIATE; "
                        "SELECT pg_catalog.array_agg(t.id) INTO ids FROM (SELECT %n AS id FROM %n.%n",
                        PG_LOCK_CLASS, (int32_t)pg_store_in(store)->table_oid, id, schema, table);
    sql_append_trial_rows(sql_op_of(request), &sql);
    obx_sql_text_format(
        &sql,
        ") t; DELETE FROM %n.%n WHERE %n OPERATOR(pg_catalog.=) ANY (ids); "
        "SELECT pg_catalog.count(*) INTO kept FROM %n.%n WHERE %n OPERATOR(pg_catalog.=) ANY (ids); "
        "RAISE EXCEPTION USING ERRCODE = 'OB001', MESSAGE = pg_catalog.concat('the trial of outbox check is "
        "undone, rows that stayed: ', kept); END $outbox$",
        schema, table, id, schema, table, id);
    return pg_send_sql(request, &sql, NULL);
}

const char *pg_removal_refusal(const struct outbox_error *error)
{
    if (!error->code)
        return NULL;
    if (strcmp(error->state, "OB001") != 0)
        return error->text;
    return strstr(error->text, "rows that stayed: 0 ") ? NULL : "a trigger or a rule keeps them, without an error";
}

/* ---- replication ------------------------------------------------------------------------------------------------- */

/* A delete that is published needs an identity of the row. A slot that nobody reads keeps the log. */
static const char replication_sql[] =
    "SELECT CASE WHEN i.lacking THEN 2 ELSE 1 END, format('table %s is in publication %s, which publishes "
    "deletes%s', " OUTBOX_NAME
    ", p.pubname, CASE WHEN i.lacking THEN ', and has neither a primary key nor another replica identity: "
    "the server refuses to remove its events' ELSE ': the removals of the relay are replicated as well' END), "
    "CASE WHEN i.lacking THEN 'give it a primary key, or leave it out of the publication; until then' "
    "WHEN p.puballtables THEN 'name tables in the publication, without this one' END, "
    "CASE WHEN i.lacking THEN format('ALTER TABLE %s REPLICA IDENTITY FULL;', " OUTBOX_NAME ") WHEN EXISTS (SELECT "
    "FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = $1::oid) THEN "
    "format('ALTER PUBLICATION %I DROP TABLE %s;', p.pubname, " OUTBOX_NAME ") END "
    "FROM pg_publication p, LATERAL (" PG_LACKS_IDENTITY(
        "$1::oid") ") i(lacking) "
                   "WHERE p.pubdelete AND EXISTS (SELECT FROM pg_get_publication_tables(p.pubname::text) g WHERE "
                   "g.relid = $1::oid) "
                   "UNION ALL SELECT 1, format('replication slot %s is not in use and keeps %s of the server''s log', "
                   "s.slot_name, "
                   "pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn))), 'drop it if nothing will "
                   "read it again', "
                   "format('SELECT pg_drop_replication_slot(%L);', s.slot_name) FROM pg_replication_slots s "
                   "WHERE NOT s.active AND s.slot_type = 'logical' AND s.database = current_database() AND NOT "
                   "pg_is_in_recovery()";

bool pg_put_replication(struct sql_request *request)
{
    return put_for_table(request, replication_sql);
}

/* ---- deletes by others ------------------------------------------------------------------------------------------- */

/* $2: the class of the lock by which the owner shows that it has found some. */
static const char deletes_sql[] =
    "SELECT 1, format('something else than the relay deletes rows of table %s: events that it deletes before the relay "
    "reads them are never published; the log of the relay has the number of rows; " SQL_FOREIGN_DELETES_CAUSES
    "', " OUTBOX_NAME "), '" SQL_FOREIGN_DELETES_ADVICE
    "', NULL WHERE EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND "
    "l.granted AND l.objsubid = 2 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND "
    "l.classid = $2::int4::oid AND l.objid = $1::oid)";

bool pg_put_foreign_deletes(struct sql_request *request)
{
    struct pg_params params = {0};
    pg_param_int4(&params, (int32_t)pg_store_in(request->store)->table_oid);
    pg_param_int4(&params, PG_DELETES_CLASS);
    return pg_send_text(request, deletes_sql, &params);
}

/* ---- other tables, and the encoding ------------------------------------------------------------------------------ */

/* $2 and $3: two columns that an outbox has; $4: the dead-letter table. */
static const char other_sql[] =
    "(SELECT 1, format('nothing was ever inserted into table %s, and table %s.%s has the columns of an outbox, "
    "too', " OUTBOX_NAME
    ", n.nspname, c.relname), format('if that one is meant, set table: %s.%s', n.nspname, c.relname), NULL "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND c.oid <> $1::oid "
    "AND NOT c.relispartition AND c.relname <> $4::text AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
    "AND pg_stat_get_tuples_inserted($1::oid) = 0 AND NOT EXISTS (SELECT FROM pg_partition_tree($1::oid) p WHERE "
    "pg_stat_get_tuples_inserted(p.relid) > 0) AND (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid "
    "AND NOT a.attisdropped AND lower(a.attname) IN (lower($2::text), lower($3::text))) = 2 ORDER BY 2 LIMIT 3) "
    "UNION ALL SELECT 1, 'the database has the encoding SQL_ASCII: its texts are published as they are, and as base64 "
    "where they are no UTF-8', 'make a new database with the encoding UTF8', NULL "
    "WHERE pg_encoding_to_char((SELECT encoding FROM pg_database WHERE datname = current_database())) = 'SQL_ASCII' "
    "UNION ALL SELECT 1, format('table %s is unlogged: a crash of the server empties it, and events that wait in it "
    "are "
    "lost', " OUTBOX_NAME "), NULL, format('ALTER TABLE %s SET LOGGED;', " OUTBOX_NAME
    ") FROM pg_class u WHERE u.oid = "
    "$1::oid AND u.relpersistence = 'u' "
    "UNION ALL SELECT 1, format('table %s inherits from table %s: ids are unique in each of them only, and rows "
    "that share an id are rejected', i.inhrelid::regclass, " OUTBOX_NAME "), 'give both the same sequence of ids, "
    "and insert none by hand', format('ALTER TABLE %s NO INHERIT %s;', i.inhrelid::regclass, " OUTBOX_NAME ") FROM "
    "pg_inherits i JOIN pg_class r ON r.oid = i.inhparent WHERE r.oid = $1::oid AND r.relkind = 'r'";

bool pg_put_other_tables(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    struct pg_params params = {0};
    pg_param_int4(&params, (int32_t)pg_store_in(store)->table_oid);
    pg_param_text(&params, obx_sql_column(&store->column_names, "aggregatetype"));
    pg_param_text(&params, obx_sql_column(&store->column_names, "aggregateid"));
    pg_param_text(&params, store->dead.name);
    return pg_send_text(request, other_sql, &params);
}

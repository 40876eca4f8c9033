/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/check.c - what is wrong, or will be, and what to do about it
 *
 * One statement collects the facts about server and table; the rest is judging.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum fact {
    F_BACKEND_PID,
    F_VERSION,
    F_IN_RECOVERY,
    F_SYNCHRONOUS,
    F_FSYNC,
    F_SELECT,
    F_DELETE,
    F_INSERT,
    F_INDEXED, /* an index, unique, begins with the id */
    F_CACHE,   /* of the id's sequence */
    F_INCREMENT,
    F_TRIGGERS, /* and rules, on delete */
    F_PUBLICATION,
    F_AUTOVACUUM, /* the table has settings of its own */
    F_OLD_PID,    /* of the transaction that is open longest */
    F_OLD_NAME,
    F_OLD_SECONDS,
    F_PREPARED,
    F_DEAD, /* the dead-letter table exists */
    F_DEAD_RIGHTS,
    F_ROW_SECURITY,
    F_BELL, /* the doorbell's trigger is there */
    F_WAL,  /* where a primary's log ends */
    FACTS
};

/* $1 the table, $2 the id's name, $3 the dead-letter table as text. All as text; nulls where there is no table. */
static const char facts_sql[] =
    "SELECT pg_backend_pid()::text, current_setting('server_version'), pg_is_in_recovery()::text, "
    "current_setting('synchronous_commit'), current_setting('fsync'), has_table_privilege($1::oid, 'SELECT')::text, "
    "has_table_privilege($1::oid, 'DELETE')::text, has_table_privilege($1::oid, 'INSERT')::text, "
    "EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] "
    "WHERE i.indrelid = $1::oid AND a.attname = $2::text AND i.indisvalid AND i.indisunique AND i.indpred IS "
    "NULL)::text, (SELECT max(s.seqcache)::text FROM pg_sequence s JOIN pg_depend d ON d.objid = s.seqrelid "
    "AND d.classid = 'pg_class'::regclass WHERE d.refobjid = $1::oid), "
    "(SELECT max(s.seqincrement)::text FROM pg_sequence s JOIN pg_depend d ON d.objid = s.seqrelid "
    "AND d.classid = 'pg_class'::regclass WHERE d.refobjid = $1::oid), "
    "((SELECT count(*) FROM pg_trigger WHERE tgrelid = $1::oid AND NOT tgisinternal AND tgtype & 8 <> 0) + "
    "(SELECT count(*) FROM pg_rewrite WHERE ev_class = $1::oid AND ev_type = '4'))::text, "
    "(SELECT string_agg(p.pubname, ', ') FROM pg_publication p WHERE p.pubdelete AND (p.puballtables OR EXISTS "
    "(SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = $1::oid))), "
    "(SELECT (c.reloptions::text LIKE '%autovacuum%')::text FROM pg_class c WHERE c.oid = $1::oid), "
    "o.pid::text, o.application_name, o.seconds::text, "
    "(SELECT count(*)::text FROM pg_prepared_xacts WHERE database = current_database() "
    "AND prepared < clock_timestamp() - interval '1 minute'), "
    "(to_regclass($3::text) IS NOT NULL)::text, "
    "(has_table_privilege(to_regclass($3::text), 'SELECT') AND has_table_privilege(to_regclass($3::text), 'INSERT') "
    "AND has_table_privilege(to_regclass($3::text), 'DELETE'))::text, row_security_active(nullif($1::oid, 0))::text, "
    "EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::oid AND tgname = 'outbox_doorbell' AND tgenabled <> "
    "'D')::text, CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn()::text END "
    "FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT a.pid, a.application_name, "
    "extract(epoch FROM clock_timestamp() - a.xact_start)::int8 AS seconds FROM pg_stat_activity a "
    "WHERE a.xact_start < clock_timestamp() - interval '1 minute' AND a.datname = current_database() "
    "AND a.backend_type = 'client backend' ORDER BY a.xact_start LIMIT 1) o ON true";

struct finding {
    const struct pg_store *store;
    const struct outbox_check *check;
    const PGresult *result;
};

static const char *fact(const struct finding *f, enum fact which)
{
    return PQgetvalue(f->result, 0, (int)which); /* "" for null */
}

static bool is(const struct finding *f, enum fact which, const char *value)
{
    return !strcmp(fact(f, which), value);
}

static void say(const struct finding *f, enum outbox_log_level level, const char *advice, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void say(const struct finding *f, enum outbox_log_level level, const char *advice, const char *format, ...)
{
    char text[400];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    f->check->report(f->check->arg, level, text, advice);
}

static void judge_dsn(const struct finding *f)
{
    const struct pg_target *target = &f->store->target;
    const char *keyword, *why;
    if (target->insecure)
        say(f, OUTBOX_LOG_WARN, "set sslmode=verify-full and sslrootcert in the dsn",
            "sslmode is weaker than verify-full: others on the way can read and change events");
    for (unsigned i = 0; (keyword = pg_target_unheeded(target, i, &why)); i++)
        say(f, OUTBOX_LOG_WARN, "leave it out", "%s in the dsn has no effect: %s", keyword, why);
}

static void judge_server(const struct finding *f)
{
    const struct pg_store *store = f->store;
    say(f, OUTBOX_LOG_INFO, NULL, "PostgreSQL %s, database %s as user %s", fact(f, F_VERSION), store->server.database,
        store->server.user);
    if (atoi(fact(f, F_BACKEND_PID)) != PQbackendPID(store->owner.pg))
        say(f, OUTBOX_LOG_WARN, "connect directly, or make sure that the pool is in session mode",
            "a pooler stands between here and the server");
    judge_dsn(f);
    if (is(f, F_SYNCHRONOUS, "off"))
        say(f, OUTBOX_LOG_WARN, "leave synchronous_commit on for transactions that write events",
            "synchronous_commit is off by default: a crash of the server can undo a commit whose event was published");
    if (is(f, F_FSYNC, "off"))
        say(f, OUTBOX_LOG_WARN, "turn fsync on", "fsync is off: a crash of the machine loses or corrupts data");
    if (*fact(f, F_OLD_PID))
        say(f, OUTBOX_LOG_WARN, "end it if nobody needs it: deleted events cannot be cleared away before it ends",
            "a transaction has been open for %s s: pid %s, application \"%s\"", fact(f, F_OLD_SECONDS),
            fact(f, F_OLD_PID), fact(f, F_OLD_NAME));
    if (atoi(fact(f, F_PREPARED)) > 0)
        say(f, OUTBOX_LOG_WARN, "COMMIT PREPARED or ROLLBACK PREPARED; see pg_prepared_xacts",
            "%s prepared transactions have been waiting for more than a minute", fact(f, F_PREPARED));
}

static void judge_rights(const struct finding *f)
{
    const struct pg_table *table = &f->store->table;
    char advice[300];
    snprintf(advice, sizeof advice, "as the table's owner: GRANT SELECT, DELETE ON %s.%s TO %s", table->schema,
             table->name, f->store->server.user);
    if (is(f, F_SELECT, "false") || is(f, F_DELETE, "false"))
        say(f, OUTBOX_LOG_ERROR, advice, "user %s may not %s table %s.%s", f->store->server.user,
            is(f, F_SELECT, "false") ? "read" : "delete from", table->schema, table->name);
    if (is(f, F_ROW_SECURITY, "true"))
        say(f, OUTBOX_LOG_ERROR, "give the user BYPASSRLS, or drop the policies",
            "row level security hides rows of %s.%s from user %s", table->schema, table->name, f->store->server.user);
}

static void judge_id(const struct finding *f)
{
    const struct pg_table *table = &f->store->table;
    const struct pg_column *id = pg_column_find(table, table->id);
    char advice[400];
    if (!id || id->base != PG_OID_INT8) {
        snprintf(
            advice, sizeof advice,
            "ALTER TABLE \"%s\".\"%s\" ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE; and set columns: "
            "{ id: seq%s }",
            table->schema, table->name, id ? ", event_id: id" : "");
        say(f, OUTBOX_LOG_ERROR, advice, "table %s.%s has no bigint column that orders its rows: \"%s\" is %s",
            table->schema, table->name, table->id, id ? id->type : "not there");
        return;
    }
    snprintf(advice, sizeof advice, "CREATE UNIQUE INDEX CONCURRENTLY ON \"%s\".\"%s\" (\"%s\")", table->schema,
             table->name, table->id);
    if (is(f, F_INDEXED, "false"))
        say(f, OUTBOX_LOG_ERROR, advice, "column \"%s\" has no unique index: every claim would read the whole table",
            table->id);
    if (atoi(fact(f, F_CACHE)) > 1)
        say(f, OUTBOX_LOG_ERROR, "ALTER SEQUENCE ... CACHE 1",
            "the sequence of \"%s\" has CACHE %s: sessions draw blocks of ids, which breaks the order of events",
            table->id, fact(f, F_CACHE));
    if (*fact(f, F_INCREMENT) && !is(f, F_INCREMENT, "1"))
        say(f, OUTBOX_LOG_WARN, "ALTER SEQUENCE ... INCREMENT 1",
            "the sequence of \"%s\" goes up by %s: rows cannot be deleted in runs, which takes twice as long",
            table->id, fact(f, F_INCREMENT));
}

static void judge_table(const struct finding *f)
{
    const struct pg_store *store = f->store;
    const struct pg_table *table = &store->table;
    char advice[400];
    if (!pg_column_of(store, "payload"))
        say(f, OUTBOX_LOG_WARN, "name the column that is under columns: { payload: NAME }",
            "table %s.%s has no column \"%s\"", table->schema, table->name,
            obx_sql_column(&store->column_names, "payload"));
    if (atoi(fact(f, F_TRIGGERS)) > 0)
        say(f, OUTBOX_LOG_WARN,
            "drop them if they are not meant for each relayed event; where one keeps the rows, each start sends them "
            "again",
            "table %s.%s has %s triggers or rules on delete, which act when the relay removes events", table->schema,
            table->name, fact(f, F_TRIGGERS));
    if (*fact(f, F_PUBLICATION))
        say(f, OUTBOX_LOG_WARN, "leave the table out of the publication, or publish its inserts only",
            "table %s.%s is in publication %s: its deletes are replicated as well", table->schema, table->name,
            fact(f, F_PUBLICATION));
    snprintf(advice, sizeof advice,
             "ALTER TABLE \"%s\".\"%s\" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000, "
             "autovacuum_vacuum_cost_delay = 0)",
             table->schema, table->name);
    if (!is(f, F_AUTOVACUUM, "true"))
        say(f, OUTBOX_LOG_WARN, advice, "table %s.%s is vacuumed like any other, which is late for an outbox",
            table->schema, table->name);
    if (is(f, F_DEAD, "false"))
        say(f, OUTBOX_LOG_WARN, "run 'outbox init'", "there is no dead-letter table %s: nothing can be parked",
            store->dead_table);
    else if (!is(f, F_DEAD_RIGHTS, "true"))
        say(f, OUTBOX_LOG_WARN, "see 'outbox init --print-grants'",
            "user %s may not read, insert into and delete from the dead-letter table %s", store->server.user,
            store->dead_table);
}

/* Each writing transaction pays for a trigger that wakes nobody. */
static void judge_trigger(const struct finding *f)
{
    const struct pg_table *table = &f->store->table;
    char advice[300];
    snprintf(advice, sizeof advice, "DROP TRIGGER outbox_doorbell ON \"%s\".\"%s\"", table->schema, table->name);
    if (f->store->doorbell == PG_DOORBELL_TRIGGER && is(f, F_BELL, "false"))
        say(f, OUTBOX_LOG_WARN, "run 'outbox init'", "there is no doorbell on %s.%s: an idle relay polls",
            table->schema, table->name);
    else if (f->store->doorbell != PG_DOORBELL_TRIGGER && is(f, F_BELL, "true"))
        say(f, OUTBOX_LOG_WARN, advice, "writers of %s.%s run the trigger of a doorbell that no relay is to use",
            table->schema, table->name);
}

static void judge(const struct finding *f)
{
    judge_server(f);
    if (!f->store->table.oid) {
        say(f, OUTBOX_LOG_ERROR, "run 'outbox init', or name the schema: table: SCHEMA.TABLE",
            "there is no table %s in database %s", f->store->table_name, f->store->server.database);
        return;
    }
    const struct pg_table *table = &f->store->table;
    if (table->relkind != 'r' && table->relkind != 'p') { /* an index on a view would be no good advice */
        say(f, OUTBOX_LOG_ERROR, "name the table itself", "%s.%s is no table", table->schema, table->name);
        return;
    }
    judge_rights(f);
    judge_id(f);
    judge_table(f);
    judge_trigger(f);
}

static int send_facts(struct pg_request *request, PGconn *pg)
{
    struct pg_op *op = request->arg;
    struct pg_store *store = op->store;
    struct obx_sql_text dead = {.host = store->host};
    struct pg_params params = {0};
    pg_dead_name_put(store, &dead);
    pg_param_int4(&params, (int32_t)store->table.oid);
    pg_param_text(&params, store->table.id);
    pg_param_text(&params, obx_sql_text_get(&dead));
    int fine =
        !dead.failed && PQsendQueryParams(pg, facts_sql, 3, NULL, params.values, params.lengths, params.formats, 1);
    obx_sql_text_free(&dead);
    return fine;
}

static void tried_wal(void *arg, const struct outbox_error *error)
{
    static const struct outbox_error none;
    struct pg_op *op = arg;
    const struct finding finding = {op->store, op->in, op->result};
    if (error->code)
        say(&finding, OUTBOX_LOG_WARN, "until then an idle relay polls", "the doorbell does not work: %s", error->text);
    else
        say(&finding, OUTBOX_LOG_INFO, NULL, "the doorbell works: the server sends what it logs");
    pg_op_finish(op, error->code == OUTBOX_E_CANCELED ? error : &none);
}

static void done(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_op *op = request->arg;
    bool known = !error->code && op->result && PQntuples(op->result) == 1 && PQnfields(op->result) == FACTS;
    const struct finding finding = {op->store, op->in, op->result};
    if (known)
        judge(&finding);
    if (known && op->store->doorbell == PG_DOORBELL_WAL && is(&finding, F_IN_RECOVERY, "false"))
        pg_wal_try(op->store, fact(&finding, F_WAL), tried_wal, op);
    else
        pg_op_finish(op, error);
}

void pg_check(void *self, outbox_op_t id, const struct outbox_check *check)
{
    struct pg_op *op = pg_op(self, id);
    op->in = check;
    op->request = (struct pg_request){
        .what = "look at server and table", .send = send_facts, .result = pg_keep, .done = done, .arg = op};
    pg_conn_submit(&op->store->owner, &op->request);
}

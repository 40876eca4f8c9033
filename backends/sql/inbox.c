/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/inbox.c - the SQL of the inbox, server by server
 *
 * The primary key decides which ids are duplicates; a second consumer of the same event also waits on it until the
 * first commits. `received_on` is a day, in UTC, because ids are pruned day by day: the rows of one day are adjacent in
 * its index and, in MySQL and SQLite, in the order of the primary key, so that a prune walks both in order.
 */
#include "sql/inbox.h"

static void append_inbox(struct obx_sql_text *sql, const char *schema)
{
    obx_sql_text_table(sql, schema && *schema ? schema : NULL, "outbox_inbox");
}

static void append_positions(struct obx_sql_text *sql, const char *schema)
{
    obx_sql_text_table(sql, schema && *schema ? schema : NULL, "outbox_inbox_position");
}

/* ---- Postgres ---------------------------------------------------------------------------------------------------- */

/* Tables and functions are created in the current schema; SET ... FROM CURRENT then fixes search_path in the functions.
 * Other roles may create objects in that schema, so calls are qualified; operators are found in pg_catalog, by their
 * exact types. */
static void postgres_path(struct obx_sql_text *sql, const char *schema)
{
    obx_sql_text_puts(sql, "SELECT pg_catalog.set_config('search_path', pg_catalog.concat(pg_catalog.quote_ident(");
    if (schema && *schema)
        obx_sql_text_format(sql, "%l", schema);
    else
        obx_sql_text_puts(sql, "pg_catalog.current_schema()");
    obx_sql_text_puts(sql, "), ', pg_temp'), true)");
}

static const char postgres_table[] = "CREATE TABLE IF NOT EXISTS outbox_inbox (\n"
                                     "    event_id uuid NOT NULL,\n"
                                     "    received_on date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,\n"
                                     "    consumer text NOT NULL,\n"
                                     "    PRIMARY KEY (event_id, consumer)\n"
                                     ") WITH (autovacuum_vacuum_scale_factor = 0.05)";

static const char postgres_index[] =
    "CREATE INDEX IF NOT EXISTS outbox_inbox_received_on ON outbox_inbox (received_on)";

/*
 * Ids are inserted in order, so that two sessions with the same ids wait for each other and cannot deadlock. An id that
 * is repeated conflicts with itself. Usually all are new: then nothing has to be matched.
 */
static const char postgres_take[] =
    "CREATE OR REPLACE FUNCTION outbox_inbox_take(consumer text, ids uuid[]) RETURNS boolean[]\n"
    "LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$\n"
    "-- For each id: true, this transaction is the first to take it; false, it is a duplicate.\n"
    "DECLARE\n"
    "    fresh uuid[];\n"
    "BEGIN\n"
    "    IF consumer IS NULL OR pg_catalog.octet_length(consumer) NOT BETWEEN 1 AND 64 THEN\n"
    "        RAISE invalid_parameter_value USING MESSAGE =\n"
    "            'outbox_inbox_take: the name of a consumer has 1 to 64 bytes';\n"
    "    ELSIF ids IS NULL OR pg_catalog.array_ndims(ids) > 1 OR pg_catalog.array_position(ids, NULL) IS NOT NULL "
    "THEN\n"
    "        RAISE invalid_parameter_value USING MESSAGE =\n"
    "            'outbox_inbox_take: ids is an array of event ids, none of them null';\n"
    "    END IF;\n"
    "    WITH inserted AS (\n"
    "        INSERT INTO outbox_inbox AS i (event_id, consumer)\n"
    "        SELECT id, outbox_inbox_take.consumer FROM pg_catalog.unnest(ids) AS u (id) ORDER BY id\n"
    "        ON CONFLICT DO NOTHING RETURNING i.event_id\n"
    "    )\n"
    "    SELECT pg_catalog.array_agg(event_id) INTO fresh FROM inserted;\n"
    "    IF pg_catalog.cardinality(fresh) = pg_catalog.cardinality(ids) THEN\n"
    "        RETURN pg_catalog.array_fill(true, ARRAY[pg_catalog.cardinality(ids)]);\n"
    "    END IF;\n"
    "    RETURN coalesce((\n"
    "        SELECT pg_catalog.array_agg(is_first AND f.id IS NOT NULL ORDER BY n)\n"
    "        FROM (\n"
    "            SELECT id, n, pg_catalog.row_number() OVER (PARTITION BY id ORDER BY n) = 1 AS is_first\n"
    "            FROM pg_catalog.unnest(ids) WITH ORDINALITY AS u (id, n)\n"
    "        ) AS given LEFT JOIN pg_catalog.unnest(fresh) AS f (id) USING (id)\n"
    "    ), '{}');\n"
    "END $function$";

/* The lock makes a second pruner return at once, not wait for the first. */
static const char postgres_prune[] =
    "CREATE OR REPLACE FUNCTION outbox_inbox_prune(keep_days integer DEFAULT 7, at_most integer DEFAULT 100000)\n"
    "RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$\n"
    "-- Removes ids that were received more than keep_days days ago; returns how many. Repeat until it returns 0.\n"
    "DECLARE\n"
    "    removed bigint;\n"
    "BEGIN\n"
    "    IF keep_days IS NULL OR keep_days < 1 OR at_most IS NULL OR at_most < 1 THEN\n"
    "        RAISE invalid_parameter_value USING MESSAGE = 'outbox_inbox_prune: keep_days and at_most are at least "
    "1';\n"
    "    ELSIF NOT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtext('outbox_inbox_prune'), "
    "pg_catalog.hashtext(pg_catalog.current_schema())) THEN\n"
    "        RETURN 0;\n"
    "    END IF;\n"
    "    DELETE FROM outbox_inbox WHERE ctid = ANY (ARRAY(\n"
    "        SELECT ctid FROM outbox_inbox WHERE received_on < (pg_catalog.now() AT TIME ZONE 'UTC')::date - "
    "keep_days\n"
    "        LIMIT at_most));\n"
    "    GET DIAGNOSTICS removed = ROW_COUNT;\n"
    "    RETURN removed;\n"
    "END $function$";

/* Level 2: one row for each partition, updated in each transaction; room for that in its page. */
static const char postgres_positions[] = "CREATE TABLE IF NOT EXISTS outbox_inbox_position (\n"
                                         "    consumer text NOT NULL,\n"
                                         "    topic text NOT NULL,\n"
                                         "    part integer NOT NULL,\n"
                                         "    partitions integer NOT NULL,\n"
                                         "    next_offset bigint NOT NULL,\n"
                                         "    window_offset bigint NOT NULL,\n"
                                         "    PRIMARY KEY (consumer, topic, part)\n"
                                         ") WITH (fillfactor = 20)";

static const char postgres_probe[] = "SELECT event_id, received_on, i.consumer, topic, part, partitions, next_offset, "
                                     "window_offset FROM outbox_inbox i, outbox_inbox_position LIMIT 0";

static bool postgres(struct obx_sql_text *sql, const char *schema, unsigned index)
{
    static const char *const fixed[] = {postgres_table, postgres_index,     postgres_take,
                                        postgres_prune, postgres_positions, postgres_probe};
    if (index == 0)
        postgres_path(sql, schema);
    else if (index <= sizeof fixed / sizeof *fixed)
        obx_sql_text_puts(sql, fixed[index - 1]);
    else
        return false;
    return true;
}

static void postgres_grants(struct obx_sql_text *sql, const char *schema)
{
    obx_sql_text_format(sql, "-- each consumer\nGRANT USAGE ON SCHEMA %n TO \"consumer\";\nGRANT SELECT, INSERT ON ",
                        schema && *schema ? schema : "public");
    append_inbox(sql, schema);
    obx_sql_text_puts(sql, " TO \"consumer\";\n-- for level 2\nGRANT SELECT, INSERT, UPDATE ON ");
    append_positions(sql, schema);
    obx_sql_text_puts(sql, " TO \"consumer\";\n-- only to prune\nGRANT SELECT, DELETE ON ");
    append_inbox(sql, schema);
    obx_sql_text_puts(sql, " TO \"consumer\";");
}

/* ---- MySQL and MariaDB ------------------------------------------------------------------------------------------- */

/* call_id marks the rows that one call has inserted: no statement returns this on both servers. */
static bool mysql(struct obx_sql_text *sql, const char *schema, unsigned index)
{
    if (index == 0) {
        obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
        append_inbox(sql, schema);
        obx_sql_text_puts(sql, " (\n    event_id BINARY(16) NOT NULL,\n"
                               "    consumer VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n"
                               "    received_on DATE NOT NULL DEFAULT (UTC_DATE()),\n"
                               "    call_id BIGINT UNSIGNED NOT NULL,\n"
                               "    PRIMARY KEY (event_id, consumer),\n    KEY received_on (received_on)\n"
                               ") ENGINE = InnoDB");
    } else if (index == 1) {
        obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
        append_positions(sql, schema);
        obx_sql_text_puts(sql, " (\n    consumer VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n"
                               "    topic VARCHAR(249) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n"
                               "    part INT NOT NULL,\n    partitions INT NOT NULL,\n"
                               "    next_offset BIGINT NOT NULL,\n    window_offset BIGINT NOT NULL,\n"
                               "    PRIMARY KEY (consumer, topic, part)\n) ENGINE = InnoDB");
    } else if (index == 2) {
        obx_sql_text_puts(sql, "SELECT event_id, i.consumer, received_on, call_id, topic, part, partitions, "
                               "next_offset, window_offset FROM ");
        append_inbox(sql, schema);
        obx_sql_text_puts(sql, " i, ");
        append_positions(sql, schema);
        obx_sql_text_puts(sql, " LIMIT 0");
    } else {
        return false;
    }
    return true;
}

static void mysql_grants(struct obx_sql_text *sql, const char *schema)
{
    obx_sql_text_puts(sql, "-- each consumer; UPDATE since a duplicate is an INSERT that changes nothing\n"
                           "GRANT SELECT, INSERT, UPDATE ON ");
    append_inbox(sql, schema);
    obx_sql_text_puts(sql, " TO 'consumer'@'%';\n-- for level 2\nGRANT SELECT, INSERT, UPDATE ON ");
    append_positions(sql, schema);
    obx_sql_text_puts(sql, " TO 'consumer'@'%';\n-- only to prune\nGRANT SELECT, DELETE ON ");
    append_inbox(sql, schema);
    obx_sql_text_puts(sql, " TO 'consumer'@'%';");
}

/* ---- SQLite ------------------------------------------------------------------------------------------------------ */

/* Ids in two forms would be two ids: so the table takes only one form. */
static bool sqlite(struct obx_sql_text *sql, unsigned index)
{
    static const char *const fixed[] = {
        "CREATE TABLE IF NOT EXISTS outbox_inbox (\n"
        "    event_id BLOB NOT NULL CHECK (typeof(event_id) = 'blob' AND length(event_id) = 16),\n"
        "    consumer TEXT NOT NULL CHECK (typeof(consumer) = 'text' AND length(consumer) BETWEEN 1 AND 64),\n"
        "    received_on TEXT NOT NULL DEFAULT (date('now')),\n"
        "    PRIMARY KEY (event_id, consumer)\n"
        ") WITHOUT ROWID",
        "CREATE INDEX IF NOT EXISTS outbox_inbox_received_on ON outbox_inbox (received_on)",
        "SELECT event_id, consumer, received_on FROM outbox_inbox LIMIT 0"};
    if (index >= sizeof fixed / sizeof *fixed)
        return false;
    obx_sql_text_puts(sql, fixed[index]);
    return true;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static bool append_statement(struct obx_sql_text *sql, const char *schema, unsigned index)
{
    switch (sql->dialect) {
    case OBX_SQL_POSTGRES:
        return postgres(sql, schema, index);
    case OBX_SQL_MYSQL:
        return mysql(sql, schema, index);
    default:
        return sqlite(sql, index);
    }
}

/* On a separate line. */
static bool append_separated(struct obx_sql_text *sql, const char *schema, unsigned index)
{
    uint32_t size = sql->size;
    obx_sql_text_puts(sql, size ? "\n" : "");
    if (append_statement(sql, schema, index))
        return true;
    sql->size = size;
    return false;
}

bool obx_inbox_statement(struct obx_sql_text *sql, const char *schema, unsigned index)
{
    obx_sql_text_clear(sql);
    return append_statement(sql, schema, index);
}

void obx_inbox_script(struct obx_sql_text *sql, const char *schema)
{
    bool transaction = sql->dialect != OBX_SQL_MYSQL; /* there each statement commits */
    obx_sql_text_puts(sql, transaction ? "BEGIN;" : "");
    for (unsigned i = 0; append_separated(sql, schema, i); i++)
        obx_sql_text_puts(sql, ";");
    obx_sql_text_puts(sql, transaction ? "\nCOMMIT;" : "");
}

void obx_inbox_grants(struct obx_sql_text *sql, const char *schema)
{
    if (sql->dialect == OBX_SQL_POSTGRES)
        postgres_grants(sql, schema);
    else if (sql->dialect == OBX_SQL_MYSQL)
        mysql_grants(sql, schema);
    else
        obx_sql_text_puts(sql, "-- SQLite has no grants: the consumer must be able to write the database file and its "
                               "directory");
}

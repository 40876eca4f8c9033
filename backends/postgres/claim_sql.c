/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/claim_sql.c - the claim as SQL
 *
 * One statement, so one snapshot: first a row with the snapshot (and where the log ends, see wal.c), then the
 * rows in the gaps, then those above. The branches of the UNION ALL are read in this order, each by the primary key's
 * index; the tracker refuses a result that is not ascending. $1 hi, $2 and $3 the gaps, $4 how many rows, $5 how many
 * bytes.
 *
 * Memory must stay bounded, but computing the total size of the preceding rows would cost more than reading them. So
 * there are two statements. The plain one leaves out values of more than $5 bytes, and marks their rows; the reader
 * ends the batch before the first of them and goes on with the guarded one, in which $5 counts for all rows together.
 * Each function call counts here: the relay reads a backlog with the plain statement.
 */
#include "sql/server/unreadable.h"
#include "store.h"

static const char mark[] = "''";

static bool counts(const struct sql_selected *w)
{
    return w->counts && !sql_is_left_out(w);
}

/* As the type's output function gives it. A cast to text may differ: 10.0.0.1 becomes 10.0.0.1/32. */
void pg_append_printed(struct obx_sql_text *sql, const char *table, const char *column)
{
    for (int part = 0; part < 2; part++) {
        obx_sql_text_puts(sql, part ? " IS DISTINCT FROM NULL THEN pg_catalog.format('%s', " : "CASE WHEN ");
        obx_sql_text_format(sql, "%s%s%n", table ? table : "", table ? "." : "", column);
    }
    obx_sql_text_puts(sql, ") END");
}

static void append_value(struct obx_sql_text *sql, const struct sql_selected *w)
{
    if (w->as_text)
        pg_append_printed(sql, "t", w->name);
    else
        obx_sql_text_format(sql, "t.%n", w->name);
}

/* How many bytes a column's value has: known without reading a value that is stored elsewhere. */
static void append_length(struct obx_sql_text *sql, const struct sql_selected *w)
{
    if (w->encoding == PG_AS_JSONB || w->as_text)
        obx_sql_text_format(sql, "pg_column_size(t.%n)", w->name);
    else
        obx_sql_text_format(sql, w->encoding == PG_AS_BYTES ? "octet_length(t.%n)" : "octet_length(t.%n::text)",
                            w->name);
}

/* Is one of them too large? */
static void append_mark(struct obx_sql_text *sql, const struct pg_store *store)
{
    const char *before = "CASE WHEN ";
    for (uint32_t i = 0; i < store->sql.selected_count; i++) {
        if (!counts(&store->sql.selected[i]))
            continue;
        obx_sql_text_puts(sql, before);
        append_length(sql, &store->sql.selected[i]);
        obx_sql_text_puts(sql, " > $5::int4");
        before = " OR ";
    }
    if (before[0] == 'C')
        obx_sql_text_puts(sql, "CASE WHEN $5::int4 < 0"); /* each parameter must have a type */
    obx_sql_text_format(sql, " THEN %s END", mark);
}

/* All together. */
static void append_size(struct obx_sql_text *sql, const struct pg_store *store)
{
    obx_sql_text_puts(sql, "0::int8");
    for (uint32_t i = 0; i < store->sql.selected_count; i++) {
        if (!counts(&store->sql.selected[i]))
            continue;
        obx_sql_text_puts(sql, " + coalesce(");
        append_length(sql, &store->sql.selected[i]);
        obx_sql_text_puts(sql, ", 0)");
    }
}

static void append_columns(struct obx_sql_text *sql, const struct pg_store *store, bool plain)
{
    for (uint32_t i = 0; i < store->sql.selected_count; i++) {
        const struct sql_selected *w = &store->sql.selected[i];
        obx_sql_text_puts(sql, ", ");
        if (sql_is_left_out(w)) {
            obx_sql_text_puts(sql, "NULL::text");
        } else if (plain && w->counts) {
            obx_sql_text_puts(sql, "CASE WHEN ");
            append_length(sql, w);
            obx_sql_text_puts(sql, " <= $5::int4 THEN ");
            append_value(sql, w);
            obx_sql_text_puts(sql, " END");
        } else {
            append_value(sql, w);
        }
        obx_sql_text_format(sql, " AS c%d", (int)i);
    }
}

/* id, the columns, the mark; and the size in the guarded statement's inner part. */
static void append_row(struct obx_sql_text *sql, const struct pg_store *store, bool plain)
{
    obx_sql_text_format(sql, "SELECT t.%n AS id", store->sql.table.id);
    append_columns(sql, store, plain);
    obx_sql_text_puts(sql, ", ");
    if (plain) {
        append_mark(sql, store);
        obx_sql_text_puts(sql, " AS mark");
    } else {
        obx_sql_text_puts(sql, "NULL::text AS mark, least(");
        append_size(sql, store);
        obx_sql_text_puts(sql, ", $5::int8, 1073741824)::int4 AS size");
    }
    obx_sql_text_puts(sql, " FROM ");
    sql_append_outbox(&store->sql, sql);
    obx_sql_text_puts(sql, " t");
}

static void append_snapshot(struct obx_sql_text *sql, const struct pg_store *store, bool plain)
{
    obx_sql_text_puts(sql, "SELECT 0::int8 AS id");
    for (uint32_t i = 0; i < store->sql.selected_count; i++)
        obx_sql_text_format(sql, ", NULL::%s AS c%d",
                            sql_is_left_out(&store->sql.selected[i]) ? "text" : store->sql.selected[i].type, (int)i);
    obx_sql_text_puts(sql, store->sql.wakeup == PG_WAKEUP_WAL
                               ? ", pg_current_snapshot()::text || ' ' || pg_current_wal_flush_lsn()::text AS mark"
                               : ", pg_current_snapshot()::text AS mark");
    if (!plain)
        obx_sql_text_puts(sql, ", 0 AS size");
    obx_sql_text_puts(sql, " WHERE ");
    pg_append_same_table(&store->sql, sql);
}

/* The three branches. */
static void append_union(struct obx_sql_text *sql, const struct pg_store *store, bool plain)
{
    const char *id = store->sql.table.id;
    obx_sql_text_puts(sql, "(");
    append_snapshot(sql, store, plain);
    obx_sql_text_puts(sql, ") UNION ALL (SELECT h.* FROM unnest($2::int8[], $3::int8[]) r(lo, hi), LATERAL (");
    append_row(sql, store, plain);
    obx_sql_text_format(sql, " WHERE t.%n BETWEEN r.lo AND r.hi ORDER BY t.%n LIMIT $4::int8) h LIMIT $4::int8)", id,
                        id);
    obx_sql_text_puts(sql, " UNION ALL (");
    append_row(sql, store, plain);
    obx_sql_text_format(sql, " WHERE t.%n > $1::int8", id);
    if (sql_captures(&store->sql)) /* spooled rows are claimed after the others */
        obx_sql_text_format(sql, " AND t.%n <= $6::int8", id);
    obx_sql_text_format(sql, " ORDER BY t.%n LIMIT $4::int8)", id);
}

/* Sizes are cut to $5, so that the first row that does not fit is always in the result, with its mark. */
static void append_guarded(struct obx_sql_text *sql, const struct pg_store *store)
{
    static const char fits[] = "(before + size <= $5::int8 OR before = 0)";
    obx_sql_text_puts(sql, "SELECT id");
    for (uint32_t i = 0; i < store->sql.selected_count; i++) {
        if (counts(&store->sql.selected[i]))
            obx_sql_text_format(sql, ", CASE WHEN %s THEN c%d END", fits, (int)i);
        else
            obx_sql_text_format(sql, ", c%d", (int)i);
    }
    obx_sql_text_format(sql,
                        ", CASE WHEN mark IS NOT NULL THEN mark WHEN NOT %s THEN %s END FROM "
                        "(SELECT u.*, sum(size) OVER (ROWS UNBOUNDED PRECEDING) - size AS before FROM (SELECT * FROM (",
                        fits, mark);
    append_union(sql, store, false);
    obx_sql_text_puts(sql, ") v LIMIT $4::int8 + 1) u) w WHERE before <= $5::int8");
}

static void append_plain(struct obx_sql_text *sql, const struct pg_store *store)
{
    append_union(sql, store, true);
    obx_sql_text_puts(sql, " LIMIT $4::int8 + 1");
}

/* Without the values that cannot be read. */
void pg_claim_text(const struct pg_store *store, struct obx_sql_text *sql, bool guarded)
{
    if (guarded)
        append_guarded(sql, store);
    else
        append_plain(sql, store);
}

bool pg_claim_build(struct pg_store *store)
{
    obx_sql_text_clear(&store->claim_plain);
    obx_sql_text_clear(&store->claim_guarded);
    append_plain(&store->claim_plain, store);
    append_guarded(&store->claim_guarded, store);
    return !store->claim_plain.failed && !store->claim_guarded.failed;
}

/* tests/postgres/start_test.c - what the store refuses to start on, and what it says then */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"

static void expect_refusal(struct bed *bed, int code, const char *text)
{
    cr_assert_eq(bed_start(bed, bed->store), code, "%d: %s", bed->error.code, bed->error.text);
    cr_assert_str_eq(bed->error.text, text);
}

/* The store's section with another dsn, which is the test's with `more` behind it. */
static void open_with_dsn(struct bed *bed, const char *table, const char *more)
{
    char yaml[600];
    bed_open(bed, table, true, "");
    obx_instance_free(bed->store);
    snprintf(yaml, sizeof yaml, "store:\n  plugin: postgres\n  table: %s\n  dsn: %s %s\n", table,
             getenv("OUTBOX_TEST_PG"), more);
    cr_assert_eq(harness_configure(&bed->harness, "test.yaml", yaml, &bed->error), 0, "%s", bed->error.text);
    bed->store = bed_another(bed);
}

Test(postgres_start, a_table_that_is_not_there)
{
    struct bed bed;
    bed_open(&bed, "nowhere", false, "");
    expect_refusal(
        &bed, OUTBOX_E_NOT_FOUND,
        "look at table nowhere: there is none in database outbox that user outbox can see; run 'outbox init', or "
        "name the schema: table: SCHEMA.nowhere");
    bed_close(&bed);
}

Test(postgres_start, a_table_without_an_id_that_orders_it)
{
    struct bed bed;
    bed_open(&bed, "debezium", false, "");
    bed_exec(&bed, bed.sql, "CREATE TABLE %s (id uuid PRIMARY KEY, aggregateid text, payload jsonb)");
    expect_refusal(
        &bed, OUTBOX_E_SCHEMA,
        "column \"id\" of table public.debezium is of type uuid, which cannot order an outbox; it must be bigint: "
        "add seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE and set columns: { id: seq, event_id: id }");
    bed_close(&bed);
}

Test(postgres_start, debeziums_table_with_a_sequence_added)
{
    struct bed bed;
    bed_open(&bed, "debezium2", false, "  columns: { id: seq, event_id: id }\n");
    bed_exec(&bed, bed.sql,
             "CREATE TABLE %s (id uuid PRIMARY KEY, aggregatetype text, aggregateid text, type text, payload jsonb)");
    bed_exec(&bed, bed.sql, "ALTER TABLE %s ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE");
    bed_begin(&bed);
    bed_exec(&bed, bed.sql, "INSERT INTO %s VALUES (gen_random_uuid(), 'o', 'a', 't', '{}')");
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

Test(postgres_start, a_column_that_the_route_needs)
{
    struct bed bed;
    bed_open(&bed, "columns", false, "");
    bed_exec(&bed, bed.sql, "CREATE TABLE %s (id bigint PRIMARY KEY, aggregateid text, body text)");
    expect_refusal(
        &bed, OUTBOX_E_SCHEMA,
        "table public.columns has no column \"payload\"; it has id, aggregateid, body; name the right one under "
        "columns:, or change the route");
    bed_close(&bed);
}

Test(postgres_start, a_role_that_may_not_delete)
{
    struct bed bed;
    open_with_dsn(&bed, "rights", "user=reader_only");
    bed_exec(&bed, bed.sql, "CREATE ROLE reader_only LOGIN; GRANT SELECT ON %s TO reader_only");
    expect_refusal(
        &bed, OUTBOX_E_PERMISSION,
        "look at table public.rights: user reader_only may not delete from it; as its owner run: GRANT SELECT, "
        "DELETE ON public.rights TO reader_only");
    bed_exec(&bed, bed.sql, "GRANT DELETE ON %s TO reader_only");
    bed_begin(&bed); /* the least that a relay needs */
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), 0, "%s", bed.error.text);
    obx_store_release(bed.store, batch);
    cr_assert_eq(bed_number(&bed, "SELECT count(*) FROM %s"), 0);
    bed_close(&bed);
}

Test(postgres_start, a_database_that_is_read_only)
{
    struct bed bed;
    open_with_dsn(&bed, "readonly", "options='-c default_transaction_read_only=on'");
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_READ_ONLY, "%s", bed.error.text);
    cr_assert_not_null(strstr(bed.error.text, ": the server is read-only (default_transaction_read_only); a relay must "
                                              "delete what it has published"));
    bed_close(&bed);
}

Test(postgres_start, a_role_that_does_not_exist)
{
    struct bed bed;
    open_with_dsn(&bed, "norole", "user=nobody_here");
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_PERMISSION, "%s", bed.error.text);
    cr_assert_str_eq(bed.error.state, "28000");
    cr_assert_not_null(strstr(bed.error.text, "role \"nobody_here\" does not exist"), "%s", bed.error.text);
    bed_close(&bed);
}

Test(postgres_start, a_name_that_nobody_knows)
{
    struct bed bed;
    open_with_dsn(&bed, "noname", "host=nowhere.invalid");
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
    cr_assert_eq(strncmp(bed.error.text, "look up host nowhere.invalid: ", 30), 0, "%s", bed.error.text);
    bed_close(&bed);
}

Test(postgres_start, the_second_host_when_the_first_is_down)
{
    struct bed bed;
    char more[100];
    const char *port = strstr(getenv("OUTBOX_TEST_PG"), "port=") + 5;
    snprintf(more, sizeof more, "host=127.0.0.1,127.0.0.1 port=1,%.*s", (int)strcspn(port, " "), port);
    open_with_dsn(&bed, "second", more);
    bed_begin(&bed);
    bed_close(&bed);
}

Test(postgres_start, rows_hidden_by_policies)
{
    struct bed bed;
    open_with_dsn(&bed, "policies", "user=limited");
    bed_exec(&bed, bed.sql, "CREATE ROLE limited LOGIN; GRANT SELECT, DELETE ON %s TO limited");
    bed_exec(&bed, bed.sql, "ALTER TABLE %s ENABLE ROW LEVEL SECURITY");
    expect_refusal(
        &bed, OUTBOX_E_PERMISSION,
        "look at table public.policies: row level security hides rows from user limited; run ALTER ROLE limited "
        "BYPASSRLS, or drop the policies");
    bed_close(&bed);
}

Test(postgres_start, a_view)
{
    struct bed bed;
    bed_open(&bed, "viewed", false, "");
    bed_exec(&bed, bed.sql, "CREATE VIEW %s AS SELECT 1::bigint AS id, 'a'::text AS aggregateid, 'x'::text AS payload");
    expect_refusal(&bed, OUTBOX_E_UNSUPPORTED, "look at public.viewed: it is no table; rows must be deleted from it");
    bed_close(&bed);
}

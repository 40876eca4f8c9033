/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/start_test.c - the store refuses servers, users and tables that it cannot work with, and
 * reports why
 */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

Test(start, missing_table_is_refused)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "nowhere", false, "");
    fixture_expect_start_error(
        &fixture, OUTBOX_E_NOT_FOUND,
        BY_SERVER("inspect table nowhere: database outbox has no such table that user outbox can see; run 'outbox "
                  "init', or name the schema: table: SCHEMA.nowhere",
                  "inspect table nowhere: database outbox has no such table that user outbox@% can see; run "
                  "'outbox init', or name the database: table: DATABASE.nowhere"));
    fixture_close(&fixture);
}

Test(start, id_type_without_an_order_is_refused)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "unordered", false, "");
    fixture_run(&fixture, BY_SERVER("CREATE TABLE %s (id uuid PRIMARY KEY, aggregateid text, payload jsonb)",
                                    "CREATE TABLE %s (id CHAR(36) PRIMARY KEY, aggregateid TEXT, payload JSON)"));
    fixture_expect_start_error(
        &fixture, OUTBOX_E_SCHEMA,
        BY_SERVER("column \"id\" of table public.unordered is of type uuid, which cannot order an outbox; it must "
                  "be bigint; 'outbox check' names what to do",
                  "column \"id\" of table outbox.unordered is of type char(36), which cannot order an outbox; it "
                  "must be BIGINT; 'outbox check' names what to do"));
    fixture_close(&fixture);
}

Test(start, id_type_that_overflows_is_refused)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "narrow", false, "");
    fixture_run(&fixture, "CREATE TABLE %s (id int PRIMARY KEY, aggregateid text, payload text)");
    fixture_expect_start_error(
        &fixture, OUTBOX_E_SCHEMA,
        BY_KIND("column \"id\" of table public.narrow is of type integer, which cannot order an outbox; it must "
                "be bigint; 'outbox check' names what to do",
                "column \"id\" of table outbox.narrow is of type int(11), which cannot order an outbox; it must "
                "be BIGINT; 'outbox check' names what to do",
                "column \"id\" of table outbox.narrow is of type int, which cannot order an outbox; it must "
                "be BIGINT; 'outbox check' names what to do"));
    fixture_close(&fixture);
}

Test(start, debezium_table_with_an_added_sequence_is_accepted)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "debezium", false, "  columns: { id: seq, event_id: id }\n");
    fixture_run(&fixture,
                BY_SERVER("CREATE TABLE %s (id uuid PRIMARY KEY, aggregatetype text, aggregateid text, type text, "
                          "payload jsonb)",
                          "CREATE TABLE %s (id CHAR(36) PRIMARY KEY, aggregatetype TEXT, aggregateid TEXT, type TEXT, "
                          "payload JSON)"));
    fixture_run(&fixture, BY_SERVER("ALTER TABLE %s ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE",
                                    "ALTER TABLE %s ADD COLUMN seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE"));
    bool mysql = server_kind() != POSTGRES;
    if (mysql) { /* who owns it, is written down there */
        struct obx_instance *admin = fixture_another(&fixture);
        cr_assert_eq(loop_fixture_store_start(&fixture.base, admin, NULL, 0, &fixture.error), 0, "%s",
                     fixture.error.text);
        cr_assert_eq(fixture_setup(&fixture, admin), 0, "%s", fixture.error.text);
        loop_fixture_stop(&fixture.base, admin, NULL);
        obx_instance_free(admin);
    }
    fixture_begin(&fixture);
    fixture_run(&fixture, "INSERT INTO %s (id, aggregatetype, aggregateid, type, payload) VALUES "
                          "('00112233-4455-6677-8899-aabbccddeeff', 'o', 'a', 't', '{}')");
    fixture_expect_rows(&fixture, IDS(1));
    fixture_close(&fixture);
}

Test(start, missing_column_of_the_route_is_refused)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "columns", false, "");
    fixture_run(&fixture, "CREATE TABLE %s (id bigint PRIMARY KEY, aggregateid text, body text)");
    fixture_expect_start_error(
        &fixture, OUTBOX_E_SCHEMA,
        BY_SERVER("table public.columns has no column \"payload\"; it has id, aggregateid, body; name the right "
                  "one under columns:, or change the route",
                  "table outbox.columns has no column \"payload\"; it has id, aggregateid, body; name the right "
                  "one under columns:, or change the route"));
    fixture_close(&fixture);
}

Test(start, view_is_refused)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "viewed", false, "");
    fixture_run(&fixture, "CREATE VIEW %s AS SELECT 1 AS id, 'a' AS aggregateid, 'x' AS payload");
    fixture_expect_start_error(
        &fixture, OUTBOX_E_UNSUPPORTED,
        BY_SERVER("inspect public.viewed: it is not a table, and the relay must delete rows from it",
                  "inspect outbox.viewed: it is not a table, and the relay must delete rows from it"));
    fixture_close(&fixture);
}

/* ---- users ------------------------------------------------------------------------------------------------------- */

Test(start, user_without_delete_permission_is_refused)
{
    struct sql_fixture fixture;
    char text[300];
    fixture_open(&fixture, "rights", true, "");
    server_make_user(fixture.sql, "reader_only", "");
    server_grant(fixture.sql, "SELECT", fixture.table, "reader_only");
    fixture_reconfigure(&fixture, &(struct server_place){.user = "reader_only"}, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), OUTBOX_E_PERMISSION, "%s", fixture.error.text);
    snprintf(text, sizeof text, "%s",
             BY_SERVER("inspect table public.rights: user reader_only may not delete from it; as its owner run: GRANT "
                       "SELECT, DELETE ON public.rights TO reader_only",
                       "DELETE command denied to user 'reader_only'@"));
    cr_assert_not_null(strstr(fixture.error.text, text), "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text, BY_SERVER("", "; see 'outbox init --print-grants'")), "%s",
                       fixture.error.text);
    fixture_close(&fixture);
}

Test(start, minimal_grants_are_sufficient)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "least", true, "");
    server_make_user(fixture.sql, "least", "");
    server_grant(fixture.sql, "SELECT, DELETE", fixture.table, "least");
    if (server_kind() != POSTGRES)
        server_grant(fixture.sql, "SELECT, UPDATE", "least_relay", "least");
    fixture_reconfigure(&fixture, &(struct server_place){.user = "least"}, "");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_settle_all(&fixture, fixture_claim_batch(&fixture, 10, 1 << 20));
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    fixture_close(&fixture);
}

Test(start, unknown_user_is_refused)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "nouser", true, "");
    fixture_reconfigure(&fixture, &(struct server_place){.user = "nobody_here"}, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), OUTBOX_E_PERMISSION, "%s", fixture.error.text);
    cr_assert_str_eq(fixture.error.state, "28000");
    cr_assert_not_null(strstr(fixture.error.text, BY_SERVER("role \"nobody_here\" does not exist",
                                                            "Access denied for user 'nobody_here'@")),
                       "%s", fixture.error.text);
    fixture_close(&fixture);
}

/* ---- servers ----------------------------------------------------------------------------------------------------- */

Test(start, read_only_server_is_refused)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "readonly", true, "");
    session_run(fixture.sql,
                BY_SERVER("ALTER DATABASE outbox SET default_transaction_read_only = on", "SET GLOBAL read_only = 1"));
    int code = fixture_start(&fixture, fixture.store);
    session_run(fixture.sql,
                BY_SERVER("ALTER DATABASE outbox RESET default_transaction_read_only", "SET GLOBAL read_only = 0"));
    cr_assert_eq(code, OUTBOX_E_READ_ONLY, "%s", fixture.error.text);
    cr_assert_not_null(
        strstr(fixture.error.text,
               BY_SERVER(": the server is read-only (default_transaction_read_only); a relay must delete "
                         "what it has published",
                         "connect: the server 127.0.0.1 is read-only, as a replica is; name the primary in "
                         "host:, or all servers: host: a,b")),
        "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(start, unknown_host_is_not_connected)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "noname", true, "");
    fixture_reconfigure(&fixture, &(struct server_place){.hosts = "nowhere.invalid"}, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), OUTBOX_E_NOT_CONNECTED, "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text, BY_SERVER("resolve host nowhere.invalid: ", "nowhere.invalid")), "%s",
                       fixture.error.text);
    fixture_close(&fixture);
}

Test(start, second_host_is_used_while_the_first_is_down)
{
    struct sql_fixture fixture;
    char ports[20];
    fixture_open(&fixture, "second", true, "");
    snprintf(ports, sizeof ports, "1,%d", server_port());
    fixture_reconfigure(&fixture, &(struct server_place){.hosts = "127.0.0.1,127.0.0.1", .ports = ports}, "");
    fixture_begin(&fixture);
    fixture_close(&fixture);
}

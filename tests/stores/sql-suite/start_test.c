/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/start_test.c - servers, users and tables that a relay cannot work with: refused, and told why
 */
#include <stdio.h>
#include <string.h>

#include "bed.h"

Test(start, a_table_that_is_not_there)
{
    struct bed bed;
    bed_open(&bed, "nowhere", false, "");
    bed_refused(
        &bed, OUTBOX_E_NOT_FOUND,
        BY_SERVER("look at table nowhere: there is none in database outbox that user outbox can see; run 'outbox "
                  "init', or name the schema: table: SCHEMA.nowhere",
                  "look at table nowhere: there is none in database outbox that user outbox@% can see; run "
                  "'outbox init', or name the database: table: DATABASE.nowhere"));
    bed_close(&bed);
}

Test(start, a_table_without_an_id_that_orders_it)
{
    struct bed bed;
    bed_open(&bed, "unordered", false, "");
    bed_run(&bed, BY_SERVER("CREATE TABLE %s (id uuid PRIMARY KEY, aggregateid text, payload jsonb)",
                            "CREATE TABLE %s (id CHAR(36) PRIMARY KEY, aggregateid TEXT, payload JSON)"));
    bed_refused(
        &bed, OUTBOX_E_SCHEMA,
        BY_SERVER(
            "column \"id\" of table public.unordered is of type uuid, which cannot order an outbox; it must "
            "be bigint: add seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE and set columns: { id: seq, event_id: id }",
            "column \"id\" of table outbox.unordered is of type char(36), which cannot order an outbox; it "
            "must be BIGINT: add seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE and set columns: { id: "
            "seq, event_id: id }"));
    bed_close(&bed);
}

Test(start, an_id_that_runs_out)
{
    struct bed bed;
    bed_open(&bed, "narrow", false, "");
    bed_run(&bed, "CREATE TABLE %s (id int PRIMARY KEY, aggregateid text, payload text)");
    bed_refused(
        &bed, OUTBOX_E_SCHEMA,
        BY_KIND(
            "column \"id\" of table public.narrow is of type integer, which cannot order an outbox; it must "
            "be bigint: add seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE and set columns: { id: seq, event_id: id }",
            "column \"id\" of table outbox.narrow is of type int(11), which cannot order an outbox; it must "
            "be BIGINT: add seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE and set columns: { id: seq, event_id: "
            "id }",
            "column \"id\" of table outbox.narrow is of type int, which cannot order an outbox; it must "
            "be BIGINT: add seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE and set columns: { id: seq, event_id: "
            "id }"));
    bed_close(&bed);
}

Test(start, debeziums_table_with_a_sequence_added)
{
    struct bed bed;
    bed_open(&bed, "debezium", false, "  columns: { id: seq, event_id: id }\n");
    bed_run(&bed,
            BY_SERVER("CREATE TABLE %s (id uuid PRIMARY KEY, aggregatetype text, aggregateid text, type text, "
                      "payload jsonb)",
                      "CREATE TABLE %s (id CHAR(36) PRIMARY KEY, aggregatetype TEXT, aggregateid TEXT, type TEXT, "
                      "payload JSON)"));
    bed_run(&bed, BY_SERVER("ALTER TABLE %s ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE",
                            "ALTER TABLE %s ADD COLUMN seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE"));
    bool mysql = server_kind() != POSTGRES;
    if (mysql) { /* who owns it, is written down there */
        struct obx_instance *admin = bed_another(&bed);
        cr_assert_eq(harness_store_start(&bed.harness, admin, NULL, 0, &bed.error), 0, "%s", bed.error.text);
        cr_assert_eq(bed_setup(&bed, admin), 0, "%s", bed.error.text);
        harness_stop(&bed.harness, admin, NULL);
        obx_instance_free(admin);
    }
    bed_begin(&bed);
    bed_run(&bed, "INSERT INTO %s (id, aggregatetype, aggregateid, type, payload) VALUES "
                  "('00112233-4455-6677-8899-aabbccddeeff', 'o', 'a', 't', '{}')");
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

Test(start, a_column_that_the_route_needs)
{
    struct bed bed;
    bed_open(&bed, "columns", false, "");
    bed_run(&bed, "CREATE TABLE %s (id bigint PRIMARY KEY, aggregateid text, body text)");
    bed_refused(
        &bed, OUTBOX_E_SCHEMA,
        BY_SERVER("table public.columns has no column \"payload\"; it has id, aggregateid, body; name the right "
                  "one under columns:, or change the route",
                  "table outbox.columns has no column \"payload\"; it has id, aggregateid, body; name the right "
                  "one under columns:, or change the route"));
    bed_close(&bed);
}

Test(start, a_view)
{
    struct bed bed;
    bed_open(&bed, "viewed", false, "");
    bed_run(&bed, "CREATE VIEW %s AS SELECT 1 AS id, 'a' AS aggregateid, 'x' AS payload");
    bed_refused(&bed, OUTBOX_E_UNSUPPORTED,
                BY_SERVER("look at public.viewed: it is no table; rows must be deleted from it",
                          "look at outbox.viewed: it is no table; rows must be deleted from it"));
    bed_close(&bed);
}

/* ---- users ------------------------------------------------------------------------------------------------------- */

Test(start, a_user_who_may_not_delete)
{
    struct bed bed;
    char text[300];
    bed_open(&bed, "rights", true, "");
    server_make_user(bed.sql, "reader_only", "");
    server_grant(bed.sql, "SELECT", bed.table, "reader_only");
    bed_reconfigure(&bed, &(struct server_place){.user = "reader_only"}, "");
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_PERMISSION, "%s", bed.error.text);
    snprintf(text, sizeof text, "%s",
             BY_SERVER("look at table public.rights: user reader_only may not delete from it; as its owner run: GRANT "
                       "SELECT, DELETE ON public.rights TO reader_only",
                       "DELETE command denied to user 'reader_only'@"));
    cr_assert_not_null(strstr(bed.error.text, text), "%s", bed.error.text);
    cr_assert_not_null(strstr(bed.error.text, BY_SERVER("", "; see 'outbox init --print-grants'")), "%s",
                       bed.error.text);
    bed_close(&bed);
}

Test(start, the_least_grants_are_enough)
{
    struct bed bed;
    bed_open(&bed, "least", true, "");
    server_make_user(bed.sql, "least", "");
    server_grant(bed.sql, "SELECT, DELETE", bed.table, "least");
    if (server_kind() != POSTGRES)
        server_grant(bed.sql, "SELECT, UPDATE", "least_relay", "least");
    bed_reconfigure(&bed, &(struct server_place){.user = "least"}, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    bed_settle_all(&bed, bed_batch(&bed, 10, 1 << 20));
    cr_assert_eq(bed_rows(&bed), 0);
    bed_close(&bed);
}

Test(start, a_user_whom_nobody_knows)
{
    struct bed bed;
    bed_open(&bed, "nouser", true, "");
    bed_reconfigure(&bed, &(struct server_place){.user = "nobody_here"}, "");
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_PERMISSION, "%s", bed.error.text);
    cr_assert_str_eq(bed.error.state, "28000");
    cr_assert_not_null(strstr(bed.error.text, BY_SERVER("role \"nobody_here\" does not exist",
                                                        "Access denied for user 'nobody_here'@")),
                       "%s", bed.error.text);
    bed_close(&bed);
}

/* ---- servers ----------------------------------------------------------------------------------------------------- */

Test(start, a_server_that_is_read_only)
{
    struct bed bed;
    bed_open(&bed, "readonly", true, "");
    session_run(bed.sql,
                BY_SERVER("ALTER DATABASE outbox SET default_transaction_read_only = on", "SET GLOBAL read_only = 1"));
    int code = bed_start(&bed, bed.store);
    session_run(bed.sql,
                BY_SERVER("ALTER DATABASE outbox RESET default_transaction_read_only", "SET GLOBAL read_only = 0"));
    cr_assert_eq(code, OUTBOX_E_READ_ONLY, "%s", bed.error.text);
    cr_assert_not_null(
        strstr(bed.error.text,
               BY_SERVER(": the server is read-only (default_transaction_read_only); a relay must delete "
                         "what it has published",
                         "connect: the server 127.0.0.1 is read-only, as a replica is; name the primary in "
                         "host:, or all servers: host: a,b")),
        "%s", bed.error.text);
    bed_close(&bed);
}

Test(start, a_name_that_nobody_knows)
{
    struct bed bed;
    bed_open(&bed, "noname", true, "");
    bed_reconfigure(&bed, &(struct server_place){.hosts = "nowhere.invalid"}, "");
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
    cr_assert_not_null(strstr(bed.error.text, BY_SERVER("look up host nowhere.invalid: ", "nowhere.invalid")), "%s",
                       bed.error.text);
    bed_close(&bed);
}

Test(start, the_second_host_when_the_first_is_down)
{
    struct bed bed;
    char ports[20];
    bed_open(&bed, "second", true, "");
    snprintf(ports, sizeof ports, "1,%d", server_port());
    bed_reconfigure(&bed, &(struct server_place){.hosts = "127.0.0.1,127.0.0.1", .ports = ports}, "");
    bed_begin(&bed);
    bed_close(&bed);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/publication_test.c - leftovers of a log-based tool: publications, slots, tables without a key
 */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static struct fixture_findings check_anew(struct sql_fixture *fixture, const char *text)
{
    fixture_stop(fixture);
    cr_assert_eq(loop_fixture_store_start(&fixture->base, fixture->store, NULL, 0, &fixture->error), 0, "%s",
                 fixture->error.text);
    return fixture_check(fixture, text);
}

/* It keeps the server's log until its disk is full. */
Test(publication, slot_that_nobody_reads_is_reported_with_the_command_that_drops_it)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "slot_left", true, "");
    cr_assert_eq(check_anew(&fixture, "replication slot ").count, 0);
    fixture_run(&fixture, "SELECT pg_create_logical_replication_slot('left_over', 'pgoutput')");
    struct fixture_findings findings = check_anew(&fixture, "replication slot left_over is not in use and keeps ");
    cr_assert_eq(findings.count, 1);
    cr_assert_eq(findings.severity, OUTBOX_SEVERITY_WARNING);
    cr_assert_str_eq(findings.command, "SELECT pg_drop_replication_slot('left_over');");
    fixture_paste(&fixture, findings.command);
    cr_assert_eq(check_anew(&fixture, "replication slot ").count, 0);
    fixture_close(&fixture);
}

/* The server would refuse each removal, and each start would publish the events again. */
Test(publication, published_table_without_a_key_is_refused_at_the_start)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "keyless", true, "");
    fixture_run(&fixture, "ALTER TABLE %s DROP CONSTRAINT %s_pkey");
    fixture_run(&fixture, "CREATE UNIQUE INDEX keyless_id ON %s (id)");
    fixture_run(&fixture, "CREATE PUBLICATION of_keyless FOR TABLE %s");
    fixture_expect_start_error(&fixture, OUTBOX_E_SCHEMA,
                               "inspect table public.keyless: a publication has its deletes, and it has neither a "
                               "primary key nor another replica identity: the server would refuse to remove events; "
                               "see 'outbox check'");
    struct fixture_findings findings =
        check_anew(&fixture, "and has neither a primary key nor another replica identity");
    cr_assert_eq(findings.count, 1);
    cr_assert_eq(findings.severity, OUTBOX_SEVERITY_ERROR);
    fixture_paste(&fixture, findings.command);
    cr_assert_eq(check_anew(&fixture, "neither a primary key").count, 0);
    fixture_stop(&fixture);
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_settle_all(&fixture, fixture_claim_batch(&fixture, 10, 1 << 20));
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    fixture_close(&fixture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/grants_test.c - a role that has what `outbox init --print-grants` prints, and nothing else */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

/* The statements without the comments, which are for what the configuration does not need. */
static void run_line(void *arg, const char *text)
{
    char statement[400];
    size_t size = strlen(text);
    if (!strncmp(text, "--", 2) || !size)
        return;
    cr_assert(text[size - 1] == ';' && size < sizeof statement, "%s", text);
    snprintf(statement, sizeof statement, "%.*s", (int)size - 1, text);
    session_run(arg, statement);
}

static void open_granted(struct sql_fixture *fixture, const char *table)
{
    fixture_open(fixture, table, true, "");
    server_make_user(fixture->sql, "granted", "");
    server_make_user(fixture->sql, "application", "");
    fixture_reconfigure(fixture, &(struct server_place){.user = "granted"}, "");
    cr_assert_eq(obx_store_print(fixture->store, OUTBOX_PRINT_GRANTS, run_line, fixture->sql, &fixture->error), 0, "%s",
                 fixture->error.text);
}

static void close_granted(struct sql_fixture *fixture)
{
    fixture_close(fixture);
    struct session *session = session_open();
    session_run(session, BY_SERVER("DROP OWNED BY granted, application", "SELECT 1"));
    session_run(session, BY_SERVER("DROP ROLE granted, application", "DROP USER granted@'%', application@'%'"));
    session_close(session);
}

static char logged[1024];

static void write_log(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    (void)arg, (void)subject;
    if (level == OUTBOX_LOG_ERROR)
        snprintf(logged, sizeof logged, "%s", text);
}

/* No trigger is to blame. */
Test(grants, right_that_is_revoked_while_the_relay_runs_is_named)
{
    struct sql_fixture fixture;
    open_granted(&fixture, "granted_revoked");
    fixture.base.log.write = write_log;
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    fixture_run(&fixture, BY_SERVER("REVOKE DELETE ON %s FROM granted", "REVOKE DELETE ON %s FROM granted@'%'"));
    cr_assert_neq(fixture_settle(&fixture, batch, 0, 1), 0);
    obx_store_release(fixture.store, batch);
    if (server_kind() == POSTGRES) { /* refuses a statement without rows, too */
        cr_assert(strstr(fixture.error.text, "permission denied for table granted_revoked"), "%s", fixture.error.text);
    } else {
        cr_assert_eq(fixture_claim(&fixture, 0, 10), 0); /* logs it */
        cr_assert(strstr(logged, "DELETE command denied to user"), "%s", logged);
        cr_assert(strstr(logged, "; grant what 'outbox init --print-grants' prints"), "%s", logged);
    }
    close_granted(&fixture);
}

Test(grants, relay_needs_no_other_right)
{
    struct sql_fixture fixture;
    const struct outbox_dead_row row = {.position = {2, 0}, .attempts = 1, .reason = "too large"};
    struct outbox_store_status counts;
    open_granted(&fixture, "granted_rows");
    for (int i = 0; i < 3; i++)
        fixture_insert(&fixture, fixture.sql, "a");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert(batch && batch->rows == 3);
    cr_assert_eq(fixture_dead_letter(&fixture, &row), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 1), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_settle(&fixture, batch, 2, 1), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    cr_assert_eq(fixture_status(&fixture, fixture.store, &counts), 0);
    cr_assert_eq(counts.pending, 0);
    cr_assert_eq(counts.dead, 1);
    struct fixture_findings errors = fixture_check(&fixture, "may not");
    cr_assert_eq(errors.count, 0);
    close_granted(&fixture);
}

/* The row that another session has locked is left out without the right to update. */
Test(grants, relay_needs_no_right_to_update_the_outbox)
{
    struct sql_fixture fixture;
    struct session *other = session_open();
    open_granted(&fixture, "granted_locked");
    for (int i = 0; i < 3; i++)
        fixture_insert(&fixture, fixture.sql, "a");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    session_run(other, "BEGIN");
    fixture_run_on(&fixture, other, "SELECT id FROM %s WHERE id = 2 FOR UPDATE");
    int code = OUTBOX_E_AGAIN;
    for (int i = 0; i < 20 && code == OUTBOX_E_AGAIN; i++)
        code = fixture_settle(&fixture, batch, 0, 3);
    cr_assert_eq(code, 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    session_run(other, "ROLLBACK");
    session_close(other);
    close_granted(&fixture);
}

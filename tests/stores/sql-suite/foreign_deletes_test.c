/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/foreign_deletes_test.c - rows that an application deletes before the relay reads them
 *
 * The server counts deletes. Postgres shows them up to a second late; so the owner measures several times before it is
 * sure, and, while it deletes rows itself, sees only what is more than its own.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fixture.h"

static char logged[4096];

static void write_log(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    size_t used = strlen(logged);
    (void)arg, (void)subject;
    if (level <= OUTBOX_LOG_WARN)
        snprintf(logged + used, sizeof logged - used, "%s\n", text);
}

static void begin(struct sql_fixture *fixture, const char *table)
{
    fixture_open(fixture, table, true, "");
    fixture->base.log.write = write_log;
    fixture_begin(fixture);
}

static int try_renew(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_renew(fixture->store, &call.call, 0);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

/* A pause after it: to renew as fast as possible would keep both processors busy. */
static void renew(struct sql_fixture *fixture)
{
    cr_assert_eq(try_renew(fixture), 0, "%s", fixture->error.text);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* One row becomes a dead letter; the others are settled. */
static void relay_some(struct sql_fixture *fixture)
{
    for (int i = 0; i < 3; i++)
        fixture_insert(fixture, fixture->sql, "a");
    struct outbox_batch *batch = fixture_claim_batch(fixture, 100, 1 << 20);
    const struct outbox_dead_row row = {.position = batch->positions[0], .attempts = 1, .reason = "too large"};
    cr_assert_eq(fixture_dead_letter(fixture, &row), 0, "%s", fixture->error.text);
    cr_assert_eq(fixture_settle(fixture, batch, 1, batch->rows - 1), 0, "%s", fixture->error.text);
    obx_store_release(fixture->store, batch);
}

/* One of these goes unseen while the owner is not sure yet how many older deletes the server has counted. */
static void vanish(struct sql_fixture *fixture)
{
    fixture_insert(fixture, fixture->sql, "vanishes");
    fixture_run(fixture, "DELETE FROM %s WHERE aggregateid = 'vanishes'");
    session_run(fixture->sql, BY_SERVER("SELECT pg_stat_force_next_flush()", "DO 0"));
}

static bool vanishes_and_is_logged(void *arg)
{
    static int64_t next;
    struct sql_fixture *fixture = arg;
    if (fixture_now_ms() >= next) {
        vanish(fixture);
        next = fixture_now_ms() + 1000;
    }
    renew(fixture);
    return strstr(logged, "something else than this relay has deleted rows");
}

static void renew_for(struct sql_fixture *fixture, int64_t ms)
{
    for (int64_t began = fixture_now_ms(); fixture_now_ms() < began + ms;)
        renew(fixture);
}

static bool server_counts(struct sql_fixture *fixture)
{
    return server_kind() != POSTGRES ||
           session_run(fixture->sql, "SELECT current_setting('server_version_num')") >= 150000;
}

static const char finding[] = "something else than the relay deletes rows of table ";

#define COUNTS                                                                  \
    BY_SERVER("EXECUTE ON FUNCTION pg_catalog.pg_stat_get_tuples_deleted(oid)", \
              "SELECT ON performance_schema.table_io_waits_summary_by_table")

static void change_right(struct sql_fixture *fixture, const char *verb, const char *preposition)
{
    char sql[200];
    snprintf(sql, sizeof sql, "%s %s %s %s", verb, COUNTS, preposition, BY_SERVER("PUBLIC, outbox", "counting@'%'"));
    session_run(fixture->sql, sql);
}

/* A user whose right on the counts can be taken away. */
static void begin_with_rights(struct sql_fixture *fixture)
{
    fixture_open(fixture, "vanishing", true, "");
    server_make_user(fixture->sql, "counting", "");
    session_run(fixture->sql, BY_SERVER("GRANT outbox TO counting", "GRANT ALL ON outbox.* TO counting@'%'"));
    change_right(fixture, "GRANT", "TO");
    fixture_reconfigure(fixture, &(struct server_place){.user = "counting"}, "");
    fixture->base.log.write = write_log;
    fixture_begin(fixture);
}

/* The owner holds a lock for `check`, by a renewal. One that fails, and keeps the session, takes no lock. */
static void fail_one_renewal(struct sql_fixture *fixture)
{
    change_right(fixture, "REVOKE", "FROM");
    cr_assert_eq(try_renew(fixture), OUTBOX_E_PERMISSION, "%s", fixture->error.text);
    change_right(fixture, "GRANT", "TO");
}

/* Its own deletes, while it measures, are no finding. */
Test(foreign_deletes, rows_that_vanish_are_logged_and_found_by_check)
{
    struct sql_fixture fixture;
    begin_with_rights(&fixture);
    if (!server_counts(&fixture))
        cr_skip_test("an owner measures from version 15 on");
    int64_t began = fixture_now_ms(), now;
    while ((now = fixture_now_ms()) < began + BY_SERVER(10000, 5000)) {
        if (now < began + BY_SERVER(4000, 3500))
            relay_some(&fixture);
        renew(&fixture);
    }
    cr_assert_str_empty(logged);
    cr_assert_eq(fixture_check(&fixture, finding).count, 0);
    cr_assert(loop_fixture_poll(&fixture.base, vanishes_and_is_logged, &fixture), "%s", logged);
    cr_assert(strstr(logged, ".vanishing: something else than this relay has deleted rows, "), "%s", logged);
    fail_one_renewal(&fixture);
    renew(&fixture);
    struct fixture_findings found = fixture_check(&fixture, finding);
    cr_assert(found.count == 1 && found.severity == OUTBOX_SEVERITY_WARNING);
    fixture_close(&fixture);
}

static void check_as_another_process(struct sql_fixture *fixture)
{
    struct obx_instance *owner = fixture->store;
    fixture->store = fixture_another(fixture);
    cr_assert_eq(fixture_start(fixture, fixture->store), 0, "%s", fixture->error.text);
    cr_assert_eq(fixture_check(fixture, finding).count, 0);
    loop_fixture_stop(&fixture->base, fixture->store, NULL);
    obx_instance_free(fixture->store);
    fixture->store = owner;
}

/* A check tries removals, and undoes them: the server would count them. */
Test(foreign_deletes, check_beside_the_owner_deletes_nothing)
{
    struct sql_fixture fixture;
    begin(&fixture, "checked_twice");
    fixture_run(&fixture,
                BY_SERVER("CREATE FUNCTION %s_acts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$; "
                          "CREATE TRIGGER acts BEFORE DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s_acts()",
                          "CREATE TRIGGER %s_acts BEFORE DELETE ON %s FOR EACH ROW SET @seen = OLD.id"));
    for (int i = 0; i < 5; i++)
        fixture_insert(&fixture, fixture.sql, "waits");
    renew_for(&fixture, BY_SERVER(5000, 3500));
    check_as_another_process(&fixture);
    check_as_another_process(&fixture);
    renew_for(&fixture, BY_SERVER(5000, 3500));
    cr_assert_str_empty(logged);
    check_as_another_process(&fixture);
    cr_assert_eq(fixture_count_rows(&fixture), 5);
    fixture_close(&fixture);
}

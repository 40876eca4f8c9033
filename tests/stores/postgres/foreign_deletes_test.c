/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/postgres/foreign_deletes_test.c - rows that an application deletes before the relay reads them
 *
 * The server counts deletes, and shows them up to a second late; so the owner measures several times before it is sure,
 * and, while it deletes rows itself, sees only what is more than its own.
 */
#include <stdio.h>
#include <string.h>

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

static void renew(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_renew(fixture->store, &call.call, 0);
    cr_assert_eq(loop_fixture_wait(&fixture->base, &call), 0, "%s", call.error.text);
}

static void relay_some(struct sql_fixture *fixture)
{
    for (int i = 0; i < 3; i++)
        fixture_insert(fixture, fixture->sql, "a");
    fixture_settle_all(fixture, fixture_claim_batch(fixture, 100, 1 << 20));
}

static bool renews_and_measures(void *arg)
{
    struct sql_fixture *fixture = arg;
    renew(fixture);
    return strstr(logged, "something else than this relay has deleted rows");
}

static const char finding[] = "something else than the relay deletes rows of table public.";

/* Its own deletes, while it measures, are no finding. */
Test(foreign_deletes, rows_that_vanish_are_logged_and_found_by_check)
{
    struct sql_fixture fixture;
    begin(&fixture, "vanishing");
    int64_t began = fixture_now_ms(), now;
    while ((now = fixture_now_ms()) < began + 10000) {
        if (now < began + 4000)
            relay_some(&fixture);
        renew(&fixture);
    }
    cr_assert_str_empty(logged);
    cr_assert_eq(fixture_check(&fixture, finding).count, 0);
    fixture_run(&fixture,
                "BEGIN; INSERT INTO %s (aggregatetype, aggregateid, type) VALUES ('o', 'a', 't'); DELETE FROM %s "
                "WHERE aggregateid = 'a'; COMMIT; SELECT pg_stat_force_next_flush()");
    cr_assert(loop_fixture_poll(&fixture.base, renews_and_measures, &fixture), "%s", logged);
    cr_assert(strstr(logged, "table public.vanishing: something else than this relay has deleted rows, 1 so far"), "%s",
              logged);
    renew(&fixture);
    struct fixture_findings found = fixture_check(&fixture, finding);
    cr_assert(found.count == 1 && found.severity == OUTBOX_SEVERITY_ERROR);
    fixture_close(&fixture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/failover_test.c - the primary dies and its standby is promoted: the store connects to the new
 * primary */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static int standby_port(void)
{
    return server_port() + 1;
}

static void standby(const char *verb)
{
    server_standby(verb, standby_port());
}

/* Until the standby has the table, and all rows that the primary has. */
static void wait_for_standby(struct sql_fixture *fixture, int64_t rows)
{
    struct session *session = session_open_at(standby_port());
    int64_t found = -1, end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    while (found < rows && fixture_now_ms() < end) {
        session_run(session, BY_SERVER("SELECT pg_sleep(0.01)", "DO SLEEP(0.01)"));
        if (session_try(session, "SELECT 1 FROM failing"))
            found = fixture_run_on(fixture, session, "SELECT COUNT(*) FROM %s");
    }
    cr_assert_eq(found, rows);
    session_close(session);
}

static void fail_over(struct sql_fixture *fixture)
{
    session_close(fixture->sql);
    server_do("kill");
    standby("promote");
    fixture->sql = session_open_at(standby_port());
}

Test(failover, store_reconnects_to_the_promoted_standby)
{
    struct sql_fixture fixture;
    char port[12], ports[30];
    fixture_open(&fixture, "failing", true, "");
    standby("start");
    wait_for_standby(&fixture, 0);
    snprintf(port, sizeof port, "%d", standby_port());
    fixture_reconfigure(&fixture, &(struct server_place){.hosts = "127.0.0.1", .ports = port}, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), OUTBOX_E_READ_ONLY, "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text,
                              BY_SERVER(": this server is a standby; name the primary in the dsn, or all servers",
                                        "is read-only, as a replica is; name the primary in host:, or all servers")),
                       "%s", fixture.error.text);

    snprintf(ports, sizeof ports, "%d,%d", standby_port(), server_port()); /* the standby is asked first, passed over */
    fixture_reconfigure(&fixture, &(struct server_place){.hosts = "127.0.0.1,127.0.0.1", .ports = ports}, "");
    fixture_begin(&fixture);
    for (int i = 0; i < 3; i++)
        fixture_insert(&fixture, fixture.sql, "a");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert(batch && batch->rows == 3);
    wait_for_standby(&fixture, 3);

    fail_over(&fixture);
    int code = fixture_settle(&fixture, batch, 0, 3);
    cr_assert(code == OUTBOX_E_NOT_CONNECTED || code == OUTBOX_E_FENCED, "%d: %s", code, fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture_begin_again(&fixture), 0, "another timeline is not the same database");
    fixture_insert(&fixture, fixture.sql, "a");
    cr_assert_eq(fixture_claim(&fixture, OUTBOX_CLAIM_REWIND, 10), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture.count, 4, "rows that may not have been settled are sent again");
    fixture_close(&fixture);
    standby("stop");
    server_do("restart"); /* for others */
}

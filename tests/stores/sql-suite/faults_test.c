/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/faults_test.c - the server stops, crashes or hangs: the store reports it and recovers
 */
#include <string.h>

#include "fixture.h"

/* One row is claimed and not settled when `verb` is applied to the server; then the server is started again. */
static void crash_and_recover(const char *table, const char *verb)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, table, true, "");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert_not_null(batch);
    server_do(verb);
    int code = fixture_settle(&fixture, batch, 0, 1);
    cr_assert(code == OUTBOX_E_NOT_CONNECTED || code == OUTBOX_E_FENCED, "%d: %s", code, fixture.error.text);
    fixture_await_loss(&fixture);
    fixture_stop(&fixture);
    cr_assert_eq(fixture_start(&fixture, fixture.store), OUTBOX_E_NOT_CONNECTED, "%s", fixture.error.text);
    server_do("restart");
    session_close(fixture.sql);
    fixture.sql = session_open();
    cr_assert_eq(fixture_begin_again(&fixture), 0, "a server that was down may have lost commits: not the same");
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 0), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture_claim(&fixture, OUTBOX_CLAIM_REWIND, 10), 0, "%s", fixture.error.text);
    cr_assert(fixture.count == 1 && fixture.ids[0] == 1);
    fixture_close(&fixture);
}

Test(faults, store_recovers_after_the_server_stops)
{
    crash_and_recover("stopped", "stop");
}

Test(faults, store_recovers_after_the_server_is_killed)
{
    crash_and_recover("killed", "kill");
}

/* The server is killed right after the relay has become the owner: the next epoch is a higher one all the same. */
Test(faults, epoch_survives_the_death_of_the_server)
{
    struct sql_fixture fixture;
    struct outbox_acquire first, second;
    fixture_open(&fixture, "epoch_killed", true, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, fixture.store, 10000, &first), 0, "%s", fixture.error.text);
    server_do("kill");
    fixture_await_loss(&fixture);
    server_do("restart");
    session_close(fixture.sql);
    fixture.sql = session_open();
    fixture_stop(&fixture);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, fixture.store, 10000, &second), 0, "%s", fixture.error.text);
    cr_assert_gt(second.epoch, first.epoch);
    cr_assert_str_eq(second.identity, first.identity);
    fixture_close(&fixture);
}

static int stop_within(struct sql_fixture *fixture, uint64_t ms)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_instance_stop(fixture->store, &call.call, ms);
    return loop_fixture_wait(&fixture->base, &call);
}

/* The store drops a hung connection and cannot connect; when the server continues, so does the store. */
static void give_up_and_recover(struct sql_fixture *fixture)
{
    stop_within(fixture, 100);
    cr_assert_eq(obx_instance_in_flight(fixture->store), 0);
    int code = fixture_start(fixture, fixture->store);
    server_do("resume");
    cr_assert_eq(code, OUTBOX_E_TIMEOUT, "%s", fixture->error.text);
    cr_assert_not_null(strstr(fixture->error.text, "connect to 127.0.0.1:"), "%s", fixture->error.text);
    cr_assert_not_null(
        strstr(fixture->error.text, BY_SERVER("", ": no response in time; check the network and the server")), "%s",
        fixture->error.text);
    fixture_begin_again(fixture); /* once the former sessions have noticed that their client has gone */
}

Test(faults, claim_times_out_while_the_server_hangs)
{
    struct sql_fixture fixture;
    struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = 10, .max_bytes = 1 << 20};
    struct loop_fixture_call call = {0};
    fixture_open(&fixture, "hangs", true, "  connect_timeout: 3s\n");
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_begin_again(&fixture); /* a busy server may take longer for a connection */
    server_do("pause");
    loop_fixture_reset(&call);
    obx_store_claim(fixture.store, &call.call, 100, &claim);
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), OUTBOX_E_TIMEOUT, "%s", call.error.text);
    give_up_and_recover(&fixture);
    fixture_expect_rows(&fixture, IDS(1));
    fixture_close(&fixture);
}

Test(faults, settle_times_out_while_the_server_hangs)
{
    struct sql_fixture fixture;
    struct loop_fixture_call call = {0};
    fixture_open(&fixture, "hanging", true, "  connect_timeout: 3s\n");
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_begin_again(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    struct outbox_span span = {batch, 0, 1};
    struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = 1, .spans = &span};
    server_do("pause");
    loop_fixture_reset(&call);
    obx_store_settle(fixture.store, &call.call, 100, &settle);
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), OUTBOX_E_TIMEOUT, "%s", call.error.text);
    obx_store_release(fixture.store, batch);
    give_up_and_recover(&fixture);
    fixture_insert(&fixture, fixture.sql, "b"); /* the first may have been settled when the server woke, or not */
    cr_assert_eq(fixture_claim(&fixture, 0, 10), 0, "%s", fixture.error.text);
    cr_assert(fixture.count >= 1 && fixture.ids[fixture.count - 1] == 2, "%u rows", fixture.count);
    fixture_close(&fixture);
}

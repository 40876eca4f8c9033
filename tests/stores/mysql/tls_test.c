/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/tls_test.c - TLS is verified, and reading over it never holds up the loop */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

enum { LARGE = 4 << 20 };

static void open_with(struct sql_fixture *fixture, const char *table, const char *yaml)
{
    fixture_open(fixture, table, true, "");
    fixture_reconfigure(fixture, &(struct server_place){0}, yaml);
}

Test(tls, matching_certificate_is_accepted)
{
    struct sql_fixture fixture;
    open_with(&fixture, "fits", "  tls: verify\n  tls_ca: ${OUTBOX_TEST_MYSQL_DIR}/ca.pem\n");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_expect_rows(&fixture, IDS(1));
    cr_assert_gt(fixture_run(&fixture, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'outbox'"), 2);
    fixture_close(&fixture);
}

static bool is_armed(void *arg)
{
    struct sql_fixture *fixture = arg;
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = OUTBOX_CLAIM_ARM_WAKEUP, .max_rows = 1};
    cr_assert_eq(loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error), 0, "%s",
                 fixture->error.text);
    return claim.flags & OUTBOX_CLAIM_ARM_WAKEUP;
}

Test(tls, wakeup_stream_uses_tls)
{
    struct sql_fixture fixture;
    open_with(&fixture, "tls_wakeup", "  wakeup: binlog\n  tls: verify\n  tls_ca: ${OUTBOX_TEST_MYSQL_DIR}/ca.pem\n");
    fixture_begin(&fixture);
    cr_assert(loop_fixture_poll(&fixture.base, is_armed, &fixture));
    uint32_t wakes = fixture.base.wakes;
    fixture_insert(&fixture, fixture.sql, "a");
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    fixture_close(&fixture);
}

Test(tls, certificate_of_another_authority_is_refused)
{
    struct sql_fixture fixture;
    open_with(&fixture, "foreign", "  tls: verify\n  tls_ca: ${OUTBOX_TEST_MYSQL_DIR}/other-ca.pem\n");
    cr_assert_eq(fixture_start(&fixture, fixture.store), OUTBOX_E_PERMISSION, "%d: %s", fixture.error.code,
                 fixture.error.text);
    cr_assert(strstr(fixture.error.text, "connect to 127.0.0.1:"), "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(tls, large_row_is_read_completely)
{
    struct sql_fixture fixture;
    open_with(&fixture, "large", "  tls: verify\n  tls_ca: ${OUTBOX_TEST_MYSQL_DIR}/ca.pem\n");
    fixture_begin(&fixture);
    fixture_run(
        &fixture,
        "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('o', 'a', 't', REPEAT('x', 4194304))");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 16 << 20);
    cr_assert_not_null(batch);
    const struct outbox_value *payload = &batch->values[2];
    cr_assert_eq(payload->size, LARGE);
    uint32_t same = 0;
    while (same < LARGE && ((const char *)payload->as.data)[same] == 'x')
        same++;
    cr_assert_eq(same, LARGE);
    fixture_settle_all(&fixture, batch);
    fixture_close(&fixture);
}

/* The settle waits for the lock of the table. If reading its answer blocked, no claim could be made meanwhile. */
Test(tls, loop_runs_while_a_settle_waits_for_the_server)
{
    struct sql_fixture fixture;
    struct loop_fixture_call call = {0};
    struct session *other = session_open();
    open_with(&fixture, "thinks", "  tls: verify\n  tls_ca: ${OUTBOX_TEST_MYSQL_DIR}/ca.pem\n");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    fixture_run_on(&fixture, other, "LOCK TABLES %s READ");
    struct outbox_span span = {batch, 0, 1};
    struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = 1, .spans = &span};
    loop_fixture_reset(&call);
    obx_store_settle(fixture.store, &call.call, 0, &settle);
    fixture_await_lock_wait(&fixture);
    for (int i = 0; i < 10; i++)
        fixture_expect_rows(&fixture, 0, NULL);
    cr_assert_not(call.done);
    session_run(other, "UNLOCK TABLES");
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), OUTBOX_OK, "%s", call.error.text);
    obx_store_release(fixture.store, batch);
    session_close(other);
    fixture_close(&fixture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/wakeup_test.c - the doorbell rings when, and only when, the relay is parked */
#include "fixture.h"

static uint32_t claim_flags_after(struct sql_fixture *fixture, uint32_t flags)
{
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = flags, .max_rows = 100, .max_bytes = 1 << 20};
    cr_assert_eq(harness_claim(&fixture->harness, fixture->store, &claim, &fixture->error), 0, "%s",
                 fixture->error.text);
    if (claim.batch)
        obx_store_release(fixture->store, claim.batch);
    return claim.flags;
}

Test(wakeup, it_rings_while_the_relay_is_parked)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "rung", true, "  wakeup: true\n");
    fixture_begin(&fixture);
    cr_assert_eq(claim_flags_after(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), OUTBOX_CLAIM_ARM_WAKEUP);
    uint32_t wakes = fixture.harness.wakes;
    fixture_insert(&fixture, fixture.sql, "a");
    cr_assert(harness_until_woken(&fixture.harness, wakes));
    fixture_expect_rows(&fixture, IDS(1));
    wakes = fixture.harness.wakes;
    fixture_insert(&fixture, fixture.sql, "a"); /* awake: nobody rings */
    fixture_expect_rows(&fixture, IDS(2));
    fixture_expect_rows(&fixture, 0, NULL);
    cr_assert_eq(fixture.harness.wakes, wakes);
    cr_assert_eq(claim_flags_after(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), OUTBOX_CLAIM_ARM_WAKEUP);
    fixture_insert(&fixture, fixture.sql, "a");
    cr_assert(harness_until_woken(&fixture.harness, wakes));
    fixture_close(&fixture);
}

Test(wakeup, a_writer_that_has_not_committed_keeps_the_relay_awake)
{
    struct sql_fixture fixture;
    struct session *writer = session_open();
    fixture_open(&fixture, "awake", true, "  wakeup: true\n");
    fixture_begin(&fixture);
    session_run(writer, "BEGIN");
    fixture_insert(&fixture, writer, "a");
    cr_assert_eq(claim_flags_after(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), 0);
    session_run(writer, "COMMIT");
    cr_assert_eq(claim_flags_after(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), OUTBOX_CLAIM_ARM_WAKEUP);
    session_close(writer);
    fixture_close(&fixture);
}

Test(wakeup, without_a_trigger_the_outbox_is_polled)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "mute", true, "  wakeup: true\n");
    fixture_run(&fixture, "DROP TRIGGER outbox_wakeup ON %s");
    fixture_begin(&fixture);
    cr_assert_eq(claim_flags_after(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), 0);
    fixture_close(&fixture);
}

Test(wakeup, nobody_rings_who_was_not_asked_to)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "silent", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(claim_flags_after(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), 0);
    cr_assert_eq(fixture_run(&fixture, "SELECT count(*) FROM pg_trigger WHERE tgrelid = '%s'::regclass"), 0);
    fixture_close(&fixture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/wakeup_test.c - a commit notifies the relay only while the relay sleeps */
#include "fixture.h"

static uint32_t claim_flags_after(struct sql_fixture *fixture, uint32_t flags)
{
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = flags, .max_rows = 100, .max_bytes = 1 << 20};
    cr_assert_eq(loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error), 0, "%s",
                 fixture->error.text);
    if (claim.batch)
        obx_store_release(fixture->store, claim.batch);
    return claim.flags;
}

Test(wakeup, commit_notifies_only_a_sleeping_relay)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "notified", true, "  wakeup: true\n");
    fixture_begin(&fixture);
    cr_assert_eq(claim_flags_after(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), OUTBOX_CLAIM_ARM_WAKEUP);
    uint32_t wakes = fixture.base.wakes;
    fixture_insert(&fixture, fixture.sql, "a");
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    fixture_expect_rows(&fixture, IDS(1));
    wakes = fixture.base.wakes;
    fixture_insert(&fixture, fixture.sql, "a"); /* awake: no notification */
    fixture_expect_rows(&fixture, IDS(2));
    fixture_expect_rows(&fixture, 0, NULL);
    cr_assert_eq(fixture.base.wakes, wakes);
    cr_assert_eq(claim_flags_after(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), OUTBOX_CLAIM_ARM_WAKEUP);
    fixture_insert(&fixture, fixture.sql, "a");
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    fixture_close(&fixture);
}

Test(wakeup, uncommitted_writer_keeps_the_relay_polling)
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

Test(wakeup, outbox_without_the_trigger_is_polled)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "untriggered", true, "  wakeup: true\n");
    fixture_run(&fixture, "DROP TRIGGER outbox_wakeup ON %s");
    fixture_begin(&fixture);
    cr_assert_eq(claim_flags_after(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), 0);
    fixture_close(&fixture);
}

Test(wakeup, default_configuration_arms_no_wakeup)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "unnotified", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(claim_flags_after(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), 0);
    cr_assert_eq(fixture_run(&fixture, "SELECT count(*) FROM pg_trigger WHERE tgrelid = '%s'::regclass"), 0);
    fixture_close(&fixture);
}

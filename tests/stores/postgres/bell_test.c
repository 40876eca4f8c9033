/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/bell_test.c - the doorbell rings when, and only when, the relay is parked */
#include "bed.h"

static uint32_t claim_flags_after(struct bed *bed, uint32_t flags)
{
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = flags, .max_rows = 100, .max_bytes = 1 << 20};
    cr_assert_eq(harness_claim(&bed->harness, bed->store, &claim, &bed->error), 0, "%s", bed->error.text);
    if (claim.batch)
        obx_store_release(bed->store, claim.batch);
    return claim.flags;
}

Test(bell, it_rings_while_the_relay_is_parked)
{
    struct bed bed;
    bed_open(&bed, "rung", true, "  wakeup: true\n");
    bed_begin(&bed);
    cr_assert_eq(claim_flags_after(&bed, OUTBOX_CLAIM_ARM_WAKEUP), OUTBOX_CLAIM_ARM_WAKEUP);
    uint32_t wakes = bed.harness.wakes;
    bed_insert(&bed, bed.sql, "a");
    cr_assert(harness_until_woken(&bed.harness, wakes));
    bed_expect(&bed, IDS(1));
    wakes = bed.harness.wakes;
    bed_insert(&bed, bed.sql, "a"); /* awake: nobody rings */
    bed_expect(&bed, IDS(2));
    bed_expect(&bed, 0, NULL);
    cr_assert_eq(bed.harness.wakes, wakes);
    cr_assert_eq(claim_flags_after(&bed, OUTBOX_CLAIM_ARM_WAKEUP), OUTBOX_CLAIM_ARM_WAKEUP);
    bed_insert(&bed, bed.sql, "a");
    cr_assert(harness_until_woken(&bed.harness, wakes));
    bed_close(&bed);
}

Test(bell, a_writer_that_has_not_committed_keeps_the_relay_awake)
{
    struct bed bed;
    struct session *writer = session_open();
    bed_open(&bed, "awake", true, "  wakeup: true\n");
    bed_begin(&bed);
    session_run(writer, "BEGIN");
    bed_insert(&bed, writer, "a");
    cr_assert_eq(claim_flags_after(&bed, OUTBOX_CLAIM_ARM_WAKEUP), 0);
    session_run(writer, "COMMIT");
    cr_assert_eq(claim_flags_after(&bed, OUTBOX_CLAIM_ARM_WAKEUP), OUTBOX_CLAIM_ARM_WAKEUP);
    session_close(writer);
    bed_close(&bed);
}

Test(bell, without_a_trigger_the_outbox_is_polled)
{
    struct bed bed;
    bed_open(&bed, "mute", true, "  wakeup: true\n");
    bed_run(&bed, "DROP TRIGGER outbox_wakeup ON %s");
    bed_begin(&bed);
    cr_assert_eq(claim_flags_after(&bed, OUTBOX_CLAIM_ARM_WAKEUP), 0);
    bed_close(&bed);
}

Test(bell, nobody_rings_who_was_not_asked_to)
{
    struct bed bed;
    bed_open(&bed, "silent", true, "");
    bed_begin(&bed);
    cr_assert_eq(claim_flags_after(&bed, OUTBOX_CLAIM_ARM_WAKEUP), 0);
    cr_assert_eq(bed_run(&bed, "SELECT count(*) FROM pg_trigger WHERE tgrelid = '%s'::regclass"), 0);
    bed_close(&bed);
}

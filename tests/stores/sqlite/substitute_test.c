/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/substitute_test.c - where the kernel cannot watch files, a timer rings: rows are found all the
 * same */
#include "rig.h"

#include <errno.h>
#include <sys/inotify.h>

/* In the place of the C library's: as if the user had used up all watches. */
int inotify_init1(int flags)
{
    (void)flags;
    errno = EMFILE;
    return -1;
}

Test(sqlite_substitute, a_timer_rings)
{
    struct rig rig;
    rig_ready(&rig, NULL);
    rig_own(&rig);
    cr_assert_null(rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP));
    rig_insert(&rig, 1);
    uint32_t wakes = rig.harness.wakes;
    cr_assert(harness_until_woken(&rig.harness, wakes));
    struct outbox_batch *batch = rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP);
    cr_assert_str_eq(rig_ids(batch), "1");
    rig_release(&rig, batch);
    rig_close(&rig);
}

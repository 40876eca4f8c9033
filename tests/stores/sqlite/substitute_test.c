/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/substitute_test.c - where the kernel cannot watch files, a timer rings: rows are found all the
 * same */
#include "fixture.h"

#include <errno.h>
#include <sys/inotify.h>

/* In the place of the C library's: as if the user had used up all watches. */
int inotify_init1(int flags)
{
    (void)flags;
    errno = EMFILE;
    return -1;
}

Test(sqlite_substitute, timer_replaces_inotify)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP));
    fixture_insert(&fixture, 1);
    uint32_t wakes = fixture.harness.wakes;
    cr_assert(harness_until_woken(&fixture.harness, wakes));
    struct outbox_batch *batch = fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP);
    cr_assert_str_eq(fixture_ids(batch), "1");
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

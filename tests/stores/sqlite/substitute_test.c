/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/substitute_test.c - where the kernel cannot watch files, a timer wakes the relay */
#include "fixture.h"

#include <errno.h>
#include <sys/inotify.h>

/* Replaces the C library's function: as if the user had used up all watches. */
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
    uint32_t wakes = fixture.base.wakes;
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    struct outbox_batch *batch = fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP);
    cr_assert_str_eq(fixture_ids(batch), "1");
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

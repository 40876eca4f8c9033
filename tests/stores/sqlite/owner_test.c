/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/owner_test.c - one owner at a time: standby, release, death, silence, fencing, knowing oneself
 * again */
#include "rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *lock_path(const struct rig *rig)
{
    static char path[160];
    snprintf(path, sizeof path, "%s-outbox.relay-lock", rig->path);
    return path;
}

static const char *owner(const struct rig *rig)
{
    return rig_text(rig->path, "SELECT owner FROM outbox_relay");
}

/* Another process that owns the outbox, and answers each go with a renewal. */
static void own(struct rig_link *link)
{
    struct rig rig = {.dir = ""};
    char yaml[256];
    struct outbox_acquire acquire;
    snprintf(yaml, sizeof yaml, "store: {plugin: sqlite, path: %s}", link->path);
    if (harness_open_uv(&rig.harness, NULL, &rig.error) || harness_configure(&rig.harness, "child", yaml, &rig.error))
        _exit(10);
    rig.store = rig_another(&rig);
    if (rig_start(&rig, rig.store) || rig_acquire(&rig, rig.store, 15000, &acquire))
        _exit(11);
    rig_link_tell(link);
    rig_link_wait(link);
    int code = rig_renew(&rig, rig.store);
    _exit(code == 0 ? 20 : code == OUTBOX_E_FENCED ? 21 : 22);
}

Test(sqlite_owner, second_instance_stands_by_until_the_first_stops)
{
    struct rig rig;
    struct outbox_acquire acquire;
    rig_ready(&rig, NULL);
    rig_own(&rig);
    struct obx_instance *other = rig_another(&rig);
    cr_assert_eq(rig_start(&rig, other), 0, "%s", rig.error.text);
    cr_assert_eq(rig_acquire(&rig, other, 15000, &acquire), OUTBOX_E_STANDBY);
    cr_assert_str_eq(acquire.owner, owner(&rig));
    rig_expect(&rig, OUTBOX_E_STANDBY, "own outbox %s: owned by %s", rig.path, acquire.owner);
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld on ", (long)getpid());
    cr_assert_eq(strncmp(acquire.owner, pid, strlen(pid)), 0, "%s", acquire.owner);
    cr_assert_eq(harness_stop(&rig.harness, rig.store, NULL), 0);
    cr_assert_str_eq(owner(&rig), "");
    cr_assert_eq(rig_acquire(&rig, other, 15000, &acquire), 0, "%s", rig.error.text);
    cr_assert_eq(acquire.flags, 0);
    rig_drop(&rig, other);
    rig_close(&rig);
}

Test(sqlite_owner, dead_process_is_followed_at_once)
{
    struct rig rig;
    struct rig_child child;
    struct outbox_acquire acquire;
    rig_open(&rig, NULL);
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    rig_child_start(&child, rig.path, own);
    rig_child_hear(&child);
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    cr_assert_eq(rig_acquire(&rig, rig.store, 15000, &acquire), OUTBOX_E_STANDBY);
    kill(child.pid, SIGKILL);
    cr_assert_eq(rig_child_end(&child), -1);
    cr_assert_eq(rig_acquire(&rig, rig.store, 15000, &acquire), 0, "%s", rig.error.text);
    rig_close(&rig);
}

/* It has the lock and is not dead: only its heartbeat tells. When it goes on it must not believe that it owns. */
Test(sqlite_owner, stopped_process_loses_its_lease)
{
    struct rig rig;
    struct rig_child child;
    struct outbox_acquire acquire;
    int code, looks = 0;
    rig_open(&rig, NULL);
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    rig_child_start(&child, rig.path, own);
    rig_child_hear(&child);
    kill(child.pid, SIGSTOP);
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    while ((code = rig_acquire(&rig, rig.store, 200, &acquire)) == OUTBOX_E_STANDBY)
        looks++;
    cr_assert_eq(code, 0, "%s", rig.error.text);
    cr_assert_gt(looks, 0);
    cr_assert_eq(rig_number(rig.path, "SELECT epoch FROM outbox_relay"), 2);
    cr_assert_eq(rig_renew(&rig, rig.store), 0, "%s", rig.error.text);
    struct obx_instance *third = rig_another(&rig);
    cr_assert_eq(rig_start(&rig, third), 0, "%s", rig.error.text);
    cr_assert_eq(rig_acquire(&rig, third, 15000, &acquire), OUTBOX_E_STANDBY, "the new owner has no lock");
    rig_drop(&rig, third);
    kill(child.pid, SIGCONT);
    rig_child_go(&child);
    cr_assert_eq(rig_child_end(&child), 21, "the old owner was not told");
    cr_assert_eq(rig_renew(&rig, rig.store), 0, "%s", rig.error.text);
    rig_close(&rig);
}

Test(sqlite_owner, heartbeat_keeps_the_lease)
{
    struct rig rig;
    struct outbox_acquire acquire;
    rig_ready(&rig, NULL);
    rig_own(&rig);
    struct obx_instance *other = rig_another(&rig);
    cr_assert_eq(rig_start(&rig, other), 0, "%s", rig.error.text);
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(rig_renew(&rig, rig.store), 0, "%s", rig.error.text);
        cr_assert_eq(rig_acquire(&rig, other, 0, &acquire), OUTBOX_E_STANDBY);
    }
    rig_drop(&rig, other);
    rig_close(&rig);
}

Test(sqlite_owner, fenced_owner_changes_nothing)
{
    struct rig rig;
    rig_ready(&rig, NULL);
    rig_insert(&rig, 5);
    rig_own(&rig);
    struct outbox_batch *batch = rig_claim(&rig, 0);
    rig_sql(rig.path, "UPDATE outbox_relay SET epoch = epoch + 1");
    rig_settle(&rig, batch, 0, 5);
    rig_expect(&rig, OUTBOX_E_FENCED, "settle rows of %s: another relay has taken the outbox over; nothing was changed",
               rig.path);
    rig_park(&rig, 1, "k", "no");
    rig_expect(&rig, OUTBOX_E_FENCED, "park rows of %s: another relay has taken the outbox over; nothing was changed",
               rig.path);
    rig_renew(&rig, rig.store);
    rig_expect(&rig, OUTBOX_E_FENCED, "own outbox %s: another relay has taken the outbox over; nothing was changed",
               rig.path);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox"), 5);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox_dead"), 0);
    rig_release(&rig, batch);
    rig_close(&rig);
}

Test(sqlite_owner, settling_without_owning)
{
    struct rig rig;
    rig_ready(&rig, NULL);
    rig_insert(&rig, 1);
    struct outbox_batch *batch = rig_claim(&rig, 0);
    rig_settle(&rig, batch, 0, 1);
    rig_expect(&rig, OUTBOX_E_FENCED, "settle rows of %s: this relay does not own the outbox; nothing was changed",
               rig.path);
    rig_release(&rig, batch);
    rig_close(&rig);
}

Test(sqlite_owner, lock_file_that_was_removed_comes_back)
{
    struct rig rig;
    struct outbox_acquire acquire;
    rig_ready(&rig, NULL);
    rig_own(&rig);
    cr_assert_eq(unlink(lock_path(&rig)), 0);
    cr_assert_eq(rig_renew(&rig, rig.store), 0, "%s", rig.error.text);
    cr_assert_eq(access(lock_path(&rig), F_OK), 0);
    struct obx_instance *other = rig_another(&rig);
    cr_assert_eq(rig_start(&rig, other), 0, "%s", rig.error.text);
    cr_assert_eq(rig_acquire(&rig, other, 15000, &acquire), OUTBOX_E_STANDBY);
    rig_drop(&rig, other);
    rig_close(&rig);
}

Test(sqlite_owner, lock_file_that_cannot_be_made)
{
    struct rig rig;
    struct outbox_acquire acquire;
    rig_ready(&rig, NULL);
    cr_assert_eq(symlink("/nowhere", lock_path(&rig)), 0);
    rig_acquire(&rig, rig.store, 15000, &acquire);
    rig_expect(&rig, OUTBOX_E_IO,
               "own outbox %s: lock file %s: Too many levels of symbolic links; this user must be able to write it",
               rig.path, lock_path(&rig));
    cr_assert_eq(unlink(lock_path(&rig)), 0);
    rig_own(&rig);
    rig_close(&rig);
}

static uint32_t own_again(struct rig *rig)
{
    struct outbox_acquire acquire;
    cr_assert_eq(rig_start(rig, rig->store), 0, "%s", rig->error.text);
    cr_assert_eq(rig_acquire(rig, rig->store, 15000, &acquire), 0, "%s", rig->error.text);
    return acquire.flags;
}

Test(sqlite_owner, knows_whether_it_is_the_same_outbox)
{
    struct rig rig;
    char command[512];
    rig_ready(&rig, NULL);
    rig_insert(&rig, 5);
    rig_own(&rig);
    rig_release(&rig, rig_claim(&rig, 0));
    cr_assert_eq(harness_stop(&rig.harness, rig.store, NULL), 0);
    snprintf(command, sizeof command, "cp %s %s/old.db", rig.path, rig.dir);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(own_again(&rig), OUTBOX_ACQUIRED_SAME, "nothing has happened in between");
    cr_assert_eq(harness_stop(&rig.harness, rig.store, NULL), 0);
    rig_sql(rig.path, "UPDATE outbox_relay SET epoch = epoch + 1");
    cr_assert_eq(own_again(&rig), 0, "somebody else has owned it");
    rig_insert(&rig, 5);
    rig_release(&rig, rig_claim(&rig, 0));
    cr_assert_eq(harness_stop(&rig.harness, rig.store, NULL), 0);
    snprintf(command, sizeof command, "cat %s/old.db > %s", rig.dir, rig.path);
    cr_assert_eq(system(command), 0);
    rig_sql(rig.path, "UPDATE outbox_relay SET epoch = 4");
    cr_assert_eq(own_again(&rig), 0, "the database is an older one");
    rig_close(&rig);
}

/* The same table by another name of the file, and in capitals. */
Test(sqlite_owner, one_outbox_by_two_names)
{
    struct rig rig, second = {0};
    struct outbox_acquire acquire;
    char yaml[256], link[128];
    rig_ready(&rig, NULL);
    rig_own(&rig);
    snprintf(link, sizeof link, "%s/link.db", rig.dir);
    cr_assert_eq(symlink(rig.path, link), 0);
    snprintf(yaml, sizeof yaml, "store: {plugin: sqlite, path: %s, table: OutBox}", link);
    second.harness = rig.harness;
    second.harness.config = NULL;
    cr_assert_eq(harness_configure(&second.harness, "second", yaml, &rig.error), 0, "%s", rig.error.text);
    struct obx_instance *other = rig_another(&second);
    cr_assert_eq(rig_start(&rig, other), 0, "%s", rig.error.text);
    cr_assert_eq(rig_acquire(&rig, other, 15000, &acquire), OUTBOX_E_STANDBY);
    struct obx_instance *first = rig.store;
    rig.store = other;
    cr_assert_null(rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP));
    uint32_t wakes = second.harness.wakes;
    rig_insert(&rig, 1);
    cr_assert(harness_until_woken(&second.harness, wakes), "the doorbell hangs at the link");
    rig.store = first;
    rig_drop(&rig, other);
    obx_config_free(second.harness.config);
    rig_close(&rig);
}

Test(sqlite_owner, tables_of_one_file_have_owners_of_their_own)
{
    struct rig rig;
    struct obx_instance *other;
    struct outbox_acquire acquire;
    char yaml[256];
    rig_ready(&rig, NULL);
    rig_own(&rig);
    snprintf(yaml, sizeof yaml, "store: {plugin: sqlite, path: %s, table: other/table}", rig.path);
    struct rig second = {.harness = rig.harness};
    second.harness.config = NULL;
    cr_assert_eq(harness_configure(&second.harness, "second", yaml, &rig.error), 0, "%s", rig.error.text);
    other = rig_another(&second);
    struct obx_instance *first = rig.store;
    rig.store = other;
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    rig.store = first;
    cr_assert_eq(rig_start(&rig, other), 0, "%s", rig.error.text);
    cr_assert_eq(rig_acquire(&rig, other, 15000, &acquire), 0, "%s", rig.error.text);
    rig_drop(&rig, other);
    obx_config_free(second.harness.config);
    rig_close(&rig);
}

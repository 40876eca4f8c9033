/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/owner_test.c - one owner at a time: standby, release, death, silence, fencing, recognising the
 * former ownership */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <outbox/plugin_util.h>

static const char *lock_path(const struct fixture *fixture)
{
    static char path[160];
    snprintf(path, sizeof path, "%s-outbox.relay-lock", fixture->path);
    return path;
}

static const char *owner(const struct fixture *fixture)
{
    return fixture_text(fixture->path, "SELECT owner FROM outbox_relay");
}

/* Another process that owns the outbox, and renews at each signal of the parent. */
static void own(struct fixture_link *link)
{
    struct fixture fixture = {.dir = ""};
    char yaml[256];
    struct outbox_acquire acquire;
    snprintf(yaml, sizeof yaml, "store: {plugin: sqlite, path: %s}", link->path);
    if (loop_fixture_open_uv(&fixture.base, NULL, &fixture.error) ||
        loop_fixture_configure(&fixture.base, "child", yaml, &fixture.error))
        _exit(10);
    fixture.store = fixture_another(&fixture);
    if (fixture_start(&fixture, fixture.store) || fixture_acquire(&fixture, fixture.store, 15000, &acquire))
        _exit(11);
    fixture_link_notify(link);
    fixture_link_wait(link);
    int code = fixture_renew(&fixture, fixture.store);
    _exit(code == 0 ? 20 : code == OUTBOX_E_FENCED ? 21 : 22);
}

Test(sqlite_owner, standby_takes_over_after_stop)
{
    struct fixture fixture;
    struct outbox_acquire acquire;
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    struct obx_instance *other = fixture_another(&fixture);
    cr_assert_eq(fixture_start(&fixture, other), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, other, 15000, &acquire), OUTBOX_E_STANDBY);
    cr_assert_str_eq(acquire.owner, owner(&fixture));
    fixture_expect(&fixture, OUTBOX_E_STANDBY, "own outbox %s: owned by %s", fixture.path, acquire.owner);
    char me[96];
    outbox_describe_process(me, sizeof me, "test");
    cr_assert_str_eq(acquire.owner, me);
    int64_t since_us = acquire.since_us;
    struct outbox_store_status status = {.struct_size = sizeof status};
    cr_assert_eq(fixture_status(&fixture, &status), 0, "%s", fixture.error.text);
    cr_assert_eq(status.owner_since_us, since_us);
    cr_assert_gt(since_us, 1700000000000000);
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    cr_assert_str_eq(owner(&fixture), "");
    cr_assert_eq(fixture_acquire(&fixture, other, 15000, &acquire), 0, "%s", fixture.error.text);
    cr_assert_eq(acquire.flags, 0);
    cr_assert_geq(acquire.since_us, since_us);
    fixture_drop(&fixture, other);
    fixture_close(&fixture);
}

Test(sqlite_owner, standby_takes_over_from_a_dead_process_at_once)
{
    struct fixture fixture;
    struct fixture_child child;
    struct outbox_acquire acquire;
    struct outbox_store_status status = {.struct_size = sizeof status};
    fixture_open(&fixture, NULL);
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    fixture_child_start(&child, fixture.path, own);
    fixture_child_wait(&child);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, fixture.store, 15000, &acquire), OUTBOX_E_STANDBY);
    cr_assert_eq(fixture_status(&fixture, &status), 0, "%s", fixture.error.text);
    cr_expect_str_eq(status.owner, acquire.owner);
    kill(child.pid, SIGKILL);
    cr_assert_eq(fixture_child_end(&child), -1);
    cr_assert_eq(fixture_status(&fixture, &status), 0, "%s", fixture.error.text);
    cr_expect_str_eq(status.owner, "", "the dead process is still in the relay table");
    cr_assert_eq(fixture_acquire(&fixture, fixture.store, 15000, &acquire), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
}

/* The owner has the lock and is alive; only its heartbeat shows that it hangs. When it continues, it must not act as
 * the owner. */
Test(sqlite_owner, owner_that_hangs_loses_its_lease)
{
    struct fixture fixture;
    struct fixture_child child;
    struct outbox_acquire acquire;
    int code;
    fixture_open(&fixture, NULL);
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    fixture_child_start(&child, fixture.path, own);
    fixture_child_wait(&child);
    kill(child.pid, SIGSTOP);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, fixture.store, 60000, &acquire), OUTBOX_E_STANDBY,
                 "before its lease was over");
    while ((code = fixture_acquire(&fixture, fixture.store, 200, &acquire)) == OUTBOX_E_STANDBY) {
    }
    cr_assert_eq(code, 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_number(fixture.path, "SELECT epoch FROM outbox_relay"), 2);
    cr_assert_eq(fixture_renew(&fixture, fixture.store), 0, "%s", fixture.error.text);
    struct obx_instance *third = fixture_another(&fixture);
    cr_assert_eq(fixture_start(&fixture, third), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, third, 15000, &acquire), OUTBOX_E_STANDBY, "the new owner has no lock");
    fixture_drop(&fixture, third);
    kill(child.pid, SIGCONT);
    fixture_child_go(&child);
    cr_assert_eq(fixture_child_end(&child), 21, "the old owner was not told");
    cr_assert_eq(fixture_renew(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(sqlite_owner, owner_that_renews_keeps_ownership)
{
    struct fixture fixture;
    struct outbox_acquire acquire;
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    struct obx_instance *other = fixture_another(&fixture);
    cr_assert_eq(fixture_start(&fixture, other), 0, "%s", fixture.error.text);
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(fixture_renew(&fixture, fixture.store), 0, "%s", fixture.error.text);
        cr_assert_eq(fixture_acquire(&fixture, other, 0, &acquire), OUTBOX_E_STANDBY);
    }
    fixture_drop(&fixture, other);
    fixture_close(&fixture);
}

Test(sqlite_owner, fenced_owner_changes_nothing)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fixture_insert(&fixture, 5);
    fixture_own(&fixture);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    fixture_sql(fixture.path, "UPDATE outbox_relay SET epoch = epoch + 1");
    fixture_settle(&fixture, batch, 0, 5);
    fixture_expect(&fixture, OUTBOX_E_FENCED,
                   "settle rows of %s: another relay has taken over the outbox; nothing was changed", fixture.path);
    fixture_dead_letter(&fixture, 1, "k", "no");
    fixture_expect(&fixture, OUTBOX_E_FENCED,
                   "move rows to the dead letters of %s: another relay has taken over the outbox; nothing was changed",
                   fixture.path);
    fixture_renew(&fixture, fixture.store);
    fixture_expect(&fixture, OUTBOX_E_FENCED,
                   "own outbox %s: another relay has taken over the outbox; nothing was changed", fixture.path);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 5);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox_dead"), 0);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

Test(sqlite_owner, settle_needs_ownership)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fixture_insert(&fixture, 1);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    fixture_settle(&fixture, batch, 0, 1);
    fixture_expect(&fixture, OUTBOX_E_FENCED,
                   "settle rows of %s: this relay does not own the outbox; nothing was changed", fixture.path);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

Test(sqlite_owner, removed_lock_file_is_restored)
{
    struct fixture fixture;
    struct outbox_acquire acquire;
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    cr_assert_eq(unlink(lock_path(&fixture)), 0);
    cr_assert_eq(fixture_renew(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(access(lock_path(&fixture), F_OK), 0);
    struct obx_instance *other = fixture_another(&fixture);
    cr_assert_eq(fixture_start(&fixture, other), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, other, 15000, &acquire), OUTBOX_E_STANDBY);
    fixture_drop(&fixture, other);
    fixture_close(&fixture);
}

Test(sqlite_owner, unwritable_lock_file_is_reported)
{
    struct fixture fixture;
    struct outbox_acquire acquire;
    fixture_ready(&fixture, NULL);
    cr_assert_eq(symlink("/nowhere", lock_path(&fixture)), 0);
    fixture_acquire(&fixture, fixture.store, 15000, &acquire);
    fixture_expect(&fixture, OUTBOX_E_IO,
                   "own outbox %s: lock file %s: Too many levels of symbolic links; this user must be able to write it",
                   fixture.path, lock_path(&fixture));
    cr_assert_eq(unlink(lock_path(&fixture)), 0);
    fixture_own(&fixture);
    fixture_close(&fixture);
}

static uint32_t own_again(struct fixture *fixture)
{
    struct outbox_acquire acquire;
    cr_assert_eq(fixture_start(fixture, fixture->store), 0, "%s", fixture->error.text);
    cr_assert_eq(fixture_acquire(fixture, fixture->store, 15000, &acquire), 0, "%s", fixture->error.text);
    return acquire.flags;
}

Test(sqlite_owner, acquire_recognizes_the_same_outbox)
{
    struct fixture fixture;
    char command[512];
    fixture_ready(&fixture, NULL);
    fixture_insert(&fixture, 5);
    fixture_own(&fixture);
    fixture_release(&fixture, fixture_claim(&fixture, 0));
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    snprintf(command, sizeof command, "cp %s %s/old.db", fixture.path, fixture.dir);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(own_again(&fixture), OUTBOX_ACQUIRED_SAME, "nothing has happened in between");
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    fixture_sql(fixture.path, "UPDATE outbox_relay SET epoch = epoch + 1");
    cr_assert_eq(own_again(&fixture), 0, "somebody else has owned it");
    fixture_insert(&fixture, 5);
    fixture_release(&fixture, fixture_claim(&fixture, 0));
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    snprintf(command, sizeof command, "cat %s/old.db > %s", fixture.dir, fixture.path);
    cr_assert_eq(system(command), 0);
    fixture_sql(fixture.path, "UPDATE outbox_relay SET epoch = 4");
    cr_assert_eq(own_again(&fixture), 0, "the database is an older one");
    fixture_close(&fixture);
}

static struct outbox_acquire acquire_anew(struct fixture *fixture, const char *sql)
{
    struct outbox_acquire acquire;
    cr_assert_eq(loop_fixture_stop(&fixture->base, fixture->store, NULL), 0);
    if (sql)
        fixture_sql(fixture->path, sql);
    cr_assert_eq(fixture_start(fixture, fixture->store), 0, "%s", fixture->error.text);
    cr_assert_eq(fixture_acquire(fixture, fixture->store, 15000, &acquire), 0, "%s", fixture->error.text);
    return acquire;
}

/* SQLite gives the new table the page that the old one had, and it has had more rows. */
Test(sqlite_owner, table_made_anew_has_another_identity)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    struct outbox_acquire first = acquire_anew(&fixture, NULL);
    cr_assert_eq(strncmp(first.identity, "sqlite ", 7), 0, "%s", first.identity);
    fixture_insert(&fixture, 3);
    struct outbox_acquire again = acquire_anew(&fixture, "DELETE FROM outbox");
    cr_assert_str_eq(again.identity, first.identity);
    cr_assert_gt(again.epoch, first.epoch);
    cr_assert_eq(fixture_number(fixture.path, "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'"), 3);
    struct outbox_acquire anew = acquire_anew(
        &fixture,
        "DROP TABLE outbox; CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, event_id, "
        "aggregatetype, aggregateid, type, payload, headers, created_at); INSERT INTO outbox (payload) VALUES "
        "(1), (2), (3), (4)");
    cr_assert_str_neq(anew.identity, first.identity);
    cr_assert_gt(anew.epoch, again.epoch);
    fixture_close(&fixture);
}

Test(sqlite_owner, restored_backup_has_another_identity)
{
    struct fixture fixture;
    char command[512];
    fixture_ready(&fixture, NULL);
    struct outbox_acquire first = acquire_anew(&fixture, NULL);
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    snprintf(command, sizeof command, "cp %s %s/old.db", fixture.path, fixture.dir);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(own_again(&fixture), OUTBOX_ACQUIRED_SAME);
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    snprintf(command, sizeof command, "cat %s/old.db > %s", fixture.dir, fixture.path);
    cr_assert_eq(system(command), 0);
    struct outbox_acquire restored = acquire_anew(&fixture, NULL);
    cr_assert_str_neq(restored.identity, first.identity);
    fixture_close(&fixture);
}

/* The same table by another name of the file, and in capitals. */
Test(sqlite_owner, symlink_leads_to_the_same_lock)
{
    struct fixture fixture, second = {0};
    struct outbox_acquire acquire;
    char yaml[256], link[128];
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    snprintf(link, sizeof link, "%s/link.db", fixture.dir);
    cr_assert_eq(symlink(fixture.path, link), 0);
    snprintf(yaml, sizeof yaml, "store: {plugin: sqlite, path: %s, table: OutBox}", link);
    second.base = fixture.base;
    second.base.config = NULL;
    cr_assert_eq(loop_fixture_configure(&second.base, "second", yaml, &fixture.error), 0, "%s", fixture.error.text);
    struct obx_instance *other = fixture_another(&second);
    cr_assert_eq(fixture_start(&fixture, other), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, other, 15000, &acquire), OUTBOX_E_STANDBY);
    struct obx_instance *first = fixture.store;
    fixture.store = other;
    cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP));
    uint32_t wakes = second.base.wakes;
    fixture_insert(&fixture, 1);
    cr_assert(loop_fixture_until_woken(&second.base, wakes), "the doorbell hangs at the link");
    fixture.store = first;
    fixture_drop(&fixture, other);
    obx_config_free(second.base.config);
    fixture_close(&fixture);
}

Test(sqlite_owner, each_table_has_its_own_owner)
{
    struct fixture fixture;
    struct obx_instance *other;
    struct outbox_acquire acquire;
    char yaml[256];
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    snprintf(yaml, sizeof yaml, "store: {plugin: sqlite, path: %s, table: other/table}", fixture.path);
    struct fixture second = {.base = fixture.base};
    second.base.config = NULL;
    cr_assert_eq(loop_fixture_configure(&second.base, "second", yaml, &fixture.error), 0, "%s", fixture.error.text);
    other = fixture_another(&second);
    struct obx_instance *first = fixture.store;
    fixture.store = other;
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    fixture.store = first;
    cr_assert_eq(fixture_start(&fixture, other), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, other, 15000, &acquire), 0, "%s", fixture.error.text);
    fixture_drop(&fixture, other);
    obx_config_free(second.base.config);
    fixture_close(&fixture);
}

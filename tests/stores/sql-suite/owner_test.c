/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/owner_test.c - one owner at a time; a fenced or hung owner settles nothing */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <outbox/plugin_util.h>

#include "fixture.h"

struct standby_fixture {
    struct sql_fixture fixture;
    struct obx_instance *second;
};

static void open_standby(struct standby_fixture *standby, const char *table)
{
    fixture_open(&standby->fixture, table, true, "");
    fixture_begin(&standby->fixture);
    standby->second = fixture_another(&standby->fixture);
    cr_assert_eq(fixture_start(&standby->fixture, standby->second), 0, "%s", standby->fixture.error.text);
}

static void close_standby(struct standby_fixture *standby)
{
    loop_fixture_stop(&standby->fixture.base, standby->second, NULL);
    obx_instance_free(standby->second);
    fixture_close(&standby->fixture);
}

static int acquire_second(struct standby_fixture *standby, uint32_t lease_ms, struct outbox_acquire *acquire)
{
    return fixture_acquire(&standby->fixture, standby->second, lease_ms, acquire);
}

static int renew(struct sql_fixture *fixture, struct obx_instance *store)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_renew(store, &call.call, 0);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

Test(owner, second_relay_stands_by_and_names_the_owner)
{
    struct standby_fixture standby;
    struct outbox_acquire acquire;
    char me[96], text[160];
    outbox_describe_process(me, sizeof me, "test");
    snprintf(text, sizeof text,
             BY_SERVER("own outbox public.standby: owned by %s, session ",
                       "own outbox outbox.standby: owned by %s, connection "),
             me);
    const char *name = strstr(text, me);
    open_standby(&standby, "standby");
    cr_assert_eq(acquire_second(&standby, 10000, &acquire), OUTBOX_E_STANDBY);
    cr_assert_eq(strncmp(acquire.owner, name, strlen(name)), 0, "%s", acquire.owner);
    cr_assert_eq(strncmp(standby.fixture.error.text, text, strlen(text)), 0, "%s", standby.fixture.error.text);
    int64_t since_us = acquire.since_us;
    cr_assert_eq(since_us, standby.fixture.since_us, "as the owner knows it");
    cr_assert_gt(since_us, 1700000000000000);
    struct outbox_store_status status;
    cr_assert_eq(fixture_status(&standby.fixture, standby.second, &status), 0, "%s", standby.fixture.error.text);
    cr_assert_eq(status.owner_since_us, since_us);
    cr_assert_str_eq(status.owner, acquire.owner);
    fixture_stop(&standby.fixture); /* after a clean stop the standby takes over at once */
    cr_assert_eq(acquire_second(&standby, 10000, &acquire), 0, "%s", standby.fixture.error.text);
    cr_assert_geq(acquire.since_us, since_us);
    close_standby(&standby);
}

Test(owner, owner_that_renews_keeps_ownership)
{
    struct standby_fixture standby;
    open_standby(&standby, "renews");
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(renew(&standby.fixture, standby.fixture.store), 0, "%s", standby.fixture.error.text);
        cr_assert_eq(acquire_second(&standby, 10000, NULL), OUTBOX_E_STANDBY);
    }
    cr_assert_eq(renew(&standby.fixture, standby.second), OUTBOX_E_FENCED);
    cr_assert_str_eq(standby.fixture.error.text, "renew the ownership of renews: this relay does not own the outbox");
    close_standby(&standby);
}

Test(owner, terminated_owner_session_is_noticed_while_idle)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "idle", true, "");
    fixture_begin(&fixture);
    server_end_owner(fixture.sql, fixture.table);
    fixture_await_loss(&fixture);
    fixture_begin_again(&fixture); /* possible once the server has noticed */
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_expect_rows(&fixture, IDS(1));
    fixture_close(&fixture);
}

Test(owner, terminated_owner_session_settles_nothing)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "ended", true, "");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    server_end_owner(fixture.sql, fixture.table);
    int code = fixture_settle(&fixture, batch, 0, 1);
    cr_assert(code == OUTBOX_E_FENCED || code == OUTBOX_E_NOT_CONNECTED, "%d: %s", code, fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

Test(owner, terminated_reader_session_fails_the_next_claim)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "reader", true, "");
    fixture_begin(&fixture);
    server_end_reader(fixture.sql, fixture.table);
    cr_assert_eq(fixture_claim(&fixture, 0, 10), OUTBOX_E_NOT_CONNECTED, "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(owner, same_database_is_recognized_after_a_restart)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "same", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_begin_again(&fixture), OUTBOX_ACQUIRED_SAME);
    fixture_close(&fixture);
}

static struct outbox_acquire acquire_once(const char *table)
{
    struct sql_fixture fixture;
    struct outbox_acquire acquire;
    fixture_open(&fixture, table, true, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, fixture.store, 10000, &acquire), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
    return acquire;
}

Test(owner, outbox_has_an_identity_and_each_ownership_an_epoch)
{
    struct outbox_acquire first = acquire_once("named"), second = acquire_once("named_else");
    cr_assert_eq(strncmp(first.identity, BY_SERVER("postgres ", "mysql "), 6), 0, "%s", first.identity);
    cr_assert_str_neq(first.identity, second.identity);
    cr_assert(first.epoch && second.epoch);
}

/* As CREATE INDEX and ALTER TABLE do: the owner's DELETE waits for longer than its lease. */
Test(owner, owner_that_waits_for_a_lock_keeps_the_ownership)
{
    struct standby_fixture standby;
    struct loop_fixture_call call = {0};
    struct session *locker = session_open();
    open_standby(&standby, "locked");
    fixture_insert(&standby.fixture, standby.fixture.sql, "a");
    struct outbox_batch *batch = fixture_claim_batch(&standby.fixture, 10, 1 << 20);
    struct outbox_span span = {batch, 0, 1};
    struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = 1, .spans = &span};
    fixture_run_on(&standby.fixture, locker, BY_SERVER("BEGIN; LOCK TABLE %s IN SHARE MODE", "LOCK TABLES %s READ"));
    loop_fixture_reset(&call);
    obx_store_settle(standby.fixture.store, &call.call, 0, &settle);
    fixture_await_lock_wait(&standby.fixture); /* until then the owner is silent, and may be for longer than a lease */
    int64_t end = fixture_now_ms() + BY_SERVER(1500, 5000); /* MySQL counts seconds, and gives three leases */
    while (fixture_now_ms() < end)
        cr_assert_eq(acquire_second(&standby, BY_SERVER(300, 1000), NULL), OUTBOX_E_STANDBY, "%s",
                     standby.fixture.error.text);
    session_run(locker, BY_SERVER("COMMIT", "UNLOCK TABLES"));
    cr_assert_eq(loop_fixture_wait(&standby.fixture.base, &call), 0, "%s", call.error.text);
    obx_store_release(standby.fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&standby.fixture), 0);
    session_close(locker);
    close_standby(&standby);
}

/* ---- an owner in a process of its own ---------------------------------------------------------------------------- */

struct owner_process {
    pid_t pid;
    int from_owner, to_owner; /* pipes */
};

static char receive_byte(int from)
{
    char what = 0;
    return read(from, &what, 1) == 1 ? what : 'x';
}

static void send_byte(int to, char what)
{
    if (write(to, &what, 1) != 1)
        _exit(1);
}

/* Own, claim one row, wait for a byte, settle the row, and report whether that succeeded: 'y' or 'n'. */
static void run_owner(const char *table, int from_owner, int to_owner)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, table, true, "");
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    send_byte(from_owner, batch ? 'o' : 'x');
    receive_byte(to_owner);
    send_byte(from_owner, fixture_settle(&fixture, batch, 0, 1) ? 'n' : 'y');
    _exit(0);
}

static void owner_process_start(struct owner_process *owner, const char *table)
{
    int up[2], down[2];
    cr_assert_eq(pipe(up) + pipe(down), 0);
    owner->pid = fork();
    if (!owner->pid) {
        alarm(LOOP_FIXTURE_CHILD_S);
        close(up[0]);
        close(down[1]);
        run_owner(table, up[1], down[0]);
    }
    close(up[1]);
    close(down[0]);
    owner->from_owner = up[0];
    owner->to_owner = down[1];
    cr_assert_eq(receive_byte(owner->from_owner), 'o');
}

static void owner_process_end(struct owner_process *owner, int signal)
{
    kill(owner->pid, signal);
    cr_assert_eq(waitpid(owner->pid, NULL, 0), owner->pid);
    close(owner->from_owner);
    close(owner->to_owner);
}

Test(owner, standby_takes_over_from_a_crashed_owner)
{
    struct sql_fixture fixture;
    struct owner_process owner;
    owner_process_start(&owner, "crashed");
    fixture_open(&fixture, "crashed", false, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, fixture.store, 60000, NULL), OUTBOX_E_STANDBY);
    owner_process_end(&owner, SIGKILL);
    fixture_take_over(&fixture, 60000); /* long before its lease is over */
    fixture_expect_rows(&fixture, IDS(1));
    fixture_close(&fixture);
}

Test(owner, hung_owner_loses_its_lease_and_settles_nothing)
{
    struct sql_fixture fixture;
    struct owner_process owner;
    owner_process_start(&owner, "hung");
    fixture_open(&fixture, "hung", false, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    kill(owner.pid, SIGSTOP);
    cr_assert_eq(fixture_acquire(&fixture, fixture.store, 60000, NULL), OUTBOX_E_STANDBY, "before its lease was over");
    fixture_take_over(&fixture, 1000);
    kill(owner.pid, SIGCONT);
    send_byte(owner.to_owner, 's');
    cr_assert_eq(receive_byte(owner.from_owner), 'n', "a fenced owner has settled");
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    fixture_expect_rows(&fixture, IDS(1));
    owner_process_end(&owner, SIGTERM);
    fixture_close(&fixture);
}

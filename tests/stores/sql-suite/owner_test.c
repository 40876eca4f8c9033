/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/owner_test.c - one owner; who is dead is followed, who hangs or is thrown out settles nothing
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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
    harness_stop(&standby->fixture.harness, standby->second, NULL);
    obx_instance_free(standby->second);
    fixture_close(&standby->fixture);
}

static int acquire_second(struct standby_fixture *standby, uint32_t lease_ms, struct outbox_acquire *acquire)
{
    return fixture_acquire(&standby->fixture, standby->second, lease_ms, acquire);
}

static int renew(struct sql_fixture *fixture, struct obx_instance *store)
{
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_renew(store, &call.call, 0);
    int code = harness_wait(&fixture->harness, &call);
    fixture->error = call.error;
    return code;
}

Test(owner, a_second_relay_stands_by_and_knows_behind_whom)
{
    struct standby_fixture standby;
    struct outbox_acquire acquire;
    const char *name = BY_SERVER("outbox test at 127.0.0.1, pid ", "outbox test at 127.0.0.1, connection ");
    open_standby(&standby, "standby");
    cr_assert_eq(acquire_second(&standby, 10000, &acquire), OUTBOX_E_STANDBY);
    cr_assert_eq(strncmp(acquire.owner, name, strlen(name)), 0, "%s", acquire.owner);
    cr_assert_eq(strncmp(standby.fixture.error.text,
                         BY_SERVER("own outbox public.standby: owned by outbox test at ",
                                   "own outbox outbox.standby: owned by outbox test at "),
                         51),
                 0, "%s", standby.fixture.error.text);
    fixture_stop(&standby.fixture); /* a clean stop is followed at once */
    cr_assert_eq(acquire_second(&standby, 10000, &acquire), 0, "%s", standby.fixture.error.text);
    close_standby(&standby);
}

Test(owner, one_that_renews_stays)
{
    struct standby_fixture standby;
    open_standby(&standby, "renews");
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(renew(&standby.fixture, standby.fixture.store), 0, "%s", standby.fixture.error.text);
        cr_assert_eq(acquire_second(&standby, 2000, NULL), OUTBOX_E_STANDBY);
    }
    cr_assert_eq(renew(&standby.fixture, standby.second), OUTBOX_E_FENCED);
    cr_assert_str_eq(standby.fixture.error.text, "renew the ownership of renews: this relay does not own the outbox");
    close_standby(&standby);
}

Test(owner, a_terminated_owner_is_noticed_while_idle)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "idle", true, "");
    fixture_begin(&fixture);
    server_end_owner(fixture.sql, fixture.table);
    fixture_await_loss(&fixture);
    fixture_begin_again(&fixture); /* and goes on, when the server has noticed, too */
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_expect_rows(&fixture, IDS(1));
    fixture_close(&fixture);
}

Test(owner, a_terminated_owner_settles_nothing)
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

Test(owner, a_terminated_reader_is_noticed_by_the_next_claim)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "reader", true, "");
    fixture_begin(&fixture);
    server_end_reader(fixture.sql, fixture.table);
    cr_assert_eq(fixture_claim(&fixture, 0, 10), OUTBOX_E_NOT_CONNECTED, "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(owner, the_same_database_is_recognised)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "same", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_begin_again(&fixture), OUTBOX_ACQUIRED_SAME);
    fixture_close(&fixture);
}

/* ---- an owner in a process of its own ---------------------------------------------------------------------------- */

struct other {
    pid_t pid;
    int tells, hears; /* pipes */
};

static char hear(int from)
{
    char what = 0;
    return read(from, &what, 1) == 1 ? what : 'x';
}

static void tell(int to, char what)
{
    if (write(to, &what, 1) != 1)
        _exit(1);
}

/* Owns, claims one row, waits for a word, settles it, and tells whether it could: 'y' or 'n'. */
static void be_owner(const char *table, int tells, int hears)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, table, true, "");
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    tell(tells, batch ? 'o' : 'x');
    hear(hears);
    tell(tells, fixture_settle(&fixture, batch, 0, 1) ? 'n' : 'y');
    _exit(0);
}

static void other_start(struct other *other, const char *table)
{
    int up[2], down[2];
    cr_assert_eq(pipe(up) + pipe(down), 0);
    other->pid = fork();
    if (!other->pid) {
        alarm(HARNESS_CHILD_S);
        close(up[0]);
        close(down[1]);
        be_owner(table, up[1], down[0]);
    }
    close(up[1]);
    close(down[0]);
    other->tells = up[0];
    other->hears = down[1];
    cr_assert_eq(hear(other->tells), 'o');
}

static void other_end(struct other *other, int signal)
{
    kill(other->pid, signal);
    cr_assert_eq(waitpid(other->pid, NULL, 0), other->pid);
    close(other->tells);
    close(other->hears);
}

Test(owner, a_crashed_one_is_followed)
{
    struct sql_fixture fixture;
    struct other other;
    other_start(&other, "crashed");
    fixture_open(&fixture, "crashed", false, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, fixture.store, 60000, NULL), OUTBOX_E_STANDBY);
    other_end(&other, SIGKILL);
    fixture_take_over(&fixture, 60000); /* long before its lease is over */
    fixture_expect_rows(&fixture, IDS(1));
    fixture_close(&fixture);
}

Test(owner, one_that_hangs_is_thrown_out_after_its_lease_and_settles_nothing_when_it_wakes)
{
    struct sql_fixture fixture;
    struct other other;
    other_start(&other, "hung");
    fixture_open(&fixture, "hung", false, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    kill(other.pid, SIGSTOP);
    cr_assert_eq(fixture_acquire(&fixture, fixture.store, 60000, NULL), OUTBOX_E_STANDBY, "before its lease was over");
    fixture_take_over(&fixture, 1000);
    kill(other.pid, SIGCONT);
    tell(other.hears, 's');
    cr_assert_eq(hear(other.tells), 'n', "an owner that was thrown out has settled");
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    fixture_expect_rows(&fixture, IDS(1));
    other_end(&other, SIGTERM);
    fixture_close(&fixture);
}

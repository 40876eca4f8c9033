/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/owner_test.c - one owner; who is dead is followed, who hangs or is thrown out settles nothing
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bed.h"

struct pair {
    struct bed bed;
    struct obx_instance *second;
};

static void pair_open(struct pair *pair, const char *table)
{
    bed_open(&pair->bed, table, true, "");
    bed_begin(&pair->bed);
    pair->second = bed_another(&pair->bed);
    cr_assert_eq(bed_start(&pair->bed, pair->second), 0, "%s", pair->bed.error.text);
}

static void pair_close(struct pair *pair)
{
    harness_stop(&pair->bed.harness, pair->second, NULL);
    obx_instance_free(pair->second);
    bed_close(&pair->bed);
}

static int acquire_second(struct pair *pair, uint32_t lease_ms, struct outbox_acquire *acquire)
{
    return bed_acquire(&pair->bed, pair->second, lease_ms, acquire);
}

static int renew(struct bed *bed, struct obx_instance *store)
{
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_renew(store, &call.call, 0);
    int code = harness_wait(&bed->harness, &call);
    bed->error = call.error;
    return code;
}

Test(owner, a_second_relay_stands_by_and_knows_behind_whom)
{
    struct pair pair;
    struct outbox_acquire acquire;
    const char *name = BY_SERVER("outbox test at 127.0.0.1, pid ", "outbox test at 127.0.0.1, connection ");
    pair_open(&pair, "standby");
    cr_assert_eq(acquire_second(&pair, 10000, &acquire), OUTBOX_E_STANDBY);
    cr_assert_eq(strncmp(acquire.owner, name, strlen(name)), 0, "%s", acquire.owner);
    cr_assert_eq(strncmp(pair.bed.error.text,
                         BY_SERVER("own outbox public.standby: owned by outbox test at ",
                                   "own outbox outbox.standby: owned by outbox test at "),
                         51),
                 0, "%s", pair.bed.error.text);
    bed_stop(&pair.bed); /* a clean stop is followed at once */
    cr_assert_eq(acquire_second(&pair, 10000, &acquire), 0, "%s", pair.bed.error.text);
    pair_close(&pair);
}

Test(owner, one_that_renews_stays)
{
    struct pair pair;
    pair_open(&pair, "renews");
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(renew(&pair.bed, pair.bed.store), 0, "%s", pair.bed.error.text);
        cr_assert_eq(acquire_second(&pair, 2000, NULL), OUTBOX_E_STANDBY);
    }
    cr_assert_eq(renew(&pair.bed, pair.second), OUTBOX_E_FENCED);
    cr_assert_str_eq(pair.bed.error.text, "renew the ownership of renews: this relay does not own the outbox");
    pair_close(&pair);
}

Test(owner, a_terminated_owner_is_noticed_while_idle)
{
    struct bed bed;
    bed_open(&bed, "idle", true, "");
    bed_begin(&bed);
    server_end_owner(bed.sql, bed.table);
    bed_until_lost(&bed);
    bed_begin_again(&bed); /* and goes on, when the server has noticed, too */
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

Test(owner, a_terminated_owner_settles_nothing)
{
    struct bed bed;
    bed_open(&bed, "ended", true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    server_end_owner(bed.sql, bed.table);
    int code = bed_settle(&bed, batch, 0, 1);
    cr_assert(code == OUTBOX_E_FENCED || code == OUTBOX_E_NOT_CONNECTED, "%d: %s", code, bed.error.text);
    cr_assert_eq(bed_rows(&bed), 1);
    obx_store_release(bed.store, batch);
    bed_close(&bed);
}

Test(owner, a_terminated_reader_is_noticed_by_the_next_claim)
{
    struct bed bed;
    bed_open(&bed, "reader", true, "");
    bed_begin(&bed);
    server_end_reader(bed.sql, bed.table);
    cr_assert_eq(bed_claim(&bed, 0, 10), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
    bed_close(&bed);
}

Test(owner, the_same_database_is_recognised)
{
    struct bed bed;
    bed_open(&bed, "same", true, "");
    bed_begin(&bed);
    cr_assert_eq(bed_begin_again(&bed), OUTBOX_ACQUIRED_SAME);
    bed_close(&bed);
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
    struct bed bed;
    bed_open(&bed, table, true, "");
    bed_insert(&bed, bed.sql, "a");
    bed_begin(&bed);
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    tell(tells, batch ? 'o' : 'x');
    hear(hears);
    tell(tells, bed_settle(&bed, batch, 0, 1) ? 'n' : 'y');
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
    struct bed bed;
    struct other other;
    other_start(&other, "crashed");
    bed_open(&bed, "crashed", false, "");
    cr_assert_eq(bed_start(&bed, bed.store), 0, "%s", bed.error.text);
    cr_assert_eq(bed_acquire(&bed, bed.store, 60000, NULL), OUTBOX_E_STANDBY);
    other_end(&other, SIGKILL);
    bed_take_over(&bed, 60000); /* long before its lease is over */
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

Test(owner, one_that_hangs_is_thrown_out_after_its_lease_and_settles_nothing_when_it_wakes)
{
    struct bed bed;
    struct other other;
    other_start(&other, "hung");
    bed_open(&bed, "hung", false, "");
    cr_assert_eq(bed_start(&bed, bed.store), 0, "%s", bed.error.text);
    kill(other.pid, SIGSTOP);
    cr_assert_eq(bed_acquire(&bed, bed.store, 60000, NULL), OUTBOX_E_STANDBY, "before its lease was over");
    bed_take_over(&bed, 1000);
    kill(other.pid, SIGCONT);
    tell(other.hears, 's');
    cr_assert_eq(hear(other.tells), 'n', "an owner that was thrown out has settled");
    cr_assert_eq(bed_rows(&bed), 1);
    bed_expect(&bed, IDS(1));
    other_end(&other, SIGTERM);
    bed_close(&bed);
}

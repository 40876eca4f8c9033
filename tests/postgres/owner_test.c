/* tests/postgres/owner_test.c - one owner; who hangs or is thrown out settles nothing */
#include <stdio.h>
#include <string.h>

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
    *acquire = (struct outbox_acquire){.struct_size = sizeof *acquire, .lease_ms = lease_ms};
    return bed_acquire(&pair->bed, pair->second, acquire);
}

static void terminate(struct bed *bed, const char *which)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.application_name LIKE 'outbox %%' AND "
             "%s (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory')",
             which);
    bed_exec(bed, bed->sql, sql);
}

static bool lost(void *arg)
{
    const struct bed *bed = arg;
    return bed->harness.losses > 0;
}

Test(postgres_owner, a_second_relay_stands_by_and_knows_behind_whom)
{
    struct pair pair;
    struct outbox_acquire acquire;
    pair_open(&pair, "standby");
    cr_assert_eq(acquire_second(&pair, 10000, &acquire), OUTBOX_E_STANDBY);
    cr_assert_eq(strncmp(acquire.owner, "outbox test at 127.0.0.1, pid ", 30), 0, "%s", acquire.owner);
    cr_assert_eq(strncmp(pair.bed.error.text, "own outbox public.standby: owned by outbox test at ", 51), 0, "%s",
                 pair.bed.error.text);
    cr_assert_eq(harness_stop(&pair.bed.harness, pair.bed.store, NULL), 0);
    for (int i = 0; i < 200 && acquire_second(&pair, 10000, &acquire) == OUTBOX_E_STANDBY; i++)
        PQclear(PQexec(pair.bed.sql, "SELECT pg_sleep(0.005)"));
    cr_assert_eq(acquire_second(&pair, 10000, &acquire), 0, "%s", pair.bed.error.text);
    pair_close(&pair);
}

Test(postgres_owner, an_owner_that_is_silent_for_its_lease_is_thrown_out)
{
    struct pair pair;
    struct outbox_acquire acquire;
    pair_open(&pair, "silent");
    bed_insert(&pair.bed, pair.bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&pair.bed, 10, 1 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(acquire_second(&pair, 200, &acquire), OUTBOX_E_STANDBY);
    bed_exec(&pair.bed, pair.bed.sql, "SELECT pg_sleep(0.25)"); /* the loop stands still, as in a stopped process */
    cr_assert_eq(acquire_second(&pair, 200, &acquire), 0, "%s", pair.bed.error.text);
    int code = bed_settle(&pair.bed, batch, 0, 1);
    cr_assert(code == OUTBOX_E_FENCED || code == OUTBOX_E_NOT_CONNECTED, "%d: %s", code, pair.bed.error.text);
    cr_assert_eq(bed_number(&pair.bed, "SELECT count(*) FROM %s"), 1);
    obx_store_release(pair.bed.store, batch);
    pair_close(&pair);
}

Test(postgres_owner, one_that_renews_stays)
{
    struct pair pair;
    struct outbox_acquire acquire;
    struct harness_call call = {0};
    pair_open(&pair, "renews");
    for (int i = 0; i < 5; i++) {
        harness_reset(&call);
        obx_store_renew(pair.bed.store, &call.call, 0);
        cr_assert_eq(harness_wait(&pair.bed.harness, &call), 0, "%s", call.error.text);
        cr_assert_eq(acquire_second(&pair, 2000, &acquire), OUTBOX_E_STANDBY);
    }
    harness_reset(&call);
    obx_store_renew(pair.second, &call.call, 0);
    cr_assert_eq(harness_wait(&pair.bed.harness, &call), OUTBOX_E_FENCED);
    cr_assert_str_eq(call.error.text, "renew: this relay does not own outbox renews");
    pair_close(&pair);
}

Test(postgres_owner, a_terminated_owner_is_noticed_while_idle)
{
    struct bed bed;
    bed_open(&bed, "idle", true, "");
    bed_begin(&bed);
    terminate(&bed, "EXISTS");
    cr_assert(harness_until(&bed.harness, lost, &bed));
    cr_assert_eq(bed.harness.loss.code, OUTBOX_E_NOT_CONNECTED, "%s", bed.harness.loss.text);
    cr_assert_eq(harness_stop(&bed.harness, bed.store, NULL), 0);
    bed_begin(&bed); /* and goes on */
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

Test(postgres_owner, a_terminated_reader_is_noticed_by_the_next_claim)
{
    struct bed bed;
    bed_open(&bed, "reader", true, "");
    bed_begin(&bed);
    terminate(&bed, "NOT EXISTS");
    cr_assert_eq(bed_claim(&bed, 0, 10), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
    bed_close(&bed);
}

Test(postgres_owner, the_same_database_is_recognised)
{
    struct bed bed;
    struct outbox_acquire acquire = {.struct_size = sizeof acquire, .lease_ms = 10000};
    bed_open(&bed, "same", true, "");
    bed_begin(&bed);
    cr_assert_eq(harness_stop(&bed.harness, bed.store, NULL), 0);
    cr_assert_eq(bed_start(&bed, bed.store), 0, "%s", bed.error.text);
    for (int i = 0; i < 200 && bed_acquire(&bed, bed.store, &acquire) == OUTBOX_E_STANDBY; i++)
        PQclear(PQexec(bed.sql, "SELECT pg_sleep(0.005)"));
    cr_assert_eq(acquire.flags, OUTBOX_ACQUIRED_SAME);
    bed_close(&bed);
}

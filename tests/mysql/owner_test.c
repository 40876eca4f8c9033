/* tests/mysql/owner_test.c - one owner; who hangs or is thrown out settles nothing */
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

static uint64_t owner_of(struct bed *bed)
{
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT IS_USED_LOCK('outbox:outbox.%s')", bed->table);
    return (uint64_t)bed_number(bed, sql);
}

static void terminate(struct bed *bed, uint64_t id)
{
    char sql[64];
    snprintf(sql, sizeof sql, "KILL %llu", (unsigned long long)id);
    bed_exec(bed, bed->sql, sql);
}

static bool lost(void *arg)
{
    const struct bed *bed = arg;
    return bed->harness.losses > 0;
}

Test(mysql_owner, a_second_relay_stands_by_and_knows_behind_whom)
{
    struct pair pair;
    struct outbox_acquire acquire;
    pair_open(&pair, "standby");
    cr_assert_eq(acquire_second(&pair, 10000, &acquire), OUTBOX_E_STANDBY);
    cr_assert_eq(strncmp(acquire.owner, "outbox test at 127.0.0.1, connection ", 37), 0, "%s", acquire.owner);
    cr_assert_eq(strncmp(pair.bed.error.text, "own outbox outbox.standby: owned by outbox test at ", 51), 0, "%s",
                 pair.bed.error.text);
    cr_assert_eq(harness_stop(&pair.bed.harness, pair.bed.store, NULL), 0);
    cr_assert_eq(acquire_second(&pair, 10000, &acquire), 0, "%s", pair.bed.error.text);
    pair_close(&pair);
}

Test(mysql_owner, an_owner_that_is_silent_for_its_lease_is_thrown_out)
{
    struct pair pair;
    struct outbox_acquire acquire;
    pair_open(&pair, "silent");
    bed_insert(&pair.bed, pair.bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&pair.bed, 10, 1 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(acquire_second(&pair, 1000, &acquire), OUTBOX_E_STANDBY);
    bed_exec(&pair.bed, pair.bed.sql, "DO SLEEP(2.1)"); /* the loop stands still, as in a stopped process */
    cr_assert_eq(acquire_second(&pair, 1000, &acquire), 0, "%s", pair.bed.error.text);
    int code = bed_settle(&pair.bed, batch, 0, 1);
    cr_assert(code == OUTBOX_E_FENCED || code == OUTBOX_E_NOT_CONNECTED, "%d: %s", code, pair.bed.error.text);
    cr_assert_eq(bed_number(&pair.bed, "SELECT count(*) FROM %s"), 1);
    obx_store_release(pair.bed.store, batch);
    pair_close(&pair);
}

Test(mysql_owner, one_that_renews_stays)
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

Test(mysql_owner, a_terminated_owner_is_noticed_while_idle)
{
    struct bed bed;
    bed_open(&bed, "idle", true, "");
    bed_begin(&bed);
    terminate(&bed, owner_of(&bed));
    cr_assert(harness_until(&bed.harness, lost, &bed));
    cr_assert_eq(bed.harness.loss.code, OUTBOX_E_NOT_CONNECTED, "%s", bed.harness.loss.text);
    cr_assert_eq(harness_stop(&bed.harness, bed.store, NULL), 0);
    bed_begin(&bed); /* and goes on */
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

Test(mysql_owner, a_terminated_reader_is_noticed_by_the_next_claim)
{
    struct bed bed;
    bed_open(&bed, "reader", true, "");
    bed_begin(&bed);
    terminate(&bed, owner_of(&bed) + 1);
    cr_assert_eq(bed_claim(&bed, 0, 10), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
    bed_close(&bed);
}

Test(mysql_owner, the_same_database_is_recognised)
{
    struct bed bed;
    struct outbox_acquire acquire = {.struct_size = sizeof acquire, .lease_ms = 10000};
    bed_open(&bed, "same", true, "");
    bed_begin(&bed);
    cr_assert_eq(harness_stop(&bed.harness, bed.store, NULL), 0);
    cr_assert_eq(bed_start(&bed, bed.store), 0, "%s", bed.error.text);
    for (int i = 0; i < 200 && bed_acquire(&bed, bed.store, &acquire) == OUTBOX_E_STANDBY; i++)
    cr_assert_eq(acquire.flags, OUTBOX_ACQUIRED_SAME);
    bed_close(&bed);
}

Test(mysql_owner, another_epoch_fences_one_who_still_has_the_lock)
{
    struct bed bed;
    bed_open(&bed, "epoch", true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    bed_exec(&bed, bed.sql, "UPDATE %s_relay SET epoch = epoch + 1");
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), OUTBOX_E_FENCED);
    cr_assert_str_eq(bed.error.text, "another relay has become the owner of outbox outbox.epoch");
    cr_assert_eq(bed_number(&bed, "SELECT COUNT(*) FROM %s"), 1);
    obx_store_release(bed.store, batch);
    bed_close(&bed);
}

Test(mysql_owner, a_lock_on_a_row_is_not_waited_for_long)
{
    struct bed bed;
    MYSQL *other = bed_connect();
    bed_open(&bed, "locked", true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    bed_exec(&bed, other, "BEGIN");
    bed_exec(&bed, other, "SELECT id FROM %s WHERE id = 1 FOR UPDATE");
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), OUTBOX_E_AGAIN, "%s", bed.error.text);
    cr_assert_str_eq(bed.error.text, "settle rows: Lock wait timeout exceeded; try restarting transaction (1205)");
    bed_exec(&bed, other, "ROLLBACK");
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), 0, "%s", bed.error.text);
    obx_store_release(bed.store, batch);
    mysql_close(other);
    bed_close(&bed);
}

Test(mysql_owner, without_its_row_in_the_relay_table_there_is_no_owner)
{
    struct bed bed;
    bed_open(&bed, "rowless", true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    bed_insert(&bed, bed.sql, "b");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    bed_exec(&bed, bed.sql, "DELETE FROM %s_relay");
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), 0, "%s", bed.error.text);
    cr_assert_eq(bed_settle(&bed, batch, 1, 1), OUTBOX_E_FENCED, "%s", bed.error.text);
    cr_assert_eq(bed_number(&bed, "SELECT COUNT(*) FROM %s"), 1);
    obx_store_release(bed.store, batch);
    bed_close(&bed);
}

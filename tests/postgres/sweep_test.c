/* tests/postgres/sweep_test.c - rows where no claim looks: told of and relayed, never lost in silence */
#include "bed.h"

static void write_by_hand(struct bed *bed, const char *id)
{
    char sql[200];
    snprintf(
        sql, sizeof sql,
        "INSERT INTO %%s (id, aggregatetype, aggregateid, type) OVERRIDING SYSTEM VALUE VALUES (%s, 'o', 'a', 't')",
        id);
    bed_exec(bed, bed->sql, sql);
}

/* Claim until something comes. */
static void claim_some(struct bed *bed)
{
    for (int i = 0; i < 2000; i++) {
        cr_assert_eq(bed_claim(bed, 0, 100), 0, "%s", bed->error.text);
        if (bed->count)
            return;
        PQclear(PQexec(bed->sql, "SELECT pg_sleep(0.002)"));
    }
}

Test(postgres_sweep, a_row_written_below_is_found)
{
    struct bed bed;
    bed_open(&bed, "below", true, "  sweep: 10ms\n");
    bed_begin(&bed);
    write_by_hand(&bed, "1000");
    bed_expect(&bed, IDS(1000)); /* 1 to 999 are a hole, until it is clear that nobody fills it */
    for (int i = 0; i < 60; i++) {
        bed_expect(&bed, 0, NULL);
        PQclear(PQexec(bed.sql, "SELECT pg_sleep(0.002)"));
    }
    write_by_hand(&bed, "500");
    claim_some(&bed);
    cr_assert(bed.count == 1 && bed.ids[0] == 500, "%u rows", bed.count);
    bed_close(&bed);
}

Test(postgres_sweep, a_sequence_that_was_set_back_loses_nothing)
{
    struct bed bed;
    bed_open(&bed, "restarted", true, "  sweep: 10ms\n");
    bed_begin(&bed);
    for (int i = 0; i < 10; i++)
        bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 100, 1 << 20);
    cr_assert_eq(bed_settle(&bed, batch, 0, batch->rows), 0, "%s", bed.error.text);
    obx_store_release(bed.store, batch);
    bed_exec(&bed, bed.sql, "TRUNCATE %s RESTART IDENTITY");
    bed_insert(&bed, bed.sql, "a");
    bed_insert(&bed, bed.sql, "a");
    claim_some(&bed);
    cr_assert(bed.count == 2 && bed.ids[0] == 1 && bed.ids[1] == 2, "%u rows", bed.count);
    bed_close(&bed);
}

Test(postgres_sweep, what_is_in_flight_is_not_given_again)
{
    struct bed bed;
    bed_open(&bed, "flying", true, "  sweep: 10ms\n");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1)); /* released, but not settled: a key may wait for long */
    for (int i = 0; i < 100; i++) {
        bed_expect(&bed, 0, NULL);
        PQclear(PQexec(bed.sql, "SELECT pg_sleep(0.001)"));
    }
    bed_close(&bed);
}

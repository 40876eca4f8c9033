/* tests/postgres/drift_test.c - the table changes while the relay runs: it says what is wrong, and goes on when it is
 * right */
#include <string.h>

#include "bed.h"

static void restart(struct bed *bed)
{
    cr_assert_eq(harness_stop(&bed->harness, bed->store, NULL), 0);
    for (int i = 0; i < 200; i++) { /* until the old session has ended */
        struct outbox_acquire acquire = {.struct_size = sizeof acquire, .lease_ms = 10000};
        cr_assert_eq(bed_start(bed, bed->store), 0, "%s", bed->error.text);
        if (!bed_acquire(bed, bed->store, &acquire))
            return;
        PQclear(PQexec(bed->sql, "SELECT pg_sleep(0.005)"));
    }
    cr_assert_fail("%s", bed->error.text);
}

Test(postgres_drift, a_new_column_is_no_matter)
{
    struct bed bed;
    bed_open(&bed, "wider", true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1));
    bed_exec(&bed, bed.sql, "ALTER TABLE %s ADD COLUMN tenant int NOT NULL DEFAULT 7");
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(2));
    bed_close(&bed);
}

Test(postgres_drift, another_type_is_told_and_read_after_a_restart)
{
    struct bed bed;
    bed_open(&bed, "retyped", true, "");
    bed_begin(&bed);
    bed_expect(&bed, 0, NULL);
    bed_exec(&bed, bed.sql, "ALTER TABLE %s ALTER COLUMN payload TYPE bytea USING convert_to(payload, 'UTF8')");
    bed_insert(&bed, bed.sql, "a");
    cr_assert_eq(bed_claim(&bed, 0, 10), OUTBOX_E_SCHEMA, "%s", bed.error.text);
    restart(&bed);
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    cr_assert(batch && batch->rows == 1);
    cr_assert_eq(batch->values[2].type, OUTBOX_BYTES);
    obx_store_release(bed.store, batch);
    bed_close(&bed);
}

Test(postgres_drift, a_column_that_went_away_is_named)
{
    struct bed bed;
    bed_open(&bed, "dropped", true, "");
    bed_begin(&bed);
    bed_expect(&bed, 0, NULL);
    bed_exec(&bed, bed.sql, "ALTER TABLE %s RENAME COLUMN payload TO body");
    cr_assert_eq(bed_claim(&bed, 0, 10), OUTBOX_E_SCHEMA, "%s", bed.error.text);
    cr_assert_str_eq(bed.error.text, "claim rows: column t.payload does not exist (42703); see 'outbox check'");
    bed_exec(&bed, bed.sql, "ALTER TABLE %s RENAME COLUMN body TO payload");
    restart(&bed);
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

Test(postgres_drift, a_table_that_went_away_is_missed)
{
    struct bed bed;
    bed_open(&bed, "gone", true, "");
    bed_begin(&bed);
    bed_expect(&bed, 0, NULL);
    bed_exec(&bed, bed.sql, "DROP TABLE %s");
    cr_assert_eq(bed_claim(&bed, 0, 10), OUTBOX_E_NOT_FOUND, "%s", bed.error.text);
    cr_assert_str_eq(bed.error.text, "claim rows: relation \"public.gone\" does not exist (42P01); run 'outbox init'");
    bed_close(&bed);
}

Test(postgres_drift, a_truncated_table_is_just_empty)
{
    struct bed bed;
    bed_open(&bed, "truncated", true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    bed_exec(&bed, bed.sql, "TRUNCATE %s");
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), 0, "%s", bed.error.text);
    obx_store_release(bed.store, batch);
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(2));
    bed_close(&bed);
}

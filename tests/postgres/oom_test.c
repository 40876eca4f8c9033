/*
 * tests/postgres/oom_test.c - memory runs out anywhere between start and stop
 *
 * The n-th allocation fails, for n = 1 until a run needs fewer. Each operation then succeeds or says that there was no
 * memory; with memory back, the store works, and the same rows are there. (libpq's own memory is not made to fail.)
 */
#include "bed.h"

static int claim(struct bed *bed, struct outbox_claim *result)
{
    struct outbox_claim all = {
        .struct_size = sizeof all, .flags = OUTBOX_CLAIM_REWIND, .max_rows = 100, .max_bytes = 1 << 20};
    struct harness_call call = {0};
    *result = all;
    harness_reset(&call);
    obx_store_claim(bed->store, &call.call, 0, result);
    int code = harness_wait(&bed->harness, &call);
    bed->error = call.error;
    return code;
}

static void check(struct bed *bed, int code, const char *what, size_t n)
{
    cr_assert(code == OUTBOX_OK || code == OUTBOX_E_NO_MEMORY || code == OUTBOX_E_NOT_CONNECTED,
              "%s, allocation %zu: %d %s", what, n, code, bed->error.text);
}

/* All of it once; stops at the first operation that fails. */
static void live(struct bed *bed, size_t n)
{
    struct outbox_acquire acquire = {.struct_size = sizeof acquire, .lease_ms = 10000};
    struct outbox_claim claimed;
    int code = bed_start(bed, bed->store);
    check(bed, code, "start", n);
    if (code)
        return;
    code = bed_acquire(bed, bed->store, &acquire);
    check(bed, code, "acquire", n);
    if (code)
        return;
    code = claim(bed, &claimed);
    check(bed, code, "claim", n);
    if (!claimed.batch)
        return;
    code = bed_settle(bed, claimed.batch, 1, 1);
    check(bed, code, "settle", n);
    obx_store_release(bed->store, claimed.batch);
}

Test(postgres_oom, every_allocation_may_fail)
{
    struct bed bed;
    bed_open(&bed, "memory", true, "");
    for (size_t n = 1;; n++) {
        bed_exec(&bed, bed.sql, "TRUNCATE %s RESTART IDENTITY");
        for (int i = 0; i < 3; i++)
            bed_insert(&bed, bed.sql, "a");
        mem_fail_at(n, false);
        live(&bed, n);
        bool failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert_eq(harness_stop(&bed.harness, bed.store, &bed.error), 0, "%s", bed.error.text);
        cr_assert_geq(bed_number(&bed, "SELECT count(*) FROM %s WHERE id <> 2"), 2);
        if (!failed)
            break;
    }
    bed_begin(&bed);
    bed_expect(&bed, IDS(1, 3));
    bed_close(&bed);
}

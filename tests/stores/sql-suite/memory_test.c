/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/memory_test.c - memory runs out anywhere between start and stop
 *
 * The n-th allocation fails, for n = 1 until a run needs fewer. Each operation then succeeds or says that there was no
 * memory; with memory back, the store works, and the same rows are there. (The client library's own memory is not made
 * to fail.)
 */
#include <string.h>

#include "bed.h"

static int claim(struct bed *bed, struct outbox_claim *result)
{
    struct harness_call call = {0};
    *result = (struct outbox_claim){
        .struct_size = sizeof *result, .flags = OUTBOX_CLAIM_REWIND, .max_rows = 100, .max_bytes = 1 << 20};
    harness_reset(&call);
    obx_store_claim(bed->store, &call.call, 0, result);
    int code = harness_wait(&bed->harness, &call);
    bed->error = call.error;
    return code;
}

static bool done(struct bed *bed, int code, const char *what, size_t n)
{
    cr_assert(code == OUTBOX_OK || code == OUTBOX_E_NO_MEMORY || code == OUTBOX_E_NOT_CONNECTED,
              "%s, allocation %zu: %d %s", what, n, code, bed->error.text);
    return !code;
}

/* All of it once; stops at the first operation that fails. */
static void live(struct bed *bed, size_t n)
{
    struct outbox_claim claimed;
    const struct outbox_dead_row row = {.position = {0, 0}, .attempts = 1, .reason = "none"};
    if (!done(bed, bed_start(bed, bed->store), "start", n) ||
        !done(bed, bed_acquire(bed, bed->store, 10000, NULL), "acquire", n))
        return;
    done(bed, claim(bed, &claimed), "claim", n);
    if (!claimed.batch)
        return;
    done(bed, bed_settle(bed, claimed.batch, 1, 1), "settle", n);
    obx_store_release(bed->store, claimed.batch);
    done(bed, bed_park(bed, &row), "park", n); /* of a row that is not there */
}

Test(memory, every_allocation_may_fail)
{
    struct bed bed;
    bed_open(&bed, "memory", true, "");
    for (size_t n = 1;; n++) {
        bed_run(&bed, "DELETE FROM %s");
        for (int i = 0; i < 3; i++)
            bed_insert(&bed, bed.sql, i == 1 ? "b" : "a");
        mem_fail_at(n, false);
        live(&bed, n);
        bool failed = mem_failed();
        mem_fail_at(0, false);
        bed_stop(&bed);
        cr_assert_eq(bed_run(&bed, "SELECT COUNT(*) FROM %s WHERE aggregateid = 'a'"), 2);
        if (!failed)
            break;
    }
    bed_begin_again(&bed);
    cr_assert_eq(bed_claim(&bed, 0, 10), 0, "%s", bed.error.text);
    cr_assert(bed.count == 2 && bed.ids[1] == bed.ids[0] + 2, "%u rows", bed.count);
    bed_close(&bed);
}

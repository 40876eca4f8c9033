/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/memory_test.c - memory runs out anywhere between start and stop
 *
 * The n-th allocation fails, for n = 1 until a run needs fewer. Each operation then succeeds or reports that there was
 * no memory; with memory back, the store works, and the same rows are there. (The client library's own memory is not
 * made to fail.)
 */
#include <string.h>

#include "fixture.h"

static int claim(struct sql_fixture *fixture, struct outbox_claim *result)
{
    struct loop_fixture_call call = {0};
    *result = (struct outbox_claim){
        .struct_size = sizeof *result, .flags = OUTBOX_CLAIM_REWIND, .max_rows = 100, .max_bytes = 1 << 20};
    loop_fixture_reset(&call);
    obx_store_claim(fixture->store, &call.call, 0, result);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

static bool done(struct sql_fixture *fixture, int code, const char *what, size_t n)
{
    cr_assert(code == OUTBOX_OK || code == OUTBOX_E_NO_MEMORY || code == OUTBOX_E_NOT_CONNECTED,
              "%s, allocation %zu: %d %s", what, n, code, fixture->error.text);
    return !code;
}

/* All of it once; stops at the first operation that fails. */
static void live(struct sql_fixture *fixture, size_t n)
{
    struct outbox_claim claimed;
    const struct outbox_dead_row row = {.position = {0, 0}, .attempts = 1, .reason = "none"};
    if (!done(fixture, fixture_start(fixture, fixture->store), "start", n) ||
        !done(fixture, fixture_acquire(fixture, fixture->store, 10000, NULL), "acquire", n))
        return;
    done(fixture, claim(fixture, &claimed), "claim", n);
    if (!claimed.batch)
        return;
    done(fixture, fixture_settle(fixture, claimed.batch, 1, 1), "settle", n);
    obx_store_release(fixture->store, claimed.batch);
    done(fixture, fixture_dead_letter(fixture, &row), "dead-letter", n); /* of a row that is not there */
}

Test(memory, store_survives_each_failed_allocation)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "memory", true, "");
    for (size_t n = 1;; n++) {
        fixture_run(&fixture, "DELETE FROM %s");
        for (int i = 0; i < 3; i++)
            fixture_insert(&fixture, fixture.sql, i == 1 ? "b" : "a");
        mem_fail_at(n, false);
        live(&fixture, n);
        bool failed = mem_failed();
        mem_fail_at(0, false);
        fixture_stop(&fixture);
        fixture_await_no_owner(&fixture);
        cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s WHERE aggregateid = 'a'"), 2);
        if (!failed)
            break;
    }
    fixture_begin(&fixture);
    cr_assert_eq(fixture_claim(&fixture, 0, 10), 0, "%s", fixture.error.text);
    cr_assert(fixture.count == 2 && fixture.ids[1] == fixture.ids[0] + 2, "%u rows", fixture.count);
    fixture_close(&fixture);
}

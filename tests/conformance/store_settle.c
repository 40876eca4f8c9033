/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/store_settle.c - settling removes what it names, and nothing else */
#include "checks.h"

static struct outbox_batch *claim_all(struct conf_fixture *fixture, uint32_t count, uint32_t flags)
{
    struct outbox_batch *batch = conf_claim_flags(fixture, count, flags);
    conf_require(fixture, batch && batch->rows == count, "a claim of %u rows gave %u", count, batch ? batch->rows : 0);
    return batch;
}

void conf_store_settles_spans_and_leaves_the_rest(struct conf_fixture *fixture)
{
    static const uint32_t left[] = {4, 6, 7};
    conf_store_begin(fixture);
    conf_add(fixture, 1, 10);
    struct outbox_batch *batch = claim_all(fixture, 10, 0);
    const struct outbox_span spans[] = {{batch, 0, 3}, {batch, 4, 1}, {batch, 7, 3}};
    conf_must(fixture, loop_fixture_settle(&fixture->base, fixture->store, spans, 3, error));
    conf_release(fixture, batch);
    conf_outbox_is(fixture, left, 3);
}

void conf_store_settles_twice(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 6);
    struct outbox_batch *batch = claim_all(fixture, 6, 0);
    conf_settle(fixture, batch, 0, 3);
    conf_settle(fixture, batch, 0, 3);
    conf_settle(fixture, batch, 2, 2);
    conf_release(fixture, batch);
    conf_outbox_is_range(fixture, 5, 2);
}

void conf_store_settles_vanished_rows(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 6);
    struct outbox_batch *first = claim_all(fixture, 6, 0);
    struct outbox_batch *again = claim_all(fixture, 6, OUTBOX_CLAIM_REWIND);
    conf_settle(fixture, first, 0, 4);
    conf_settle(fixture, again, 0, 6);
    conf_release(fixture, first);
    conf_release(fixture, again);
    conf_outbox_is(fixture, NULL, 0);
}

void conf_store_settles_over_several_batches(struct conf_fixture *fixture)
{
    static const uint32_t left[] = {1, 10, 11};
    conf_store_begin(fixture);
    conf_add(fixture, 1, 15);
    struct outbox_batch *a = claim_all(fixture, 5, 0), *b = claim_all(fixture, 5, 0), *c = claim_all(fixture, 5, 0);
    const struct outbox_span spans[] = {{a, 1, 4}, {b, 0, 4}, {c, 1, 4}};
    conf_must(fixture, loop_fixture_settle(&fixture->base, fixture->store, spans, 3, error));
    conf_release(fixture, b);
    conf_release(fixture, a);
    conf_release(fixture, c);
    conf_outbox_is(fixture, left, 3);
}

void conf_store_settles_during_a_claim(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 200);
    uint32_t seen = 0;
    struct outbox_batch *batch = claim_all(fixture, 20, 0);
    while (batch) {
        for (uint32_t i = 0; i < batch->rows; i++)
            conf_row_is(fixture, batch, i, ++seen);
        struct loop_fixture_call settling = {0}, claiming = {0};
        loop_fixture_reset(&settling);
        loop_fixture_reset(&claiming);
        struct outbox_span span = {batch, 0, batch->rows};
        struct outbox_settle settle = {.struct_size = sizeof settle, .spans = &span, .span_count = 1};
        struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = 20, .max_bytes = 1 << 20};
        obx_store_settle(fixture->store, &settling.call, 0, &settle);
        obx_store_claim(fixture->store, &claiming.call, 0, &claim);
        conf_require(fixture, !loop_fixture_wait(&fixture->base, &settling), "settle: %s", settling.error.text);
        conf_require(fixture, !loop_fixture_wait(&fixture->base, &claiming), "claim: %s", claiming.error.text);
        conf_release(fixture, batch);
        batch = claim.batch;
    }
    conf_require(fixture, seen == 200, "%u rows of 200", seen);
    conf_outbox_is(fixture, NULL, 0);
}

#define MANY 2000u

void conf_store_settles_many_small_spans(struct conf_fixture *fixture)
{
    static struct outbox_span spans[MANY / 2];
    static uint32_t left[MANY / 2];
    conf_store_begin(fixture);
    conf_add(fixture, 1, MANY);
    struct outbox_batch *batch = claim_all(fixture, MANY, 0);
    for (uint32_t i = 0; i < MANY / 2; i++) {
        spans[i] = (struct outbox_span){batch, 2 * i, 1};
        left[i] = 2 * i + 2;
    }
    conf_must(fixture, loop_fixture_settle(&fixture->base, fixture->store, spans, MANY / 2, error));
    conf_release(fixture, batch);
    conf_outbox_is(fixture, left, MANY / 2);
}

void conf_store_settled_rows_do_not_come_back(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 8);
    struct outbox_batch *batch = claim_all(fixture, 8, 0);
    conf_settle(fixture, batch, 0, 5);
    conf_release(fixture, batch);
    conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->store, error));
    conf_store_start(fixture, fixture->store);
    conf_store_acquire(fixture, fixture->store);
    conf_outbox_is_range(fixture, 6, 3);
    conf_add(fixture, 9, 2); /* positions are never used again */
    conf_outbox_is_range(fixture, 6, 5);
}

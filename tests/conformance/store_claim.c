/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/store_claim.c - what claims give */
#include <stdlib.h>
#include <string.h>

#include "checks.h"

void conf_store_empty_claim_completes_at_once(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    for (int i = 0; i < 3; i++)
        conf_require(fixture, !conf_claim(fixture, 10), "a batch from an empty outbox");
}

void conf_store_claims_in_order_each_row_once(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 250);
    struct outbox_position last = {0, 0};
    uint32_t seen = 0;
    for (struct outbox_batch *batch; (batch = conf_claim(fixture, 64));) {
        const struct outbox_position *first = &batch->positions[0];
        conf_require(fixture, first->major > last.major || (first->major == last.major && first->minor > last.minor),
                     "a batch that does not begin after the one before");
        last = batch->positions[batch->rows - 1];
        for (uint32_t i = 0; i < batch->rows; i++)
            conf_row_is(fixture, batch, i, ++seen);
        conf_release(fixture, batch);
    }
    conf_require(fixture, seen == 250, "%u rows of 250", seen);
}

void conf_store_limits_claims_by_rows(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 10);
    uint32_t seen = 0;
    while (seen < 9) {
        struct outbox_batch *batch = conf_claim(fixture, 3);
        conf_require(fixture, batch && batch->rows == 3, "%u rows where 3 were asked for and there",
                     batch ? batch->rows : 0);
        conf_require(fixture, batch->flags & OUTBOX_BATCH_MORE, "the flag MORE is missing after row %u of 10",
                     seen + 3);
        seen += batch->rows;
        conf_release(fixture, batch);
    }
    struct outbox_batch *batch = conf_claim(fixture, 3);
    conf_require(fixture, batch && batch->rows == 1, "the last row is missing");
    conf_require(fixture, !(batch->flags & OUTBOX_BATCH_MORE),
                 "the flag MORE after the last row, and no limit was reached");
    conf_release(fixture, batch);
}

/* Claims with a byte limit. Gives the bytes of payload. */
static struct outbox_batch *claim_bytes(struct conf_fixture *fixture, uint64_t limit)
{
    struct outbox_claim claim = {.max_rows = 1000, .max_bytes = limit};
    conf_must(fixture, loop_fixture_claim(&fixture->base, fixture->store, &claim, error));
    return claim.batch;
}

static void add_sized(struct conf_fixture *fixture, uint32_t number, size_t size)
{
    char *payload = malloc(size);
    conf_require(fixture, payload, "out of memory");
    memset(payload, 'x', size);
    conf_add_payload(fixture, number, (struct outbox_bytes){payload, size});
    free(payload);
}

void conf_store_limits_claims_by_bytes(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    for (uint32_t i = 1; i <= 10; i++)
        add_sized(fixture, i, 10000);
    uint32_t seen = 0;
    for (struct outbox_batch *batch; (batch = claim_bytes(fixture, 35000));) {
        conf_require(fixture, batch->rows <= 3, "%u rows of 10,000 bytes in a claim of 35,000", batch->rows);
        seen += batch->rows;
        conf_require(fixture, seen == 10 || (batch->flags & OUTBOX_BATCH_MORE),
                     "the flag MORE is missing after row %u of 10", seen);
        conf_release(fixture, batch);
    }
    conf_require(fixture, seen == 10, "%u rows of 10", seen);
}

/* A limit may fall right where a store's own arrays were about to grow. */
void conf_store_byte_limits_hold_at_every_size(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 300);
    uint32_t most = 0;
    for (uint64_t limit = 200; most < 300 && limit < 1000000; limit += limit / 64) {
        struct outbox_claim claim = {.max_rows = 1000, .max_bytes = limit, .flags = OUTBOX_CLAIM_REWIND};
        conf_must(fixture, loop_fixture_claim(&fixture->base, fixture->store, &claim, error));
        conf_require(fixture, claim.batch, "no row for a claim of %llu bytes", (unsigned long long)limit);
        for (uint32_t i = 0; i < claim.batch->rows; i++)
            conf_row_is(fixture, claim.batch, i, i + 1);
        most = claim.batch->rows;
        conf_release(fixture, claim.batch);
    }
    conf_require(fixture, most == 300, "%u rows of 300 under the highest limit", most);
}

void conf_store_returns_a_huge_row_alone(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    add_sized(fixture, 1, 10);
    add_sized(fixture, 2, 2 << 20);
    add_sized(fixture, 3, 10);
    uint32_t seen = 0;
    for (struct outbox_batch *batch; (batch = claim_bytes(fixture, 4096));) {
        for (uint32_t i = 0; i < batch->rows; i++) {
            uint32_t size = conf_value(batch, i, COL_PAYLOAD)->size;
            conf_require(fixture, size == (++seen == 2 ? 2u << 20 : 10u), "row %u has %u bytes", seen, size);
            conf_require(fixture, size == 10 || batch->rows == 1, "the huge row is not alone but one of %u",
                         batch->rows);
        }
        conf_release(fixture, batch);
    }
    conf_require(fixture, seen == 3, "%u rows of 3", seen);
}

static struct outbox_batch *claim_exact(struct conf_fixture *fixture, const struct outbox_position *rows,
                                        uint32_t count)
{
    struct outbox_claim claim = {.max_rows = 1000, .max_bytes = 1 << 20, .positions = rows, .position_count = count};
    conf_must(fixture, loop_fixture_claim(&fixture->base, fixture->store, &claim, error));
    return claim.batch;
}

void conf_store_claims_rows_by_position(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 6);
    struct outbox_batch *all = conf_claim(fixture, 6);
    conf_require(fixture, all && all->rows == 6, "a claim of 6 rows did not give them");
    const struct outbox_position wanted[] = {all->positions[1], all->positions[4]};
    struct outbox_batch *batch = claim_exact(fixture, wanted, 2);
    conf_require(fixture, batch && batch->rows == 2, "an exact claim of 2 rows gave %u", batch ? batch->rows : 0);
    conf_row_is(fixture, batch, 0, 2);
    conf_row_is(fixture, batch, 1, 5);
    conf_release(fixture, batch);
    conf_settle(fixture, all, 1, 1);
    batch = claim_exact(fixture, wanted, 2);
    conf_require(fixture, batch && batch->rows == 1, "an exact claim of a settled and a present row gave %u rows",
                 batch ? batch->rows : 0);
    conf_row_is(fixture, batch, 0, 5);
    conf_release(fixture, batch);
    conf_require(fixture, !claim_exact(fixture, wanted, 1), "an exact claim of a settled row gave a batch");
    conf_require(fixture, !conf_claim(fixture, 10), "exact claims moved the place where plain claims go on");
    conf_release(fixture, all);
}

void conf_store_rewinds(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 5);
    for (int i = 0; i < 3; i++) {
        struct outbox_batch *batch = conf_claim_flags(fixture, 10, i ? OUTBOX_CLAIM_REWIND : 0);
        conf_require(fixture, batch && batch->rows == 5, "%u rows of 5 after a rewind", batch ? batch->rows : 0);
        conf_release(fixture, batch);
        conf_require(fixture, !conf_claim(fixture, 10), "rows twice without a rewind");
    }
}

void conf_store_batches_are_released_in_any_order(struct conf_fixture *fixture)
{
    static const int order[] = {1, 3, 0, 2};
    conf_store_begin(fixture);
    conf_add(fixture, 1, 40);
    struct outbox_batch *batches[4];
    for (int i = 0; i < 4; i++) {
        batches[i] = conf_claim(fixture, 10);
        conf_require(fixture, batches[i] && batches[i]->rows == 10, "batch %d is not of 10 rows", i);
    }
    bool gone[4] = {false};
    for (int i = 0; i < 4; i++) {
        conf_release(fixture, batches[order[i]]);
        gone[order[i]] = true;
        for (uint32_t b = 0; b < 4; b++)
            for (uint32_t row = 0; !gone[b] && row < 10; row++)
                conf_row_is(fixture, batches[b], row, b * 10 + row + 1);
    }
    conf_outbox_is_range(fixture, 1, 40);
}

void conf_store_claims_rows_added_later(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    for (uint32_t i = 1; i <= 5; i++) {
        conf_require(fixture, !conf_claim(fixture, 10), "rows before any were added");
        conf_add(fixture, i, 1);
        struct outbox_batch *batch = conf_claim(fixture, 10);
        conf_require(fixture, batch && batch->rows == 1, "a committed row is not claimed");
        conf_row_is(fixture, batch, 0, i);
        conf_release(fixture, batch);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/store_owner.c - one relay owns an outbox: standby, take-over, fencing */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

static void begin_with_two(struct conf_fixture *fixture)
{
    if (fixture->subject->alone)
        conf_skip(fixture, "each instance of the store has an outbox of its own");
    conf_store_begin(fixture);
    conf_add(fixture, 1, 6);
}

void conf_store_second_instance_stands_by(struct conf_fixture *fixture)
{
    begin_with_two(fixture);
    for (int i = 0; i < 3; i++) {
        struct outbox_acquire acquire;
        struct outbox_error refusal = {0};
        int result = loop_fixture_acquire(&fixture->base, fixture->other, &acquire, &refusal);
        conf_require(fixture, result == OUTBOX_E_STANDBY, "acquiring what another owns gave %d: %s", result,
                     refusal.text);
    }
    conf_outbox_is_range(fixture, 1, 6);
}

static void swap(struct conf_fixture *fixture)
{
    struct obx_instance *store = fixture->store;
    fixture->store = fixture->other;
    fixture->other = store;
}

void conf_store_takes_over_after_stop(struct conf_fixture *fixture)
{
    begin_with_two(fixture);
    struct outbox_batch *batch = conf_claim(fixture, 4);
    conf_require(fixture, batch && batch->rows == 4, "a claim of 4 rows did not give them");
    conf_settle(fixture, batch, 0, 2);
    conf_release(fixture, batch);
    conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->store, error));
    swap(fixture);
    conf_store_acquire(fixture, fixture->store);
    batch = conf_claim(fixture, 10);
    conf_require(fixture, batch && batch->rows == 4,
                 "the new owner's first claim returns %u rows, not the 4 that are left", batch ? batch->rows : 0);
    conf_row_is(fixture, batch, 0, 3);
    conf_release(fixture, batch);
    conf_store_start(fixture, fixture->other);
}

static struct outbox_acquire acquire(struct conf_fixture *fixture, struct obx_instance *store)
{
    struct outbox_acquire acquire;
    conf_must(fixture, loop_fixture_acquire(&fixture->base, store, &acquire, error));
    return acquire;
}

static void expect_later(struct conf_fixture *fixture, const struct outbox_acquire *before,
                         const struct outbox_acquire *now)
{
    conf_require(fixture, strcmp(before->identity, now->identity) == 0, "the identity was \"%s\", and is \"%s\" now",
                 before->identity, now->identity);
    conf_require(fixture, before->epoch ? now->epoch > before->epoch : now->epoch == 0,
                 "the epoch was %" PRIu64 ", and is %" PRIu64 " after an acquire by another session", before->epoch,
                 now->epoch);
}

/* A store that does not know them has "" and 0. */
void conf_store_identity_stays_and_epoch_rises(struct conf_fixture *fixture)
{
    conf_store_open(fixture);
    struct outbox_acquire first = acquire(fixture, fixture->store), again, other;
    conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->store, error));
    conf_store_start(fixture, fixture->store);
    again = acquire(fixture, fixture->store);
    expect_later(fixture, &first, &again);
    if (fixture->subject->alone)
        return;
    conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->store, error));
    other = acquire(fixture, fixture->other);
    expect_later(fixture, &again, &other);
    conf_store_start(fixture, fixture->store);
}

void conf_store_renews(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    if (!obx_store_can_renew(fixture->store))
        conf_skip(fixture, "the store needs no renewal");
    struct loop_fixture_call call = {0};
    for (int i = 0; i < 3; i++) {
        loop_fixture_reset(&call);
        obx_store_renew(fixture->store, &call.call, 0);
        conf_require(fixture, loop_fixture_wait(&fixture->base, &call) == OUTBOX_OK, "renew: %s", call.error.text);
    }
}

void conf_store_fenced_owner_settles_nothing(struct conf_fixture *fixture)
{
    if (!fixture->subject->fence)
        conf_skip(fixture, "no command to end the owner's session is configured");
    begin_with_two(fixture);
    struct outbox_batch *batch = conf_claim(fixture, 6);
    conf_require(fixture, batch && batch->rows == 6, "a claim of 6 rows did not give them");
    conf_require(fixture, system(fixture->subject->fence) == 0, "the fence command failed: %s",
                 fixture->subject->fence);
    struct outbox_span span = {batch, 0, 6};
    struct outbox_error refusal = {0};
    int result = loop_fixture_settle(&fixture->base, fixture->store, &span, 1, &refusal);
    conf_require(fixture, result == OUTBOX_E_FENCED || result == OUTBOX_E_NOT_CONNECTED,
                 "settling by a fenced owner gave %d: %s", result, refusal.text);
    conf_release(fixture, batch);
    conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->store, error));
    swap(fixture);
    conf_store_acquire(fixture, fixture->store);
    conf_outbox_is_range(fixture, 1, 6);
    conf_store_start(fixture, fixture->other);
}

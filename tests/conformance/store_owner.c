/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/store_owner.c - one relay owns an outbox: standby, take-over, fencing */
#include <stdlib.h>

#include "checks.h"

static void begin_with_two(struct conf_bed *bed)
{
    if (bed->subject->alone)
        conf_skip(bed, "each instance of the store has an outbox of its own");
    conf_store_begin(bed);
    conf_add(bed, 1, 6);
}

void conf_store_second_instance_stands_by(struct conf_bed *bed)
{
    begin_with_two(bed);
    for (int i = 0; i < 3; i++) {
        struct outbox_acquire acquire;
        struct outbox_error refusal = {0};
        int result = harness_acquire(&bed->harness, bed->other, &acquire, &refusal);
        conf_require(bed, result == OUTBOX_E_STANDBY, "acquiring what another owns gave %d: %s", result, refusal.text);
    }
    conf_outbox_is_range(bed, 1, 6);
}

static void swap(struct conf_bed *bed)
{
    struct obx_instance *store = bed->store;
    bed->store = bed->other;
    bed->other = store;
}

void conf_store_takes_over_after_stop(struct conf_bed *bed)
{
    begin_with_two(bed);
    struct outbox_batch *batch = conf_claim(bed, 4);
    conf_require(bed, batch && batch->rows == 4, "a claim of 4 rows did not give them");
    conf_settle(bed, batch, 0, 2);
    conf_release(bed, batch);
    conf_must(bed, harness_stop(&bed->harness, bed->store, error));
    swap(bed);
    conf_store_acquire(bed, bed->store);
    batch = conf_claim(bed, 10);
    conf_require(bed, batch && batch->rows == 4, "the new owner's first claim gives %u rows, not the 4 left",
                 batch ? batch->rows : 0);
    conf_row_is(bed, batch, 0, 3);
    conf_release(bed, batch);
    conf_store_start(bed, bed->other);
}

void conf_store_renews(struct conf_bed *bed)
{
    conf_store_begin(bed);
    if (!obx_store_can_renew(bed->store))
        conf_skip(bed, "the store needs no renewal");
    struct harness_call call = {0};
    for (int i = 0; i < 3; i++) {
        harness_reset(&call);
        obx_store_renew(bed->store, &call.call, 0);
        conf_require(bed, harness_wait(&bed->harness, &call) == OUTBOX_OK, "renew: %s", call.error.text);
    }
}

void conf_store_fenced_owner_settles_nothing(struct conf_bed *bed)
{
    if (!bed->subject->fence)
        conf_skip(bed, "no command to end the owner's session is configured");
    begin_with_two(bed);
    struct outbox_batch *batch = conf_claim(bed, 6);
    conf_require(bed, batch && batch->rows == 6, "a claim of 6 rows did not give them");
    conf_require(bed, system(bed->subject->fence) == 0, "the fence command failed: %s", bed->subject->fence);
    struct outbox_span span = {batch, 0, 6};
    struct outbox_error refusal = {0};
    int result = harness_settle(&bed->harness, bed->store, &span, 1, &refusal);
    conf_require(bed, result == OUTBOX_E_FENCED || result == OUTBOX_E_NOT_CONNECTED,
                 "settling by a fenced owner gave %d: %s", result, refusal.text);
    conf_release(bed, batch);
    conf_must(bed, harness_stop(&bed->harness, bed->store, error));
    swap(bed);
    conf_store_acquire(bed, bed->store);
    conf_outbox_is_range(bed, 1, 6);
    conf_store_start(bed, bed->other);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/store_life.c - starting, stopping, administration, the doorbell */
#include <string.h>

#include "checks.h"

void conf_store_starts_and_stops_again(struct conf_bed *bed)
{
    conf_store_begin(bed);
    for (int i = 0; i < 3; i++) {
        conf_must(bed, harness_stop(&bed->harness, bed->store, error));
        conf_store_start(bed, bed->store);
        conf_store_acquire(bed, bed->store);
    }
}

void conf_store_stop_completes_what_is_in_flight(struct conf_bed *bed)
{
    conf_store_begin(bed);
    conf_add(bed, 1, 5);
    struct harness_call claiming = {0}, stopping = {0};
    harness_reset(&claiming);
    harness_reset(&stopping);
    struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = 5, .max_bytes = 1 << 20};
    obx_store_claim(bed->store, &claiming.call, 0, &claim);
    obx_instance_stop(bed->store, &stopping.call, 0);
    conf_require(bed, harness_wait(&bed->harness, &stopping) == OUTBOX_OK, "stop: %s", stopping.error.text);
    conf_require(bed, claiming.done, "stop completed before the claim that was in flight");
    if (claim.batch)
        conf_release(bed, claim.batch);
    conf_store_start(bed, bed->store);
    conf_store_acquire(bed, bed->store);
    conf_outbox_is_range(bed, 1, 5);
}

static int start_with(struct conf_bed *bed, const char *name, uint32_t flags, struct outbox_error *error)
{
    const struct outbox_column columns[] = {{"aggregateid", 0}, {name, flags}};
    return harness_store_start(&bed->harness, bed->store, columns, 2, error);
}

void conf_store_names_a_missing_column(struct conf_bed *bed)
{
    conf_store_open(bed);
    conf_must(bed, harness_stop(&bed->harness, bed->store, error));
    struct outbox_error refusal = {0};
    int result = start_with(bed, "no_such_column", 0, &refusal);
    conf_require(bed, result == OUTBOX_E_SCHEMA, "starting with a column that is missing gave %d: %s", result,
                 refusal.text);
    conf_require(bed, strstr(refusal.text, "no_such_column"), "the error does not name the column: %s", refusal.text);
    conf_must(bed, harness_stop(&bed->harness, bed->store, error));
    conf_store_start(bed, bed->store);
}

void conf_store_gives_null_for_an_optional_column(struct conf_bed *bed)
{
    conf_store_open(bed);
    conf_add(bed, 1, 1);
    conf_must(bed, harness_stop(&bed->harness, bed->store, error));
    conf_must(bed, start_with(bed, "no_such_column", OUTBOX_COLUMN_OPTIONAL, error));
    conf_store_acquire(bed, bed->store);
    struct outbox_claim claim = {.max_rows = 1, .max_bytes = 1 << 20};
    conf_must(bed, harness_claim(&bed->harness, bed->store, &claim, error));
    conf_require(bed, claim.batch && claim.batch->columns == 2, "no batch of two columns");
    conf_require(bed, claim.batch->values[1].type == OUTBOX_NULL, "the absent column is of type %u, not null",
                 claim.batch->values[1].type);
    conf_release(bed, claim.batch);
}

void conf_store_restart_loses_nothing(struct conf_bed *bed)
{
    conf_store_begin(bed);
    conf_add(bed, 1, 20);
    struct outbox_batch *batch = conf_claim(bed, 12);
    conf_require(bed, batch && batch->rows == 12, "a claim of 12 rows did not give them");
    conf_settle(bed, batch, 0, 5);
    conf_release(bed, batch);
    conf_must(bed, harness_stop(&bed->harness, bed->store, error));
    conf_store_start(bed, bed->store);
    conf_store_acquire(bed, bed->store);
    batch = conf_claim(bed, 100);
    conf_require(bed, batch && batch->rows == 15, "the first claim after a restart gives %u rows, not 15",
                 batch ? batch->rows : 0);
    conf_row_is(bed, batch, 0, 6);
    conf_release(bed, batch);
}

void conf_store_batch_survives_a_restart(struct conf_bed *bed)
{
    conf_store_begin(bed);
    conf_add(bed, 1, 3);
    struct outbox_batch *batch = conf_claim(bed, 3);
    conf_require(bed, batch && batch->rows == 3, "a claim of 3 rows did not give them");
    conf_must(bed, harness_stop(&bed->harness, bed->store, error));
    conf_store_start(bed, bed->store);
    struct outbox_acquire acquire;
    conf_must(bed, harness_acquire(&bed->harness, bed->store, &acquire, error));
    for (uint32_t i = 0; i < 3; i++)
        conf_row_is(bed, batch, i, i + 1);
    if (acquire.flags & OUTBOX_ACQUIRED_SAME) {
        conf_settle(bed, batch, 0, 2);
        conf_outbox_is_range(bed, 3, 1);
    }
    conf_release(bed, batch);
}

void conf_store_goes_on_after_a_timeout(struct conf_bed *bed)
{
    conf_store_begin(bed);
    conf_add(bed, 1, 2000);
    struct harness_call call = {0};
    harness_reset(&call);
    struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = 2000, .max_bytes = 64u << 20};
    obx_store_claim(bed->store, &call.call, 1, &claim);
    int result = harness_wait(&bed->harness, &call);
    conf_require(bed, call.done, "a claim that timed out was never completed");
    conf_require(bed, result == OUTBOX_OK || result == OUTBOX_E_TIMEOUT, "a claim that timed out gave %d: %s", result,
                 call.error.text);
    if (claim.batch)
        conf_release(bed, claim.batch);
    if (result != OUTBOX_OK) { /* what the relay does then */
        conf_must(bed, harness_stop(&bed->harness, bed->store, error));
        conf_store_start(bed, bed->store);
        conf_store_acquire(bed, bed->store);
    }
    conf_outbox_is_range(bed, 1, 2000);
}

void conf_store_setup_is_idempotent(struct conf_bed *bed)
{
    conf_store_begin(bed);
    conf_add(bed, 1, 3);
    struct harness_call call = {0};
    for (int i = 0; i < 2; i++) {
        harness_reset(&call);
        obx_store_setup(bed->other, &call.call, 0);
        conf_require(bed, harness_wait(&bed->harness, &call) == OUTBOX_OK, "setup over tables that exist: %s",
                     call.error.text);
    }
    conf_outbox_is_range(bed, 1, 3);
}

static void count_line(void *arg, const char *text)
{
    *(int *)arg += text[0] != '\0';
}

static void count_finding(void *arg, enum outbox_log_level level, const char *finding, const char *advice)
{
    (void)level;
    (void)advice;
    *(int *)arg += finding && finding[0];
}

void conf_store_prints_and_checks(struct conf_bed *bed)
{
    conf_store_open(bed);
    int lines = 0, grants = 0, findings = 0;
    conf_must(bed, obx_store_print(bed->store, OUTBOX_PRINT_SQL, count_line, &lines, error));
    conf_must(bed, obx_store_print(bed->store, OUTBOX_PRINT_GRANTS, count_line, &grants, error));
    conf_require(bed, lines > 0 && grants > 0, "print gave %d lines of SQL and %d of grants", lines, grants);
    struct outbox_check check = {.struct_size = sizeof check, .report = count_finding, .arg = &findings};
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_check(bed->other, &call.call, 0, &check);
    conf_require(bed, harness_wait(&bed->harness, &call) == OUTBOX_OK, "check: %s", call.error.text);
    conf_require(bed, findings > 0, "check reported nothing");
}

/* A store may need a moment before its bell is armed, and says so by taking the flag out. */
static bool parks(void *arg)
{
    struct conf_bed *bed = arg;
    struct outbox_claim claim = {
        .struct_size = sizeof claim, .max_rows = 10, .max_bytes = 64u << 20, .flags = OUTBOX_CLAIM_ARM_WAKEUP};
    conf_must(bed, harness_claim(&bed->harness, bed->store, &claim, error));
    conf_require(bed, !claim.batch, "rows before any were added");
    return claim.flags & OUTBOX_CLAIM_ARM_WAKEUP;
}

/* It may ring a little before the row can be seen. */
static bool gives_a_row(void *arg)
{
    struct conf_bed *bed = arg;
    struct outbox_batch *batch = conf_claim(bed, 10);
    if (batch) {
        conf_require(bed, batch->rows == 1, "%u rows, not 1", batch->rows);
        conf_row_is(bed, batch, 0, bed->awaited);
        conf_release(bed, batch);
    }
    return batch != NULL;
}

void conf_store_rings_when_parked(struct conf_bed *bed)
{
    conf_store_begin(bed);
    if (!(obx_instance_caps(bed->store) & OUTBOX_CAP_WAKE))
        conf_skip(bed, "the store has no doorbell");
    for (uint32_t i = 1; i <= 3; i++) {
        conf_require(bed, harness_poll(&bed->harness, parks, bed), "the doorbell is never armed");
        uint32_t wakes = bed->harness.wakes;
        conf_add(bed, i, 1);
        conf_require(bed, harness_until_woken(&bed->harness, wakes), "no wake for row %u", i);
        bed->awaited = i;
        conf_require(bed, harness_poll(&bed->harness, gives_a_row, bed), "a wake, but no row");
    }
}

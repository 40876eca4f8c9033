/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/store_life.c - starting, stopping, administration, wake-up notifications */
#include <string.h>

#include "checks.h"

void conf_store_starts_and_stops_again(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    for (int i = 0; i < 3; i++) {
        conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->store, error));
        conf_store_start(fixture, fixture->store);
        conf_store_acquire(fixture, fixture->store);
    }
}

void conf_store_stop_completes_what_is_in_flight(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 5);
    struct loop_fixture_call claiming = {0}, stopping = {0};
    loop_fixture_reset(&claiming);
    loop_fixture_reset(&stopping);
    struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = 5, .max_bytes = 1 << 20};
    obx_store_claim(fixture->store, &claiming.call, 0, &claim);
    obx_instance_stop(fixture->store, &stopping.call, 0);
    conf_require(fixture, loop_fixture_wait(&fixture->base, &stopping) == OUTBOX_OK, "stop: %s", stopping.error.text);
    conf_require(fixture, claiming.done, "stop completed before the claim that was in flight");
    if (claim.batch)
        conf_release(fixture, claim.batch);
    conf_store_start(fixture, fixture->store);
    conf_store_acquire(fixture, fixture->store);
    conf_outbox_is_range(fixture, 1, 5);
}

static int start_with(struct conf_fixture *fixture, const char *name, uint32_t flags, struct outbox_error *error)
{
    const struct outbox_column columns[] = {{"aggregateid", 0}, {name, flags}};
    return loop_fixture_store_start(&fixture->base, fixture->store, columns, 2, error);
}

void conf_store_names_a_missing_column(struct conf_fixture *fixture)
{
    conf_store_open(fixture);
    conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->store, error));
    struct outbox_error refusal = {0};
    int result = start_with(fixture, "no_such_column", 0, &refusal);
    conf_require(fixture, result == OUTBOX_E_SCHEMA, "starting with a column that is missing gave %d: %s", result,
                 refusal.text);
    conf_require(fixture, strstr(refusal.text, "no_such_column"), "the error does not name the column: %s",
                 refusal.text);
    conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->store, error));
    conf_store_start(fixture, fixture->store);
}

void conf_store_returns_null_for_an_optional_column(struct conf_fixture *fixture)
{
    conf_store_open(fixture);
    conf_add(fixture, 1, 1);
    conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->store, error));
    conf_must(fixture, start_with(fixture, "no_such_column", OUTBOX_COLUMN_OPTIONAL, error));
    conf_store_acquire(fixture, fixture->store);
    struct outbox_claim claim = {.max_rows = 1, .max_bytes = 1 << 20};
    conf_must(fixture, loop_fixture_claim(&fixture->base, fixture->store, &claim, error));
    conf_require(fixture, claim.batch && claim.batch->columns == 2, "no batch of two columns");
    conf_require(fixture, claim.batch->values[1].type == OUTBOX_NULL, "the absent column is of type %u, not null",
                 claim.batch->values[1].type);
    conf_release(fixture, claim.batch);
}

void conf_store_restart_loses_nothing(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 20);
    struct outbox_batch *batch = conf_claim(fixture, 12);
    conf_require(fixture, batch && batch->rows == 12, "a claim of 12 rows did not give them");
    conf_settle(fixture, batch, 0, 5);
    conf_release(fixture, batch);
    conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->store, error));
    conf_store_start(fixture, fixture->store);
    conf_store_acquire(fixture, fixture->store);
    batch = conf_claim(fixture, 100);
    conf_require(fixture, batch && batch->rows == 15, "the first claim after a restart returns %u rows, not 15",
                 batch ? batch->rows : 0);
    conf_row_is(fixture, batch, 0, 6);
    conf_release(fixture, batch);
}

void conf_store_batch_survives_a_restart(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 3);
    struct outbox_batch *batch = conf_claim(fixture, 3);
    conf_require(fixture, batch && batch->rows == 3, "a claim of 3 rows did not give them");
    conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->store, error));
    conf_store_start(fixture, fixture->store);
    struct outbox_acquire acquire;
    conf_must(fixture, loop_fixture_acquire(&fixture->base, fixture->store, &acquire, error));
    for (uint32_t i = 0; i < 3; i++)
        conf_row_is(fixture, batch, i, i + 1);
    if (acquire.flags & OUTBOX_ACQUIRED_SAME) {
        conf_settle(fixture, batch, 0, 2);
        conf_outbox_is_range(fixture, 3, 1);
    }
    conf_release(fixture, batch);
}

void conf_store_continues_after_a_timeout(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 2000);
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = 2000, .max_bytes = 64u << 20};
    obx_store_claim(fixture->store, &call.call, 1, &claim);
    int result = loop_fixture_wait(&fixture->base, &call);
    conf_require(fixture, call.done, "a claim that timed out was never completed");
    conf_require(fixture, result == OUTBOX_OK || result == OUTBOX_E_TIMEOUT, "a claim that timed out gave %d: %s",
                 result, call.error.text);
    if (claim.batch)
        conf_release(fixture, claim.batch);
    if (result != OUTBOX_OK) { /* as the relay does then */
        conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->store, error));
        conf_store_start(fixture, fixture->store);
        conf_store_acquire(fixture, fixture->store);
    }
    conf_outbox_is_range(fixture, 1, 2000);
}

void conf_store_setup_is_idempotent(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 3);
    struct loop_fixture_call call = {0};
    for (int i = 0; i < 2; i++) {
        loop_fixture_reset(&call);
        obx_store_setup(fixture->other, &call.call, 0);
        conf_require(fixture, loop_fixture_wait(&fixture->base, &call) == OUTBOX_OK, "setup over tables that exist: %s",
                     call.error.text);
    }
    conf_outbox_is_range(fixture, 1, 3);
}

static void count_line(void *arg, const char *text)
{
    *(int *)arg += text[0] != '\0';
}

static void count_finding(void *arg, const struct outbox_finding *finding)
{
    *(int *)arg +=
        finding->struct_size && finding->severity <= OUTBOX_SEVERITY_ERROR && finding->reason && finding->reason[0];
}

void conf_store_prints_and_checks(struct conf_fixture *fixture)
{
    conf_store_open(fixture);
    int lines = 0, grants = 0, findings = 0;
    conf_must(fixture, obx_store_print(fixture->store, OUTBOX_PRINT_SQL, count_line, &lines, error));
    conf_must(fixture, obx_store_print(fixture->store, OUTBOX_PRINT_GRANTS, count_line, &grants, error));
    conf_require(fixture, lines > 0 && grants > 0, "print gave %d lines of SQL and %d of grants", lines, grants);
    struct outbox_check check = {.struct_size = sizeof check, .report = count_finding, .arg = &findings};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_check(fixture->other, &call.call, 0, &check);
    conf_require(fixture, loop_fixture_wait(&fixture->base, &call) == OUTBOX_OK, "check: %s", call.error.text);
    conf_require(fixture, findings > 0, "check reported nothing");
}

/* A store may need a moment to arm its wake-up. Until then it clears the flag. */
static bool arms_wakeup(void *arg)
{
    struct conf_fixture *fixture = arg;
    struct outbox_claim claim = {
        .struct_size = sizeof claim, .max_rows = 10, .max_bytes = 64u << 20, .flags = OUTBOX_CLAIM_ARM_WAKEUP};
    conf_must(fixture, loop_fixture_claim(&fixture->base, fixture->store, &claim, error));
    conf_require(fixture, !claim.batch, "rows before any were added");
    return claim.flags & OUTBOX_CLAIM_ARM_WAKEUP;
}

/* The wake-up may come a little before the row is visible. */
static bool returns_a_row(void *arg)
{
    struct conf_fixture *fixture = arg;
    struct outbox_batch *batch = conf_claim(fixture, 10);
    if (batch) {
        conf_require(fixture, batch->rows == 1, "%u rows, not 1", batch->rows);
        conf_row_is(fixture, batch, 0, fixture->awaited);
        conf_release(fixture, batch);
    }
    return batch != NULL;
}

void conf_store_wakes_a_sleeping_relay(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    if (!(obx_instance_caps(fixture->store) & OUTBOX_CAP_WAKE))
        conf_skip(fixture, "the store has no wake-up notifications");
    for (uint32_t i = 1; i <= 3; i++) {
        conf_require(fixture, loop_fixture_poll(&fixture->base, arms_wakeup, fixture), "the wake-up is never armed");
        uint32_t wakes = fixture->base.wakes;
        conf_add(fixture, i, 1);
        conf_require(fixture, loop_fixture_until_woken(&fixture->base, wakes), "no wake for row %u", i);
        fixture->awaited = i;
        conf_require(fixture, loop_fixture_poll(&fixture->base, returns_a_row, fixture), "a wake-up, but no row");
    }
}

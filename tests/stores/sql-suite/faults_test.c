/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/faults_test.c - the server stops, crashes, hangs: what the store says, and that it comes back
 */
#include <string.h>

#include "bed.h"

/* One row is claimed and not settled when `verb` befalls the server; then it is started again. */
static void crash_and_recover(const char *table, const char *verb)
{
    struct bed bed;
    bed_open(&bed, table, true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    cr_assert_not_null(batch);
    server_do(verb);
    int code = bed_settle(&bed, batch, 0, 1);
    cr_assert(code == OUTBOX_E_NOT_CONNECTED || code == OUTBOX_E_FENCED, "%d: %s", code, bed.error.text);
    bed_until_lost(&bed);
    bed_stop(&bed);
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
    server_do("restart");
    session_close(bed.sql);
    bed.sql = session_open();
    cr_assert_eq(bed_begin_again(&bed), 0, "a server that was down may have lost commits: not the same");
    cr_assert_eq(bed_settle(&bed, batch, 0, 0), 0, "%s", bed.error.text);
    obx_store_release(bed.store, batch);
    cr_assert_eq(bed_claim(&bed, OUTBOX_CLAIM_REWIND, 10), 0, "%s", bed.error.text);
    cr_assert(bed.count == 1 && bed.ids[0] == 1);
    bed_close(&bed);
}

Test(faults, the_server_is_stopped)
{
    crash_and_recover("stopped", "stop");
}

Test(faults, the_server_is_killed)
{
    crash_and_recover("killed", "kill");
}

static int stop_within(struct bed *bed, uint64_t ms)
{
    struct harness_call call = {0};
    harness_reset(&call);
    obx_instance_stop(bed->store, &call.call, ms);
    return harness_wait(&bed->harness, &call);
}

/* What hangs is given up; nobody gets in; when the server goes on, so does the store. */
static void give_up_and_recover(struct bed *bed)
{
    stop_within(bed, 100);
    cr_assert_eq(obx_instance_in_flight(bed->store), 0);
    int code = bed_start(bed, bed->store);
    server_do("resume");
    cr_assert_eq(code, OUTBOX_E_TIMEOUT, "%s", bed->error.text);
    cr_assert_not_null(strstr(bed->error.text, "connect to 127.0.0.1:"), "%s", bed->error.text);
    cr_assert_not_null(
        strstr(bed->error.text, BY_SERVER("", ": no answer in time; look at the network and the server")), "%s",
        bed->error.text);
    bed_begin_again(bed); /* once the sessions from before have noticed that nobody is there */
}

Test(faults, the_server_hangs_in_a_claim)
{
    struct bed bed;
    struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = 10, .max_bytes = 1 << 20};
    struct harness_call call = {0};
    bed_open(&bed, "hangs", true, "  connect_timeout: 200ms\n");
    bed_insert(&bed, bed.sql, "a");
    bed_begin(&bed);
    server_do("pause");
    harness_reset(&call);
    obx_store_claim(bed.store, &call.call, 100, &claim);
    cr_assert_eq(harness_wait(&bed.harness, &call), OUTBOX_E_TIMEOUT, "%s", call.error.text);
    give_up_and_recover(&bed);
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

Test(faults, the_server_hangs_in_a_settle)
{
    struct bed bed;
    struct harness_call call = {0};
    bed_open(&bed, "hanging", true, "  connect_timeout: 200ms\n");
    bed_insert(&bed, bed.sql, "a");
    bed_begin(&bed);
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    struct outbox_span span = {batch, 0, 1};
    struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = 1, .spans = &span};
    server_do("pause");
    harness_reset(&call);
    obx_store_settle(bed.store, &call.call, 100, &settle);
    cr_assert_eq(harness_wait(&bed.harness, &call), OUTBOX_E_TIMEOUT, "%s", call.error.text);
    obx_store_release(bed.store, batch);
    give_up_and_recover(&bed);
    bed_insert(&bed, bed.sql, "b"); /* the first may have been settled when the server woke, or not */
    cr_assert_eq(bed_claim(&bed, 0, 10), 0, "%s", bed.error.text);
    cr_assert(bed.count >= 1 && bed.ids[bed.count - 1] == 2, "%u rows", bed.count);
    bed_close(&bed);
}

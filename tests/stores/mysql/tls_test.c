/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/tls_test.c - TLS is verified, and reading over it never holds up the loop */
#include <stdlib.h>
#include <string.h>

#include "bed.h"

enum { LARGE = 4 << 20 };

static void open_with(struct bed *bed, const char *table, const char *yaml)
{
    bed_open(bed, table, true, "");
    bed_reconfigure(bed, &(struct server_place){0}, yaml);
}

Test(tls, a_certificate_that_fits_is_taken)
{
    struct bed bed;
    open_with(&bed, "fits", "  tls: verify\n  tls_ca: ${OUTBOX_TEST_MYSQL_DIR}/ca.pem\n");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1));
    cr_assert_gt(bed_run(&bed, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'outbox'"), 2);
    bed_close(&bed);
}

static bool is_parked(void *arg)
{
    struct bed *bed = arg;
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = OUTBOX_CLAIM_ARM_WAKEUP, .max_rows = 1};
    cr_assert_eq(harness_claim(&bed->harness, bed->store, &claim, &bed->error), 0, "%s", bed->error.text);
    return claim.flags & OUTBOX_CLAIM_ARM_WAKEUP;
}

Test(tls, the_doorbell_reads_over_it_too)
{
    struct bed bed;
    open_with(&bed, "bell", "  wakeup: binlog\n  tls: verify\n  tls_ca: ${OUTBOX_TEST_MYSQL_DIR}/ca.pem\n");
    bed_begin(&bed);
    cr_assert(harness_poll(&bed.harness, is_parked, &bed));
    uint32_t wakes = bed.harness.wakes;
    bed_insert(&bed, bed.sql, "a");
    cr_assert(harness_until_woken(&bed.harness, wakes));
    bed_close(&bed);
}

Test(tls, one_that_somebody_else_has_signed_is_not)
{
    struct bed bed;
    open_with(&bed, "foreign", "  tls: verify\n  tls_ca: ${OUTBOX_TEST_MYSQL_DIR}/other-ca.pem\n");
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_NOT_CONNECTED, "%d: %s", bed.error.code, bed.error.text);
    cr_assert(strstr(bed.error.text, "connect to 127.0.0.1:"), "%s", bed.error.text);
    bed_close(&bed);
}

Test(tls, large_rows_come_whole)
{
    struct bed bed;
    open_with(&bed, "large", "  tls: verify\n  tls_ca: ${OUTBOX_TEST_MYSQL_DIR}/ca.pem\n");
    bed_begin(&bed);
    bed_run(&bed,
            "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('o', 'a', 't', REPEAT('x', 4194304))");
    struct outbox_batch *batch = bed_batch(&bed, 10, 16 << 20);
    cr_assert_not_null(batch);
    const struct outbox_value *payload = &batch->values[2];
    cr_assert_eq(payload->size, LARGE);
    uint32_t same = 0;
    while (same < LARGE && ((const char *)payload->as.data)[same] == 'x')
        same++;
    cr_assert_eq(same, LARGE);
    bed_settle_all(&bed, batch);
    bed_close(&bed);
}

/* The settle waits for a second at the server. If reading its answer blocked, no claim could be made meanwhile. */
Test(tls, the_loop_turns_while_the_server_thinks)
{
    struct bed bed;
    struct harness_call call = {0};
    struct session *other = session_open();
    open_with(&bed, "thinks", "  tls: verify\n  tls_ca: ${OUTBOX_TEST_MYSQL_DIR}/ca.pem\n");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    session_run(other, "BEGIN");
    bed_run_on(&bed, other, "SELECT id FROM %s WHERE id = 1 FOR UPDATE");
    struct outbox_span span = {batch, 0, 1};
    struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = 1, .spans = &span};
    harness_reset(&call);
    obx_store_settle(bed.store, &call.call, 0, &settle);
    for (int i = 0; i < 10; i++)
        bed_expect(&bed, 0, NULL);
    cr_assert_not(call.done);
    cr_assert_eq(harness_wait(&bed.harness, &call), OUTBOX_E_AGAIN, "%s", call.error.text);
    obx_store_release(bed.store, batch);
    session_close(other);
    bed_close(&bed);
}

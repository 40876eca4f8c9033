/* tests/mysql/trouble_test.c - servers that hang, restart and run out of things; tables that change under the relay */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"

static void server(const char *verb)
{
    char command[600];
    snprintf(command, sizeof command, "'%s' %s '%s' >/dev/null 2>&1", getenv("OUTBOX_TEST_MYSQL_SERVICE"), verb,
             getenv("OUTBOX_TEST_MYSQL_DIR"));
    cr_assert_eq(system(command), 0, "%s", command);
}

static bool lost(void *arg)
{
    const struct bed *bed = arg;
    return bed->harness.losses > 0;
}

Test(mysql_trouble, a_killed_server_is_noticed_and_found_again)
{
    struct bed bed;
    bed_open(&bed, "crash", true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    server("kill");
    cr_assert(harness_until(&bed.harness, lost, &bed));
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), OUTBOX_E_FENCED);
    obx_store_release(bed.store, batch);
    cr_assert_eq(harness_stop(&bed.harness, bed.store, NULL), 0);
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
    server("restart");
    mysql_close(bed.sql);
    bed.sql = bed_connect();
    bed_begin(&bed);
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

static void cancel_a_settle_of(struct bed *bed, struct outbox_batch *batch)
{
    struct harness_call call = {0};
    struct outbox_span span = {batch, 0, 1};
    struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = 1, .spans = &span};
    harness_reset(&call);
    obx_store_settle(bed->store, &call.call, 100, &settle);
    cr_assert_eq(harness_wait(&bed->harness, &call), OUTBOX_E_TIMEOUT, "%s", call.error.text);
}

Test(mysql_trouble, a_server_that_hangs_is_given_up)
{
    struct bed bed;
    bed_open(&bed, "hangs", true, "  connect_timeout: 200ms\n");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    server("pause");
    cancel_a_settle_of(&bed, batch);
    obx_store_release(bed.store, batch);
    cr_assert_eq(harness_stop(&bed.harness, bed.store, NULL), 0);
    int code = bed_start(&bed, bed.store);
    server("resume");
    cr_assert_eq(code, OUTBOX_E_TIMEOUT, "%s", bed.error.text);
    cr_assert(strstr(bed.error.text, ": no answer in time; look at the network and the server"), "%s", bed.error.text);
    bed_close(&bed);
}

Test(mysql_trouble, sessions_outlive_a_short_wait_timeout)
{
    struct bed bed;
    bed_open(&bed, "idle", true, "");
    bed_exec(&bed, bed.sql, "SET GLOBAL wait_timeout = 1");
    bed_begin(&bed);
    bed_exec(&bed, bed.sql, "SET GLOBAL wait_timeout = 28800");
    bed_exec(&bed, bed.sql, "DO SLEEP(2.2)");
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

Test(mysql_trouble, too_many_connections_are_an_outage)
{
    struct bed bed;
    bed_open(&bed, "many", true, "");
    bed_exec(&bed, bed.sql, "CREATE USER few@'%' IDENTIFIED BY 'outbox' WITH MAX_USER_CONNECTIONS 1");
    bed_exec(&bed, bed.sql, "GRANT ALL ON outbox.* TO few@'%'");
    bed_configure(&bed, "few", "");
    obx_instance_free(bed.store);
    bed.store = bed_another(&bed);
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
    cr_assert(strstr(bed.error.text, "a relay needs two connections"), "%s", bed.error.text);
    bed_close(&bed);
}

Test(mysql_trouble, a_column_that_goes_is_named)
{
    struct bed bed;
    bed_open(&bed, "drift", true, "");
    bed_begin(&bed);
    bed_exec(&bed, bed.sql, "ALTER TABLE %s DROP COLUMN payload");
    cr_assert_eq(bed_claim(&bed, 0, 10), OUTBOX_E_SCHEMA, "%s", bed.error.text);
    cr_assert(strstr(bed.error.text, "payload"), "%s", bed.error.text);
    cr_assert_eq(harness_stop(&bed.harness, bed.store, NULL), 0);
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_SCHEMA);
    cr_assert_str_eq(bed.error.text,
                     "table outbox.drift has no column \"payload\"; it has id, event_id, aggregatetype, aggregateid, type, "
                     "headers, created_at; name the right one under columns:, or change the route");
    bed_exec(&bed, bed.sql, "ALTER TABLE %s ADD COLUMN payload JSON");
    bed_begin(&bed);
    bed_close(&bed);
}

Test(mysql_trouble, a_relay_table_without_its_row_is_not_owned)
{
    struct bed bed;
    struct outbox_acquire acquire = {.struct_size = sizeof acquire, .lease_ms = 10000};
    bed_open(&bed, "norow", true, "");
    bed_exec(&bed, bed.sql, "DELETE FROM %s_relay");
    cr_assert_eq(bed_start(&bed, bed.store), 0, "%s", bed.error.text);
    cr_assert_eq(bed_acquire(&bed, bed.store, &acquire), OUTBOX_E_NOT_FOUND);
    cr_assert_str_eq(bed.error.text, "own outbox norow: table norow_relay has no row; run 'outbox init'");
    bed_close(&bed);
}

Test(mysql_trouble, columns_of_every_kind_come_as_what_they_are)
{
    struct bed bed;
    bed_open(&bed, "kinds", true, "");
    bed_exec(&bed, bed.sql, "ALTER TABLE %s MODIFY event_id BINARY(16), MODIFY payload BIGINT, MODIFY created_at DATETIME(3)");
    bed_exec(&bed, bed.sql, "INSERT INTO %s (event_id, aggregatetype, aggregateid, type, payload, created_at) VALUES "
                            "(x'00112233445566778899aabbccddeeff', 'o', 'a', 't', -5, '2026-01-02 03:04:05.678')");
    bed_begin(&bed);
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(batch->values[0].type, OUTBOX_UUID);
    cr_assert_eq(batch->values[0].size, 16);
    cr_assert_eq(batch->values[1].type, OUTBOX_TEXT);
    cr_assert_eq(batch->values[2].type, OUTBOX_INT);
    cr_assert_eq(batch->values[2].as.integer, -5);
    cr_assert_eq(batch->values[3].type, OUTBOX_TIME);
    cr_assert_eq(batch->values[3].as.integer, 1767323045678000);
    obx_store_release(bed.store, batch);
    bed_close(&bed);
}

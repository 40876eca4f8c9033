/* tests/postgres/faults_test.c - the server stops, crashes, hangs: what the store says, and that it comes back */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"

static void service(const char *verb)
{
    char command[600];
    snprintf(command, sizeof command, "%s %s %s >/dev/null 2>&1", getenv("OUTBOX_TEST_PG_SERVICE"), verb,
             getenv("OUTBOX_TEST_PG_DIR"));
    cr_assert_eq(system(command), 0, "%s", command);
}

static void reconnect(struct bed *bed)
{
    PQfinish(bed->sql);
    bed->sql = bed_connect();
}

/* One row is claimed and not settled when `verb` befalls the server; then it is started again. */
static void crash_and_recover(const char *table, const char *verb)
{
    struct bed bed;
    struct outbox_acquire acquire = {.struct_size = sizeof acquire, .lease_ms = 10000};
    bed_open(&bed, table, true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    cr_assert_not_null(batch);
    service(verb);
    int code = bed_settle(&bed, batch, 0, 1);
    cr_assert(code == OUTBOX_E_NOT_CONNECTED || code == OUTBOX_E_FENCED, "%d: %s", code, bed.error.text);
    cr_assert_eq(harness_stop(&bed.harness, bed.store, &bed.error), 0, "%s", bed.error.text);
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
    service("restart");
    reconnect(&bed);
    cr_assert_eq(bed_start(&bed, bed.store), 0, "%s", bed.error.text);
    cr_assert_eq(bed_acquire(&bed, bed.store, &acquire), 0, "%s", bed.error.text);
    cr_assert_eq(acquire.flags, 0, "a server that was down may have lost commits: not the same");
    cr_assert_eq(bed_settle(&bed, batch, 0, 0), 0, "%s", bed.error.text);
    obx_store_release(bed.store, batch);
    cr_assert_eq(bed_claim(&bed, OUTBOX_CLAIM_REWIND, 10), 0, "%s", bed.error.text);
    cr_assert(bed.count == 1 && bed.ids[0] == 1);
    bed_close(&bed);
}

Test(postgres_faults, the_server_is_stopped)
{
    crash_and_recover("stopped", "stop");
}

Test(postgres_faults, the_server_is_killed)
{
    crash_and_recover("killed", "kill");
}

Test(postgres_faults, the_server_hangs)
{
    struct bed bed;
    struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = 10, .max_bytes = 1 << 20};
    struct harness_call call = {0};
    bed_open(&bed, "hangs", true, "  connect_timeout: 200ms\n");
    bed_begin(&bed);
    service("pause");
    harness_reset(&call);
    obx_store_claim(bed.store, &call.call, 100, &claim);
    cr_assert_eq(harness_wait(&bed.harness, &call), OUTBOX_E_TIMEOUT, "%s", call.error.text);
    harness_reset(&call);
    obx_instance_stop(bed.store, &call.call, 100);
    harness_wait(&bed.harness, &call);
    cr_assert_eq(obx_instance_in_flight(bed.store), 0);
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_TIMEOUT, "%s", bed.error.text);
    cr_assert_eq(strncmp(bed.error.text, "connect to 127.0.0.1:", 21), 0, "%s", bed.error.text);
    service("resume");
    for (int i = 0; i < 100; i++) { /* until the sessions from before have noticed that nobody is there */
        struct outbox_acquire acquire = {.struct_size = sizeof acquire, .lease_ms = 10000};
        if (!bed_start(&bed, bed.store) && !bed_acquire(&bed, bed.store, &acquire))
            break;
        PQclear(PQexec(bed.sql, "SELECT pg_sleep(0.05)"));
    }
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

Test(postgres_faults, the_disk_is_as_good_as_full)
{
    /* A statement that fails says so, and the connection goes on. */
    struct bed bed;
    bed_open(&bed, "crowded", true, "");
    bed_exec(
        &bed, bed.sql,
        "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'could not extend file' USING "
        "ERRCODE = 'disk_full'; END $$");
    bed_exec(&bed, bed.sql, "CREATE TRIGGER no_space BEFORE DELETE ON %s FOR EACH ROW EXECUTE FUNCTION no_space()");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), OUTBOX_E_FULL);
    cr_assert_str_eq(bed.error.text, "settle rows: could not extend file (53100); make room on the server's disk");
    bed_exec(&bed, bed.sql, "DROP TRIGGER no_space ON %s");
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), 0, "%s", bed.error.text);
    obx_store_release(bed.store, batch);
    bed_close(&bed);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/limits_test.c - servers that have run out of connections, patience or disk */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bed.h"

/* ---- connections ------------------------------------------------------------------------------------------------- */

Test(limits, too_many_connections_are_an_outage)
{
    struct bed bed;
    bed_open(&bed, "many", true, "");
    server_make_user(bed.sql, "few", BY_SERVER("CONNECTION LIMIT 1", "WITH MAX_USER_CONNECTIONS 1"));
    server_grant(bed.sql, "ALL", bed.table, "few");
    if (server_kind() != POSTGRES)
        server_grant(bed.sql, "ALL", "many_relay", "few");
    bed_reconfigure(&bed, &(struct server_place){.user = "few"}, "");
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
    cr_assert_not_null(strstr(bed.error.text, "; a relay needs two connections"), "%s", bed.error.text);
    session_run(bed.sql,
                BY_SERVER("ALTER ROLE few CONNECTION LIMIT 9", "ALTER USER few@'%' WITH MAX_USER_CONNECTIONS 9"));
    bed_begin_again(&bed);
    bed_close(&bed);
}

/* ---- patience ---------------------------------------------------------------------------------------------------- */

static void set_timeouts(struct bed *bed, bool short_ones)
{
    if (server_kind() != POSTGRES) {
        session_run(bed->sql, short_ones ? "SET GLOBAL wait_timeout = 1" : "SET GLOBAL wait_timeout = 28800");
        return;
    }
    session_run(bed->sql, short_ones ? "ALTER DATABASE outbox SET idle_in_transaction_session_timeout = '1s'"
                                     : "ALTER DATABASE outbox RESET idle_in_transaction_session_timeout");
    if (session_run(bed->sql, "SELECT current_setting('server_version_num')") >= 140000)
        session_run(bed->sql, short_ones ? "ALTER DATABASE outbox SET idle_session_timeout = '1s'"
                                         : "ALTER DATABASE outbox RESET idle_session_timeout");
}

Test(limits, sessions_outlive_short_timeouts_of_the_server)
{
    struct bed bed;
    bed_open(&bed, "patient", true, "");
    set_timeouts(&bed, true);
    bed_begin(&bed);
    set_timeouts(&bed, false);
    session_run(bed.sql, BY_SERVER("SELECT pg_sleep(2.2)", "DO SLEEP(2.2)"));
    bed_insert(&bed, bed.sql, "a");
    bed_settle_all(&bed, bed_batch(&bed, 10, 1 << 20));
    bed_close(&bed);
}

/* ---- locks ------------------------------------------------------------------------------------------------------- */

Test(limits, a_row_that_somebody_holds_is_not_waited_for_long)
{
    struct bed bed;
    struct session *other = session_open();
    bed_open(&bed, "locked", true, BY_SERVER("  statement_timeout: 300ms\n", ""));
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    session_run(other, "BEGIN");
    bed_run_on(&bed, other, "SELECT id FROM %s WHERE id = 1 FOR UPDATE");
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), BY_SERVER(OUTBOX_E_TIMEOUT, OUTBOX_E_AGAIN), "%s", bed.error.text);
    cr_assert_str_eq(bed.error.text,
                     BY_SERVER("settle rows: canceling statement due to statement timeout (57014)",
                               "settle rows: Lock wait timeout exceeded; try restarting transaction (1205)"));
    session_run(other, "ROLLBACK");
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), 0, "%s", bed.error.text);
    obx_store_release(bed.store, batch);
    session_close(other);
    bed_close(&bed);
}

/* ---- packets ----------------------------------------------------------------------------------------------------- */

static int add(struct bed *bed, size_t size)
{
    char *payload = malloc(size);
    memset(payload, 'x', size);
    const struct outbox_event event = {.struct_size = sizeof event,
                                       .aggregate_type = {"order", 5},
                                       .aggregate_id = {"7", 1},
                                       .type = {"placed", 6},
                                       .payload = {payload, size}};
    const struct outbox_event *events[] = {&event};
    int code = harness_add(&bed->harness, bed->store, events, 1, &bed->error);
    free(payload);
    return code;
}

/* MySQL takes so much in one packet, and values travel as twice as many digits; Postgres 1 GiB. */
Test(limits, what_fits_into_one_packet_goes_through)
{
    struct bed bed;
    size_t packet = (size_t)BY_SERVER(64 << 20, session_run(session_open(), "SELECT @@max_allowed_packet") / 2);
    bed_open(&bed, "packets", true, "");
    bed_begin(&bed);
    cr_assert_eq(add(&bed, packet - 1000), 0, "%s", bed.error.text);
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    cr_assert(batch && batch->rows == 1);
    cr_assert_eq(batch->values[2].size, packet - 1000);
    const struct outbox_dead_row row = {.position = batch->positions[0], .attempts = 1, .reason = "large"};
    cr_assert_eq(bed_park(&bed, &row), 0, "%s", bed.error.text); /* the server copies it for itself */
    obx_store_release(bed.store, batch);
    if (server_kind() != POSTGRES) {
        cr_assert_eq(add(&bed, packet + 1000), OUTBOX_E_INVALID, "%d: %s", bed.error.code, bed.error.text);
        cr_assert_not_null(strstr(bed.error.text, "max_allowed_packet"), "%s", bed.error.text);
    }
    bed_close(&bed);
}

/* ---- disk -------------------------------------------------------------------------------------------------------- */

/* A small file system for tables only, so that nothing else of the server suffers. */
static bool mount_at(const char *place)
{
    char command[600];
    snprintf(command, sizeof command,
             "at='%s%s'; mkdir -p \"$at\" && mount -t tmpfs -o size=32m none \"$at\" 2>/dev/null && "
             "chown --reference='%s/data' \"$at\" && chmod 700 \"$at\"",
             server_dir(), place, server_dir());
    return !geteuid() && !system(command);
}

static void mount_small_disk(struct session *sql)
{
    char statement[300];
    session_run(sql, BY_SERVER("CREATE SCHEMA small", "CREATE DATABASE small"));
    if (!mount_at(BY_SERVER("/small", "/data/small")))
        cr_skip_test("no right to mount a file system of limited size");
    if (server_kind() != POSTGRES)
        return;
    snprintf(statement, sizeof statement, "CREATE TABLESPACE small LOCATION '%s/small'", server_dir());
    session_run(sql, statement);
    session_run(sql, "ALTER DATABASE outbox SET default_tablespace = small");
}

/* Without compressing it. */
static void store_as_it_is(struct session *sql, const char *table, const char *column)
{
    char statement[100];
    snprintf(statement, sizeof statement, "ALTER TABLE %s ALTER COLUMN %s SET STORAGE EXTERNAL", table, column);
    session_run(sql, BY_SERVER(statement, "SELECT 1"));
}

/* A replica need not do all this as well. */
static void fill_disk(struct bed *bed)
{
    char sql[100];
    session_run(bed->sql, BY_SERVER("SELECT 1", "SET SESSION sql_log_bin = 0"));
    bed_run(bed, "CREATE TABLE small.filler (x text)");
    store_as_it_is(bed->sql, "small.filler", "x");
    for (int size = 4096; size > 16; size /= 2) {
        snprintf(sql, sizeof sql, "INSERT INTO small.filler VALUES (repeat('x', %d))", size);
        for (int i = 0; i < 20000 && session_try(bed->sql, sql); i++) {
        }
    }
}

enum { ROWS = 400 };

static int park_all(struct bed *bed, const struct outbox_batch *batch)
{
    static struct outbox_dead_row rows[ROWS];
    struct outbox_dead_letter_rows park = {.struct_size = sizeof park, .count = ROWS, .rows = rows};
    struct harness_call call = {0};
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = (struct outbox_dead_row){.position = batch->positions[i], .attempts = 1, .reason = "any"};
    harness_reset(&call);
    obx_store_dead_letter(bed->store, &call.call, 0, &park);
    int code = harness_wait(&bed->harness, &call);
    bed->error = call.error;
    return code;
}

Test(limits, the_disk_is_full)
{
    struct bed bed;
    struct session *sql = session_open();
    if (server_kind() == MARIADB)
        cr_skip_test("MariaDB 10.11 aborts when a table finds no room; faults_test.c kills it as well");
    mount_small_disk(sql);
    bed_open(&bed, "small.full", true, "");
    store_as_it_is(sql, "small.full", "payload");
    store_as_it_is(sql, "small.full_dead", "payload");
    bed_insert_large(&bed, ROWS + 1, 4);
    bed_begin(&bed);
    fill_disk(&bed);
    struct outbox_batch *batch = bed_batch(&bed, ROWS + 1, 100 << 20);
    cr_assert(batch && batch->rows == ROWS + 1);
    cr_assert_eq(park_all(&bed, batch), OUTBOX_E_FULL, "%d: %s", bed.error.code, bed.error.text);
    cr_assert_not_null(strstr(bed.error.text, "; make room on the server's disk"), "%s", bed.error.text);
    cr_assert_eq(bed_settle(&bed, batch, ROWS, 1), 0, "settling takes no room: %s", bed.error.text);
    cr_assert_eq(bed_rows(&bed), ROWS);
    session_run(bed.sql, "DROP TABLE small.filler");
    for (int i = 0; i < 400 && park_all(&bed, batch) == OUTBOX_E_FULL; i++) /* until the file has gone as well */
        usleep(50000);
    cr_assert_eq(bed.error.code, 0, "%s", bed.error.text);
    cr_assert_eq(bed_run(&bed, "SELECT COUNT(*) FROM %s_dead"), ROWS);
    cr_assert_eq(bed_rows(&bed), 0);
    obx_store_release(bed.store, batch);
    session_close(sql);
    bed_close(&bed);
}

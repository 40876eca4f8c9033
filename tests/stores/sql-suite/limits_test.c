/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/limits_test.c - servers that have run out of connections, time or disk */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

/* ---- connections ------------------------------------------------------------------------------------------------- */

Test(limits, too_many_connections_are_an_outage)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "many", true, "");
    server_make_user(fixture.sql, "few", BY_SERVER("CONNECTION LIMIT 1", "WITH MAX_USER_CONNECTIONS 1"));
    server_grant(fixture.sql, "ALL", fixture.table, "few");
    if (server_kind() != POSTGRES)
        server_grant(fixture.sql, "ALL", "many_relay", "few");
    fixture_reconfigure(&fixture, &(struct server_place){.user = "few"}, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), OUTBOX_E_NOT_CONNECTED, "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text, "; a relay needs two connections"), "%s", fixture.error.text);
    session_run(fixture.sql,
                BY_SERVER("ALTER ROLE few CONNECTION LIMIT 9", "ALTER USER few@'%' WITH MAX_USER_CONNECTIONS 9"));
    fixture_begin_again(&fixture);
    fixture_close(&fixture);
}

/* ---- timeouts --------------------------------------------------------------------------------------------------- */

static void set_timeouts(struct sql_fixture *fixture, bool short_ones)
{
    if (server_kind() != POSTGRES) {
        session_run(fixture->sql, short_ones ? "SET GLOBAL wait_timeout = 1" : "SET GLOBAL wait_timeout = 28800");
        return;
    }
    session_run(fixture->sql, short_ones ? "ALTER DATABASE outbox SET idle_in_transaction_session_timeout = '1s'"
                                         : "ALTER DATABASE outbox RESET idle_in_transaction_session_timeout");
    if (session_run(fixture->sql, "SELECT current_setting('server_version_num')") >= 140000)
        session_run(fixture->sql, short_ones ? "ALTER DATABASE outbox SET idle_session_timeout = '1s'"
                                             : "ALTER DATABASE outbox RESET idle_session_timeout");
}

Test(limits, sessions_survive_short_server_timeouts)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "patient", true, "");
    set_timeouts(&fixture, true);
    fixture_begin_again(&fixture); /* a new session may be ended before its first statement */
    set_timeouts(&fixture, false);
    session_run(fixture.sql, BY_SERVER("SELECT pg_sleep(2.2)", "DO SLEEP(2.2)"));
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_settle_all(&fixture, fixture_claim_batch(&fixture, 10, 1 << 20));
    fixture_close(&fixture);
}

/* ---- locks ------------------------------------------------------------------------------------------------------- */

static int renew(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_renew(fixture->store, &call.call, 0);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

/* The wait for its lock times out; the settle does not fail for that. */
Test(limits, settle_of_a_locked_row_times_out, .timeout = 300)
{
    struct sql_fixture fixture;
    struct session *other = session_open();
    fixture_open(&fixture, "locked", true, BY_SERVER("  statement_timeout: 4s\n", ""));
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    session_run(other, "BEGIN");
    fixture_run_on(&fixture, other, "SELECT id FROM %s WHERE id = 1 FOR UPDATE");
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 1), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    session_run(other, "ROLLBACK");
    obx_store_release(fixture.store, batch);
    for (int i = 0; i < 600 && fixture_count_rows(&fixture); i++, usleep(100000))
        cr_assert_eq(renew(&fixture), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 0, "a row that was locked is removed later, without a settle");
    session_close(other);
    fixture_close(&fixture);
}

/* ---- packets ----------------------------------------------------------------------------------------------------- */

static int add(struct sql_fixture *fixture, size_t size)
{
    char *payload = malloc(size);
    memset(payload, 'x', size);
    const struct outbox_event event = {.struct_size = sizeof event,
                                       .aggregate_type = {"order", 5},
                                       .aggregate_id = {"7", 1},
                                       .type = {"placed", 6},
                                       .payload = {payload, size}};
    const struct outbox_event *events[] = {&event};
    int code = loop_fixture_add(&fixture->base, fixture->store, events, 1, &fixture->error);
    free(payload);
    return code;
}

/* MySQL takes so much in one packet, and values travel as twice as many digits; Postgres 1 GiB. */
Test(limits, event_that_fits_into_one_packet_is_added_and_claimed)
{
    struct sql_fixture fixture;
    size_t packet = (size_t)BY_SERVER(64 << 20, session_run(session_open(), "SELECT @@max_allowed_packet") / 2);
    fixture_open(&fixture, "packets", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(add(&fixture, packet - 1000), 0, "%s", fixture.error.text);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert(batch && batch->rows == 1);
    cr_assert_eq(batch->values[2].size, packet - 1000);
    const struct outbox_dead_row row = {.position = batch->positions[0], .attempts = 1, .reason = "large"};
    cr_assert_eq(fixture_dead_letter(&fixture, &row), 0, "%s",
                 fixture.error.text); /* the server copies it for itself */
    obx_store_release(fixture.store, batch);
    if (server_kind() != POSTGRES) {
        cr_assert_eq(add(&fixture, packet + 1000), OUTBOX_E_INVALID, "%d: %s", fixture.error.code, fixture.error.text);
        cr_assert_not_null(strstr(fixture.error.text, "max_allowed_packet"), "%s", fixture.error.text);
    }
    fixture_close(&fixture);
}

/* ---- disk -------------------------------------------------------------------------------------------------------- */

/* A small file system for tables only, so that it affects nothing else of the server. */
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
static void fill_disk(struct sql_fixture *fixture)
{
    char sql[100];
    session_run(fixture->sql, BY_SERVER("SELECT 1", "SET SESSION sql_log_bin = 0"));
    fixture_run(fixture, "CREATE TABLE small.filler (x text)");
    store_as_it_is(fixture->sql, "small.filler", "x");
    for (int size = 4096; size > 16; size /= 2) {
        snprintf(sql, sizeof sql, "INSERT INTO small.filler VALUES (repeat('x', %d))", size);
        for (int i = 0; i < 20000 && session_try(fixture->sql, sql); i++) {
        }
    }
}

enum { ROWS = 400 };

static int dead_letter_all(struct sql_fixture *fixture, const struct outbox_batch *batch)
{
    static struct outbox_dead_row rows[ROWS];
    struct outbox_dead_letter_rows move = {.struct_size = sizeof move, .count = ROWS, .rows = rows};
    struct loop_fixture_call call = {0};
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = (struct outbox_dead_row){.position = batch->positions[i], .attempts = 1, .reason = "any"};
    loop_fixture_reset(&call);
    obx_store_dead_letter(fixture->store, &call.call, 0, &move);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

Test(limits, full_disk_is_reported_and_settles_still_succeed)
{
    struct sql_fixture fixture;
    struct session *sql = session_open();
    if (server_kind() == MARIADB)
        cr_skip_test("MariaDB 10.11 aborts when a table finds no room; faults_test.c kills it as well");
    mount_small_disk(sql);
    fixture_open(&fixture, "small.full", true, "");
    store_as_it_is(sql, "small.full", "payload");
    store_as_it_is(sql, "small.full_dead", "payload");
    fixture_insert_large(&fixture, ROWS + 1, 4);
    fixture_begin(&fixture);
    fill_disk(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, ROWS + 1, 100 << 20);
    cr_assert(batch && batch->rows == ROWS + 1);
    cr_assert_eq(dead_letter_all(&fixture, batch), OUTBOX_E_FULL, "%d: %s", fixture.error.code, fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text, "; free space on the server's disk"), "%s", fixture.error.text);
    cr_assert_eq(fixture_settle(&fixture, batch, ROWS, 1), 0, "settling takes no room: %s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), ROWS);
    session_run(fixture.sql, "DROP TABLE small.filler");
    for (int i = 0; i < 400 && dead_letter_all(&fixture, batch) == OUTBOX_E_FULL;
         i++) /* until the file has gone as well */
        usleep(50000);
    cr_assert_eq(fixture.error.code, 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s_dead"), ROWS);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    obx_store_release(fixture.store, batch);
    session_close(sql);
    fixture_close(&fixture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/admin_test.c - setup, print, check, status, add */
#include "rig.h"

#include <stdio.h>
#include <string.h>

struct lines {
    char text[8192];
};

static void add_line(void *arg, const char *line)
{
    struct lines *lines = arg;
    size_t size = strlen(lines->text);
    snprintf(lines->text + size, sizeof lines->text - size, "%s\n", line);
}

static void add_finding(void *arg, enum outbox_log_level level, const char *finding, const char *advice)
{
    char line[512];
    snprintf(line, sizeof line, "%d %s; %s", (int)level, finding, advice ? advice : "-");
    add_line(arg, line);
}

static void check(struct rig *rig, struct lines *lines)
{
    struct outbox_check args = {sizeof args, add_finding, lines, NULL};
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_check(rig->store, &call.call, 0, &args);
    cr_assert_eq(harness_wait(&rig->harness, &call), 0, "%s", call.error.text);
}

/* What is printed is what setup does: a database made with it will do. */
Test(sqlite_admin, printed_sql_makes_the_tables)
{
    struct rig rig;
    static struct lines lines, grants;
    rig_open(&rig, NULL);
    cr_assert_eq(obx_store_print(rig.store, OUTBOX_PRINT_SQL, add_line, &lines, &rig.error), 0);
    rig_sql(rig.path, lines.text);
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    rig_insert(&rig, 1);
    cr_assert_eq(rig_number(rig.path, "SELECT event_id LIKE '________-____-4___-____-____________' FROM outbox"), 1);
    cr_assert_eq(rig_number(rig.path, "SELECT created_at LIKE '____-__-__T__:__:__.___Z' FROM outbox"), 1);
    cr_assert_eq(obx_store_print(rig.store, OUTBOX_PRINT_GRANTS, add_line, &grants, &rig.error), 0);
    cr_assert_str_eq(
        grants.text,
        "-- SQLite has no grants: the relay's user must be able to write the database file and its directory\n");
    rig_close(&rig);
}

Test(sqlite_admin, setup_keeps_what_is_there)
{
    struct rig rig;
    rig_ready(&rig, NULL);
    rig_insert(&rig, 3);
    rig_own(&rig);
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox"), 3);
    cr_assert_eq(rig_number(rig.path, "SELECT epoch FROM outbox_relay"), 1);
    cr_assert_eq(rig_renew(&rig, rig.store), 0, "%s", rig.error.text);
    rig_close(&rig);
}

Test(sqlite_admin, check_finds_nothing_wrong)
{
    struct rig rig;
    static struct lines lines;
    char expected[512];
    rig_ready(&rig, NULL);
    check(&rig, &lines);
    snprintf(expected, sizeof expected,
             "2 SQLite %s, %s, journal mode wal; -\n"
             "2 tables \"outbox\", \"outbox_dead\" and \"outbox_relay\" are as they should be; -\n",
             sqlite3_libversion(), rig.path);
    cr_assert_str_eq(lines.text, expected);
    rig_close(&rig);
}

Test(sqlite_admin, check_tells_what_is_wrong)
{
    struct rig rig;
    static struct lines lines;
    rig_open(&rig, NULL);
    rig_sql(rig.path, "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, payload, aggregatetype, aggregateid);"
                      "CREATE TRIGGER t AFTER DELETE ON outbox BEGIN SELECT 1; END;"
                      "INSERT INTO outbox (id) VALUES (0), (-7)");
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    check(&rig, &lines);
    cr_assert_str_eq(
        strchr(lines.text, '\n') + 1,
        "1 table \"outbox\" has no column \"event_id\"; add it, or name the one to use in `columns`\n"
        "0 table \"outbox\" has no column \"type\"; add it, or name the one to use in `columns`\n"
        "1 table \"outbox\" has no column \"headers\"; add it, or name the one to use in `columns`\n"
        "1 table \"outbox\" has no column \"created_at\"; add it, or name the one to use in `columns`\n"
        "0 2 rows of table \"outbox\" have ids below 1, and will never be relayed; give them ids of 1 and above\n"
        "1 table \"outbox\" has triggers on delete, which run when the relay removes an event; drop them if "
        "they are not meant to run for each relayed event\n");
    rig_close(&rig);
}

Test(sqlite_admin, status_of_a_missing_database)
{
    struct rig rig;
    struct outbox_store_status status;
    rig_open(&rig, NULL);
    cr_assert_eq(harness_store_start(&rig.harness, rig.store, NULL, 0, &rig.error), 0, "%s", rig.error.text);
    rig_status(&rig, &status);
    rig_expect(&rig, OUTBOX_E_NOT_FOUND, "read the status of %s: no such file; create it with 'outbox init'", rig.path);
    struct outbox_batch *batch;
    rig_claim_code(&rig, &batch);
    rig_expect(&rig, OUTBOX_E_NOT_CONNECTED, "use outbox database %s: it is not open; start the store first", rig.path);
    rig_close(&rig);
}

Test(sqlite_admin, status_counts)
{
    struct rig rig;
    struct outbox_store_status status;
    char server[64];
    rig_ready(&rig, NULL);
    cr_assert_eq(rig_status(&rig, &status), 0, "%s", rig.error.text);
    cr_assert_eq(status.pending, 0);
    cr_assert_eq(status.oldest_us, -1);
    rig_insert(&rig, 3);
    rig_sql(rig.path, "UPDATE outbox SET created_at = '2024-02-29T00:00:00Z' WHERE id = 1");
    rig_own(&rig);
    cr_assert_eq(rig_park(&rig, 3, "k", "why"), 0, "%s", rig.error.text);
    cr_assert_eq(rig_status(&rig, &status), 0, "%s", rig.error.text);
    cr_assert_eq(status.pending, 2);
    cr_assert_eq(status.oldest_us, 1709164800000000);
    cr_assert_eq(status.dead, 1);
    cr_assert_str_eq(status.owner, rig_text(rig.path, "SELECT owner FROM outbox_relay"));
    snprintf(server, sizeof server, "SQLite %s", sqlite3_libversion());
    cr_assert_str_eq(status.server, server);
    rig_close(&rig);
}

Test(sqlite_admin, add_says_which_event_will_not_do)
{
    struct rig rig;
    struct outbox_event good = {
        .struct_size = sizeof good, .aggregate_type = {"order", 5}, .aggregate_id = {"1", 1}, .type = {"Placed", 6}};
    struct outbox_event bad = good;
    bad.aggregate_id.data = NULL;
    const struct outbox_event *events[] = {&good, &bad};
    rig_ready(&rig, NULL);
    harness_add(&rig.harness, rig.store, events, 2, &rig.error);
    rig_expect(&rig, OUTBOX_E_INVALID, "add event 2 of 2: aggregate_id is missing; every event needs one");
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox"), 0);
    rig_sql(rig.path, "CREATE UNIQUE INDEX once ON outbox (event_id)");
    good.event_id = (struct outbox_bytes){"e", 1};
    events[1] = &good;
    harness_add(&rig.harness, rig.store, events, 2, &rig.error);
    rig_expect(&rig, OUTBOX_E_INVALID, "add event 2 of 2: UNIQUE constraint failed: outbox.event_id");
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox"), 0);
    rig_close(&rig);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/admin_test.c - setup, print, check, status, add */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct lines {
    char text[8192];
};

static void add_line(void *arg, const char *line)
{
    struct lines *lines = arg;
    size_t size = strlen(lines->text);
    snprintf(lines->text + size, sizeof lines->text - size, "%s\n", line);
}

static void add_finding(void *arg, const struct outbox_finding *finding)
{
    static const char *const words[] = {"ok", "warning", "error"};
    char line[512];
    snprintf(line, sizeof line, "%s %s; %s", words[finding->severity], finding->reason,
             finding->advice ? finding->advice : "-");
    add_line(arg, line);
}

static void check(struct fixture *fixture, struct lines *lines)
{
    struct outbox_check args = {.struct_size = sizeof args, .report = add_finding, .arg = lines};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_check(fixture->store, &call.call, 0, &args);
    cr_assert_eq(loop_fixture_wait(&fixture->base, &call), 0, "%s", call.error.text);
}

/* The printed statements equal those of setup: a database made with them works. */
Test(sqlite_admin, printed_sql_creates_the_tables)
{
    struct fixture fixture;
    static struct lines lines, grants;
    fixture_open(&fixture, NULL);
    cr_assert_eq(obx_store_print(fixture.store, OUTBOX_PRINT_SQL, add_line, &lines, &fixture.error), 0);
    fixture_sql(fixture.path, lines.text);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_insert(&fixture, 1);
    cr_assert_eq(
        fixture_number(fixture.path, "SELECT event_id LIKE '________-____-4___-____-____________' FROM outbox"), 1);
    cr_assert_eq(fixture_number(fixture.path, "SELECT created_at LIKE '____-__-__T__:__:__.___Z' FROM outbox"), 1);
    cr_assert_eq(obx_store_print(fixture.store, OUTBOX_PRINT_GRANTS, add_line, &grants, &fixture.error), 0);
    cr_assert_str_eq(
        grants.text,
        "-- SQLite has no grants: the relay's user must be able to write the database file and its directory\n");
    fixture_close(&fixture);
}

/* OR IGNORE leaves out what the table refuses. */
Test(sqlite_admin, table_refuses_headers_that_the_relay_cannot_read)
{
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    fixture_sql(
        fixture.path,
        "INSERT OR IGNORE INTO outbox (aggregatetype, aggregateid, type, headers) VALUES ('o', 'a', 't', NULL), "
        "('o', 'a', 't', 'null'), ('o', 'a', 't', ''), ('o', 'a', 't', '[ ]'), ('o', 'a', 't', '{}'), ('o', 'a', "
        "'t', ' {\"a\": [1]}'), ('o', 'a', 't', '[1]'), ('o', 'a', 't', 7), ('o', 'a', 't', 'true'), ('o', 'a', "
        "'t', '\"{}\"'), ('o', 'a', 't', 'none')");
    cr_assert_str_eq(fixture_text(fixture.path, "SELECT group_concat(ifnull(headers, 'NULL'), '|') FROM outbox"),
                     "NULL|null||[ ]|{}| {\"a\": [1]}");
    fixture_close(&fixture);
}

Test(sqlite_admin, setup_keeps_existing_tables)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fixture_insert(&fixture, 3);
    fixture_own(&fixture);
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 3);
    cr_assert_eq(fixture_number(fixture.path, "SELECT epoch FROM outbox_relay"), 1);
    cr_assert_eq(fixture_renew(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(sqlite_admin, check_reports_a_correct_outbox)
{
    struct fixture fixture;
    static struct lines lines;
    char expected[512];
    fixture_ready(&fixture, NULL);
    check(&fixture, &lines);
    snprintf(expected, sizeof expected,
             "ok SQLite %s, %s, journal mode wal; -\n"
             "ok tables \"outbox\", \"outbox_dead\" and \"outbox_relay\" are as they should be; -\n",
             sqlite3_libversion(), fixture.path);
    cr_assert_str_eq(lines.text, expected);
    fixture_close(&fixture);
}

Test(sqlite_admin, check_reports_every_fault)
{
    struct fixture fixture;
    static struct lines lines;
    fixture_open(&fixture, NULL);
    fixture_sql(fixture.path,
                "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, payload, aggregatetype, aggregateid);"
                "CREATE TRIGGER t AFTER DELETE ON outbox BEGIN SELECT 1; END;"
                "INSERT INTO outbox (id) VALUES (0), (-7)");
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(chmod(fixture.path, 0640), 0);
    check(&fixture, &lines);
    cr_assert_str_eq(
        strchr(lines.text, '\n') + 1,
        "warning table \"outbox\" has no column \"event_id\"; add it, or name the one to use in `columns`\n"
        "error table \"outbox\" has no column \"type\"; add it, or name the one to use in `columns`\n"
        "warning table \"outbox\" has no column \"headers\"; add it, or name the one to use in `columns`\n"
        "warning table \"outbox\" has no column \"created_at\"; add it, or name the one to use in `columns`\n"
        "error 2 rows of table \"outbox\" have ids below 1, from -7 to 0; the relay never publishes them; give "
        "them ids of 1 and above\n"
        "warning trigger \"t\" of table \"outbox\" runs when the relay removes events; drop it if it is not meant for "
        "each "
        "relayed event\n");
    fixture_close(&fixture);
}

static void note_command(void *arg, const struct outbox_finding *finding)
{
    if (finding->command && strstr(finding->reason, "ids below 1"))
        snprintf(arg, 1000, "%s", finding->command);
}

/* Their order is kept, and no id is used again once they are gone. */
Test(sqlite_admin, command_of_check_raises_negative_ids)
{
    struct fixture fixture;
    char command[1000] = "";
    struct outbox_check args = {.struct_size = sizeof args, .report = note_command, .arg = command};
    struct loop_fixture_call call = {0};
    fixture_ready(&fixture, NULL);
    fixture_sql(fixture.path, "INSERT INTO outbox (id, aggregatetype, aggregateid, type) VALUES (0, 'o', 'c', 't'), "
                              "(-7, 'o', 'a', 't'), (-2, 'o', 'b', 't')");
    loop_fixture_reset(&call);
    obx_store_check(fixture.store, &call.call, 0, &args);
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), 0, "%s", call.error.text);
    fixture_sql(fixture.path, command);
    cr_assert_str_eq(fixture_text(fixture.path, "SELECT group_concat(aggregateid, ' ') FROM (SELECT aggregateid FROM "
                                                "outbox WHERE id > 0 ORDER BY id)"),
                     "a b c");
    int64_t last = fixture_number(fixture.path, "SELECT max(id) FROM outbox");
    fixture_sql(fixture.path, "DELETE FROM outbox");
    fixture_insert(&fixture, 1);
    cr_assert_gt(fixture_number(fixture.path, "SELECT max(id) FROM outbox"), last);
    fixture_close(&fixture);
}

/* No table of the file has a counter of ids: what is wrong is reported by the start. */
Test(sqlite_admin, check_of_a_table_without_autoincrement_ends)
{
    struct fixture fixture;
    struct lines lines = {""};
    fixture_open(&fixture, NULL);
    fixture_sql(fixture.path, "PRAGMA journal_mode = WAL; CREATE TABLE outbox (id INTEGER PRIMARY KEY, event_id, "
                              "aggregatetype, aggregateid, type, payload, headers, created_at)");
    cr_assert_eq(loop_fixture_store_start(&fixture.base, fixture.store, NULL, 0, &fixture.error), 0, "%s",
                 fixture.error.text);
    check(&fixture, &lines);
    cr_assert_null(strstr(lines.text, "sqlite_sequence"), "%s", lines.text);
    fixture_close(&fixture);
}

Test(sqlite_admin, status_reports_a_missing_database)
{
    struct fixture fixture;
    struct outbox_store_status status;
    fixture_open(&fixture, NULL);
    cr_assert_eq(loop_fixture_store_start(&fixture.base, fixture.store, NULL, 0, &fixture.error), 0, "%s",
                 fixture.error.text);
    fixture_status(&fixture, &status);
    fixture_expect(&fixture, OUTBOX_E_NOT_FOUND, "read the status of %s: no such file; create it with 'outbox init'",
                   fixture.path);
    struct outbox_batch *batch;
    fixture_claim_code(&fixture, &batch);
    fixture_expect(&fixture, OUTBOX_E_NOT_CONNECTED, "use outbox database %s: it is not open; start the store first",
                   fixture.path);
    fixture_close(&fixture);
}

Test(sqlite_admin, status_needs_no_start)
{
    struct fixture fixture;
    struct outbox_store_status status;
    fixture_open(&fixture, NULL);
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    fixture_insert(&fixture, 2);
    cr_assert_eq(fixture_status(&fixture, &status), 0, "%s", fixture.error.text);
    cr_assert_eq(status.pending, 2);
    cr_assert_str_empty(status.owner);
    fixture_close(&fixture);
}

Test(sqlite_admin, status_counts_rows)
{
    struct fixture fixture;
    struct outbox_store_status status;
    char server[64];
    fixture_ready(&fixture, NULL);
    cr_assert_eq(fixture_status(&fixture, &status), 0, "%s", fixture.error.text);
    cr_assert_eq(status.pending, 0);
    cr_assert_eq(status.oldest_us, -1);
    fixture_insert(&fixture, 3);
    fixture_sql(fixture.path, "UPDATE outbox SET created_at = '2024-02-29T00:00:00Z' WHERE id = 1");
    fixture_own(&fixture);
    cr_assert_eq(fixture_dead_letter(&fixture, 3, "k", "why"), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_status(&fixture, &status), 0, "%s", fixture.error.text);
    cr_assert_eq(status.pending, 2);
    cr_assert_eq(status.oldest_us, 1709164800000000);
    cr_assert_eq(status.dead, 1);
    cr_assert_str_eq(status.owner, fixture_text(fixture.path, "SELECT owner FROM outbox_relay"));
    snprintf(server, sizeof server, "SQLite %s", sqlite3_libversion());
    cr_assert_str_eq(status.server, server);
    fixture_close(&fixture);
}

Test(sqlite_admin, add_names_the_refused_event)
{
    struct fixture fixture;
    struct outbox_event good = {
        .struct_size = sizeof good, .aggregate_type = {"order", 5}, .aggregate_id = {"1", 1}, .type = {"Placed", 6}};
    struct outbox_event bad = good;
    bad.aggregate_id.data = NULL;
    const struct outbox_event *events[] = {&good, &bad};
    fixture_ready(&fixture, NULL);
    loop_fixture_add(&fixture.base, fixture.store, events, 2, &fixture.error);
    fixture_expect(&fixture, OUTBOX_E_INVALID, "add event 2: aggregateid is missing; every event needs one");
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 0);
    fixture_sql(fixture.path, "CREATE UNIQUE INDEX once ON outbox (event_id)");
    good.event_id = (struct outbox_bytes){"e", 1};
    events[1] = &good;
    loop_fixture_add(&fixture.base, fixture.store, events, 2, &fixture.error);
    fixture_expect(&fixture, OUTBOX_E_INVALID, "add event 2 of 2: UNIQUE constraint failed: outbox.event_id");
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 0);
    fixture_close(&fixture);
}

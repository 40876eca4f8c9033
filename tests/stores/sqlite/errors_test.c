/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/errors_test.c - faults of a database: each has its error text, and the store recovers from each
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../backends/sqlite/lock_holder.h"

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

Test(sqlite_errors, missing_file_is_not_created)
{
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    fixture_start(&fixture, fixture.store);
    fixture_expect(&fixture, OUTBOX_E_NOT_FOUND, "open outbox database %s: no such file; create it with 'outbox init'",
                   fixture.path);
    cr_assert_neq(access(fixture.path, F_OK), 0);
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(sqlite_errors, missing_table_is_reported)
{
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    fixture_sql(fixture.path, "PRAGMA journal_mode = WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY)");
    fixture_start(&fixture, fixture.store);
    fixture_expect(&fixture, OUTBOX_E_NOT_FOUND,
                   "open outbox database %s: there is no table \"outbox\"; create it with 'outbox init'", fixture.path);
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(sqlite_errors, view_is_refused)
{
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    fixture_sql(fixture.path, "PRAGMA journal_mode = WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY); CREATE VIEW "
                              "outbox AS SELECT * FROM orders");
    fixture_setup(&fixture);
    fixture_expect(&fixture, OUTBOX_E_SCHEMA, "set up outbox database %s: \"outbox\" is a view; name the table itself",
                   fixture.path);
    fixture_start(&fixture, fixture.store);
    fixture_expect(&fixture, OUTBOX_E_SCHEMA, "open outbox database %s: \"outbox\" is a view; name the table itself",
                   fixture.path);
    fixture_close(&fixture);
}

Test(sqlite_errors, missing_dead_letter_table_is_reported)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    fixture_sql(fixture.path, "DROP TABLE outbox_dead");
    fixture_start(&fixture, fixture.store);
    fixture_expect(&fixture, OUTBOX_E_NOT_FOUND,
                   "open outbox database %s: there is no table \"outbox_dead\"; create it with 'outbox init'",
                   fixture.path);
    fixture_close(&fixture);
}

Test(sqlite_errors, missing_column_is_reported)
{
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    fixture_sql(fixture.path, "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, body)");
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    fixture_start(&fixture, fixture.store);
    fixture_expect(
        &fixture, OUTBOX_E_SCHEMA,
        "open outbox database %s: table \"outbox\" has no column \"payload\"; add it, or name the one to use in "
        "columns: {payload: NAME}",
        fixture.path);
    fixture_close(&fixture);
}

Test(sqlite_errors, id_without_autoincrement_is_refused)
{
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    fixture_sql(fixture.path, "CREATE TABLE outbox (id INTEGER PRIMARY KEY, payload)");
    fixture_setup(&fixture);
    fixture_expect(
        &fixture, OUTBOX_E_SCHEMA,
        "set up outbox database %s: column \"id\" of table \"outbox\" is not INTEGER PRIMARY KEY AUTOINCREMENT, so "
        "SQLite would use ids of removed events again and events would be lost; create the table with such a key",
        fixture.path);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'outbox_%'"), 0,
                 "a setup that failed made tables");
    fixture_close(&fixture);
}

Test(sqlite_errors, missing_id_is_refused)
{
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    fixture_sql(fixture.path, "CREATE TABLE outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, payload)");
    fixture_setup(&fixture);
    fixture_expect(&fixture, OUTBOX_E_SCHEMA,
                   "set up outbox database %s: table \"outbox\" has no column \"id\"; add it as INTEGER PRIMARY KEY "
                   "AUTOINCREMENT, or name the one that is in columns: {id: NAME}",
                   fixture.path);
    fixture_close(&fixture);
}

Test(sqlite_errors, rollback_journal_is_refused)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    fixture_sql(fixture.path, "PRAGMA journal_mode = DELETE");
    fixture_start(&fixture, fixture.store);
    fixture_expect(
        &fixture, OUTBOX_E_SCHEMA,
        "open outbox database %s: its journal mode is delete, in which readers and writers block each other; set "
        "it to wal with 'outbox init'",
        fixture.path);
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(sqlite_errors, other_file_is_refused)
{
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    write_file(fixture.path,
               "this is a text file that is long enough to be looked at as a database, but is none at all\n"
               "this is a text file that is long enough to be looked at as a database, but is none at all\n");
    fixture_start(&fixture, fixture.store);
    fixture_expect(&fixture, OUTBOX_E_CORRUPT,
                   "open outbox database %s: file is not a database; restore a backup, or save what can be saved with "
                   "'sqlite3 FILE .recover'",
                   fixture.path);
    fixture_close(&fixture);
}

/* Destroy all pages of the table, but not the schema. */
Test(sqlite_errors, corrupt_page_is_reported)
{
    struct fixture fixture;
    struct outbox_batch *batch;
    fixture_ready(&fixture, NULL);
    fixture_insert(&fixture, 1000);
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    int64_t root = fixture_number(fixture.path, "SELECT rootpage FROM sqlite_schema WHERE name = 'outbox'");
    FILE *file = fopen(fixture.path, "r+");
    cr_assert_not_null(file);
    fseek(file, (root - 1) * 4096, SEEK_SET);
    for (int i = 0; i < 4096; i++)
        fputc(0xff, file);
    fclose(file);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_claim_code(&fixture, &batch);
    fixture_expect(
        &fixture, OUTBOX_E_CORRUPT,
        "claim rows from %s: database disk image is malformed; restore a backup, or save what can be saved with "
        "'sqlite3 FILE .recover'",
        fixture.path);
    fixture_close(&fixture);
}

Test(sqlite_errors, directory_is_refused)
{
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    cr_assert_eq(mkdir(fixture.path, 0700), 0);
    fixture_start(&fixture, fixture.store);
    fixture_expect(&fixture, OUTBOX_E_INVALID, "open outbox database %s: it is a directory; name the database file",
                   fixture.path);
    fixture_setup(&fixture);
    fixture_expect(&fixture, OUTBOX_E_INVALID, "set up outbox database %s: it is a directory; name the database file",
                   fixture.path);
    fixture_close(&fixture);
}

Test(sqlite_errors, missing_directory_is_reported)
{
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    cr_assert_eq(rmdir(fixture.dir), 0);
    fixture_setup(&fixture);
    fixture_expect(&fixture, OUTBOX_E_NOT_FOUND,
                   "set up outbox database %s: its directory does not exist; create that first", fixture.path);
    cr_assert_eq(mkdir(fixture.dir, 0700), 0);
    fixture_close(&fixture);
}

/* As another user, since root may write everything. */
Test(sqlite_errors, file_permissions_are_checked)
{
    struct fixture fixture;
    if (geteuid() != 0)
        cr_skip_test("needs to be root to become another user");
    fixture_ready(&fixture, NULL);
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    cr_assert_eq(chmod(fixture.dir, 0755), 0);
    cr_assert_eq(chmod(fixture.path, 0444), 0);
    cr_assert_eq(seteuid(65534), 0);
    fixture_start(&fixture, fixture.store);
    fixture_expect(&fixture, OUTBOX_E_PERMISSION,
                   "open outbox database %s: this user may only read it; make the file and its directory writable",
                   fixture.path);
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(chmod(fixture.path, 0600), 0);
    cr_assert_eq(seteuid(65534), 0);
    fixture_start(&fixture, fixture.store);
    fixture_expect(&fixture, OUTBOX_E_PERMISSION,
                   "open outbox database %s: permission denied; give this user access to the file and its directory",
                   fixture.path);
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(sqlite_errors, removed_file_is_noticed)
{
    struct fixture fixture;
    struct outbox_batch *batch;
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    cr_assert_eq(unlink(fixture.path), 0);
    fixture_claim_code(&fixture, &batch);
    fixture_expect(&fixture, OUTBOX_E_NOT_FOUND,
                   "claim rows from %s: the file was removed while it was open; put it back, or create a new one with "
                   "'outbox init'",
                   fixture.path);
    fixture_renew(&fixture, fixture.store);
    fixture_expect(&fixture, OUTBOX_E_NOT_FOUND,
                   "own outbox %s: the file was removed while it was open; put it back, or create a new one with "
                   "'outbox init'",
                   fixture.path);
    fixture_close(&fixture);
}

Test(sqlite_errors, replaced_file_is_noticed)
{
    struct fixture fixture;
    struct outbox_batch *batch;
    char command[512];
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    snprintf(command, sizeof command, "cp %s %s.new && mv %s.new %s", fixture.path, fixture.path, fixture.path,
             fixture.path);
    cr_assert_eq(system(command), 0);
    fixture_claim_code(&fixture, &batch);
    fixture_expect(&fixture, OUTBOX_E_NOT_CONNECTED,
                   "claim rows from %s: the file was replaced by another while it was open; the relay opens it again",
                   fixture.path);
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    fixture_start(&fixture, fixture.store);
    fixture_close(&fixture);
}

/* A later writer creates new files: its rows are found, and closing the store does not remove its log. */
static void log_removed_while_open(const char *suffix)
{
    struct fixture fixture;
    struct outbox_batch *batch;
    char path[512], command[1024];
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    snprintf(path, sizeof path, "%s%s", fixture.path, suffix);
    cr_assert_eq(unlink(path), 0);
    snprintf(command, sizeof command,
             "sqlite3 %s \"INSERT INTO outbox (aggregatetype, aggregateid, type) VALUES ('a', 'k', 't')\"",
             fixture.path);
    cr_assert_eq(system(command), 0);
    fixture_claim_code(&fixture, &batch);
    cr_expect_eq(fixture.error.code, OUTBOX_E_NOT_CONNECTED);
    cr_expect_not_null(strstr(fixture.error.text, " was removed while it was open, which may lose commits"));
    cr_expect_not_null(strstr(fixture.error.text, suffix));
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_own(&fixture);
    batch = fixture_claim(&fixture, 0);
    cr_assert_not_null(batch);
    cr_expect_eq(batch->rows, 1);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

Test(sqlite_errors, removed_log_index_is_noticed)
{
    log_removed_while_open("-shm");
}

static void hold_exclusively(struct fixture_link *link)
{
    sqlite3 *db;
    sqlite3_open(link->path, &db);
    sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; INSERT INTO t VALUES (1); COMMIT", NULL, NULL,
                 NULL);
    fixture_link_notify(link);
    fixture_link_wait(link);
    sqlite3_close(db);
}

Test(sqlite_errors, exclusive_lock_of_another_process_is_reported)
{
    struct fixture fixture;
    struct fixture_child child;
    fixture_open(&fixture, "  busy_timeout: 20ms\n");
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    fixture_sql(fixture.path, "CREATE TABLE t (i)");
    fixture_child_start(&child, fixture.path, hold_exclusively);
    fixture_child_wait(&child);
    fixture_start(&fixture, fixture.store);
    fixture_expect(
        &fixture, OUTBOX_E_AGAIN,
        "open outbox database %s: the database is locked by process %d (test-sqlite_err); make its transactions "
        "shorter, or raise busy_timeout",
        fixture.path, (int)child.pid);
    cr_assert_eq(fixture_child_end(&child), 0);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
}

/* A store of the fixture's database under another name. */
static void expect_holder_by_link(struct fixture *fixture, int pid)
{
    char link[128], text[100], expected[100];
    snprintf(link, sizeof link, "%s.link", fixture->path);
    snprintf(expected, sizeof expected, "process %d (test-sqlite_err)", pid);
    cr_assert_eq(symlink(fixture->path, link), 0);
    cr_expect(lite_lock_holder(link, text, sizeof text));
    cr_expect_str_eq(text, expected);
    cr_assert_eq(unlink(link), 0);
}

static void hold_write_lock(struct fixture_link *link)
{
    sqlite3 *db;
    sqlite3_open(link->path, &db);
    sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    fixture_link_notify(link);
    fixture_link_wait(link);
    sqlite3_close(db);
}

Test(sqlite_errors, wait_for_a_writer_ends_after_busy_timeout)
{
    struct fixture fixture;
    struct fixture_child child;
    struct outbox_acquire acquire;
    fixture_ready(&fixture, "  busy_timeout: 20ms\n");
    fixture_insert(&fixture, 3);
    fixture_own(&fixture);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    fixture_child_start(&child, fixture.path, hold_write_lock);
    fixture_child_wait(&child);
    expect_holder_by_link(&fixture, (int)child.pid);
    fixture_settle(&fixture, batch, 0, 3);
    fixture_expect(&fixture, OUTBOX_E_AGAIN,
                   "settle rows of %s: the database is locked by process %d (test-sqlite_err); make its transactions "
                   "shorter, or raise busy_timeout",
                   fixture.path, (int)child.pid);
    cr_assert_eq(fixture_child_end(&child), 0);
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 3), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 0);
    fixture_release(&fixture, batch);
    cr_assert_eq(fixture_acquire(&fixture, fixture.store, 15000, &acquire), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(sqlite_errors, bad_options_are_refused)
{
    struct fixture fixture;
    struct obx_instance *store;
    fixture_open(&fixture, NULL);
    const struct {
        const char *yaml, *text;
    } all[] = {
        {"s: {plugin: sqlite, path: ''}", "read the option path: it is empty; name the database file"},
        {"s: {plugin: sqlite, path: ':memory:'}",
         "read the option path: :memory: is visible to one connection only; name a database file"},
        {"s: {plugin: sqlite, path: x, table: ''}", "read the option table: it is empty; name the outbox table"},
        {"s: {plugin: sqlite, path: a.db, columns: {body: b}}",
         "read the option columns: \"body\" is none of id, event_id, aggregatetype, aggregateid, type, payload, "
         "headers, created_at; any other column is used by its own name"},
        {"s: {plugin: sqlite, path: a.db, dead_table: OUTBOX}",
         "read the option dead_table: it is the outbox itself; name another"},
    };
    fixture_drop(&fixture, fixture.store);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        cr_assert_eq(loop_fixture_configure(&fixture.base, "test.yaml", all[i].yaml, &fixture.error), 0, "%s",
                     fixture.error.text);
        cr_assert_eq(loop_fixture_instance(&fixture.base, OUTBOX_STORE, "s", &store, &fixture.error), OUTBOX_E_CONFIG);
        cr_assert_not_null(strstr(fixture.error.text, all[i].text), "%s", fixture.error.text);
    }
    cr_assert_eq(
        loop_fixture_configure(&fixture.base, "test.yaml", "store: {plugin: sqlite, path: a.db}", &fixture.error), 0);
    fixture.store = fixture_another(&fixture);
    fixture_close(&fixture);
}

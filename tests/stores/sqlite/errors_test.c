/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/errors_test.c - what can be wrong with a database, each with its own words and its own way back
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

Test(sqlite_errors, missing_file_is_not_created)
{
    struct rig rig;
    rig_open(&rig, NULL);
    rig_start(&rig, rig.store);
    rig_expect(&rig, OUTBOX_E_NOT_FOUND, "open outbox database %s: no such file; create it with 'outbox init'",
               rig.path);
    cr_assert_neq(access(rig.path, F_OK), 0);
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    rig_close(&rig);
}

Test(sqlite_errors, missing_table)
{
    struct rig rig;
    rig_open(&rig, NULL);
    rig_sql(rig.path, "PRAGMA journal_mode = WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY)");
    rig_start(&rig, rig.store);
    rig_expect(&rig, OUTBOX_E_NOT_FOUND,
               "open outbox database %s: there is no table \"outbox\"; create it with 'outbox init'", rig.path);
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    rig_close(&rig);
}

Test(sqlite_errors, missing_table_of_dead_letters)
{
    struct rig rig;
    rig_ready(&rig, NULL);
    cr_assert_eq(harness_stop(&rig.harness, rig.store, NULL), 0);
    rig_sql(rig.path, "DROP TABLE outbox_dead");
    rig_start(&rig, rig.store);
    rig_expect(&rig, OUTBOX_E_NOT_FOUND,
               "open outbox database %s: there is no table \"outbox_dead\"; create it with 'outbox init'", rig.path);
    rig_close(&rig);
}

Test(sqlite_errors, missing_column)
{
    struct rig rig;
    rig_open(&rig, NULL);
    rig_sql(rig.path, "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, body)");
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    rig_start(&rig, rig.store);
    rig_expect(&rig, OUTBOX_E_SCHEMA,
               "open outbox database %s: table \"outbox\" has no column \"payload\"; add it, or name the one to use in "
               "columns: {payload: NAME}",
               rig.path);
    rig_close(&rig);
}

Test(sqlite_errors, id_that_may_be_used_again)
{
    struct rig rig;
    rig_open(&rig, NULL);
    rig_sql(rig.path, "CREATE TABLE outbox (id INTEGER PRIMARY KEY, payload)");
    rig_setup(&rig);
    rig_expect(
        &rig, OUTBOX_E_SCHEMA,
        "set up outbox database %s: column \"id\" of table \"outbox\" is not INTEGER PRIMARY KEY AUTOINCREMENT, so "
        "ids of removed events would be used again and events lost; make the table anew with such a key",
        rig.path);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'outbox_%'"), 0,
                 "a setup that failed made tables");
    rig_close(&rig);
}

Test(sqlite_errors, no_id_at_all)
{
    struct rig rig;
    rig_open(&rig, NULL);
    rig_sql(rig.path, "CREATE TABLE outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, payload)");
    rig_setup(&rig);
    rig_expect(&rig, OUTBOX_E_SCHEMA,
               "set up outbox database %s: table \"outbox\" has no column \"id\"; add it as INTEGER PRIMARY KEY "
               "AUTOINCREMENT, or name the one that is in columns: {id: NAME}",
               rig.path);
    rig_close(&rig);
}

Test(sqlite_errors, journal_that_blocks)
{
    struct rig rig;
    rig_ready(&rig, NULL);
    cr_assert_eq(harness_stop(&rig.harness, rig.store, NULL), 0);
    rig_sql(rig.path, "PRAGMA journal_mode = DELETE");
    rig_start(&rig, rig.store);
    rig_expect(
        &rig, OUTBOX_E_SCHEMA,
        "open outbox database %s: its journal mode is delete, in which readers and writers block each other; set "
        "it to wal with 'outbox init'",
        rig.path);
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    rig_close(&rig);
}

Test(sqlite_errors, not_a_database)
{
    struct rig rig;
    rig_open(&rig, NULL);
    write_file(rig.path, "this is a text file that is long enough to be looked at as a database, but is none at all\n"
                         "this is a text file that is long enough to be looked at as a database, but is none at all\n");
    rig_start(&rig, rig.store);
    rig_expect(&rig, OUTBOX_E_CORRUPT,
               "open outbox database %s: file is not a database; restore a backup, or save what can be saved with "
               "'sqlite3 FILE .recover'",
               rig.path);
    rig_close(&rig);
}

/* Destroy every page of the table's own, but not the schema. */
Test(sqlite_errors, corrupt_page)
{
    struct rig rig;
    struct outbox_batch *batch;
    rig_ready(&rig, NULL);
    rig_insert(&rig, 1000);
    cr_assert_eq(harness_stop(&rig.harness, rig.store, NULL), 0);
    int64_t root = rig_number(rig.path, "SELECT rootpage FROM sqlite_schema WHERE name = 'outbox'");
    FILE *file = fopen(rig.path, "r+");
    cr_assert_not_null(file);
    fseek(file, (root - 1) * 4096, SEEK_SET);
    for (int i = 0; i < 4096; i++)
        fputc(0xff, file);
    fclose(file);
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    rig_claim_code(&rig, &batch);
    rig_expect(&rig, OUTBOX_E_CORRUPT,
               "claim rows from %s: database disk image is malformed; restore a backup, or save what can be saved with "
               "'sqlite3 FILE .recover'",
               rig.path);
    rig_close(&rig);
}

Test(sqlite_errors, directory)
{
    struct rig rig;
    rig_open(&rig, NULL);
    cr_assert_eq(mkdir(rig.path, 0700), 0);
    rig_start(&rig, rig.store);
    rig_expect(&rig, OUTBOX_E_INVALID, "open outbox database %s: it is a directory; name the database file", rig.path);
    rig_setup(&rig);
    rig_expect(&rig, OUTBOX_E_INVALID, "set up outbox database %s: it is a directory; name the database file",
               rig.path);
    rig_close(&rig);
}

Test(sqlite_errors, missing_directory)
{
    struct rig rig;
    rig_open(&rig, NULL);
    cr_assert_eq(rmdir(rig.dir), 0);
    rig_setup(&rig);
    rig_expect(&rig, OUTBOX_E_NOT_FOUND, "set up outbox database %s: its directory does not exist; create that first",
               rig.path);
    cr_assert_eq(mkdir(rig.dir, 0700), 0);
    rig_close(&rig);
}

/* As another user, since root may write everything. */
Test(sqlite_errors, read_only_and_no_permission)
{
    struct rig rig;
    if (geteuid() != 0)
        cr_skip_test("needs to be root to become another user");
    rig_ready(&rig, NULL);
    cr_assert_eq(harness_stop(&rig.harness, rig.store, NULL), 0);
    cr_assert_eq(chmod(rig.dir, 0755), 0);
    cr_assert_eq(chmod(rig.path, 0444), 0);
    cr_assert_eq(seteuid(65534), 0);
    rig_start(&rig, rig.store);
    rig_expect(&rig, OUTBOX_E_PERMISSION,
               "open outbox database %s: this user may only read it; make the file and its directory writable",
               rig.path);
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(chmod(rig.path, 0600), 0);
    cr_assert_eq(seteuid(65534), 0);
    rig_start(&rig, rig.store);
    rig_expect(&rig, OUTBOX_E_PERMISSION,
               "open outbox database %s: permission denied; give this user access to the file and its directory",
               rig.path);
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    rig_close(&rig);
}

Test(sqlite_errors, file_removed_while_open)
{
    struct rig rig;
    struct outbox_batch *batch;
    rig_ready(&rig, NULL);
    rig_own(&rig);
    cr_assert_eq(unlink(rig.path), 0);
    rig_claim_code(&rig, &batch);
    rig_expect(&rig, OUTBOX_E_NOT_FOUND,
               "claim rows from %s: the file was removed while it was open; put it back, or create a new one with "
               "'outbox init'",
               rig.path);
    rig_renew(&rig, rig.store);
    rig_expect(&rig, OUTBOX_E_NOT_FOUND,
               "own outbox %s: the file was removed while it was open; put it back, or create a new one with "
               "'outbox init'",
               rig.path);
    rig_close(&rig);
}

Test(sqlite_errors, file_replaced_while_open)
{
    struct rig rig;
    struct outbox_batch *batch;
    char command[512];
    rig_ready(&rig, NULL);
    rig_own(&rig);
    snprintf(command, sizeof command, "cp %s %s.new && mv %s.new %s", rig.path, rig.path, rig.path, rig.path);
    cr_assert_eq(system(command), 0);
    rig_claim_code(&rig, &batch);
    rig_expect(&rig, OUTBOX_E_NOT_CONNECTED,
               "claim rows from %s: another file has taken its place while it was open; it will be opened anew",
               rig.path);
    cr_assert_eq(harness_stop(&rig.harness, rig.store, NULL), 0);
    rig_start(&rig, rig.store);
    rig_close(&rig);
}

/* A writer that comes then makes files of its own: its rows are found, and closing ours does not remove its log. */
static void log_removed_while_open(const char *suffix)
{
    struct rig rig;
    struct outbox_batch *batch;
    char path[512], command[1024];
    rig_ready(&rig, NULL);
    rig_own(&rig);
    snprintf(path, sizeof path, "%s%s", rig.path, suffix);
    cr_assert_eq(unlink(path), 0);
    snprintf(command, sizeof command,
             "sqlite3 %s \"INSERT INTO outbox (aggregatetype, aggregateid, type) VALUES ('a', 'k', 't')\"", rig.path);
    cr_assert_eq(system(command), 0);
    rig_claim_code(&rig, &batch);
    cr_expect_eq(rig.error.code, OUTBOX_E_NOT_CONNECTED);
    cr_expect_not_null(strstr(rig.error.text, "somebody removed "));
    cr_expect_not_null(strstr(rig.error.text, suffix));
    cr_assert_eq(harness_stop(&rig.harness, rig.store, NULL), 0);
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    rig_own(&rig);
    batch = rig_claim(&rig, 0);
    cr_assert_not_null(batch);
    cr_expect_eq(batch->rows, 1);
    rig_release(&rig, batch);
    rig_close(&rig);
}

Test(sqlite_errors, index_of_the_log_removed_while_open)
{
    log_removed_while_open("-shm");
}

static void hold_exclusively(struct rig_link *link)
{
    sqlite3 *db;
    sqlite3_open(link->path, &db);
    sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; INSERT INTO t VALUES (1); COMMIT", NULL, NULL,
                 NULL);
    rig_link_tell(link);
    rig_link_wait(link);
    sqlite3_close(db);
}

Test(sqlite_errors, database_that_another_process_has_for_itself)
{
    struct rig rig;
    struct rig_child child;
    rig_open(&rig, "  busy_timeout: 20ms\n");
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    rig_sql(rig.path, "CREATE TABLE t (i)");
    rig_child_start(&child, rig.path, hold_exclusively);
    rig_child_hear(&child);
    rig_start(&rig, rig.store);
    rig_expect(&rig, OUTBOX_E_AGAIN,
               "open outbox database %s: database is locked; another connection holds the lock: make its transactions "
               "shorter, or raise busy_timeout",
               rig.path);
    cr_assert_eq(rig_child_end(&child), 0);
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    rig_close(&rig);
}

static void hold_write_lock(struct rig_link *link)
{
    sqlite3 *db;
    sqlite3_open(link->path, &db);
    sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    rig_link_tell(link);
    rig_link_wait(link);
    sqlite3_close(db);
}

Test(sqlite_errors, writer_that_holds_the_lock_too_long)
{
    struct rig rig;
    struct rig_child child;
    struct outbox_acquire acquire;
    rig_ready(&rig, "  busy_timeout: 20ms\n");
    rig_insert(&rig, 3);
    rig_own(&rig);
    struct outbox_batch *batch = rig_claim(&rig, 0);
    rig_child_start(&child, rig.path, hold_write_lock);
    rig_child_hear(&child);
    rig_settle(&rig, batch, 0, 3);
    rig_expect(&rig, OUTBOX_E_AGAIN,
               "settle rows of %s: database is locked; another connection holds the lock: make its transactions "
               "shorter, or raise busy_timeout",
               rig.path);
    cr_assert_eq(rig_child_end(&child), 0);
    cr_assert_eq(rig_settle(&rig, batch, 0, 3), 0, "%s", rig.error.text);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox"), 0);
    rig_release(&rig, batch);
    cr_assert_eq(rig_acquire(&rig, rig.store, 15000, &acquire), 0, "%s", rig.error.text);
    rig_close(&rig);
}

Test(sqlite_errors, settings)
{
    struct rig rig;
    struct obx_instance *store;
    rig_open(&rig, NULL);
    const struct {
        const char *yaml, *text;
    } all[] = {
        {"s: {plugin: sqlite, path: ''}", "read the option path: it is empty; name the database file"},
        {"s: {plugin: sqlite, path: ':memory:'}",
         "read the option path: what is in :memory: nobody else can see; name a database file"},
        {"s: {plugin: sqlite, path: x, table: ''}", "read the option table: it is empty; name the outbox table"},
        {"s: {plugin: sqlite, path: a.db, columns: {body: b}}",
         "read the option columns: \"body\" is none of id, event_id, aggregatetype, aggregateid, type, payload, "
         "headers, created_at; any other column is used by its own name"},
        {"s: {plugin: sqlite, path: a.db, dead_table: OUTBOX}",
         "read the option dead_table: it is the outbox itself; name another"},
    };
    rig_drop(&rig, rig.store);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        cr_assert_eq(harness_configure(&rig.harness, "test.yaml", all[i].yaml, &rig.error), 0, "%s", rig.error.text);
        cr_assert_eq(harness_instance(&rig.harness, OUTBOX_STORE, "s", &store, &rig.error), OUTBOX_E_CONFIG);
        cr_assert_not_null(strstr(rig.error.text, all[i].text), "%s", rig.error.text);
    }
    cr_assert_eq(harness_configure(&rig.harness, "test.yaml", "store: {plugin: sqlite, path: a.db}", &rig.error), 0);
    rig.store = rig_another(&rig);
    rig_close(&rig);
}

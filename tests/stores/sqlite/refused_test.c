/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/refused_test.c - rows that the database refuses to remove: the other rows are removed, and no row
 * is returned twice
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void open_with(struct fixture *fixture, int rows, const char *trigger)
{
    fixture_ready(fixture, NULL);
    fixture_own(fixture);
    fixture_insert(fixture, rows);
    fixture_sql(fixture->path, trigger);
}

/* Settles the batch; how many rows stay. */
static uint64_t settle_all(struct fixture *fixture, struct outbox_batch *batch, struct outbox_refused *refused)
{
    struct loop_fixture_call call = {0};
    struct outbox_span span = {batch, 0, batch->rows};
    struct outbox_settle settle = {sizeof settle, 1, &span, refused};
    *refused = (struct outbox_refused){.struct_size = sizeof *refused};
    loop_fixture_reset(&call);
    obx_store_settle(fixture->store, &call.call, 0, &settle);
    cr_assert_eq(loop_fixture_wait(&fixture->base, &call), 0, "%s", call.error.text);
    cr_assert_eq(refused->position_count, refused->rows);
    for (uint32_t i = 1; i < refused->position_count; i++)
        cr_assert_lt(refused->positions[i - 1].major, refused->positions[i].major);
    return refused->rows;
}

/* The settle of `rows` rows leaves `left`, which no claim returns again, not even after a rewind. */
static void expect_left(int rows, const char *trigger, const char *left, uint64_t count, const char *why)
{
    struct fixture fixture;
    struct outbox_refused refused;
    open_with(&fixture, rows, trigger);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(settle_all(&fixture, batch, &refused), count);
    cr_assert_str_eq(fixture_text(fixture.path, "SELECT group_concat(id, ' ') FROM outbox"), left);
    cr_assert_eq(refused.positions[0].major, strtoull(left, NULL, 10));
    cr_assert_not_null(strstr(refused.reason, why), "%s", refused.reason);
    fixture_release(&fixture, batch);
    cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP));
    cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_REWIND));
    fixture_insert(&fixture, 1);
    batch = fixture_claim(&fixture, 0);
    cr_assert_eq(batch->rows, 1, "new rows go on");
    cr_assert_eq(settle_all(&fixture, batch, &refused), count);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

Test(sqlite_refused, row_that_a_trigger_keeps_is_reported)
{
    expect_left(300, "CREATE TRIGGER t BEFORE DELETE ON outbox WHEN old.id = 17 BEGIN SELECT raise(IGNORE); END", "17",
                1, "row 17: a trigger of the table keeps it");
}

Test(sqlite_refused, removal_that_removes_nothing_is_reported)
{
    expect_left(3, "CREATE TRIGGER t BEFORE DELETE ON outbox WHEN old.id < 4 BEGIN SELECT raise(IGNORE); END", "1 2 3",
                3, "row 3: a trigger of the table keeps it");
}

Test(sqlite_refused, row_that_comes_back_is_reported)
{
    expect_left(300,
                "CREATE TRIGGER t AFTER DELETE ON outbox WHEN old.id = 9 BEGIN INSERT INTO outbox (id, aggregatetype, "
                "aggregateid, type) VALUES (9, 'a', 'b', 'c'); END",
                "9", 1, "row 9: ");
}

Test(sqlite_refused, row_whose_trigger_raises_is_reported)
{
    expect_left(300,
                "CREATE TRIGGER t BEFORE DELETE ON outbox WHEN old.id IN (1, 150, 300) BEGIN SELECT raise(ABORT, "
                "'audited'); END",
                "1 150 300", 3, "audited");
    expect_left(300,
                "CREATE TRIGGER t BEFORE DELETE ON outbox WHEN old.id = 42 BEGIN SELECT raise(FAIL, 'audited'); END",
                "42", 1, "row 42: audited");
}

Test(sqlite_refused, long_reason_ends_with_a_whole_character)
{
    char trigger[400] = "CREATE TRIGGER t BEFORE DELETE ON outbox WHEN old.id = 2 BEGIN SELECT raise(ABORT, 'x";
    char why[200] = "row 2: x";
    for (int i = 0; i < 80; i++)
        strcat(trigger, "\xe2\x82\xac");
    for (int i = 0; i < 49; i++) /* there is room for 150 bytes */
        strcat(why, "\xe2\x82\xac");
    strcat(trigger, "'); END");
    struct fixture fixture;
    struct outbox_refused refused;
    open_with(&fixture, 3, trigger);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(settle_all(&fixture, batch, &refused), 1);
    cr_assert_str_eq(refused.reason, why);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

Test(sqlite_refused, row_whose_trigger_rolls_back_is_reported)
{
    expect_left(
        300, "CREATE TRIGGER t BEFORE DELETE ON outbox WHEN old.id IN (7, 290) BEGIN SELECT raise(ROLLBACK, 'no'); END",
        "7 290", 2, "rolls the transaction back");
}

Test(sqlite_refused, older_host_gets_no_positions)
{
    struct fixture fixture;
    struct outbox_refused refused = {.struct_size = offsetof(struct outbox_refused, locked), .position_count = 7};
    open_with(&fixture, 2, "CREATE TRIGGER t BEFORE DELETE ON outbox WHEN old.id = 2 BEGIN SELECT raise(IGNORE); END");
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    struct outbox_span span = {batch, 0, 2};
    struct outbox_settle settle = {sizeof settle, 1, &span, &refused};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_settle(fixture.store, &call.call, 0, &settle);
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), 0, "%s", call.error.text);
    cr_assert_eq(refused.rows, 1);
    cr_assert_eq(refused.position_count, 7);
    cr_assert_null(refused.positions);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

Test(sqlite_refused, host_that_does_not_ask_gets_an_error)
{
    struct fixture fixture;
    open_with(&fixture, 2, "CREATE TRIGGER t BEFORE DELETE ON outbox WHEN old.id = 2 BEGIN SELECT raise(IGNORE); END");
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    struct outbox_span span = {batch, 0, 2};
    struct outbox_settle settle = {offsetof(struct outbox_settle, refused), 1, &span, NULL};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_settle(fixture.store, &call.call, 0, &settle);
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), OUTBOX_E_AGAIN, "%s", call.error.text);
    cr_assert_str_eq(fixture_text(fixture.path, "SELECT group_concat(id, ' ') FROM outbox"), "2");
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

Test(sqlite_refused, too_many_refused_rows_stop_the_settle)
{
    struct fixture fixture;
    open_with(&fixture, 1001, "CREATE TRIGGER t BEFORE DELETE ON outbox BEGIN SELECT raise(IGNORE); END");
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 1001), OUTBOX_E_AGAIN, "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text, "more than 1000 published rows"), "%s", fixture.error.text);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

/* A move to the dead letters that cannot remove the row leaves no dead letter, however often it is tried. */
static void expect_no_dead_letter(const char *trigger, const char *why)
{
    struct fixture fixture;
    open_with(&fixture, 2, trigger);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(fixture_dead_letter(&fixture, 1, "k", "why"), OUTBOX_E_AGAIN, "%s", fixture.error.text);
        cr_assert_not_null(strstr(fixture.error.text, why), "%s", fixture.error.text);
    }
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox_dead"), 0);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 2);
    cr_assert_eq(fixture_dead_letter(&fixture, 2, "k", "why"), 0, "the other row goes: %s", fixture.error.text);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox_dead"), 1);
    fixture_close(&fixture);
}

Test(sqlite_refused, row_that_stays_leaves_no_dead_letter)
{
    expect_no_dead_letter("CREATE TRIGGER t BEFORE DELETE ON outbox WHEN old.id = 1 BEGIN SELECT raise(IGNORE); END",
                          "row 1 cannot be removed");
    expect_no_dead_letter(
        "CREATE TRIGGER t BEFORE DELETE ON outbox WHEN old.id = 1 BEGIN SELECT raise(ABORT, 'no'); END",
        "row 1 cannot be removed: no");
    expect_no_dead_letter(
        "CREATE TRIGGER t BEFORE DELETE ON outbox WHEN old.id = 1 BEGIN SELECT raise(ROLLBACK, 'no'); END",
        "row 1 cannot be removed: no");
}

/* The connection stays open, so other keys are not affected. */
Test(sqlite_refused, missing_dead_letter_table_keeps_the_connection)
{
    struct fixture fixture;
    open_with(&fixture, 2, "DROP TABLE outbox_dead");
    cr_assert_eq(fixture_dead_letter(&fixture, 1, "k", "why"), OUTBOX_E_AGAIN, "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text, "outbox_dead; create it with 'outbox init'"), "%s",
                       fixture.error.text);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(fixture_settle(&fixture, batch, 1, 1), 0, "%s", fixture.error.text);
    fixture_release(&fixture, batch);
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_dead_letter(&fixture, 1, "k", "why"), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
}

/* ---- check ----------------------------------------------------------------------------------------------------- */

static char findings[4096];

static void add_finding(void *arg, const struct outbox_finding *finding)
{
    static const char *const words[] = {"ok", "warning", "error"};
    size_t size = strlen(findings);
    (void)arg;
    snprintf(findings + size, sizeof findings - size, "%s %s; %s\n", words[finding->severity], finding->reason,
             finding->advice ? finding->advice : "-");
}

static void check(struct fixture *fixture)
{
    struct outbox_check args = {.struct_size = sizeof args, .report = add_finding};
    struct loop_fixture_call call = {0};
    findings[0] = '\0';
    loop_fixture_reset(&call);
    obx_store_check(fixture->store, &call.call, 0, &args);
    cr_assert_eq(loop_fixture_wait(&fixture->base, &call), 0, "%s", call.error.text);
}

Test(sqlite_refused, check_names_the_row)
{
    struct fixture fixture;
    open_with(&fixture, 20,
              "CREATE TRIGGER t BEFORE DELETE ON outbox WHEN old.id = 17 BEGIN SELECT raise(ABORT, 'audited'); END;"
              "CREATE TABLE audit (event REFERENCES outbox (id))");
    check(&fixture);
    cr_assert_not_null(strstr(findings,
                              "error 1 of the first 1000 rows of table \"outbox\" cannot be removed, 17; the last is "
                              "row 17: audited; correct the triggers of the table\n"),
                       "%s", findings);
    cr_assert_not_null(strstr(findings, "warning a foreign key refers to table \"outbox\""), "%s", findings);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 20, "check removes nothing");
    fixture_close(&fixture);
}

/* ---- a hostile database file ----------------------------------------------------------------------------------- */

Test(sqlite_refused, new_database_is_closed_to_other_users)
{
    struct fixture fixture;
    struct stat status;
    fixture_ready(&fixture, NULL);
    cr_assert_eq(stat(fixture.path, &status), 0);
    cr_assert_eq(status.st_mode & 07, 0, "%o", (unsigned)status.st_mode);
    check(&fixture);
    cr_assert_null(strstr(findings, "every user"), "%s", findings);
    cr_assert_eq(chmod(fixture.path, 0644), 0);
    check(&fixture);
    cr_assert_not_null(strstr(findings, "warning every user of this machine can read "), "%s", findings);
    fixture_close(&fixture);
}

static int called;

static void dangerous(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)context, (void)count, (void)values;
    called++;
}

/* As an extension of the library does: nothing marks the function as one that schemas may call. */
static int register_dangerous(sqlite3 *db, const char **error, const struct sqlite3_api_routines *api)
{
    (void)error, (void)api;
    return sqlite3_create_function(db, "dangerous", 0, SQLITE_UTF8, NULL, dangerous, NULL, NULL);
}

Test(sqlite_refused, trigger_of_the_file_calls_no_dangerous_function)
{
    struct fixture fixture;
    struct outbox_refused refused;
    sqlite3_auto_extension((void (*)(void))register_dangerous);
    open_with(&fixture, 1, "CREATE TRIGGER t AFTER DELETE ON outbox BEGIN SELECT dangerous(); END");
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(settle_all(&fixture, batch, &refused), 1);
    cr_assert_not_null(strstr(refused.reason, "unsafe use of dangerous()"), "%s", refused.reason);
    cr_assert_eq(called, 0);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
    sqlite3_reset_auto_extension();
}

/* A hostile database file: what its triggers would do in a connection that trusts the schema. SQLite refuses the DELETE
 * as a whole, since it does not compile. */
static void expect_unsafe(const char *trigger, const char *why)
{
    struct fixture fixture;
    struct outbox_refused refused;
    open_with(&fixture, 2, trigger);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(settle_all(&fixture, batch, &refused), 2);
    cr_assert_not_null(strstr(refused.reason, why), "%s", refused.reason);
    cr_assert_eq(fixture_number(fixture.path, "SELECT COUNT(*) FROM outbox"), 2);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

Test(sqlite_refused, trigger_cannot_write_a_shadow_table)
{
    expect_unsafe("CREATE VIRTUAL TABLE f USING fts5(a); CREATE TRIGGER t AFTER DELETE ON outbox BEGIN INSERT INTO "
                  "f_content VALUES (9, 'x'); END",
                  "f_content may not be modified");
}

Test(sqlite_refused, trigger_cannot_call_an_unsafe_function)
{
    expect_unsafe("CREATE TRIGGER t AFTER DELETE ON outbox BEGIN SELECT load_extension('x'); END",
                  "unsafe use of load_extension()");
}

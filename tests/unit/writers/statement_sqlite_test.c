/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/writers/statement_sqlite_test.c - a prepared statement for callers that step it themselves, and misuse */
#include <criterion/criterion.h>
#include <string.h>

#include <outbox/sqlite.h>

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

static struct outbox_event placed(void)
{
    return (struct outbox_event){.struct_size = sizeof(struct outbox_event),
                                 .aggregate_type = text("order"),
                                 .aggregate_id = text("7"),
                                 .type = text("placed"),
                                 .payload = text("{}")};
}

static sqlite3 *open_memory(void)
{
    sqlite3 *db = NULL;
    cr_assert_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db,
                              "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, event_id, aggregatetype, "
                              "aggregateid, type, payload, headers)",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    return db;
}

Test(statement, caller_steps_it)
{
    sqlite3 *db = open_memory();
    sqlite3_stmt *statement = NULL;
    struct outbox_event event = placed();
    struct outbox_error error;
    cr_assert_eq(outbox_sqlite_statement(db, NULL, &event, &statement, &error), OUTBOX_OK, "%s", error.text);
    cr_expect_str_eq(sqlite3_sql(statement), "INSERT INTO \"outbox\" (\"aggregatetype\", \"aggregateid\", \"type\", "
                                             "\"payload\") VALUES (?2, ?3, ?4, ?5)");
    cr_expect_eq(sqlite3_total_changes(db), 0);
    cr_assert_eq(sqlite3_step(statement), SQLITE_DONE);
    cr_expect_eq(sqlite3_changes(db), 1);
    cr_expect_eq(sqlite3_finalize(statement), SQLITE_OK);
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

static void refused(sqlite3 *db, const char *table, const struct outbox_event *event, int code, const char *why)
{
    struct outbox_error error;
    sqlite3_stmt *statement = (sqlite3_stmt *)(void *)&error;
    cr_expect_eq(outbox_sqlite_statement(db, table, event, &statement, &error), code);
    cr_expect_eq(strncmp(error.text, why, strlen(why)), 0, "%s", error.text);
    cr_expect_null(statement);
    cr_expect_eq(outbox_sqlite_statement(db, table, event, &statement, NULL), code);
}

Test(statement, misuse_is_refused)
{
    sqlite3 *db = open_memory();
    struct outbox_event event = placed();
    struct outbox_error error;
    refused(NULL, NULL, &event, OUTBOX_E_INVALID, "add an event to outbox: db is NULL");
    refused(db, NULL, NULL, OUTBOX_E_INVALID, "add an event to outbox: event is NULL");
    refused(db, "missing", &event, OUTBOX_E_NOT_FOUND, "add an event to missing: ");
    cr_expect_eq(outbox_sqlite_statement(db, NULL, &event, NULL, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "add an event to outbox: statement is NULL");
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

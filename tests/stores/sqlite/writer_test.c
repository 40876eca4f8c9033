/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/writer_test.c - liboutbox-sqlite as an application uses it */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <outbox/sqlite.h>

#define TABLE                                                                                                      \
    "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, event_id DEFAULT 'made', aggregatetype NOT NULL, " \
    "aggregateid NOT NULL, type NOT NULL, payload BLOB, headers DEFAULT '{}')"

static struct outbox_bytes text(const char *text_)
{
    return (struct outbox_bytes){text_, strlen(text_)};
}

static struct outbox_event event(const char *payload)
{
    return (struct outbox_event){.struct_size = sizeof(struct outbox_event),
                                 .aggregate_type = text("order"),
                                 .aggregate_id = text("42"),
                                 .type = text("OrderPlaced"),
                                 .payload = payload ? text(payload) : (struct outbox_bytes){NULL, 0}};
}

static sqlite3 *open_memory(const char *sql)
{
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    return db;
}

static const char *query(sqlite3 *db, const char *sql)
{
    static char value[256];
    sqlite3_stmt *statement;
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
    const unsigned char *got = sqlite3_column_text(statement, 0);
    snprintf(value, sizeof value, "%s", got ? (const char *)got : "NULL");
    sqlite3_finalize(statement);
    return value;
}

static void run(sqlite3 *db, const char *sql)
{
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
}

/* Closing a connection with statements left open fails: so this checks for leaks, too. */
static void close_database(sqlite3 *db)
{
    cr_assert_eq(sqlite3_close(db), SQLITE_OK, "the writer left something open");
}

Test(sqlite_writer, commits_and_rolls_back_with_the_transaction)
{
    struct outbox_error error;
    int64_t id = 0;
    sqlite3 *db = open_memory("CREATE TABLE orders (id); " TABLE);
    struct outbox_event placed = event("{}");
    run(db, "BEGIN; INSERT INTO orders VALUES (42)");
    cr_assert_eq(outbox_sqlite_add(db, NULL, &placed, &id, &error), 0, "%s", error.text);
    cr_assert_eq(id, 1);
    run(db, "ROLLBACK");
    cr_assert_str_eq(query(db, "SELECT count(*) FROM outbox"), "0");
    run(db, "BEGIN; INSERT INTO orders VALUES (42)");
    cr_assert_eq(outbox_sqlite_add(db, NULL, &placed, &id, NULL), 0);
    run(db, "COMMIT");
    cr_assert_str_eq(
        query(db, "SELECT id || aggregatetype || aggregateid || type || payload || event_id || headers FROM outbox"),
        "1order42OrderPlaced{}made{}");
    cr_assert_eq(outbox_sqlite_add(db, NULL, &placed, NULL, &error), 0, "%s", error.text);
    cr_assert_str_eq(query(db, "SELECT count(*) FROM outbox"), "2");
    close_database(db);
}

Test(sqlite_writer, every_part_is_stored)
{
    struct outbox_error error;
    sqlite3 *db = open_memory(TABLE);
    struct outbox_event placed = event("p");
    placed.event_id = text("0b9c1b5e-7d2f-4a55-9d0b-3a1f6e7c8d90");
    placed.headers = text("{\"a\":1}");
    cr_assert_eq(outbox_sqlite_add(db, "outbox", &placed, NULL, &error), 0, "%s", error.text);
    cr_assert_str_eq(query(db, "SELECT event_id || headers FROM outbox"),
                     "0b9c1b5e-7d2f-4a55-9d0b-3a1f6e7c8d90{\"a\":1}");
    close_database(db);
}

Test(sqlite_writer, payloads_keep_every_byte)
{
    static const struct {
        struct outbox_bytes bytes;
        const char *type, *hex;
    } all[] = {
        {{NULL, 0}, "null", ""},
        {{"", 0}, "text", ""},
        {{"plain", 5}, "text", "706C61696E"},
        {{"gr\xc3\xbc\xc3\x9f", 6}, "text", "6772C3BCC39F"},
        {{"\xf0\x9f\x90\x98", 4}, "text", "F09F9098"},
        {{"a\0b", 3}, "blob", "610062"},
        {{"\xff\xfe", 2}, "blob", "FFFE"},
        {{"cut \xc3", 5}, "blob", "63757420C3"},
        {{"\xc0\x80", 2}, "blob", "C080"},
        {{"\xed\xa0\x80", 3}, "blob", "EDA080"},
        {{"\xf4\x90\x80\x80", 4}, "blob", "F4908080"},
        {{"\xe0\x80\x80", 3}, "blob", "E08080"},
    };
    struct outbox_error error;
    sqlite3 *db = open_memory(TABLE);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct outbox_event placed = event(NULL);
        placed.payload = all[i].bytes;
        cr_assert_eq(outbox_sqlite_add(db, NULL, &placed, NULL, &error), 0, "%s", error.text);
        cr_assert_str_eq(query(db, "SELECT typeof(payload) FROM outbox ORDER BY id DESC LIMIT 1"), all[i].type, "%zu",
                         i);
        cr_assert_str_eq(query(db, "SELECT hex(payload) FROM outbox ORDER BY id DESC LIMIT 1"), all[i].hex, "%zu", i);
    }
    close_database(db);
}

Test(sqlite_writer, large_payload_is_stored)
{
    struct outbox_error error;
    size_t size = 5000000;
    char *payload = malloc(size);
    cr_assert_not_null(payload);
    memset(payload, 'x', size);
    sqlite3 *db = open_memory(TABLE);
    struct outbox_event placed = event(NULL);
    placed.payload = (struct outbox_bytes){payload, size};
    cr_assert_eq(outbox_sqlite_add(db, NULL, &placed, NULL, &error), 0, "%s", error.text);
    cr_assert_str_eq(query(db, "SELECT length(payload) FROM outbox"), "5000000");
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000000);
    cr_assert_eq(outbox_sqlite_add(db, NULL, &placed, NULL, &error), OUTBOX_E_INVALID);
    cr_assert_str_eq(error.text, "add an event to outbox: string or blob too big");
    free(payload);
    close_database(db);
}

Test(sqlite_writer, table_may_have_any_name)
{
    struct outbox_error error;
    sqlite3 *db = open_memory("CREATE TABLE \"my \"\"events\"\"; --\" (aggregatetype, aggregateid, type, payload)");
    struct outbox_event placed = event("p");
    cr_assert_eq(outbox_sqlite_add(db, "my \"events\"; --", &placed, NULL, &error), 0, "%s", error.text);
    cr_assert_str_eq(query(db, "SELECT count(*) FROM \"my \"\"events\"\"; --\""), "1");
    close_database(db);
}

static void refuse(sqlite3 *db, const char *table, const struct outbox_event *refused, int code, const char *why)
{
    struct outbox_error error;
    cr_assert_eq(outbox_sqlite_add(db, table, refused, NULL, &error), code, "%d: %s", error.code, error.text);
    cr_assert_str_eq(error.text, why);
    cr_assert_eq(outbox_sqlite_add(db, table, refused, NULL, NULL), code);
}

Test(sqlite_writer, errors_contain_advice)
{
    sqlite3 *db = open_memory(TABLE);
    struct outbox_event placed = event("p"), cut = placed;
    refuse(NULL, NULL, &placed, OUTBOX_E_INVALID, "add an event to outbox: db is NULL");
    refuse(db, NULL, NULL, OUTBOX_E_INVALID, "add an event to outbox: event is NULL");
    refuse(db, "nothing", &placed, OUTBOX_E_NOT_FOUND,
           "add an event to nothing: no such table: nothing; create it with 'outbox init'");
    cut.type.data = NULL;
    refuse(db, NULL, &cut, OUTBOX_E_INVALID, "add an event to outbox: type is missing; every event needs one");
    cut = placed;
    cut.aggregate_type.data = NULL;
    refuse(db, NULL, &cut, OUTBOX_E_INVALID, "add an event to outbox: aggregatetype is missing; every event needs one");
    cut = placed;
    cut.aggregate_id.data = NULL;
    refuse(db, NULL, &cut, OUTBOX_E_INVALID, "add an event to outbox: aggregateid is missing; every event needs one");
    run(db, "CREATE TABLE bare (aggregatetype, aggregateid, payload)");
    refuse(db, "bare", &placed, OUTBOX_E_SCHEMA,
           "add an event to bare: table bare has no column named type; correct the table, or name its columns in "
           "`columns`");
    run(db, "PRAGMA query_only = ON");
    refuse(db, NULL, &placed, OUTBOX_E_READ_ONLY,
           "add an event to outbox: attempt to write a readonly database; make the file and its directory writable for "
           "this user");
    close_database(db);
}

Test(sqlite_writer, headers_must_be_a_json_object)
{
    sqlite3 *db = open_memory(TABLE);
    struct outbox_event placed = event("p");
    placed.headers = text("[1]");
    refuse(db, NULL, &placed, OUTBOX_E_INVALID,
           "add an event to outbox: headers: it does not begin with {, at byte 0; they must be a JSON object, or null");
    placed.headers = text("{bad");
    refuse(
        db, NULL, &placed, OUTBOX_E_INVALID,
        "add an event to outbox: headers: a name in double quotes is missing, at byte 1; they must be a JSON object, "
        "or null");
    cr_assert_str_eq(query(db, "SELECT count(*) FROM outbox"), "0");
    close_database(db);
}

/* A success means that the row is there, and that the id is its own. */
Test(sqlite_writer, insert_that_inserts_nothing_is_an_error)
{
    sqlite3 *db = open_memory(TABLE);
    struct outbox_error error;
    struct outbox_event placed = event("p");
    int64_t id = 0;
    cr_assert_eq(outbox_sqlite_add(db, NULL, &placed, &id, &error), 0, "%s", error.text);
    run(db, "CREATE TRIGGER discards BEFORE INSERT ON outbox BEGIN SELECT raise(IGNORE); END");
    refuse(
        db, NULL, &placed, OUTBOX_E_INVALID,
        "add an event to outbox: no row was inserted: a trigger or a conflict clause of table \"outbox\" discarded it");
    run(db, "DROP TRIGGER discards;"
            "CREATE TABLE once (aggregatetype, aggregateid, type UNIQUE ON CONFLICT IGNORE, payload)");
    cr_assert_eq(outbox_sqlite_add(db, "once", &placed, &id, &error), 0, "%s", error.text);
    cr_assert_eq(outbox_sqlite_add(db, "once", &placed, &id, &error), OUTBOX_E_INVALID);
    close_database(db);
}

Test(sqlite_writer, id_is_the_id_of_the_row)
{
    sqlite3 *db = open_memory(TABLE);
    struct outbox_error error;
    struct outbox_event placed = event("p");
    int64_t id = 0;
    run(db, "CREATE TABLE copy (id INTEGER PRIMARY KEY AUTOINCREMENT, type);"
            "INSERT INTO copy (id, type) VALUES (700, 't');"
            "CREATE TRIGGER copies AFTER INSERT ON outbox BEGIN INSERT INTO copy (type) VALUES (new.type); END;"
            "CREATE TABLE keyed (id TEXT PRIMARY KEY DEFAULT 'x', aggregatetype, aggregateid, type, payload) WITHOUT "
            "ROWID");
    cr_assert_eq(outbox_sqlite_add(db, NULL, &placed, &id, &error), 0, "%s", error.text);
    cr_assert_eq(id, 1);
    cr_assert_eq(outbox_sqlite_add(db, "keyed", &placed, &id, &error), OUTBOX_E_SCHEMA);
    cr_assert_str_eq(error.text,
                     "add an event to keyed: the row has no id: table \"keyed\" is a view or WITHOUT ROWID; its "
                     "id must be INTEGER PRIMARY KEY AUTOINCREMENT");
    close_database(db);
}

Test(sqlite_writer, failed_add_leaves_the_transaction_open)
{
    struct outbox_error error;
    sqlite3 *db = open_memory(TABLE);
    struct outbox_event placed = event("p");
    run(db, "BEGIN");
    cr_assert_eq(outbox_sqlite_add(db, NULL, &placed, NULL, &error), 0, "%s", error.text);
    cr_assert_eq(outbox_sqlite_add(db, "nothing", &placed, NULL, &error), OUTBOX_E_NOT_FOUND);
    cr_assert_not(sqlite3_get_autocommit(db));
    run(db, "COMMIT");
    cr_assert_str_eq(query(db, "SELECT count(*) FROM outbox"), "1");
    close_database(db);
}

Test(sqlite_writer, busy_and_full_databases_are_reported)
{
    char dir[] = "/tmp/outbox-writer-XXXXXX", path[64];
    sqlite3 *db, *other;
    struct outbox_event placed = event(NULL);
    static char payload[100000];
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/w.db", dir);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_open(path, &other), SQLITE_OK);
    run(db, "PRAGMA journal_mode = WAL; " TABLE);
    run(other, "BEGIN IMMEDIATE");
    refuse(db, NULL, &placed, OUTBOX_E_AGAIN,
           "add an event to outbox: database is locked; another connection holds the lock: make its transactions "
           "shorter, or raise "
           "busy_timeout");
    run(other, "COMMIT");
    run(db, "PRAGMA max_page_count = 10");
    memset(payload, 'x', sizeof payload);
    placed.payload = (struct outbox_bytes){payload, sizeof payload};
    refuse(db, NULL, &placed, OUTBOX_E_FULL,
           "add an event to outbox: database or disk is full; free space on its file system, or raise max_page_count");
    close_database(db);
    close_database(other);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(rmdir(dir), 0);
}

Test(sqlite_writer, many_events_are_added_or_none)
{
    sqlite3 *db = open_memory(TABLE);
    struct outbox_error error;
    struct outbox_event first = event("a"), second = event("b"), bad = event("c");
    const struct outbox_event *list[] = {&first, &second, &bad};
    cr_assert_eq(outbox_sqlite_add_many(db, NULL, list, 3, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_str_eq(query(db, "SELECT group_concat(payload, ' ') FROM (SELECT payload FROM outbox ORDER BY id)"),
                     "a b c");
    cr_assert(sqlite3_get_autocommit(db));
    bad.type = (struct outbox_bytes){0};
    cr_assert_eq(outbox_sqlite_add_many(db, NULL, list, 3, &error), OUTBOX_E_INVALID);
    cr_assert_str_eq(query(db, "SELECT count(*) FROM outbox"), "3");
    cr_assert(sqlite3_get_autocommit(db));
    run(db, "BEGIN");
    cr_assert_eq(outbox_sqlite_add_many(db, NULL, list, 2, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_eq(outbox_sqlite_add_many(db, NULL, list, 3, &error), OUTBOX_E_INVALID);
    run(db, "COMMIT");
    cr_assert_str_eq(query(db, "SELECT count(*) FROM outbox"), "5", "what the transaction had before stays");
    cr_assert_eq(outbox_sqlite_add_many(NULL, NULL, list, 1, &error), OUTBOX_E_INVALID);
    close_database(db);
}

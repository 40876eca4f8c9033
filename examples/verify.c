/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/verify.c - compares the committed orders with the published events
 *
 *     verify DATABASE LEDGER FILE...
 *
 * The truth is the table `orders`; FILE... are the published events, one JSON object a line, in order. Prints one
 * "name value" a line:
 *
 *     committed      orders in the database
 *     rolled-back    orders in the ledger that were rolled back
 *     published      events in the files
 *     waiting        rows that are still in the outbox
 *     duplicates     events published again
 *     torn           incomplete lines: a writer was killed during a write
 *     changed        duplicates that are not byte-identical with their first
 *     lost           committed orders without an event, neither published nor waiting
 *     phantom        published orders that do not exist
 *     disorder       orders published before an earlier one of the same customer
 *
 * Exit code 0 if torn, changed, lost, phantom and disorder are 0; 1 otherwise; 2 if it could not compare. SQLite does
 * the work.
 */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static void die(const char *what, const char *why)
{
    fprintf(stderr, "verify: %s: %s\n", what, why);
    exit(2);
}

static void run_sql(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        die(sql, why ? why : sqlite3_errmsg(db));
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(db));
    return statement;
}

static void insert_line(sqlite3 *db, sqlite3_stmt *statement, const char *line, size_t size)
{
    sqlite3_bind_text(statement, 1, line, (int)size, SQLITE_STATIC);
    if (sqlite3_step(statement) != SQLITE_DONE)
        die("read a line", sqlite3_errmsg(db));
    sqlite3_reset(statement);
}

/* A last line without a newline is not an event: the writer was killed during the write. */
static void read_lines(sqlite3 *db, sqlite3_stmt *statement, const char *path, bool must_exist)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    if (!file && must_exist)
        die(path, "cannot be read");
    while (file && (size = getline(&line, &room, file)) > 0)
        if (line[size - 1] == '\n')
            insert_line(db, statement, line, (size_t)size - 1);
    free(line);
    if (file)
        fclose(file);
}

static void load(sqlite3 *db, int argc, char **argv)
{
    char attach[4200];
    snprintf(attach, sizeof attach, "ATTACH '%s' AS shop", argv[1]);
    run_sql(db, attach);
    run_sql(db, "CREATE TABLE ledger (line TEXT);"
                "CREATE TABLE lines (n INTEGER PRIMARY KEY, line TEXT);");
    sqlite3_stmt *ledger = prepare(db, "INSERT INTO ledger VALUES (?1)");
    sqlite3_stmt *lines = prepare(db, "INSERT INTO lines (line) VALUES (?1)");
    run_sql(db, "BEGIN");
    read_lines(db, ledger, argv[2], true);
    for (int i = 3; i < argc; i++)
        read_lines(db, lines, argv[i], false);
    sqlite3_finalize(ledger);
    sqlite3_finalize(lines);
    run_sql(db,
            "COMMIT;"
            "CREATE TABLE published AS SELECT n, line, json_extract(line, '$.id') AS event, "
            "  json_extract(line, '$.key') AS customer, "
            "  json_extract(json_extract(line, '$.payload'), '$.order') AS id, "
            "  json_extract(json_extract(line, '$.payload'), '$.number') AS number FROM lines WHERE json_valid(line);"
            "CREATE INDEX by_id ON published (id);"
            "CREATE INDEX by_event ON published (event);");
}

static long long count(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = prepare(db, sql);
    if (sqlite3_step(statement) != SQLITE_ROW)
        die(sql, sqlite3_errmsg(db));
    long long value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

/* Events that are not relayed yet; a shop without an outbox has none. */
static void load_waiting(sqlite3 *db)
{
    bool has = count(db, "SELECT count(*) FROM shop.sqlite_master WHERE name = 'outbox'") > 0;
    run_sql(db, has ? "CREATE TABLE waiting AS SELECT json_extract(payload, '$.order') AS id FROM shop.outbox"
                    : "CREATE TABLE waiting (id TEXT)");
    run_sql(db, "CREATE INDEX waiting_by_id ON waiting (id)");
}

static const struct {
    const char *name;
    const char *sql;
    bool must_be_zero;
} figures[] = {
    {"committed", "SELECT count(*) FROM shop.orders", false},
    {"rolled-back", "SELECT count(*) FROM ledger WHERE line LIKE 'rolled-back %'", false},
    {"published", "SELECT count(*) FROM published", false},
    {"waiting", "SELECT count(*) FROM waiting", false},
    {"duplicates", "SELECT count(*) - count(DISTINCT event) FROM published", false},
    {"torn", "SELECT count(*) FROM lines WHERE NOT json_valid(line)", true},
    {"changed", "SELECT count(*) FROM (SELECT 1 FROM published GROUP BY event HAVING count(DISTINCT line) > 1)", true},
    {"lost",
     "SELECT count(*) FROM shop.orders WHERE id NOT IN (SELECT id FROM published) "
     "AND id NOT IN (SELECT id FROM waiting)",
     true},
    {"phantom", "SELECT count(DISTINCT id) FROM published WHERE id NOT IN (SELECT id FROM shop.orders)", true},
    {"disorder",
     "SELECT count(*) FROM (SELECT number, lag(number) OVER (PARTITION BY customer ORDER BY first) AS before "
     "FROM (SELECT customer, number, min(n) AS first FROM published GROUP BY id)) WHERE before > number",
     true},
};

int main(int argc, char **argv)
{
    sqlite3 *db;
    bool good = true;
    if (argc < 4) {
        fputs("usage: verify DATABASE LEDGER FILE...\n", stderr);
        return 2;
    }
    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        die("open a database in memory", sqlite3_errmsg(db));
    load(db, argc, argv);
    load_waiting(db);
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        long long value = count(db, figures[i].sql);
        printf("%s %lld\n", figures[i].name, value);
        good &= !figures[i].must_be_zero || value == 0;
    }
    sqlite3_close(db);
    return good ? 0 : 1;
}

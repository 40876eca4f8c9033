/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/dead_test.c - the dead-letter table: pages, keys, replay and drop
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

struct letters {
    uint32_t count;
    uint64_t last;
    bool ascending;
    char keys[256];
    char first_payload[32], first_reason[32];
    int64_t died_us;
};

static void on_letter(void *arg, const struct outbox_dead_letter *letter)
{
    struct letters *letters = arg;
    if (letters->count == 0) {
        letters->ascending = true;
        snprintf(letters->first_payload, sizeof letters->first_payload, "%.*s", (int)letter->event.payload.size,
                 (const char *)letter->event.payload.data);
        snprintf(letters->first_reason, sizeof letters->first_reason, "%.*s", (int)letter->reason.size,
                 (const char *)letter->reason.data);
        letters->died_us = letter->died_us;
    }
    letters->ascending = letters->ascending && (letter->number > letters->last || letter->number == 0);
    letters->last = letter->number;
    letters->count++;
    size_t size = strlen(letters->keys);
    snprintf(letters->keys + size, sizeof letters->keys - size, "%.*s ", (int)letter->key.size,
             (const char *)letter->key.data);
}

/* `rows` dead letters made with SQL, as dead_letter() makes them, in two topics and three keys. */
static void fill(const struct fixture *fixture, int rows)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO outbox_dead "
             "(id, event_id, aggregatetype, aggregateid, type, payload, created_at, topic, \"key\", reason, attempts) "
             "SELECT i, 'e' || i, 'order', i, 'Placed', 'p' || i, '2024-02-29', 't' || (i %% 2), 'k' || (i %% 3), "
             "'why', 1 FROM n",
             rows);
    fixture_sql(fixture->path, sql);
}

Test(sqlite_dead, dead_letter_has_every_column)
{
    struct fixture fixture;
    struct letters letters = {0};
    fixture_ready(&fixture, NULL);
    fixture_insert(&fixture, 2);
    fixture_own(&fixture);
    cr_assert_eq(fixture_dead_letter(&fixture, 2, "k\xff", "too large"), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 1);
    cr_assert_str_eq(fixture_text(fixture.path,
                                  "SELECT id || ' ' || aggregatetype || ' ' || aggregateid || ' ' || type || ' ' || "
                                  "payload || ' ' || topic || ' ' || hex(\"key\") || ' ' || reason || ' ' || attempts "
                                  "FROM outbox_dead"),
                     "2 order 2 Placed 2 orders 6BFF too large 3");
    cr_assert_eq(fixture_number(fixture.path, "SELECT length(event_id) FROM outbox_dead"), 36);
    struct outbox_dead dead = {.action = OUTBOX_DEAD_LIST, .row = on_letter, .arg = &letters};
    cr_assert_eq(fixture_dead(&fixture, &dead), 0, "%s", fixture.error.text);
    cr_assert_eq(letters.count, 1);
    cr_assert_str_eq(letters.first_reason, "too large");
    cr_assert_gt(letters.died_us, INT64_C(1600000000000000));
    fixture_close(&fixture);
}

Test(sqlite_dead, list_spans_pages)
{
    struct fixture fixture;
    struct letters letters = {0};
    fixture_ready(&fixture, NULL);
    fill(&fixture, 1000);
    struct outbox_dead dead = {.action = OUTBOX_DEAD_LIST, .row = on_letter, .arg = &letters};
    cr_assert_eq(fixture_dead(&fixture, &dead), 0, "%s", fixture.error.text);
    cr_assert_eq(letters.count, 1000);
    cr_assert(letters.ascending);
    cr_assert_eq(dead.affected, 1000);
    cr_assert_str_eq(letters.first_payload, "p1");
    letters = (struct letters){0};
    dead = (struct outbox_dead){.action = OUTBOX_DEAD_LIST, .limit = 300, .row = on_letter, .arg = &letters};
    cr_assert_eq(fixture_dead(&fixture, &dead), 0, "%s", fixture.error.text);
    cr_assert_eq(letters.count, 300);
    fixture_close(&fixture);
}

Test(sqlite_dead, show_returns_the_requested_letters)
{
    struct fixture fixture;
    struct letters letters = {0};
    uint64_t numbers[400];
    fixture_ready(&fixture, NULL);
    fill(&fixture, 500);
    for (uint64_t i = 0; i < 400; i++)
        numbers[i] = i + 101;
    numbers[399] = 9999;
    struct outbox_dead dead = {
        .action = OUTBOX_DEAD_SHOW, .numbers = numbers, .count = 400, .row = on_letter, .arg = &letters};
    cr_assert_eq(fixture_dead(&fixture, &dead), 0, "%s", fixture.error.text);
    cr_assert_eq(letters.count, 399);
    cr_assert_str_eq(letters.first_payload, "p101");
    fixture_close(&fixture);
}

Test(sqlite_dead, keys_are_listed_once)
{
    struct fixture fixture;
    struct letters letters = {0};
    fixture_ready(&fixture, NULL);
    fill(&fixture, 100);
    struct outbox_dead dead = {.action = OUTBOX_DEAD_KEYS, .row = on_letter, .arg = &letters};
    cr_assert_eq(fixture_dead(&fixture, &dead), 0, "%s", fixture.error.text);
    cr_assert_eq(letters.count, 6);
    cr_assert_str_eq(letters.keys, "k1 k2 k0 k1 k2 k0 ");
    fixture_close(&fixture);
}

Test(sqlite_dead, replay_keeps_order_and_assigns_new_ids)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fixture_insert(&fixture, 3);
    fill(&fixture, 120);
    struct outbox_dead dead = {.action = OUTBOX_DEAD_REPLAY};
    cr_assert_eq(fixture_dead(&fixture, &dead), 0, "%s", fixture.error.text);
    cr_assert_eq(dead.affected, 120);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox_dead"), 0);
    cr_assert_eq(fixture_number(fixture.path,
                                "SELECT count(*) FROM outbox WHERE id > 3 AND event_id = 'e' || (id - 3) AND "
                                "payload = 'p' || (id - 3)"),
                 120);
    fixture_close(&fixture);
}

Test(sqlite_dead, replay_and_drop_move_the_requested_letters)
{
    struct fixture fixture;
    const uint64_t replayed[] = {2, 4, 99}, dropped[] = {1, 5};
    fixture_ready(&fixture, NULL);
    fill(&fixture, 5);
    struct outbox_dead dead = {.action = OUTBOX_DEAD_REPLAY, .numbers = replayed, .count = 3};
    cr_assert_eq(fixture_dead(&fixture, &dead), 0, "%s", fixture.error.text);
    cr_assert_eq(dead.affected, 2);
    cr_assert_str_eq(fixture_text(fixture.path, "SELECT group_concat(id || payload, ' ') FROM outbox"), "1p2 2p4");
    dead = (struct outbox_dead){.action = OUTBOX_DEAD_DROP, .numbers = dropped, .count = 2};
    cr_assert_eq(fixture_dead(&fixture, &dead), 0, "%s", fixture.error.text);
    cr_assert_eq(dead.affected, 2);
    cr_assert_str_eq(fixture_text(fixture.path, "SELECT group_concat(number, ' ') FROM outbox_dead"), "3");
    dead = (struct outbox_dead){.action = OUTBOX_DEAD_DROP};
    cr_assert_eq(fixture_dead(&fixture, &dead), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox_dead"), 0);
    fixture_close(&fixture);
}

Test(sqlite_dead, failed_replay_moves_nothing)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fill(&fixture, 5);
    fixture_sql(fixture.path, "UPDATE outbox_dead SET type = NULL WHERE number = 3");
    struct outbox_dead dead = {.action = OUTBOX_DEAD_REPLAY};
    fixture_dead(&fixture, &dead);
    fixture_expect(&fixture, OUTBOX_E_INVALID, "replay dead letters of %s: NOT NULL constraint failed: outbox.type",
                   fixture.path);
    cr_assert_eq(dead.affected, 0);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox_dead"), 5);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 0);
    fixture_close(&fixture);
}

/* ---- columns that the relay has no name for ------------------------------------------------------------------- */

static void replay_first(struct fixture *fixture)
{
    struct outbox_dead dead = {.action = OUTBOX_DEAD_REPLAY};
    cr_assert_eq(fixture_dead_letter(fixture, 1, "k", "too large"), 0, "%s", fixture->error.text);
    cr_assert_eq(fixture_number(fixture->path, "SELECT count(*) FROM outbox"), 0);
    cr_assert_eq(fixture_dead(fixture, &dead), 0, "%s", fixture->error.text);
    cr_assert_eq(dead.affected, 1);
    cr_assert_eq(fixture_number(fixture->path, "SELECT count(*) FROM outbox"), 1);
}

static void begin_again(struct fixture *fixture)
{
    loop_fixture_stop(&fixture->base, fixture->store, &fixture->error);
    cr_assert_eq(fixture_start(fixture, fixture->store), 0, "%s", fixture->error.text);
    fixture_own(fixture);
    fixture_release(fixture, fixture_claim(fixture, 0));
}

Test(sqlite_dead, value_of_every_storage_class_comes_back)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fixture_sql(
        fixture.path,
        "ALTER TABLE outbox ADD COLUMN tenant INTEGER; ALTER TABLE outbox ADD COLUMN a; ALTER TABLE outbox ADD "
        "COLUMN b REAL; ALTER TABLE outbox ADD COLUMN \"odd \"\"name\" TEXT; ALTER TABLE outbox ADD COLUMN d "
        "NUMERIC; ALTER TABLE outbox ADD COLUMN e BLOB; ALTER TABLE outbox ADD COLUMN f; ALTER TABLE outbox ADD "
        "COLUMN g; ALTER TABLE outbox ADD COLUMN twice AS (tenant * 2)");
    fixture_sql(
        fixture.path,
        "INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload, headers, created_at, tenant, a, "
        "b, \"odd \"\"name\", d, e, f, g) VALUES (x'00112233445566778899aabbccddeeff', 'o', 7, 1.5, x'00ff', "
        "x'7b7d', 12.5, 9007199254740993, 0.1 + 0.2, 3, CAST(x'61006200' AS TEXT), '1.0', x'00ff', -0.0, 'text')");
    fixture_sql(fixture.path, "CREATE TABLE before AS SELECT * FROM outbox");
    begin_again(&fixture);
    replay_first(&fixture);
    static const char *const columns[] = {"event_id",    "aggregatetype",
                                          "aggregateid", "type",
                                          "payload",     "headers",
                                          "created_at",  "tenant",
                                          "a",           "b",
                                          "d",           "e",
                                          "f",           "g",
                                          "twice",       "\"odd \"\"name\""};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM outbox o, before b WHERE typeof(o.%s) = typeof(b.%s) AND o.%s IS b.%s AND "
                 "hex(o.%s) = hex(b.%s)",
                 columns[i], columns[i], columns[i], columns[i], columns[i], columns[i]);
        cr_assert_eq(fixture_number(fixture.path, sql), 1, "%s", columns[i]);
    }
    fixture_close(&fixture);
}

Test(sqlite_dead, more_columns_than_a_function_takes_come_back)
{
    struct fixture fixture;
    char sql[200];
    fixture_ready(&fixture, NULL);
    for (int i = 0; i < 120; i++) {
        snprintf(sql, sizeof sql, "ALTER TABLE outbox ADD COLUMN c%d", i);
        fixture_sql(fixture.path, sql);
    }
    fixture_insert(&fixture, 1);
    for (int i = 0; i < 120; i++) {
        snprintf(sql, sizeof sql, "UPDATE outbox SET c%d = 'v%d'", i, i);
        fixture_sql(fixture.path, sql);
    }
    begin_again(&fixture);
    replay_first(&fixture);
    for (int i = 0; i < 120; i++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM outbox WHERE c%d = 'v%d'", i, i);
        cr_assert_eq(fixture_number(fixture.path, sql), 1, "c%d", i);
    }
    fixture_close(&fixture);
}

/* A column with a logical name, one without, and two that no replay can set. */
Test(sqlite_dead, replay_sets_a_column)
{
    struct fixture fixture;
    struct outbox_dead dead = {.action = OUTBOX_DEAD_REPLAY, .set_column = "nowhere", .set_text = "it's"};
    fixture_ready(&fixture, NULL);
    fill(&fixture, 2);
    fixture_sql(fixture.path, "ALTER TABLE outbox ADD COLUMN tenant TEXT DEFAULT 'one'");
    fixture_sql(fixture.path, "ALTER TABLE outbox ADD COLUMN made TEXT AS (type || '!')");
    fixture_dead(&fixture, &dead);
    fixture_expect(&fixture, OUTBOX_E_NOT_FOUND,
                   "replay dead letters of %s: table outbox has no column nowhere that can be set", fixture.path);
    dead.set_column = "made";
    cr_assert_eq(fixture_dead(&fixture, &dead), OUTBOX_E_NOT_FOUND);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox_dead"), 2, "nothing is replayed");
    const uint64_t numbers[] = {1, 2};
    const char *const columns[] = {"aggregatetype", "tenant"};
    for (int i = 0; i < 2; i++) {
        dead = (struct outbox_dead){.action = OUTBOX_DEAD_REPLAY,
                                    .numbers = &numbers[i],
                                    .count = 1,
                                    .set_column = columns[i],
                                    .set_text = "it's"};
        cr_assert_eq(fixture_dead(&fixture, &dead), 0, "%s", fixture.error.text);
    }
    cr_assert_str_eq(fixture_text(fixture.path, "SELECT group_concat(aggregatetype || ' ' || tenant || ' ' || payload, "
                                                "', ') FROM outbox"),
                     "it's one p1, order it's p2");
    fixture_close(&fixture);
}

/* A column that was added after the event died takes its default. */
Test(sqlite_dead, column_without_a_value_gets_its_default)
{
    struct fixture fixture;
    struct outbox_dead dead = {.action = OUTBOX_DEAD_REPLAY};
    fixture_ready(&fixture, NULL);
    fill(&fixture, 1);
    fixture_sql(fixture.path, "ALTER TABLE outbox ADD COLUMN tenant INTEGER NOT NULL DEFAULT 42");
    cr_assert_eq(fixture_dead(&fixture, &dead), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_number(fixture.path, "SELECT tenant FROM outbox"), 42);
    fixture_close(&fixture);
}

Test(sqlite_dead, setup_adds_the_column_to_dead_letters_of_an_earlier_version)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fixture_sql(fixture.path, "ALTER TABLE outbox_dead DROP COLUMN rest; ALTER TABLE outbox ADD COLUMN tenant INTEGER");
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(rest) FROM outbox_dead"), 0);
    fixture_close(&fixture);
}

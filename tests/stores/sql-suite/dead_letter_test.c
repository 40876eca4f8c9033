/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/dead_letter_test.c - a dead letter holds the whole row, and a replay restores it */
#include <string.h>

#include "fixture.h"

static void make_custom(struct sql_fixture *fixture)
{
    fixture_run(
        fixture,
        BY_SERVER("CREATE TABLE %s (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid DEFAULT "
                  "gen_random_uuid(), aggregatetype varchar(50), aggregateid text, type text, payload bytea, headers "
                  "jsonb, tenant int NOT NULL, \"odd name\" numeric, seen timestamptz, raw bytea)",
                  "CREATE TABLE %s (seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, id CHAR(36) DEFAULT "
                  "(UUID()), aggregatetype VARCHAR(50), aggregateid TEXT, type TEXT, payload BLOB, headers JSON, "
                  "tenant INT NOT NULL, `odd name` DECIMAL(6, 2), seen DATETIME(6), raw VARBINARY(9)) CHARACTER SET "
                  "utf8mb4"));
    fixture_run(
        fixture,
        BY_SERVER("INSERT INTO %s (aggregatetype, aggregateid, type, payload, headers, tenant, \"odd name\", seen, "
                  "raw) VALUES ('order', '7', 'placed', '\\x00ff', '{\"a\": 1}', 42, 1.50, '2026-01-02 "
                  "03:04:05.678901Z', '\\xfe00')",
                  "INSERT INTO %s (aggregatetype, aggregateid, type, payload, headers, tenant, `odd name`, seen, raw) "
                  "VALUES ('order', '7', 'placed', x'00ff', '{\"a\": 1}', 42, 1.50, '2026-01-02 03:04:05.678901', "
                  "x'fe00')"));
}

static int dead_letter(struct sql_fixture *fixture, uint64_t id)
{
    const struct outbox_dead_row row = {
        .position = {id, 0}, .attempts = 5, .topic = {"orders", 6}, .key = {"\0\xff", 2}, .reason = "it's too large"};
    return fixture_dead_letter(fixture, &row);
}

static void check_letter(void *arg, const struct outbox_dead_letter *letter)
{
    int *letters = arg;
    ++*letters;
    cr_assert(letter->key.size == 2 && !memcmp(letter->key.data, "\0\xff", 2));
    cr_assert(letter->topic.size == 6 && !memcmp(letter->topic.data, "orders", 6));
    cr_assert(letter->event.payload.size == 2 && !memcmp(letter->event.payload.data, "\0\xff", 2));
    cr_assert(letter->reason.size == 14 && !memcmp(letter->reason.data, "it's too large", 14));
    cr_assert_eq(letter->attempts, 5);
    cr_assert_gt(letter->died_us, 1700000000000000);
}

static int run(struct sql_fixture *fixture, struct outbox_dead *request)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_dead(fixture->store, &call.call, 0, request);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

static uint64_t dead(struct sql_fixture *fixture, enum outbox_dead_action action, int *letters)
{
    struct outbox_dead request = {
        .struct_size = sizeof request, .action = (uint32_t)action, .row = check_letter, .arg = letters};
    cr_assert_eq(run(fixture, &request), 0, "%s", fixture->error.text);
    return request.affected;
}

static int replay_with(struct sql_fixture *fixture, const char *column, const char *text)
{
    struct outbox_dead request = {
        .struct_size = sizeof request, .action = OUTBOX_DEAD_REPLAY, .set_column = column, .set_text = text};
    return run(fixture, &request);
}

static int64_t same_rows(struct sql_fixture *fixture)
{
    return fixture_run(fixture,
                       BY_SERVER("SELECT count(*) FROM %s a JOIN %s_before b ON a.id = b.id AND a.aggregatetype = "
                                 "b.aggregatetype AND a.payload = b.payload AND a.headers = b.headers AND a.tenant = "
                                 "b.tenant AND a.\"odd name\" = b.\"odd name\" AND a.seen = b.seen AND a.raw = b.raw",
                                 "SELECT COUNT(*) FROM %s a JOIN %s_before b ON a.id = b.id AND a.aggregatetype = "
                                 "b.aggregatetype AND a.payload = b.payload AND CAST(a.headers AS CHAR) = "
                                 "CAST(b.headers AS CHAR) AND a.tenant = b.tenant AND a.`odd name` = b.`odd name` AND "
                                 "a.seen = b.seen AND a.raw = b.raw"));
}

Test(dead_letter, row_with_extra_columns_is_replayed_unchanged)
{
    struct sql_fixture fixture;
    int letters = 0;
    fixture_open(&fixture, "custom", false, "  columns: { id: seq, event_id: id }\n");
    make_custom(&fixture);
    fixture_run(&fixture, "CREATE TABLE %s_before AS SELECT * FROM %s");
    cr_assert_eq(loop_fixture_store_start(&fixture.base, fixture.store, NULL, 0, &fixture.error), 0, "%s",
                 fixture.error.text);
    cr_assert_eq(fixture_setup(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_stop(&fixture);
    fixture_begin(&fixture);
    fixture_expect_rows(&fixture, IDS(1));
    cr_assert_eq(dead_letter(&fixture, 1), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    cr_assert_eq(dead(&fixture, OUTBOX_DEAD_SHOW, &letters), 1);
    cr_assert_eq(letters, 1);
    cr_assert_eq(dead(&fixture, OUTBOX_DEAD_REPLAY, &letters), 1);
    fixture_expect_rows(&fixture, IDS(2));
    cr_assert_eq(same_rows(&fixture), 1);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s_dead"), 0);
    fixture_close(&fixture);
}

/* A column with a logical name, and one without; of a table whose columns have other names. */
Test(dead_letter, replay_sets_a_column)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "set_column", false, "  columns: { aggregatetype: kind }\n");
    fixture_run(&fixture,
                BY_SERVER("CREATE TABLE %s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid DEFAULT "
                          "gen_random_uuid(), kind varchar(50), aggregateid text, type text, payload text, headers "
                          "jsonb, created_at timestamptz DEFAULT now(), place text, made int GENERATED ALWAYS AS (7) "
                          "STORED)",
                          "CREATE TABLE %s (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, event_id CHAR(36) "
                          "DEFAULT (UUID()), kind VARCHAR(50), aggregateid TEXT, type TEXT, payload TEXT, headers "
                          "JSON, created_at DATETIME(6), place VARCHAR(50), made INT GENERATED ALWAYS AS (7)) "
                          "CHARACTER SET utf8mb4"));
    fixture_run(&fixture, "INSERT INTO %s (kind, aggregateid, type, payload, place) VALUES ('order', '7', 'placed', "
                          "'x', 'here')");
    cr_assert_eq(loop_fixture_store_start(&fixture.base, fixture.store, NULL, 0, &fixture.error), 0, "%s",
                 fixture.error.text);
    cr_assert_eq(fixture_setup(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_stop(&fixture);
    fixture_begin(&fixture);
    fixture_expect_rows(&fixture, IDS(1));
    cr_assert_eq(dead_letter(&fixture, 1), 0, "%s", fixture.error.text);
    const char *const wrong[] = {"nowhere", "made"};
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(replay_with(&fixture, wrong[i], "x"), OUTBOX_E_NOT_FOUND);
        cr_assert_not_null(strstr(fixture.error.text, " that can be set"), "%s", fixture.error.text);
    }
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s_dead"), 1, "nothing is replayed");
    cr_assert_eq(replay_with(&fixture, "aggregatetype", "it's \\ another"), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_run(&fixture, BY_SERVER("SELECT count(*) FROM %s WHERE kind = 'it''s \\ another' AND "
                                                 "aggregateid = '7' AND payload = 'x' AND place = 'here'",
                                                 "SELECT COUNT(*) FROM %s WHERE kind = 'it''s \\\\ another' AND "
                                                 "aggregateid = '7' AND payload = 'x' AND place = 'here'")),
                 1);
    fixture_expect_rows(&fixture, IDS(2));
    cr_assert_eq(dead_letter(&fixture, 2), 0, "%s", fixture.error.text);
    cr_assert_eq(replay_with(&fixture, "place", "there"), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s WHERE place = 'there' AND type = 'placed'"), 1);
    fixture_close(&fixture);
}

Test(dead_letter, missing_dead_letter_table_leaves_the_row_in_place)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "undead", true, "");
    fixture_run(&fixture, "DROP TABLE %s_dead");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_expect_rows(&fixture, IDS(1));
    cr_assert_eq(dead_letter(&fixture, 1), OUTBOX_E_AGAIN, "the connection and the ownership stay");
    cr_assert_str_eq(
        fixture.error.text,
        BY_SERVER("dead-letter rows: relation \"public.undead_dead\" does not exist (42P01); run 'outbox init'",
                  "dead-letter rows: Table 'outbox.undead_dead' doesn't exist (1146); run 'outbox init'"));
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    fixture_close(&fixture);
}

Test(dead_letter, relay_without_ownership_moves_no_row)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "notmine", true, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(dead_letter(&fixture, 1), OUTBOX_E_FENCED);
    cr_assert_str_eq(fixture.error.text, "dead-letter rows of notmine: this relay does not own the outbox");
    fixture_close(&fixture);
}

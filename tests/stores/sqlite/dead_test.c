/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/dead_test.c - the dead letters in their table: pages of them, keys, back to the outbox, and gone
 */
#include "rig.h"

#include <stdio.h>
#include <string.h>

struct told {
    uint32_t count;
    uint64_t last;
    bool ascending;
    char keys[256];
    char first_payload[32], first_reason[32];
    int64_t died_us;
};

static void tell(void *arg, const struct outbox_dead_letter *letter)
{
    struct told *told = arg;
    if (told->count == 0) {
        told->ascending = true;
        snprintf(told->first_payload, sizeof told->first_payload, "%.*s", (int)letter->event.payload.size,
                 (const char *)letter->event.payload.data);
        snprintf(told->first_reason, sizeof told->first_reason, "%.*s", (int)letter->reason.size,
                 (const char *)letter->reason.data);
        told->died_us = letter->died_us;
    }
    told->ascending = told->ascending && (letter->number > told->last || letter->number == 0);
    told->last = letter->number;
    told->count++;
    size_t size = strlen(told->keys);
    snprintf(told->keys + size, sizeof told->keys - size, "%.*s ", (int)letter->key.size,
             (const char *)letter->key.data);
}

/* `rows` dead letters made with SQL, as park() would make them, in two topics and three keys. */
static void fill(const struct rig *rig, int rows)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO outbox_dead "
             "(id, event_id, aggregatetype, aggregateid, type, payload, created_at, topic, \"key\", reason, attempts) "
             "SELECT i, 'e' || i, 'order', i, 'Placed', 'p' || i, '2024-02-29', 't' || (i %% 2), 'k' || (i %% 3), "
             "'why', 1 FROM n",
             rows);
    rig_sql(rig->path, sql);
}

Test(sqlite_dead, a_parked_row_is_whole)
{
    struct rig rig;
    struct told told = {0};
    rig_ready(&rig, NULL);
    rig_insert(&rig, 2);
    rig_own(&rig);
    cr_assert_eq(rig_park(&rig, 2, "k\xff", "too large"), 0, "%s", rig.error.text);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox"), 1);
    cr_assert_str_eq(rig_text(rig.path,
                              "SELECT id || ' ' || aggregatetype || ' ' || aggregateid || ' ' || type || ' ' || "
                              "payload || ' ' || topic || ' ' || hex(\"key\") || ' ' || reason || ' ' || attempts "
                              "FROM outbox_dead"),
                     "2 order 2 Placed 2 orders 6BFF too large 3");
    cr_assert_eq(rig_number(rig.path, "SELECT length(event_id) FROM outbox_dead"), 36);
    struct outbox_dead dead = {.action = OUTBOX_DEAD_LIST, .row = tell, .arg = &told};
    cr_assert_eq(rig_dead(&rig, &dead), 0, "%s", rig.error.text);
    cr_assert_eq(told.count, 1);
    cr_assert_str_eq(told.first_reason, "too large");
    cr_assert_gt(told.died_us, INT64_C(1600000000000000));
    rig_close(&rig);
}

Test(sqlite_dead, lists_more_than_a_page)
{
    struct rig rig;
    struct told told = {0};
    rig_ready(&rig, NULL);
    fill(&rig, 1000);
    struct outbox_dead dead = {.action = OUTBOX_DEAD_LIST, .row = tell, .arg = &told};
    cr_assert_eq(rig_dead(&rig, &dead), 0, "%s", rig.error.text);
    cr_assert_eq(told.count, 1000);
    cr_assert(told.ascending);
    cr_assert_eq(dead.affected, 1000);
    cr_assert_str_eq(told.first_payload, "p1");
    told = (struct told){0};
    dead = (struct outbox_dead){.action = OUTBOX_DEAD_LIST, .limit = 300, .row = tell, .arg = &told};
    cr_assert_eq(rig_dead(&rig, &dead), 0, "%s", rig.error.text);
    cr_assert_eq(told.count, 300);
    rig_close(&rig);
}

Test(sqlite_dead, shows_the_ones_asked_for)
{
    struct rig rig;
    struct told told = {0};
    uint64_t numbers[400];
    rig_ready(&rig, NULL);
    fill(&rig, 500);
    for (uint64_t i = 0; i < 400; i++)
        numbers[i] = i + 101;
    numbers[399] = 9999;
    struct outbox_dead dead = {.action = OUTBOX_DEAD_SHOW, .numbers = numbers, .count = 400, .row = tell, .arg = &told};
    cr_assert_eq(rig_dead(&rig, &dead), 0, "%s", rig.error.text);
    cr_assert_eq(told.count, 399);
    cr_assert_str_eq(told.first_payload, "p101");
    rig_close(&rig);
}

Test(sqlite_dead, keys_once_each)
{
    struct rig rig;
    struct told told = {0};
    rig_ready(&rig, NULL);
    fill(&rig, 100);
    struct outbox_dead dead = {.action = OUTBOX_DEAD_KEYS, .row = tell, .arg = &told};
    cr_assert_eq(rig_dead(&rig, &dead), 0, "%s", rig.error.text);
    cr_assert_eq(told.count, 6);
    cr_assert_str_eq(told.keys, "k1 k2 k0 k1 k2 k0 ");
    rig_close(&rig);
}

Test(sqlite_dead, replays_all_in_order_with_new_ids)
{
    struct rig rig;
    rig_ready(&rig, NULL);
    rig_insert(&rig, 3);
    fill(&rig, 120);
    struct outbox_dead dead = {.action = OUTBOX_DEAD_REPLAY};
    cr_assert_eq(rig_dead(&rig, &dead), 0, "%s", rig.error.text);
    cr_assert_eq(dead.affected, 120);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox_dead"), 0);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox WHERE id > 3 AND event_id = 'e' || (id - 3) AND "
                                      "payload = 'p' || (id - 3)"),
                 120);
    rig_close(&rig);
}

Test(sqlite_dead, replays_and_drops_the_ones_asked_for)
{
    struct rig rig;
    const uint64_t replayed[] = {2, 4, 99}, dropped[] = {1, 5};
    rig_ready(&rig, NULL);
    fill(&rig, 5);
    struct outbox_dead dead = {.action = OUTBOX_DEAD_REPLAY, .numbers = replayed, .count = 3};
    cr_assert_eq(rig_dead(&rig, &dead), 0, "%s", rig.error.text);
    cr_assert_eq(dead.affected, 2);
    cr_assert_str_eq(rig_text(rig.path, "SELECT group_concat(id || payload, ' ') FROM outbox"), "1p2 2p4");
    dead = (struct outbox_dead){.action = OUTBOX_DEAD_DROP, .numbers = dropped, .count = 2};
    cr_assert_eq(rig_dead(&rig, &dead), 0, "%s", rig.error.text);
    cr_assert_eq(dead.affected, 2);
    cr_assert_str_eq(rig_text(rig.path, "SELECT group_concat(number, ' ') FROM outbox_dead"), "3");
    dead = (struct outbox_dead){.action = OUTBOX_DEAD_DROP};
    cr_assert_eq(rig_dead(&rig, &dead), 0, "%s", rig.error.text);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox_dead"), 0);
    rig_close(&rig);
}

Test(sqlite_dead, a_replay_that_fails_moves_nothing)
{
    struct rig rig;
    rig_ready(&rig, NULL);
    fill(&rig, 5);
    rig_sql(rig.path, "UPDATE outbox_dead SET type = NULL WHERE number = 3");
    struct outbox_dead dead = {.action = OUTBOX_DEAD_REPLAY};
    rig_dead(&rig, &dead);
    rig_expect(&rig, OUTBOX_E_INVALID, "replay dead letters of %s: NOT NULL constraint failed: outbox.type", rig.path);
    cr_assert_eq(dead.affected, 0);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox_dead"), 5);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox"), 0);
    rig_close(&rig);
}

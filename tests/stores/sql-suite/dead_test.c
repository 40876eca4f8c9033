/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/dead_test.c - what is parked holds everything that was in the row, and comes back as it was */
#include <string.h>

#include "bed.h"

static void make_custom(struct bed *bed)
{
    bed_run(
        bed,
        BY_SERVER("CREATE TABLE %s (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid DEFAULT "
                  "gen_random_uuid(), aggregatetype varchar(50), aggregateid text, type text, payload bytea, headers "
                  "jsonb, tenant int NOT NULL, \"odd name\" numeric, seen timestamptz, raw bytea)",
                  "CREATE TABLE %s (seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, id CHAR(36) DEFAULT "
                  "(UUID()), aggregatetype VARCHAR(50), aggregateid TEXT, type TEXT, payload BLOB, headers JSON, "
                  "tenant INT NOT NULL, `odd name` DECIMAL(6, 2), seen DATETIME(6), raw VARBINARY(9)) CHARACTER SET "
                  "utf8mb4"));
    bed_run(
        bed,
        BY_SERVER("INSERT INTO %s (aggregatetype, aggregateid, type, payload, headers, tenant, \"odd name\", seen, "
                  "raw) VALUES ('order', '7', 'placed', '\\x00ff', '{\"a\": 1}', 42, 1.50, '2026-01-02 "
                  "03:04:05.678901Z', '\\xfe00')",
                  "INSERT INTO %s (aggregatetype, aggregateid, type, payload, headers, tenant, `odd name`, seen, raw) "
                  "VALUES ('order', '7', 'placed', x'00ff', '{\"a\": 1}', 42, 1.50, '2026-01-02 03:04:05.678901', "
                  "x'fe00')"));
}

static int park(struct bed *bed, uint64_t id)
{
    const struct outbox_dead_row row = {
        .position = {id, 0}, .attempts = 5, .topic = {"orders", 6}, .key = {"\0\xff", 2}, .reason = "it's too large"};
    return bed_park(bed, &row);
}

static void take_letter(void *arg, const struct outbox_dead_letter *letter)
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

static uint64_t dead(struct bed *bed, enum outbox_dead_action action, int *letters)
{
    struct outbox_dead request = {
        .struct_size = sizeof request, .action = (uint32_t)action, .row = take_letter, .arg = letters};
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_dead(bed->store, &call.call, 0, &request);
    cr_assert_eq(harness_wait(&bed->harness, &call), 0, "%s", call.error.text);
    return request.affected;
}

static int64_t same_rows(struct bed *bed)
{
    return bed_run(bed, BY_SERVER("SELECT count(*) FROM %s a JOIN %s_before b ON a.id = b.id AND a.aggregatetype = "
                                  "b.aggregatetype AND a.payload = b.payload AND a.headers = b.headers AND a.tenant = "
                                  "b.tenant AND a.\"odd name\" = b.\"odd name\" AND a.seen = b.seen AND a.raw = b.raw",
                                  "SELECT COUNT(*) FROM %s a JOIN %s_before b ON a.id = b.id AND a.aggregatetype = "
                                  "b.aggregatetype AND a.payload = b.payload AND CAST(a.headers AS CHAR) = "
                                  "CAST(b.headers AS CHAR) AND a.tenant = b.tenant AND a.`odd name` = b.`odd name` AND "
                                  "a.seen = b.seen AND a.raw = b.raw"));
}

Test(dead, a_row_with_columns_of_its_own_comes_back_as_it_was)
{
    struct bed bed;
    int letters = 0;
    bed_open(&bed, "custom", false, "  columns: { id: seq, event_id: id }\n");
    make_custom(&bed);
    bed_run(&bed, "CREATE TABLE %s_before AS SELECT * FROM %s");
    cr_assert_eq(harness_store_start(&bed.harness, bed.store, NULL, 0, &bed.error), 0, "%s", bed.error.text);
    cr_assert_eq(bed_setup(&bed, bed.store), 0, "%s", bed.error.text);
    bed_stop(&bed);
    bed_begin(&bed);
    bed_expect(&bed, IDS(1));
    cr_assert_eq(park(&bed, 1), 0, "%s", bed.error.text);
    cr_assert_eq(bed_rows(&bed), 0);
    cr_assert_eq(dead(&bed, OUTBOX_DEAD_SHOW, &letters), 1);
    cr_assert_eq(letters, 1);
    cr_assert_eq(dead(&bed, OUTBOX_DEAD_REPLAY, &letters), 1);
    bed_expect(&bed, IDS(2));
    cr_assert_eq(same_rows(&bed), 1);
    cr_assert_eq(bed_run(&bed, "SELECT COUNT(*) FROM %s_dead"), 0);
    bed_close(&bed);
}

Test(dead, without_a_table_for_them_nothing_is_removed)
{
    struct bed bed;
    bed_open(&bed, "undead", true, "");
    bed_run(&bed, "DROP TABLE %s_dead");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1));
    cr_assert_eq(park(&bed, 1), OUTBOX_E_NOT_FOUND);
    cr_assert_str_eq(
        bed.error.text,
        BY_SERVER("dead-letter rows: relation \"public.undead_dead\" does not exist (42P01); run 'outbox init'",
                  "dead-letter rows: Table 'outbox.undead_dead' doesn't exist (1146); run 'outbox init'"));
    cr_assert_eq(bed_rows(&bed), 1);
    bed_close(&bed);
}

Test(dead, who_is_not_the_owner_parks_nothing)
{
    struct bed bed;
    bed_open(&bed, "notmine", true, "");
    cr_assert_eq(bed_start(&bed, bed.store), 0, "%s", bed.error.text);
    cr_assert_eq(park(&bed, 1), OUTBOX_E_FENCED);
    cr_assert_str_eq(bed.error.text, "dead-letter rows of notmine: this relay does not own the outbox");
    bed_close(&bed);
}

/* tests/postgres/writer_test.c - liboutbox-postgres: events in the caller's own transaction */
#include <string.h>

#include <outbox/postgres.h>

#include "bed.h"

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

static struct outbox_event event_with(const void *payload, size_t size)
{
    return (struct outbox_event){.struct_size = sizeof(struct outbox_event),
                                 .aggregate_type = text("order"),
                                 .aggregate_id = text("7"),
                                 .type = text("placed"),
                                 .payload = {payload, size}};
}

static int64_t add(struct bed *bed, const struct outbox_event *event)
{
    int64_t id = 0;
    cr_assert_eq(outbox_pg_add(bed->sql, bed->table, event, &id, &bed->error), 0, "%s", bed->error.text);
    return id;
}

Test(postgres_writer, an_event_commits_or_rolls_back_with_the_transaction)
{
    struct bed bed;
    bed_open(&bed, "written", true, "");
    struct outbox_event event = event_with("hello", 5);
    bed_exec(&bed, bed.sql, "BEGIN");
    cr_assert_eq(add(&bed, &event), 1);
    bed_exec(&bed, bed.sql, "ROLLBACK");
    cr_assert_eq(bed_number(&bed, "SELECT count(*) FROM %s"), 0);
    bed_exec(&bed, bed.sql, "BEGIN");
    cr_assert_eq(add(&bed, &event), 2);
    bed_exec(&bed, bed.sql, "COMMIT");
    cr_assert_eq(bed_number(&bed, "SELECT count(*) FROM %s WHERE payload = 'hello' AND event_id IS NOT NULL"), 1);
    bed_close(&bed);
}

Test(postgres_writer, all_fields_arrive)
{
    struct bed bed;
    bed_open(&bed, "fields", true, "");
    struct outbox_event event = event_with(NULL, 0);
    event.event_id = text("00112233-4455-6677-8899-aabbccddeeff");
    event.headers = text("{\"a\": 1}");
    add(&bed, &event);
    cr_assert_eq(bed_number(&bed,
                            "SELECT count(*) FROM %s WHERE payload IS NULL AND headers->>'a' = '1' AND event_id = "
                            "'00112233-4455-6677-8899-aabbccddeeff'"),
                 1);
    bed_close(&bed);
}

static void expect_payload(const char *table, const char *type, const char *bytes, size_t size, const char *test)
{
    struct bed bed;
    char sql[400];
    bed_open(&bed, table, true, "");
    snprintf(sql, sizeof sql, "ALTER TABLE %%s ALTER COLUMN payload TYPE %s USING NULL", type);
    bed_exec(&bed, bed.sql, sql);
    struct outbox_event event = event_with(bytes, size);
    add(&bed, &event);
    add(&bed, &event); /* the second time the type is remembered */
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %%s WHERE %s", test);
    cr_assert_eq(bed_number(&bed, sql), 2, "%s", sql);
    bed_close(&bed);
}

Test(postgres_writer, any_type_of_payload)
{
    expect_payload("wbytes", "bytea", "a\0\xff\\", 4, "payload = '\\x6100ff5c'");
    expect_payload("wjson", "json", "{ \"a\" : 1}", 10, "payload::text = '{ \"a\" : 1}'");
    expect_payload("wjsonb", "jsonb", "{ \"a\" : 1}", 10, "payload::text = '{\"a\": 1}'");
    expect_payload("wtext", "text", "it's \\n", 7, "payload = 'it''s \\n'");
    expect_payload("wvarchar", "varchar(20)", "short", 5, "payload = 'short'");
}

Test(postgres_writer, what_is_wrong_is_told)
{
    struct bed bed;
    struct outbox_error error;
    bed_open(&bed, "wrong", true, "");
    struct outbox_event event = event_with("x", 1);
    cr_assert_eq(outbox_pg_add(bed.sql, "not there", &event, NULL, &error), OUTBOX_E_NOT_FOUND);
    cr_assert_str_eq(error.text,
                     "add an event to not there: relation \"not there\" does not exist (42P01); run 'outbox init'");
    event.type = (struct outbox_bytes){0};
    cr_assert_eq(outbox_pg_add(bed.sql, "wrong", &event, NULL, &error), OUTBOX_E_INVALID);
    cr_assert_str_eq(error.text, "add an event to wrong: type is missing; every event needs one");
    event.type = (struct outbox_bytes){"a\0b", 3};
    cr_assert_eq(outbox_pg_add(bed.sql, "wrong", &event, NULL, NULL), OUTBOX_E_INVALID);
    event.type = text("t");
    bed_exec(&bed, bed.sql, "SET default_transaction_read_only = on");
    cr_assert_eq(outbox_pg_add(bed.sql, "wrong", &event, NULL, &error), OUTBOX_E_READ_ONLY);
    bed_exec(&bed, bed.sql, "SET default_transaction_read_only = off");
    cr_assert_eq(outbox_pg_add(bed.sql, "public.wrong", &event, NULL, &error), 0, "%s", error.text);
    bed_close(&bed);
}

Test(postgres_writer, a_table_that_changes_is_asked_about_again)
{
    struct bed bed;
    bed_open(&bed, "changes", true, "");
    struct outbox_event event = event_with("{}", 2);
    add(&bed, &event);
    bed_exec(&bed, bed.sql, "ALTER TABLE %s ALTER COLUMN payload TYPE jsonb USING payload::jsonb");
    cr_assert_neq(outbox_pg_add(bed.sql, bed.table, &event, NULL, &bed.error), 0);
    add(&bed, &event);
    bed_close(&bed);
}

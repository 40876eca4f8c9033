/* tests/mysql/writer_test.c - liboutbox-mysql: events in the caller's own transaction */
#include <stdio.h>
#include <string.h>

#include <outbox/mysql.h>

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
    cr_assert_eq(outbox_mysql_add(bed->sql, bed->table, event, &id, &bed->error), 0, "%s", bed->error.text);
    return id;
}

Test(mysql_writer, an_event_commits_or_rolls_back_with_the_transaction)
{
    struct bed bed;
    bed_open(&bed, "written", true, "");
    struct outbox_event event = event_with("hello", 5);
    bed_exec(&bed, bed.sql, "BEGIN");
    cr_assert_eq(add(&bed, &event), 1);
    bed_exec(&bed, bed.sql, "ROLLBACK");
    cr_assert_eq(bed_number(&bed, "SELECT COUNT(*) FROM %s"), 0);
    bed_exec(&bed, bed.sql, "BEGIN");
    cr_assert_eq(add(&bed, &event), 2);
    bed_exec(&bed, bed.sql, "COMMIT");
    cr_assert_eq(bed_number(&bed, "SELECT COUNT(*) FROM %s WHERE payload = 'hello' AND LENGTH(event_id) = 36"), 1);
    bed_close(&bed);
}

Test(mysql_writer, all_fields_arrive_whatever_the_character_set_of_the_connection)
{
    struct bed bed;
    bed_open(&bed, "fields", true, "");
    struct outbox_event event = event_with(NULL, 0);
    event.event_id = text("00112233-4455-6677-8899-aabbccddeeff");
    event.aggregate_id = text("gr\xc3\xbc\xc3\x9f'\\\xf0\x9f\x93\xae");
    event.headers = text("{\"a\": \"\xc3\xbc\"}");
    mysql_set_character_set(bed.sql, "latin1");
    add(&bed, &event);
    cr_assert_eq(bed_number(&bed, "SELECT COUNT(*) FROM %s WHERE payload IS NULL AND event_id = "
                                  "'00112233-4455-6677-8899-aabbccddeeff' AND HEX(aggregateid) = "
                                  "'6772C3BCC39F275CF09F93AE' AND HEX(JSON_UNQUOTE(JSON_EXTRACT(headers, '$.a'))) = 'C3BC'"), 1);
    bed_close(&bed);
}

static void expect_payload(const char *table, const char *type, const char *bytes, size_t size, const char *test)
{
    struct bed bed;
    char sql[200];
    bed_open(&bed, table, true, "");
    snprintf(sql, sizeof sql, "ALTER TABLE %%s MODIFY payload %s", type);
    bed_exec(&bed, bed.sql, sql);
    struct outbox_event event = event_with(bytes, size);
    add(&bed, &event);
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM %%s WHERE %s", test);
    cr_assert_eq(bed_number(&bed, sql), 1);
    bed_close(&bed);
}

Test(mysql_writer, bytes_go_into_a_blob)
{
    expect_payload("bytes", "LONGBLOB", "a\0\xff'\\", 5, "HEX(payload) = '6100FF275C'");
}

Test(mysql_writer, text_goes_into_text)
{
    expect_payload("texts", "LONGTEXT", "a\xc3\xbc'\\", 5, "HEX(payload) = '61C3BC275C'");
}

Test(mysql_writer, json_goes_into_json)
{
    expect_payload("jsons", "JSON", "{\"a\": 1}", 8, "JSON_EXTRACT(payload, '$.a') = 1");
}

Test(mysql_writer, a_refused_event_says_why)
{
    struct bed bed;
    bed_open(&bed, "refused", true, "");
    struct outbox_event event = event_with("x", 1);
    event.type = (struct outbox_bytes){0};
    cr_assert_eq(outbox_mysql_add(bed.sql, "refused", &event, NULL, &bed.error), OUTBOX_E_INVALID);
    cr_assert_str_eq(bed.error.text, "add an event to refused: type is missing; every event needs one");
    event = event_with("x", 1);
    event.aggregate_id = text("\xff");
    cr_assert_eq(outbox_mysql_add(bed.sql, "refused", &event, NULL, &bed.error), OUTBOX_E_INVALID);
    cr_assert_str_eq(bed.error.text, "add an event to refused: aggregateid is not UTF-8");
    event = event_with("x", 1);
    cr_assert_eq(outbox_mysql_add(bed.sql, "outbox.no`where", &event, NULL, &bed.error), OUTBOX_E_NOT_FOUND);
    cr_assert_str_eq(bed.error.text, "add an event to outbox.no`where: Table 'outbox.no`where' doesn't exist (1146); run "
                                     "'outbox init'");
    bed_close(&bed);
}

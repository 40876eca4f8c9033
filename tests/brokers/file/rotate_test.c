/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/file/rotate_test.c - a full file gets the next number, and events go on in a new one */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "fixture.h"

Test(rotate, creates_a_new_file_at_the_size)
{
    struct fixture fixture;
    fixture_begin(&fixture, 300);
    cr_assert_eq(fixture_write(&fixture, 1, 20)->durable, 20);
    cr_assert_str_eq(fixture_read(&fixture), "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20");
    cr_assert_geq(fixture_size(&fixture, "events.ndjson.000001"), 300);
    cr_assert_lt(fixture_size(&fixture, "events.ndjson.000001"), 450, "by less than one event");
    cr_assert_geq(fixture_size(&fixture, "events.ndjson.000002"), 300);
    fixture_end(&fixture);
}

Test(rotate, takes_the_next_number_after_the_last_one)
{
    struct fixture fixture;
    fixture_make(&fixture, 1);
    fixture_put(&fixture, "events.ndjson.000041", "", 0);
    fixture_put(&fixture, "events.ndjson.old", "", 0);
    fixture_put(&fixture, "events.ndjson.99", "", 0);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    fixture_write(&fixture, 1, 2);
    cr_assert_gt(fixture_size(&fixture, "events.ndjson.000042"), 0, "%s", fixture_log());
    fixture_put(&fixture, "events.ndjson.000043", "", 0);
    fixture_write(&fixture, 3, 1);
    cr_assert_eq(fixture_size(&fixture, "events.ndjson.000043"), 0, "another program's");
    cr_assert_gt(fixture_size(&fixture, "events.ndjson.000044"), 0);
    fixture_end(&fixture);
}

Test(rotate, keeps_the_file_when_no_number_is_left)
{
    struct fixture fixture;
    fixture_make(&fixture, 1);
    fixture_put(&fixture, "events.ndjson.999999999999", "", 0);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    cr_assert_eq(fixture_write(&fixture, 1, 3)->durable, 3);
    cr_assert_str_eq(fixture_read(&fixture), "1 2 3");
    fixture_end(&fixture);
}

Test(rotate, keeps_the_file_when_the_rename_fails)
{
    struct fixture fixture;
    char expected[300];
    fixture_begin(&fixture, 100);
    sys_fixture_fail(ON_RENAMEAT, 0, EACCES);
    cr_assert_eq(fixture_write(&fixture, 1, 3)->durable, 3);
    snprintf(expected, sizeof expected,
             "rotate %s: permission denied; let this user write the file and its directory; the file grows instead",
             fixture.path);
    cr_assert_str_eq(fixture_log(), expected);
    sys_fixture_reset();
    fixture_write(&fixture, 4, 3);
    cr_assert_gt(fixture_size(&fixture, "events.ndjson.000001"), 0, "tried again later");
    cr_assert_str_eq(fixture_read(&fixture), "1 2 3 4 5 6");
    fixture_end(&fixture);
}

Test(rotate, holds_the_lock_of_the_new_file)
{
    struct fixture fixture;
    fixture_begin(&fixture, 1);
    fixture_write(&fixture, 1, 2);
    struct file_sink second = fixture.broker.sink;
    struct outbox_error error;
    cr_assert_eq(file_sink_init(&second, &error), OUTBOX_OK);
    cr_assert_eq(file_sink_open(&second, &error), OUTBOX_E_AGAIN);
    fixture_end(&fixture);
}

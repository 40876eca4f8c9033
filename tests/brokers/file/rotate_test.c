/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/file/rotate_test.c - a full file gets the next number, and events go on in a new one */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "rig.h"

Test(rotate, begins_a_new_file_at_the_size)
{
    struct rig rig;
    rig_begin(&rig, 300);
    cr_assert_eq(rig_write(&rig, 1, 20)->durable, 20);
    cr_assert_str_eq(rig_read(&rig), "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20");
    cr_assert_geq(rig_size(&rig, "events.ndjson.000001"), 300);
    cr_assert_lt(rig_size(&rig, "events.ndjson.000001"), 450, "by less than one event");
    cr_assert_geq(rig_size(&rig, "events.ndjson.000002"), 300);
    rig_end(&rig);
}

Test(rotate, takes_the_next_number_after_the_last_one)
{
    struct rig rig;
    rig_make(&rig, 1);
    rig_put(&rig, "events.ndjson.000041", "", 0);
    rig_put(&rig, "events.ndjson.old", "", 0);
    rig_put(&rig, "events.ndjson.99", "", 0);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    rig_write(&rig, 1, 2);
    cr_assert_gt(rig_size(&rig, "events.ndjson.000042"), 0, "%s", rig_log());
    rig_put(&rig, "events.ndjson.000043", "", 0);
    rig_write(&rig, 3, 1);
    cr_assert_eq(rig_size(&rig, "events.ndjson.000043"), 0, "somebody else's");
    cr_assert_gt(rig_size(&rig, "events.ndjson.000044"), 0);
    rig_end(&rig);
}

Test(rotate, goes_on_in_the_same_file_when_there_is_no_number_left)
{
    struct rig rig;
    rig_make(&rig, 1);
    rig_put(&rig, "events.ndjson.999999999999", "", 0);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    cr_assert_eq(rig_write(&rig, 1, 3)->durable, 3);
    cr_assert_str_eq(rig_read(&rig), "1 2 3");
    rig_end(&rig);
}

Test(rotate, goes_on_in_the_same_file_when_the_name_cannot_be_changed)
{
    struct rig rig;
    char wanted[300];
    rig_begin(&rig, 100);
    scripted_fail(ON_RENAMEAT, 0, EACCES);
    cr_assert_eq(rig_write(&rig, 1, 3)->durable, 3);
    snprintf(wanted, sizeof wanted,
             "rotate %s: permission denied; let this user write the file and its directory; appending to it goes on",
             rig.path);
    cr_assert_str_eq(rig_log(), wanted);
    scripted_reset();
    rig_write(&rig, 4, 3);
    cr_assert_gt(rig_size(&rig, "events.ndjson.000001"), 0, "tried again later");
    cr_assert_str_eq(rig_read(&rig), "1 2 3 4 5 6");
    rig_end(&rig);
}

Test(rotate, holds_the_lock_of_the_new_file)
{
    struct rig rig;
    rig_begin(&rig, 1);
    rig_write(&rig, 1, 2);
    struct file_sink second = rig.broker.sink;
    struct outbox_error error;
    cr_assert_eq(file_sink_init(&second, &error), OUTBOX_OK);
    cr_assert_eq(file_sink_open(&second, &error), OUTBOX_E_AGAIN);
    rig_end(&rig);
}

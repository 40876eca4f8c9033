/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/file/job_test.c - jobs: what is durable when, and what is told when it is not */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

Test(job, syncs_once_for_many_events)
{
    struct rig rig;
    rig_begin(&rig, 0);
    cr_assert_eq(rig_write(&rig, 1, 500)->durable, 500);
    cr_assert_eq(scripted_count(ON_FDATASYNC), 1);
    cr_assert_gt(scripted_count(ON_WRITE), 1, "the buffer is smaller than the job");
    rig_end(&rig);
}

/* The disk begins with full buffers, never with the last one, which the sync takes. Its answer means nothing. */
Test(job, lets_the_disk_begin_early)
{
    struct rig rig;
    rig_begin(&rig, 0);
    cr_assert_eq(rig_write(&rig, 1, 500)->durable, 500);
    cr_assert_eq(scripted_count(ON_HASTEN), scripted_count(ON_WRITE) - 1);
    scripted_reset();
    cr_assert_eq(rig_write(&rig, 501, 5)->durable, 5);
    cr_assert_eq(scripted_count(ON_HASTEN), 0);
    scripted_fail(ON_HASTEN, 0, EIO);
    cr_assert_eq(rig_write(&rig, 506, 300)->durable, 300);
    cr_assert(scripted_failed());
    rig_end(&rig);
}

/* What the disk has begun with counts for nothing before the sync: neither when a later buffer fails nor when the sync
 * itself does, and none of it stays. */
static void fail_behind_the_first_buffer(enum scripted_call call, unsigned nth, int number, uint32_t outcome)
{
    struct rig rig;
    rig_begin(&rig, 0);
    rig_write(&rig, 1, 2);
    scripted_fail(call, nth, number);
    const struct file_result *result = rig_write(&rig, 3, 500);
    cr_assert_gt(scripted_count(ON_HASTEN), 0);
    cr_assert_eq(result->durable, 0);
    cr_assert_gt(result->touched, 0);
    cr_assert_eq(result->outcome, outcome);
    scripted_reset();
    cr_assert_eq(rig_open(&rig), OUTBOX_OK, "%s", rig.error.text);
    cr_assert_str_eq(rig_read(&rig), "1 2");
    cr_assert_eq(rig_write(&rig, 3, 1)->durable, 1);
    cr_assert_str_eq(rig_read(&rig), "1 2 3");
    rig_end(&rig);
}

Test(job, counts_nothing_that_the_disk_has_only_begun)
{
    fail_behind_the_first_buffer(ON_WRITE, 2, EIO, OUTBOX_UNKNOWN);
    fail_behind_the_first_buffer(ON_WRITE, 2, ENOSPC, OUTBOX_NOT_CONNECTED);
    fail_behind_the_first_buffer(ON_FDATASYNC, 1, EIO, OUTBOX_UNKNOWN);
}

Test(job, writes_nothing_for_no_events)
{
    struct rig rig;
    rig_begin(&rig, 0);
    cr_assert_eq(rig_write(&rig, 1, 0)->error.code, OUTBOX_OK);
    cr_assert_eq(scripted_count(ON_WRITE), 0);
    rig_end(&rig);
}

Test(job, goes_on_after_short_and_interrupted_writes)
{
    struct rig rig;
    rig_begin(&rig, 0);
    scripted_short(7);
    cr_assert_eq(rig_write(&rig, 1, 5)->error.code, OUTBOX_OK);
    cr_assert_str_eq(rig_read(&rig), "1 2 3 4 5");
    rig_end(&rig);
}

Test(job, cuts_back_to_the_last_sync_when_the_disk_is_full)
{
    struct rig rig;
    rig_begin(&rig, 0);
    rig_write(&rig, 1, 2);
    scripted_space(150);
    const struct file_result *result = rig_write(&rig, 3, 4);
    cr_assert_eq(result->error.code, OUTBOX_E_FULL);
    cr_assert_eq(result->outcome, OUTBOX_NOT_CONNECTED);
    cr_assert_eq(result->durable, 0);
    cr_assert_str_eq(rig_read(&rig), "1 2");
    cr_assert_eq(rig_open(&rig), OUTBOX_E_FULL, "no space for what did not go, so no start");
    scripted_space(-1);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK, "%s", rig.error.text);
    cr_assert_eq(rig_write(&rig, 3, 4)->durable, 4);
    cr_assert_str_eq(rig_read(&rig), "1 2 3 4 5 6");
    rig_end(&rig);
}

Test(job, cuts_at_the_next_start_when_a_full_disk_could_not_be_cut)
{
    struct rig rig;
    rig_begin(&rig, 0);
    rig_write(&rig, 1, 2);
    scripted_space(150);
    scripted_fail(ON_FTRUNCATE, 0, EIO);
    cr_assert_eq(rig_write(&rig, 3, 4)->outcome, OUTBOX_UNKNOWN);
    scripted_reset();
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    cr_assert_str_eq(rig_read(&rig), "1 2");
    rig_end(&rig);
}

Test(job, never_syncs_twice_after_a_failed_sync)
{
    struct rig rig;
    rig_begin(&rig, 0);
    rig_write(&rig, 1, 2);
    scripted_reset();
    scripted_fail(ON_FDATASYNC, 1, EIO);
    const struct file_result *result = rig_write(&rig, 3, 2);
    cr_assert_eq(result->outcome, OUTBOX_UNKNOWN);
    cr_assert_eq(result->error.code, OUTBOX_E_IO);
    cr_assert_eq(result->error.native, EIO);
    cr_assert_eq(scripted_count(ON_FDATASYNC), 1);
    cr_assert_eq(scripted_open_files(), 0, "the descriptor is gone");
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    cr_assert_str_eq(rig_read(&rig), "1 2", "what the failed sync left behind is not trusted");
    rig_end(&rig);
}

Test(job, leaves_nothing_to_the_next_writer_that_was_not_synced)
{
    struct rig rig;
    rig_begin(&rig, 0);
    rig_write(&rig, 1, 2);
    scripted_fail(ON_FDATASYNC, 1, EIO);
    rig_write(&rig, 3, 2);
    cr_assert_str_eq(rig_read(&rig), "1 2", "it is cut off while the lock is held");
    rig_end(&rig);
}

Test(job, never_cuts_what_another_writer_wrote_meanwhile)
{
    static const char line[] = "{\"topic\":\"orders\",\"payload\":\"9\"}\n";
    struct rig rig;
    rig_begin(&rig, 0);
    rig_write(&rig, 1, 2);
    scripted_fail(ON_FDATASYNC, 1, EIO);
    scripted_fail(ON_FTRUNCATE, 0, EIO);
    rig_write(&rig, 3, 2);
    scripted_reset();
    rig_put(&rig, "events.ndjson", line, sizeof line - 1);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    cr_assert_str_eq(rig_read(&rig), "1 2 3 4 9");
    rig_end(&rig);
}

Test(job, never_cuts_what_a_predecessor_wrote)
{
    struct rig rig;
    rig_begin(&rig, 0);
    rig_write(&rig, 1, 3);
    rig_close(&rig);
    rig.broker.sink.id = (struct stat){0}; /* as in a new process */
    rig.broker.sink.durable = 0;
    scripted_fail(ON_FDATASYNC, 1, EIO);
    cr_assert_eq(rig_open(&rig), OUTBOX_E_IO);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    cr_assert_str_eq(rig_read(&rig), "1 2 3");
    rig_end(&rig);
}

Test(job, tells_what_was_not_yet_written_from_what_may_be)
{
    struct rig rig;
    rig_begin(&rig, 0);
    scripted_fail(ON_WRITE, 1, EIO);
    const struct file_result *result = rig_write(&rig, 1, 1000);
    cr_assert_eq(result->outcome, OUTBOX_UNKNOWN);
    cr_assert(result->touched > 0 && result->touched < 1000);
    rig_end(&rig);
}

Test(job, notices_that_the_file_was_removed)
{
    struct rig rig;
    char wanted[200];
    rig_begin(&rig, 0);
    rig_write(&rig, 1, 2);
    unlink(rig.path);
    cr_assert_eq(rig_write(&rig, 3, 2)->durable, 2);
    snprintf(wanted, sizeof wanted, "%s: moved or removed by somebody else; opening it again", rig.path);
    cr_assert_str_eq(rig_log(), wanted);
    cr_assert_str_eq(rig_read(&rig), "3 4");
    rig_end(&rig);
}

Test(job, notices_that_the_file_was_renamed)
{
    struct rig rig;
    char other[120];
    rig_begin(&rig, 0);
    rig_write(&rig, 1, 2);
    snprintf(other, sizeof other, "%s.000007", rig.path);
    rename(rig.path, other);
    cr_assert_eq(rig_write(&rig, 3, 2)->durable, 2);
    cr_assert_str_eq(rig_read(&rig), "1 2 3 4");
    rig_end(&rig);
}

Test(job, notices_that_its_directory_was_moved_and_another_is_there)
{
    struct rig rig;
    char other[80], moved[200];
    struct stat status;
    rig_begin(&rig, 0);
    rig_write(&rig, 1, 2);
    snprintf(other, sizeof other, "%s.moved", rig.dir);
    cr_assert_eq(rename(rig.dir, other), 0);
    cr_assert_eq(mkdir(rig.dir, 0700), 0);
    cr_assert_eq(rig_write(&rig, 3, 2)->durable, 2);
    cr_assert_str_eq(rig_read(&rig), "3 4");
    snprintf(moved, sizeof moved, "%s/%s", other, strrchr(rig.path, '/') + 1);
    cr_assert(stat(moved, &status) == 0 && status.st_size > 0);
    unlink(moved);
    rmdir(other);
    rig_end(&rig);
}

Test(job, notices_that_the_file_was_cut)
{
    struct rig rig;
    char wanted[200];
    rig_begin(&rig, 0);
    rig_write(&rig, 1, 2);
    cr_assert_eq(truncate(rig.path, 0), 0);
    cr_assert_eq(rig_write(&rig, 3, 2)->durable, 2);
    snprintf(wanted, sizeof wanted, "%s: cut short by somebody else; opening it again", rig.path);
    cr_assert_str_eq(rig_log(), wanted);
    cr_assert_str_eq(rig_read(&rig), "3 4");
    rig_end(&rig);
}

Test(job, notices_that_somebody_else_wrote)
{
    struct rig rig;
    rig_begin(&rig, 0);
    rig_write(&rig, 1, 2);
    rig_put(&rig, "events.ndjson", "half a line", 11);
    cr_assert_eq(rig_write(&rig, 3, 2)->durable, 2);
    cr_assert_str_eq(rig_read(&rig), "1 2 3 4");
    rig_end(&rig);
}

Test(job, waits_for_a_directory_that_went_away)
{
    struct rig rig;
    rig_begin(&rig, 0);
    unlink(rig.path);
    rmdir(rig.dir);
    const struct file_result *result = rig_write(&rig, 1, 2);
    cr_assert_eq(result->error.code, OUTBOX_E_NOT_FOUND);
    cr_assert_eq(result->outcome, OUTBOX_NOT_CONNECTED);
    cr_assert_eq(mkdir(rig.dir, 0700), 0);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    cr_assert_eq(rig_write(&rig, 1, 2)->durable, 2);
    rig_end(&rig);
}

Test(job, passes_over_events_that_it_refuses)
{
    struct rig rig;
    rig_begin(&rig, 0);
    struct outbox_message messages[] = {{.value = {"1", 1}}, {.topic = {"t", 1}, .value = {"2", 1}}};
    struct outbox_publish publish = {.count = 2, .messages = messages, .stride = sizeof messages[0]};
    struct file_op op = {.publish = &publish};
    rig.broker.job = &op;
    file_write_job(&rig.broker);
    cr_assert_eq(rig.broker.result.rejected, 1);
    cr_assert_eq(rig.broker.result.durable, 2);
    cr_assert_str_eq(rig_read(&rig), "2");
    rig_end(&rig);
}

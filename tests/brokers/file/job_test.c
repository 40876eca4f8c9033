/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/file/job_test.c - jobs: when events are durable, and what is reported when they are not */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

Test(job, syncs_once_for_many_events)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    cr_assert_eq(fixture_write(&fixture, 1, 500)->durable, 500);
    cr_assert_eq(sys_fixture_count(ON_FDATASYNC), 1);
    cr_assert_gt(sys_fixture_count(ON_WRITE), 1, "the buffer is smaller than the job");
    fixture_end(&fixture);
}

/* Write-back starts with full buffers, never with the last one, which the sync writes. Its result is ignored. */
Test(job, starts_to_write_back_early)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    cr_assert_eq(fixture_write(&fixture, 1, 500)->durable, 500);
    cr_assert_eq(sys_fixture_count(ON_START_WRITEBACK), sys_fixture_count(ON_WRITE) - 1);
    sys_fixture_reset();
    cr_assert_eq(fixture_write(&fixture, 501, 5)->durable, 5);
    cr_assert_eq(sys_fixture_count(ON_START_WRITEBACK), 0);
    sys_fixture_fail(ON_START_WRITEBACK, 0, EIO);
    cr_assert_eq(fixture_write(&fixture, 506, 300)->durable, 300);
    cr_assert(sys_fixture_failed());
    fixture_end(&fixture);
}

/* Bytes whose write-back has started are not durable before the sync: if a later buffer or the sync fails, all of them
 * are cut off. */
static void fail_behind_the_first_buffer(enum sys_fixture_call call, unsigned nth, int number, uint32_t outcome)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    fixture_write(&fixture, 1, 2);
    sys_fixture_fail(call, nth, number);
    const struct file_result *result = fixture_write(&fixture, 3, 500);
    cr_assert_gt(sys_fixture_count(ON_START_WRITEBACK), 0);
    cr_assert_eq(result->durable, 0);
    cr_assert_gt(result->started, 0);
    cr_assert_eq(result->outcome, outcome);
    sys_fixture_reset();
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK, "%s", fixture.error.text);
    cr_assert_str_eq(fixture_read(&fixture), "1 2");
    cr_assert_eq(fixture_write(&fixture, 3, 1)->durable, 1);
    cr_assert_str_eq(fixture_read(&fixture), "1 2 3");
    fixture_end(&fixture);
}

Test(job, counts_only_synced_events)
{
    fail_behind_the_first_buffer(ON_WRITE, 2, EIO, OUTBOX_UNKNOWN);
    fail_behind_the_first_buffer(ON_WRITE, 2, ENOSPC, OUTBOX_NOT_CONNECTED);
    fail_behind_the_first_buffer(ON_FDATASYNC, 1, EIO, OUTBOX_UNKNOWN);
}

Test(job, writes_nothing_for_no_events)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    cr_assert_eq(fixture_write(&fixture, 1, 0)->error.code, OUTBOX_OK);
    cr_assert_eq(sys_fixture_count(ON_WRITE), 0);
    fixture_end(&fixture);
}

Test(job, continues_after_short_and_interrupted_writes)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    sys_fixture_short(7);
    cr_assert_eq(fixture_write(&fixture, 1, 5)->error.code, OUTBOX_OK);
    cr_assert_str_eq(fixture_read(&fixture), "1 2 3 4 5");
    fixture_end(&fixture);
}

Test(job, cuts_back_to_the_last_sync_when_the_disk_is_full)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    fixture_write(&fixture, 1, 2);
    sys_fixture_space(150);
    const struct file_result *result = fixture_write(&fixture, 3, 4);
    cr_assert_eq(result->error.code, OUTBOX_E_FULL);
    cr_assert_eq(result->outcome, OUTBOX_NOT_CONNECTED);
    cr_assert_eq(result->durable, 0);
    cr_assert_str_eq(fixture_read(&fixture), "1 2");
    cr_assert_eq(fixture_open(&fixture), OUTBOX_E_FULL, "no space for what did not go, so no start");
    sys_fixture_space(-1);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK, "%s", fixture.error.text);
    cr_assert_eq(fixture_write(&fixture, 3, 4)->durable, 4);
    cr_assert_str_eq(fixture_read(&fixture), "1 2 3 4 5 6");
    fixture_end(&fixture);
}

Test(job, cuts_at_the_next_start_when_a_full_disk_could_not_be_cut)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    fixture_write(&fixture, 1, 2);
    sys_fixture_space(150);
    sys_fixture_fail(ON_FTRUNCATE, 0, EIO);
    cr_assert_eq(fixture_write(&fixture, 3, 4)->outcome, OUTBOX_UNKNOWN);
    sys_fixture_reset();
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    cr_assert_str_eq(fixture_read(&fixture), "1 2");
    fixture_end(&fixture);
}

Test(job, never_syncs_twice_after_a_failed_sync)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    fixture_write(&fixture, 1, 2);
    sys_fixture_reset();
    sys_fixture_fail(ON_FDATASYNC, 1, EIO);
    const struct file_result *result = fixture_write(&fixture, 3, 2);
    cr_assert_eq(result->outcome, OUTBOX_UNKNOWN);
    cr_assert_eq(result->error.code, OUTBOX_E_IO);
    cr_assert_eq(result->error.native, EIO);
    cr_assert_eq(sys_fixture_count(ON_FDATASYNC), 1);
    cr_assert_eq(sys_fixture_open_files(), 0, "the descriptor is gone");
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    cr_assert_str_eq(fixture_read(&fixture), "1 2", "the lines of the failed sync are cut off");
    fixture_end(&fixture);
}

Test(job, leaves_only_synced_events_to_the_next_writer)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    fixture_write(&fixture, 1, 2);
    sys_fixture_fail(ON_FDATASYNC, 1, EIO);
    fixture_write(&fixture, 3, 2);
    cr_assert_str_eq(fixture_read(&fixture), "1 2", "it is cut off before the lock is released");
    fixture_end(&fixture);
}

Test(job, never_cuts_lines_of_another_writer)
{
    static const char line[] = "{\"topic\":\"orders\",\"payload\":\"9\"}\n";
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    fixture_write(&fixture, 1, 2);
    sys_fixture_fail(ON_FDATASYNC, 1, EIO);
    sys_fixture_fail(ON_FTRUNCATE, 0, EIO);
    fixture_write(&fixture, 3, 2);
    sys_fixture_reset();
    fixture_put(&fixture, "events.ndjson", line, sizeof line - 1);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    cr_assert_str_eq(fixture_read(&fixture), "1 2 3 4 9");
    fixture_end(&fixture);
}

Test(job, never_cuts_lines_of_the_writer_before)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    fixture_write(&fixture, 1, 3);
    fixture_close(&fixture);
    fixture.broker.sink.id = (struct stat){0}; /* as in a new process */
    fixture.broker.sink.durable = 0;
    sys_fixture_fail(ON_FDATASYNC, 1, EIO);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_E_IO);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    cr_assert_str_eq(fixture_read(&fixture), "1 2 3");
    fixture_end(&fixture);
}

Test(job, distinguishes_unwritten_events_from_unknown_ones)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    sys_fixture_fail(ON_WRITE, 1, EIO);
    const struct file_result *result = fixture_write(&fixture, 1, 1000);
    cr_assert_eq(result->outcome, OUTBOX_UNKNOWN);
    cr_assert(result->started > 0 && result->started < 1000);
    fixture_end(&fixture);
}

Test(job, notices_that_the_file_was_removed)
{
    struct fixture fixture;
    char expected[200];
    fixture_begin(&fixture, 0);
    fixture_write(&fixture, 1, 2);
    unlink(fixture.path);
    cr_assert_eq(fixture_write(&fixture, 3, 2)->durable, 2);
    snprintf(expected, sizeof expected, "%s: moved or removed by another program; opening it again", fixture.path);
    cr_assert_str_eq(fixture_log(), expected);
    cr_assert_str_eq(fixture_read(&fixture), "3 4");
    fixture_end(&fixture);
}

Test(job, notices_that_the_file_was_renamed)
{
    struct fixture fixture;
    char other[120];
    fixture_begin(&fixture, 0);
    fixture_write(&fixture, 1, 2);
    snprintf(other, sizeof other, "%s.000007", fixture.path);
    rename(fixture.path, other);
    cr_assert_eq(fixture_write(&fixture, 3, 2)->durable, 2);
    cr_assert_str_eq(fixture_read(&fixture), "1 2 3 4");
    fixture_end(&fixture);
}

Test(job, notices_that_its_directory_was_moved_and_another_is_there)
{
    struct fixture fixture;
    char other[80], moved[200];
    struct stat status;
    fixture_begin(&fixture, 0);
    fixture_write(&fixture, 1, 2);
    snprintf(other, sizeof other, "%s.moved", fixture.dir);
    cr_assert_eq(rename(fixture.dir, other), 0);
    cr_assert_eq(mkdir(fixture.dir, 0700), 0);
    cr_assert_eq(fixture_write(&fixture, 3, 2)->durable, 2);
    cr_assert_str_eq(fixture_read(&fixture), "3 4");
    snprintf(moved, sizeof moved, "%s/%s", other, strrchr(fixture.path, '/') + 1);
    cr_assert(stat(moved, &status) == 0 && status.st_size > 0);
    unlink(moved);
    rmdir(other);
    fixture_end(&fixture);
}

Test(job, notices_that_the_file_was_cut)
{
    struct fixture fixture;
    char expected[200];
    fixture_begin(&fixture, 0);
    fixture_write(&fixture, 1, 2);
    cr_assert_eq(truncate(fixture.path, 0), 0);
    cr_assert_eq(fixture_write(&fixture, 3, 2)->durable, 2);
    snprintf(expected, sizeof expected, "%s: cut short by another program; opening it again", fixture.path);
    cr_assert_str_eq(fixture_log(), expected);
    cr_assert_str_eq(fixture_read(&fixture), "3 4");
    fixture_end(&fixture);
}

Test(job, notices_that_another_program_wrote)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    fixture_write(&fixture, 1, 2);
    fixture_put(&fixture, "events.ndjson", "half a line", 11);
    cr_assert_eq(fixture_write(&fixture, 3, 2)->durable, 2);
    cr_assert_str_eq(fixture_read(&fixture), "1 2 3 4");
    fixture_end(&fixture);
}

Test(job, waits_for_a_directory_that_went_away)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    unlink(fixture.path);
    rmdir(fixture.dir);
    const struct file_result *result = fixture_write(&fixture, 1, 2);
    cr_assert_eq(result->error.code, OUTBOX_E_NOT_FOUND);
    cr_assert_eq(result->outcome, OUTBOX_NOT_CONNECTED);
    cr_assert_eq(mkdir(fixture.dir, 0700), 0);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    cr_assert_eq(fixture_write(&fixture, 1, 2)->durable, 2);
    fixture_end(&fixture);
}

Test(job, rejected_events_are_skipped)
{
    struct fixture fixture;
    fixture_begin(&fixture, 0);
    struct outbox_message messages[] = {{.value = {"1", 1}}, {.topic = {"t", 1}, .value = {"2", 1}}};
    struct outbox_publish publish = {.count = 2, .messages = messages, .stride = sizeof messages[0]};
    struct file_op op = {.publish = &publish};
    fixture.broker.job = &op;
    file_write_job(&fixture.broker);
    cr_assert_eq(fixture.broker.result.rejected, 1);
    cr_assert_eq(fixture.broker.result.durable, 2);
    cr_assert_str_eq(fixture_read(&fixture), "2");
    fixture_end(&fixture);
}

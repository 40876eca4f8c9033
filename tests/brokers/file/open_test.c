/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/file/open_test.c - which files are accepted or refused, and what is cut off their end */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

#define EVENT(n) "{\"topic\":\"t\",\"payload\":\"" #n "\"}\n"

/* The text is `before`, the path, `after`. */
static void expect_refusal(struct fixture *fixture, int code, const char *before, const char *after)
{
    char expected[OUTBOX_ERROR_TEXT_SIZE];
    snprintf(expected, sizeof expected, "%s %s%s", before, fixture->path, after);
    cr_assert_eq(fixture_open(fixture), code, "%s", fixture->error.text);
    cr_assert_str_eq(fixture->error.text, expected);
    cr_assert_eq(sys_fixture_open_files(), 0);
}

Test(open, creates_a_file_that_others_cannot_write)
{
    struct fixture fixture;
    struct stat status;
    umask(0);
    fixture_make(&fixture, 0);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    cr_assert_eq(stat(fixture.path, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0640);
    cr_assert_eq(sys_fixture_count(ON_FSYNC), 1, "the directory is synced, so that the name survives");
    fixture_end(&fixture);
}

Test(open, appends_at_the_end_of_the_file)
{
    struct fixture fixture;
    fixture_make(&fixture, 0);
    fixture_put(&fixture, "events.ndjson", EVENT(1) EVENT(2), strlen(EVENT(1) EVENT(2)));
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    cr_assert_eq(fixture_write(&fixture, 3, 1)->error.code, OUTBOX_OK);
    cr_assert_str_eq(fixture_read(&fixture), "1 2 3");
    fixture_end(&fixture);
}

Test(open, cuts_a_torn_line_and_logs_its_size)
{
    struct fixture fixture;
    char expected[200];
    fixture_make(&fixture, 0);
    fixture_put(&fixture, "events.ndjson", EVENT(1) "{\"topic\":\"t\",\"pay", strlen(EVENT(1)) + 17);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    snprintf(expected, sizeof expected, "%s: cut off 17 bytes at the end that were never confirmed", fixture.path);
    cr_assert_str_eq(fixture_log(), expected);
    cr_assert_str_eq(fixture_read(&fixture), "1");
    fixture_end(&fixture);
}

Test(open, cuts_a_file_of_one_torn_line_to_nothing)
{
    struct fixture fixture;
    for (size_t size = 1; size < strlen(EVENT(1)); size++) {
        fixture_make(&fixture, 0);
        fixture_put(&fixture, "events.ndjson", EVENT(1), size);
        cr_assert_eq(fixture_open(&fixture), OUTBOX_OK, "%s", fixture.error.text);
        cr_assert_eq(fixture_size(&fixture, "events.ndjson"), 0);
        fixture_end(&fixture);
    }
}

Test(open, cuts_a_torn_line_longer_than_a_block)
{
    static char tail[200000];
    struct fixture fixture;
    fixture_make(&fixture, 0);
    memset(tail, 'x', sizeof tail);
    fixture_put(&fixture, "events.ndjson", EVENT(1), strlen(EVENT(1)));
    fixture_put(&fixture, "events.ndjson", tail, sizeof tail);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    cr_assert_eq(fixture_size(&fixture, "events.ndjson"), (int64_t)strlen(EVENT(1)));
    fixture_end(&fixture);
}

/* After a power loss the length may be there and the data not. */
Test(open, cuts_everything_from_a_line_with_zeros)
{
    static const char torn[] = EVENT(1) "{\"topic\0\0\0\0\"}\n" EVENT(3);
    struct fixture fixture;
    fixture_make(&fixture, 0);
    fixture_put(&fixture, "events.ndjson", torn, sizeof torn - 1);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    cr_assert_str_eq(fixture_read(&fixture), "1");
    fixture_end(&fixture);
}

Test(open, treats_a_file_of_zeros_as_empty)
{
    static const char zeros[100000];
    struct fixture fixture;
    fixture_make(&fixture, 0);
    fixture_put(&fixture, "events.ndjson", zeros, sizeof zeros);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    cr_assert_eq(fixture_size(&fixture, "events.ndjson"), 0);
    fixture_end(&fixture);
}

Test(open, accepts_a_first_batch_that_lost_its_beginning)
{
    static const char torn[] = "{\"to\0\0\0\0\0\"t\"}\n" EVENT(2);
    struct fixture fixture;
    fixture_make(&fixture, 0);
    fixture_put(&fixture, "events.ndjson", torn, sizeof torn - 1);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK, "%s", fixture.error.text);
    cr_assert_eq(fixture_size(&fixture, "events.ndjson"), 0);
    fixture_end(&fixture);
}

Test(open, refuses_a_file_without_events_and_keeps_it)
{
    static const char *const strangers[] = {"hello\n", "{\"tapic\"", "\0\0\0\0\0\0\0\0\0\x01", "{}\n"};
    static const size_t sizes[] = {6, 8, 10, 3};
    struct fixture fixture;
    for (int i = 0; i < 4; i++) {
        fixture_make(&fixture, 0);
        fixture_put(&fixture, "events.ndjson", strangers[i], sizes[i]);
        expect_refusal(&fixture, OUTBOX_E_CORRUPT, "open",
                       ": the file does not begin with an event; move it away, or give another path");
        cr_assert_eq(fixture_size(&fixture, "events.ndjson"), (int64_t)sizes[i]);
        fixture_end(&fixture);
    }
}

Test(open, refuses_a_second_writer)
{
    struct fixture first, second;
    fixture_make(&first, 0);
    cr_assert_eq(fixture_open(&first), OUTBOX_OK);
    fixture_make(&second, 0);
    rmdir(second.dir);
    second.broker.sink.path = first.path;
    snprintf(second.path, sizeof second.path, "%s", first.path);
    cr_assert_eq(file_sink_init(&second.broker.sink, &second.error), OUTBOX_OK);
    cr_assert_eq(fixture_open(&second), OUTBOX_E_AGAIN);
    char expected[OUTBOX_ERROR_TEXT_SIZE];
    snprintf(expected, sizeof expected,
             "lock %s: another relay writes this file, here or in another process; stop it, or give another path",
             first.path);
    cr_assert_str_eq(second.error.text, expected);
    fixture_close(&first);
    cr_assert_eq(fixture_open(&second), OUTBOX_OK);
    fixture_close(&second);
    fixture_end(&first);
}

Test(open, refuses_a_symbolic_link_at_the_path)
{
    struct fixture fixture;
    fixture_make(&fixture, 0);
    cr_assert_eq(symlink("/dev/null", fixture.path), 0);
    expect_refusal(&fixture, OUTBOX_E_PERMISSION, "open", ": is a symbolic link; give the path of the file itself");
    fixture_end(&fixture);
}

Test(open, refuses_anything_but_a_regular_file)
{
    struct fixture fixture;
    fixture_make(&fixture, 0);
    cr_assert_eq(mkfifo(fixture.path, 0600), 0);
    expect_refusal(&fixture, OUTBOX_E_CONFIG, "open", ": not a regular file");
    unlink(fixture.path);
    cr_assert_eq(mkdir(fixture.path, 0700), 0);
    expect_refusal(&fixture, OUTBOX_E_CONFIG, "open", ": is a directory; give the path of a file in it");
    rmdir(fixture.path);
    fixture_end(&fixture);
}

Test(open, directory_writable_by_all_users_is_refused)
{
    struct fixture fixture;
    fixture_make(&fixture, 0);
    chmod(fixture.dir, 0777);
    expect_refusal(&fixture, OUTBOX_E_PERMISSION, "open",
                   ": its directory is writable by all users, who could replace the file; chmod o-w it");
    chmod(fixture.dir, 01777);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    fixture_end(&fixture);
}

Test(open, refuses_a_path_without_a_directory)
{
    struct fixture fixture;
    fixture_make(&fixture, 0);
    rmdir(fixture.dir);
    expect_refusal(&fixture, OUTBOX_E_NOT_FOUND, "open the directory of", ": no such directory; create it");
    fixture_end(&fixture);
}

Test(open, refuses_a_path_without_a_name)
{
    static const char *const paths[] = {"", "/", "/tmp/", "/tmp/.", ".."};
    for (int i = 0; i < 5; i++) {
        struct file_sink sink = {.path = paths[i]};
        struct outbox_error error;
        char expected[100];
        cr_assert_eq(file_sink_init(&sink, &error), OUTBOX_E_CONFIG);
        snprintf(expected, sizeof expected, "path '%s' names a directory; give the path of a file", paths[i]);
        cr_assert_str_eq(error.text, expected);
    }
}

Test(open, refuses_a_name_that_leaves_no_room_for_a_number)
{
    char path[300];
    struct file_sink sink = {.path = path};
    struct outbox_error error;
    memset(path, 'x', sizeof path);
    path[241] = '\0';
    cr_assert_eq(file_sink_init(&sink, &error), OUTBOX_E_CONFIG);
    cr_assert_str_eq(error.text, "the file name in path has 241 bytes; 240 are allowed");
}

/* ---- probing ----------------------------------------------------------------------------------------------------- */

static int run_probe(struct fixture *fixture, struct file_probe *probe)
{
    memset(&fixture->error, 0, sizeof fixture->error);
    int code = file_sink_probe(&fixture->broker.sink, probe, &fixture->error);
    cr_assert_eq(code, fixture->error.code);
    cr_assert_eq(sys_fixture_open_files(), 0);
    return code;
}

Test(open, probe_changes_nothing)
{
    static const char torn[] = EVENT(1) "{\"topic\":\"t\",\"pay";
    struct fixture fixture;
    struct file_probe probe;
    fixture_make(&fixture, 0);
    cr_assert_eq(run_probe(&fixture, &probe), OUTBOX_OK, "%s", fixture.error.text);
    cr_assert(!probe.exists && !probe.in_use && fixture_size(&fixture, "events.ndjson") == -1);
    fixture_put(&fixture, "events.ndjson", torn, sizeof torn - 1);
    cr_assert_eq(run_probe(&fixture, &probe), OUTBOX_OK, "%s", fixture.error.text);
    cr_assert(probe.exists && !probe.in_use);
    cr_assert_eq(fixture_size(&fixture, "events.ndjson"), (int64_t)sizeof torn - 1);
    cr_assert_eq(sys_fixture_count(ON_LOCK) + sys_fixture_count(ON_FSYNC) + sys_fixture_count(ON_FDATASYNC), 0);
    fixture_end(&fixture);
}

Test(open, probe_sees_the_writer)
{
    struct fixture fixture, second;
    struct file_probe probe;
    fixture_make(&fixture, 0);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    second = fixture;
    cr_assert_eq(file_sink_init(&second.broker.sink, &second.error), OUTBOX_OK);
    cr_assert_eq(file_sink_probe(&second.broker.sink, &probe, &second.error), OUTBOX_OK);
    cr_assert(probe.exists && probe.in_use);
    cr_assert_eq(fixture_write(&fixture, 1, 1)->error.code, OUTBOX_OK, "the lock is still there");
    cr_assert_eq(file_sink_probe(&second.broker.sink, &probe, &second.error), OUTBOX_OK);
    cr_assert(probe.in_use);
    fixture_end(&fixture);
}

Test(open, probe_fails_where_open_fails)
{
    struct fixture fixture;
    struct file_probe probe;
    fixture_make(&fixture, 0);
    cr_assert_eq(symlink("/dev/null", fixture.path), 0);
    cr_assert_eq(run_probe(&fixture, &probe), OUTBOX_E_PERMISSION);
    unlink(fixture.path);
    cr_assert_eq(mkfifo(fixture.path, 0600), 0);
    cr_assert_eq(run_probe(&fixture, &probe), OUTBOX_E_CONFIG);
    unlink(fixture.path);
    fixture_put(&fixture, "events.ndjson", "my letters", 10);
    cr_assert_eq(run_probe(&fixture, &probe), OUTBOX_E_CORRUPT);
    unlink(fixture.path);
    sys_fixture_fail(ON_OPENAT, 2, EROFS);
    cr_assert_eq(run_probe(&fixture, &probe), OUTBOX_E_READ_ONLY);
    sys_fixture_fail(ON_FSTAT, 1, EIO);
    cr_assert_eq(run_probe(&fixture, &probe), OUTBOX_E_IO);
    rmdir(fixture.dir);
    cr_assert_eq(run_probe(&fixture, &probe), OUTBOX_E_NOT_FOUND);
    cr_assert(!probe.exists);
    fixture_end(&fixture);
}

Test(open, continues_after_an_interrupted_read)
{
    struct fixture fixture;
    fixture_make(&fixture, 0);
    fixture_put(&fixture, "events.ndjson", EVENT(1), strlen(EVENT(1)));
    sys_fixture_fail(ON_PREAD, 1, EINTR);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
    fixture_end(&fixture);
}

/* If the file cannot be read or cut, it stays unchanged, and the next attempt succeeds. */
Test(open, keeps_a_torn_file_that_cannot_be_repaired)
{
    static const char zeros[70000];
    static const struct {
        const char *bytes;
        size_t size;
        enum sys_fixture_call call;
    } files[] = {{EVENT(1) "{\"torn", 31, ON_PREAD}, {EVENT(1) "{\"torn", 31, ON_FTRUNCATE}, {zeros, 70000, ON_PREAD}};
    for (int i = 0; i < 3; i++) {
        bool failed = true;
        for (unsigned nth = 1; failed; nth++) {
            struct fixture fixture;
            fixture_make(&fixture, 0);
            fixture_put(&fixture, "events.ndjson", files[i].bytes, files[i].size);
            sys_fixture_reset();
            sys_fixture_fail(files[i].call, nth, EIO);
            int code = fixture_open(&fixture);
            failed = sys_fixture_failed();
            cr_assert_eq(code, failed ? OUTBOX_E_IO : OUTBOX_OK);
            cr_assert(!failed || fixture_size(&fixture, "events.ndjson") == (int64_t)files[i].size);
            fixture_close(&fixture);
            sys_fixture_reset();
            cr_assert_eq(fixture_open(&fixture), OUTBOX_OK);
            fixture_end(&fixture);
        }
    }
}

Test(open, fails_when_the_file_is_replaced_repeatedly)
{
    struct fixture fixture;
    fixture_make(&fixture, 0);
    sys_fixture_fail(ON_STATAT, 0, ENOENT);
    expect_refusal(&fixture, OUTBOX_E_AGAIN, "open", ": another program keeps replacing the file; find out which");
    sys_fixture_reset();
    fixture_end(&fixture);
}

/* ---- files that others control ----------------------------------------------------------------------------------- */

static struct fixture fixture;

static void refused_with(const char *end)
{
    cr_assert_eq(fixture_open(&fixture), OUTBOX_E_PERMISSION, "%s", fixture.error.text);
    size_t size = strlen(fixture.error.text), expected = strlen(end);
    cr_assert(size > expected && !strcmp(fixture.error.text + size - expected, end), "%s", fixture.error.text);
    cr_assert_eq(fixture_size(&fixture, "events.ndjson"), 0);
    fixture_end(&fixture);
}

Test(open, file_writable_by_all_users_is_refused)
{
    fixture_make(&fixture, 0);
    fixture_put(&fixture, "events.ndjson", "", 0);
    cr_assert_eq(chmod(fixture.path, 0666), 0);
    refused_with(": it is writable by all users; chmod o-w it");
}

Test(open, refuses_a_file_of_another_user)
{
    fixture_make(&fixture, 0);
    fixture_put(&fixture, "events.ndjson", "", 0);
    if (chown(fixture.path, 12345, (gid_t)-1)) /* needs root */
        cr_skip_test("only root can give a file away");
    refused_with(": it belongs to user 12345; give it to the user of the relay, or remove it");
}

Test(open, refuses_a_file_with_a_hard_link)
{
    char other[120];
    fixture_make(&fixture, 0);
    fixture_put(&fixture, "events.ndjson", "", 0);
    snprintf(other, sizeof other, "%s/other", fixture.dir);
    cr_assert_eq(link(fixture.path, other), 0);
    refused_with(": it has 2 names (hard links); remove the others, or give another path");
}

/* In a sticky directory another user may make the link, and change it at any time. */
Test(open, refuses_a_directory_link_of_another_user)
{
    char link[120], path[160];
    fixture_make(&fixture, 0);
    fixture_put(&fixture, "events.ndjson", "", 0);
    snprintf(link, sizeof link, "%s-link", fixture.dir);
    snprintf(path, sizeof path, "%s//events.ndjson", link);
    cr_assert_eq(symlink(fixture.dir, link), 0);
    fixture.broker.sink.path = path;
    cr_assert_eq(file_sink_init(&fixture.broker.sink, &fixture.error), OUTBOX_OK);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK, "%s", fixture.error.text); /* of this user */
    fixture_close(&fixture);
    bool given = lchown(link, 12345, (gid_t)-1) == 0;
    int code = given ? fixture_open(&fixture) : OUTBOX_E_PERMISSION;
    unlink(link);
    cr_assert_eq(code, OUTBOX_E_PERMISSION);
    fixture_end(&fixture);
    if (!given)
        cr_skip_test("only root can give a link away");
}

Test(open, new_file_has_the_configured_mode)
{
    struct stat status;
    fixture_make(&fixture, 0);
    fixture.broker.sink.mode = 0600;
    umask(0);
    cr_assert_eq(fixture_open(&fixture), OUTBOX_OK, "%s", fixture.error.text);
    cr_assert_eq(stat(fixture.path, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0600);
    fixture_end(&fixture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/file/open_test.c - which files are taken, which are refused, and what is cut off their end */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"

#define EVENT(n) "{\"topic\":\"t\",\"payload\":\"" #n "\"}\n"

/* The text is `before`, the path, `after`. */
static void expect_refusal(struct rig *rig, int code, const char *before, const char *after)
{
    char wanted[OUTBOX_ERROR_TEXT_SIZE];
    snprintf(wanted, sizeof wanted, "%s %s%s", before, rig->path, after);
    cr_assert_eq(rig_open(rig), code, "%s", rig->error.text);
    cr_assert_str_eq(rig->error.text, wanted);
    cr_assert_eq(scripted_open_files(), 0);
}

Test(open, makes_a_file_that_others_cannot_write)
{
    struct rig rig;
    struct stat status;
    umask(0);
    rig_make(&rig, 0);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    cr_assert_eq(stat(rig.path, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0640);
    cr_assert_eq(scripted_count(ON_FSYNC), 1, "the directory is synced, so that the name survives");
    rig_end(&rig);
}

Test(open, goes_on_where_the_file_ends)
{
    struct rig rig;
    rig_make(&rig, 0);
    rig_put(&rig, "events.ndjson", EVENT(1) EVENT(2), strlen(EVENT(1) EVENT(2)));
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    cr_assert_eq(rig_write(&rig, 3, 1)->error.code, OUTBOX_OK);
    cr_assert_str_eq(rig_read(&rig), "1 2 3");
    rig_end(&rig);
}

Test(open, cuts_a_torn_line_and_says_how_much)
{
    struct rig rig;
    char wanted[200];
    rig_make(&rig, 0);
    rig_put(&rig, "events.ndjson", EVENT(1) "{\"topic\":\"t\",\"pay", strlen(EVENT(1)) + 17);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    snprintf(wanted, sizeof wanted, "%s: cut 17 bytes off the end that were never confirmed", rig.path);
    cr_assert_str_eq(rig_log(), wanted);
    cr_assert_str_eq(rig_read(&rig), "1");
    rig_end(&rig);
}

Test(open, cuts_a_file_of_one_torn_line_to_nothing)
{
    struct rig rig;
    for (size_t size = 1; size < strlen(EVENT(1)); size++) {
        rig_make(&rig, 0);
        rig_put(&rig, "events.ndjson", EVENT(1), size);
        cr_assert_eq(rig_open(&rig), OUTBOX_OK, "%s", rig.error.text);
        cr_assert_eq(rig_size(&rig, "events.ndjson"), 0);
        rig_end(&rig);
    }
}

Test(open, cuts_a_torn_line_longer_than_a_block)
{
    static char tail[200000];
    struct rig rig;
    rig_make(&rig, 0);
    memset(tail, 'x', sizeof tail);
    rig_put(&rig, "events.ndjson", EVENT(1), strlen(EVENT(1)));
    rig_put(&rig, "events.ndjson", tail, sizeof tail);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    cr_assert_eq(rig_size(&rig, "events.ndjson"), (int64_t)strlen(EVENT(1)));
    rig_end(&rig);
}

/* After a power loss the length may be there and the data not. */
Test(open, cuts_from_the_line_with_zeros_on)
{
    static const char torn[] = EVENT(1) "{\"topic\0\0\0\0\"}\n" EVENT(3);
    struct rig rig;
    rig_make(&rig, 0);
    rig_put(&rig, "events.ndjson", torn, sizeof torn - 1);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    cr_assert_str_eq(rig_read(&rig), "1");
    rig_end(&rig);
}

Test(open, takes_a_file_of_zeros_alone_as_empty)
{
    static const char zeros[100000];
    struct rig rig;
    rig_make(&rig, 0);
    rig_put(&rig, "events.ndjson", zeros, sizeof zeros);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    cr_assert_eq(rig_size(&rig, "events.ndjson"), 0);
    rig_end(&rig);
}

Test(open, takes_a_first_batch_that_lost_its_beginning)
{
    static const char torn[] = "{\"to\0\0\0\0\0\"t\"}\n" EVENT(2);
    struct rig rig;
    rig_make(&rig, 0);
    rig_put(&rig, "events.ndjson", torn, sizeof torn - 1);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK, "%s", rig.error.text);
    cr_assert_eq(rig_size(&rig, "events.ndjson"), 0);
    rig_end(&rig);
}

Test(open, refuses_what_is_not_a_file_of_events_and_leaves_it_alone)
{
    static const char *const strangers[] = {"hello\n", "{\"tapic\"", "\0\0\0\0\0\0\0\0\0\x01", "{}\n"};
    static const size_t sizes[] = {6, 8, 10, 3};
    struct rig rig;
    for (int i = 0; i < 4; i++) {
        rig_make(&rig, 0);
        rig_put(&rig, "events.ndjson", strangers[i], sizes[i]);
        expect_refusal(&rig, OUTBOX_E_CORRUPT, "open",
                       ": the file does not begin with an event; move it away, or give another path");
        cr_assert_eq(rig_size(&rig, "events.ndjson"), (int64_t)sizes[i]);
        rig_end(&rig);
    }
}

Test(open, refuses_a_second_writer)
{
    struct rig first, second;
    rig_make(&first, 0);
    cr_assert_eq(rig_open(&first), OUTBOX_OK);
    rig_make(&second, 0);
    rmdir(second.dir);
    second.broker.sink.path = first.path;
    snprintf(second.path, sizeof second.path, "%s", first.path);
    cr_assert_eq(file_sink_init(&second.broker.sink, &second.error), OUTBOX_OK);
    cr_assert_eq(rig_open(&second), OUTBOX_E_AGAIN);
    char wanted[OUTBOX_ERROR_TEXT_SIZE];
    snprintf(wanted, sizeof wanted,
             "lock %s: another relay writes this file, here or in another process; stop it, or give another path",
             first.path);
    cr_assert_str_eq(second.error.text, wanted);
    rig_close(&first);
    cr_assert_eq(rig_open(&second), OUTBOX_OK);
    rig_close(&second);
    rig_end(&first);
}

Test(open, refuses_a_symbolic_link_in_the_place_of_the_file)
{
    struct rig rig;
    rig_make(&rig, 0);
    cr_assert_eq(symlink("/dev/null", rig.path), 0);
    expect_refusal(&rig, OUTBOX_E_PERMISSION, "open", ": is a symbolic link; give the path of the file itself");
    rig_end(&rig);
}

Test(open, refuses_what_is_not_a_regular_file)
{
    struct rig rig;
    rig_make(&rig, 0);
    cr_assert_eq(mkfifo(rig.path, 0600), 0);
    expect_refusal(&rig, OUTBOX_E_CONFIG, "open", ": not a regular file");
    unlink(rig.path);
    cr_assert_eq(mkdir(rig.path, 0700), 0);
    expect_refusal(&rig, OUTBOX_E_CONFIG, "open", ": is a directory; give the path of a file in it");
    rmdir(rig.path);
    rig_end(&rig);
}

Test(open, refuses_a_directory_that_everybody_may_write)
{
    struct rig rig;
    rig_make(&rig, 0);
    chmod(rig.dir, 0777);
    expect_refusal(&rig, OUTBOX_E_PERMISSION, "open",
                   ": everybody may write its directory, and so replace the file; chmod o-w it");
    chmod(rig.dir, 01777);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    rig_end(&rig);
}

Test(open, refuses_a_path_without_a_directory)
{
    struct rig rig;
    rig_make(&rig, 0);
    rmdir(rig.dir);
    expect_refusal(&rig, OUTBOX_E_NOT_FOUND, "open the directory of", ": no such directory; create it");
    rig_end(&rig);
}

Test(open, refuses_a_path_without_a_name)
{
    static const char *const paths[] = {"", "/", "/tmp/", "/tmp/.", ".."};
    for (int i = 0; i < 5; i++) {
        struct file_sink sink = {.path = paths[i]};
        struct outbox_error error;
        char wanted[100];
        cr_assert_eq(file_sink_init(&sink, &error), OUTBOX_E_CONFIG);
        snprintf(wanted, sizeof wanted, "path '%s' names a directory; give the path of a file", paths[i]);
        cr_assert_str_eq(error.text, wanted);
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

/* ---- only looking ------------------------------------------------------------------------------------------------ */

static int look(struct rig *rig, struct file_sight *sight)
{
    memset(&rig->error, 0, sizeof rig->error);
    int code = file_sink_look(&rig->broker.sink, sight, &rig->error);
    cr_assert_eq(code, rig->error.code);
    cr_assert_eq(scripted_open_files(), 0);
    return code;
}

Test(open, looking_changes_nothing)
{
    static const char torn[] = EVENT(1) "{\"topic\":\"t\",\"pay";
    struct rig rig;
    struct file_sight sight;
    rig_make(&rig, 0);
    cr_assert_eq(look(&rig, &sight), OUTBOX_OK, "%s", rig.error.text);
    cr_assert(!sight.exists && !sight.in_use && rig_size(&rig, "events.ndjson") == -1);
    rig_put(&rig, "events.ndjson", torn, sizeof torn - 1);
    cr_assert_eq(look(&rig, &sight), OUTBOX_OK, "%s", rig.error.text);
    cr_assert(sight.exists && !sight.in_use);
    cr_assert_eq(rig_size(&rig, "events.ndjson"), (int64_t)sizeof torn - 1);
    cr_assert_eq(scripted_count(ON_LOCK) + scripted_count(ON_FSYNC) + scripted_count(ON_FDATASYNC), 0);
    rig_end(&rig);
}

Test(open, looking_sees_the_writer)
{
    struct rig rig, second;
    struct file_sight sight;
    rig_make(&rig, 0);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    second = rig;
    cr_assert_eq(file_sink_init(&second.broker.sink, &second.error), OUTBOX_OK);
    cr_assert_eq(file_sink_look(&second.broker.sink, &sight, &second.error), OUTBOX_OK);
    cr_assert(sight.exists && sight.in_use);
    cr_assert_eq(rig_write(&rig, 1, 1)->error.code, OUTBOX_OK, "the lock is still there");
    cr_assert_eq(file_sink_look(&second.broker.sink, &sight, &second.error), OUTBOX_OK);
    cr_assert(sight.in_use);
    rig_end(&rig);
}

Test(open, looking_refuses_what_opening_refuses)
{
    struct rig rig;
    struct file_sight sight;
    rig_make(&rig, 0);
    cr_assert_eq(symlink("/dev/null", rig.path), 0);
    cr_assert_eq(look(&rig, &sight), OUTBOX_E_PERMISSION);
    unlink(rig.path);
    cr_assert_eq(mkfifo(rig.path, 0600), 0);
    cr_assert_eq(look(&rig, &sight), OUTBOX_E_CONFIG);
    unlink(rig.path);
    rig_put(&rig, "events.ndjson", "my letters", 10);
    cr_assert_eq(look(&rig, &sight), OUTBOX_E_CORRUPT);
    unlink(rig.path);
    scripted_fail(ON_OPENAT, 2, EROFS);
    cr_assert_eq(look(&rig, &sight), OUTBOX_E_READ_ONLY);
    scripted_fail(ON_FSTAT, 1, EIO);
    cr_assert_eq(look(&rig, &sight), OUTBOX_E_IO);
    rmdir(rig.dir);
    cr_assert_eq(look(&rig, &sight), OUTBOX_E_NOT_FOUND);
    cr_assert(!sight.exists);
    rig_end(&rig);
}

Test(open, goes_on_after_an_interrupted_read)
{
    struct rig rig;
    rig_make(&rig, 0);
    rig_put(&rig, "events.ndjson", EVENT(1), strlen(EVENT(1)));
    scripted_fail(ON_PREAD, 1, EINTR);
    cr_assert_eq(rig_open(&rig), OUTBOX_OK);
    rig_end(&rig);
}

/* Whatever cannot be read or cut, the file stays as it is, and the next attempt succeeds. */
Test(open, leaves_a_torn_file_alone_when_it_cannot_be_mended)
{
    static const char zeros[70000];
    static const struct {
        const char *bytes;
        size_t size;
        enum scripted_call call;
    } files[] = {{EVENT(1) "{\"torn", 31, ON_PREAD}, {EVENT(1) "{\"torn", 31, ON_FTRUNCATE}, {zeros, 70000, ON_PREAD}};
    for (int i = 0; i < 3; i++) {
        bool failed = true;
        for (unsigned nth = 1; failed; nth++) {
            struct rig rig;
            rig_make(&rig, 0);
            rig_put(&rig, "events.ndjson", files[i].bytes, files[i].size);
            scripted_reset();
            scripted_fail(files[i].call, nth, EIO);
            int code = rig_open(&rig);
            failed = scripted_failed();
            cr_assert_eq(code, failed ? OUTBOX_E_IO : OUTBOX_OK);
            cr_assert(!failed || rig_size(&rig, "events.ndjson") == (int64_t)files[i].size);
            rig_close(&rig);
            scripted_reset();
            cr_assert_eq(rig_open(&rig), OUTBOX_OK);
            rig_end(&rig);
        }
    }
}

Test(open, gives_up_when_the_file_is_replaced_again_and_again)
{
    struct rig rig;
    rig_make(&rig, 0);
    scripted_fail(ON_STATAT, 0, ENOENT);
    expect_refusal(&rig, OUTBOX_E_AGAIN, "open", ": somebody keeps replacing the file; find out who");
    scripted_reset();
    rig_end(&rig);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/file/failure_test.c - every system call fails at every place, and no promise breaks */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static bool has(const char *numbers, unsigned number)
{
    char word[16], text[8200];
    snprintf(word, sizeof word, " %u ", number);
    snprintf(text, sizeof text, " %s ", numbers);
    return strstr(text, word) != NULL;
}

/* Jobs of four events; after a failure, and once without one, start again like the host and send what is left.
 * After any failure: no delivered event is missing, no event that is not connected is there before it was sent again,
 * the order is kept, and only unknown events may be there twice. */
static void survive(enum sys_fixture_call call, unsigned nth, int number, bool *failed)
{
    struct fixture fixture;
    unsigned next = 1, twice = 0;
    bool restarted = false;
    char name[64];
    snprintf(name, sizeof name, "%s %u errno %d", sys_fixture_names[call], nth, number);
    fixture_make(&fixture, 250);
    sys_fixture_reset();
    sys_fixture_fail(call, nth, number);
    for (int tries = 0; next <= 32; tries++) {
        cr_assert_lt(tries, 40, "%s: never heals", name);
        if (next > 16 && !restarted) {
            fixture_close(&fixture);
            restarted = true;
        }
        if (fixture.broker.sink.fd < 0 && fixture_open(&fixture)) {
            cr_assert_gt(strlen(fixture.error.text), strlen(fixture.path), "%s", name);
            continue;
        }
        unsigned left = next > 29 ? 33 - next : 4;
        const struct file_result *result = fixture_write(&fixture, next, left);
        const char *there = fixture_read(&fixture);
        for (unsigned i = 0; i < result->durable; i++)
            cr_assert(has(there, next + i), "%s: %u was lost", name, next + i);
        if (result->error.code && result->outcome == OUTBOX_UNKNOWN)
            twice += (unsigned)(result->started - result->durable);
        for (unsigned i = (unsigned)result->durable; i < left && result->outcome == OUTBOX_NOT_CONNECTED; i++)
            cr_assert(!has(there, next + i), "%s: %u is there", name, next + i);
        next += (unsigned)result->durable;
    }
    char *copy = strdup(fixture_read(&fixture)), *rest = copy;
    unsigned last = 0, count = 0;
    for (char *word; (word = strsep(&rest, " ")); count++) {
        unsigned long now = strtoul(word, NULL, 10);
        cr_assert_leq(now, last + 1, "%s: %lu after %u", name, now, last);
        last = now > last ? (unsigned)now : last;
    }
    cr_assert(last == 32 && count <= 32 + twice, "%s: %u events", name, count);
    *failed = sys_fixture_failed();
    free(copy);
    sys_fixture_reset();
    fixture_end(&fixture);
}

static void survive_everywhere(enum sys_fixture_call call, int number)
{
    bool failed = true;
    unsigned nth = 1;
    for (; failed; nth++)
        survive(call, nth, number, &failed);
    cr_assert(nth > 2 || call == ON_RESERVE || call == ON_FTRUNCATE, "%s was never called", sys_fixture_names[call]);
}

Test(failure, survives_failures_of_opening)
{
    survive_everywhere(ON_OPENAT, EMFILE);
    survive_everywhere(ON_FSTAT, EIO);
    survive_everywhere(ON_STATAT, EIO);
    survive_everywhere(ON_LOCK, ENOLCK);
    survive_everywhere(ON_PREAD, EIO);
}

Test(failure, survives_failures_of_writing)
{
    survive_everywhere(ON_WRITE, EIO);
    survive_everywhere(ON_WRITE, ENOSPC);
    survive_everywhere(ON_WRITE, EDQUOT);
    survive_everywhere(ON_WRITE, EINTR);
    survive_everywhere(ON_FDATASYNC, EIO);
    survive_everywhere(ON_FDATASYNC, ENOSPC);
}

Test(failure, survives_failures_of_the_directory)
{
    survive_everywhere(ON_FSYNC, EIO);
    survive_everywhere(ON_RENAMEAT, EACCES);
    survive_everywhere(ON_LIST, EMFILE);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/file/power_test.c - the machine loses power while events are written
 *
 * Synced bytes survive; of the bytes written later any part may survive: a shorter file, zeros where data should be,
 * whole pages missing in between. A new process opens what is left. Every event that was reported as
 * delivered is there, in order, and no line is broken: fixture_read() checks every line.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem_fault.h"
#include "fixture.h"

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

/* Of the bytes from `synced` on, some are gone. */
static void lose_power(const struct fixture *fixture, int64_t synced, uint32_t *seed)
{
    static const char zeros[4096];
    int fd = open(fixture->path, O_RDWR);
    int64_t size = lseek(fd, 0, SEEK_END), unsynced = size - synced;
    if (unsynced > 0 && draw(seed, 2)) {
        size = synced + draw(seed, (uint32_t)unsynced + 1);
        cr_assert_eq(ftruncate(fd, (off_t)size), 0);
    }
    for (unsigned lost_pages = draw(seed, 4); lost_pages-- && size > synced;) {
        int64_t at = synced + draw(seed, (uint32_t)(size - synced));
        size_t length = 1 + draw(seed, 300);
        if (at + (int64_t)length > size)
            length = (size_t)(size - at);
        cr_assert_eq(pwrite(fd, zeros, length, (off_t)at), (ssize_t)length);
    }
    close(fd);
}

/* As in a new process: nothing is known of the file. */
static void begin_again(struct fixture *fixture)
{
    fixture_close(fixture);
    fixture->broker.sink.id = (struct stat){0};
    fixture->broker.sink.size = fixture->broker.sink.durable = fixture->broker.sink.space_needed = 0;
    fixture->broker.sink.has_unsynced = false;
}

static bool begins_with(const char *numbers, unsigned last)
{
    char expected[2048] = "";
    size_t used = 0;
    for (unsigned i = 1; i <= last; i++)
        used += (size_t)snprintf(expected + used, sizeof expected - used, i > 1 ? " %u" : "%u", i);
    return strncmp(numbers, expected, used) == 0 && (!numbers[used] || numbers[used] == ' ' || !used);
}

Test(power, loss_of_power_loses_no_delivered_event)
{
    for (uint32_t seed = 1; seed <= 80; seed++) {
        struct fixture fixture;
        uint32_t state = seed;
        unsigned delivered = 0;
        int64_t synced = 0;
        fixture_make(&fixture, 0);
        for (int round = 0; round < 4; round++) {
            cr_assert_eq(fixture_open(&fixture), OUTBOX_OK, "seed %u: %s", seed, fixture.error.text);
            cr_assert(begins_with(fixture_read(&fixture), delivered), "seed %u: of %u events there are %s", seed,
                      delivered, fixture_read(&fixture));
            cr_assert_eq(truncate(fixture.path, (off_t)synced), 0, "the host sends what was not delivered again");
            sys_fixture_reset();
            for (unsigned jobs = draw(&state, 3); jobs--;) {
                unsigned count = 1 + draw(&state, 5);
                cr_assert_eq(fixture_write(&fixture, delivered + 1, count)->durable, count);
                delivered += count;
            }
            synced = fixture_size(&fixture, "events.ndjson");
            sys_fixture_fail(ON_FDATASYNC, 1, EIO); /* here the power goes */
            fixture_write(&fixture, delivered + 1, 1 + draw(&state, 6));
            sys_fixture_reset();
            begin_again(&fixture);
            lose_power(&fixture, synced, &state);
        }
        fixture_remove(&fixture);
        cr_assert_eq(sys_fixture_open_files(), 0);
        cr_assert_eq(mem_live(), 0);
    }
}

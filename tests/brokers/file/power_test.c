/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/file/power_test.c - the machine loses power while events are written
 *
 * What was synced survives; of what was written after that any part may: a shorter file, zeros where data should be,
 * whole pages missing in between. A new process opens what is left. Whatever it finds, every event that was told as
 * delivered is there, in order, and no line is broken - rig_read() looks at every line.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem_fault.h"
#include "rig.h"

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

/* Of the bytes from `synced` on, some are gone. */
static void lose_power(const struct rig *rig, int64_t synced, uint32_t *seed)
{
    static const char zeros[4096];
    int fd = open(rig->path, O_RDWR);
    int64_t size = lseek(fd, 0, SEEK_END), unsynced = size - synced;
    if (unsynced > 0 && draw(seed, 2)) {
        size = synced + draw(seed, (uint32_t)unsynced + 1);
        cr_assert_eq(ftruncate(fd, (off_t)size), 0);
    }
    for (unsigned holes = draw(seed, 4); holes-- && size > synced;) {
        int64_t at = synced + draw(seed, (uint32_t)(size - synced));
        size_t length = 1 + draw(seed, 300);
        if (at + (int64_t)length > size)
            length = (size_t)(size - at);
        cr_assert_eq(pwrite(fd, zeros, length, (off_t)at), (ssize_t)length);
    }
    close(fd);
}

/* As in a new process: nothing is known of the file. */
static void begin_again(struct rig *rig)
{
    rig_close(rig);
    rig->broker.sink.id = (struct stat){0};
    rig->broker.sink.size = rig->broker.sink.durable = rig->broker.sink.wanted = 0;
    rig->broker.sink.unsure = false;
}

static bool begins_with(const char *numbers, unsigned last)
{
    char wanted[2048] = "";
    size_t used = 0;
    for (unsigned i = 1; i <= last; i++)
        used += (size_t)snprintf(wanted + used, sizeof wanted - used, i > 1 ? " %u" : "%u", i);
    return strncmp(numbers, wanted, used) == 0 && (!numbers[used] || numbers[used] == ' ' || !used);
}

Test(power, takes_nothing_that_was_told_as_delivered)
{
    for (uint32_t seed = 1; seed <= 80; seed++) {
        struct rig rig;
        uint32_t state = seed;
        unsigned delivered = 0;
        int64_t synced = 0;
        rig_make(&rig, 0);
        for (int round = 0; round < 4; round++) {
            cr_assert_eq(rig_open(&rig), OUTBOX_OK, "seed %u: %s", seed, rig.error.text);
            cr_assert(begins_with(rig_read(&rig), delivered), "seed %u: of %u events there are %s", seed, delivered,
                      rig_read(&rig));
            cr_assert_eq(truncate(rig.path, (off_t)synced), 0, "the host sends what was not delivered again");
            scripted_reset();
            for (unsigned jobs = draw(&state, 3); jobs--;) {
                unsigned count = 1 + draw(&state, 5);
                cr_assert_eq(rig_write(&rig, delivered + 1, count)->durable, count);
                delivered += count;
            }
            synced = rig_size(&rig, "events.ndjson");
            scripted_fail(ON_FDATASYNC, 1, EIO); /* here the power goes */
            rig_write(&rig, delivered + 1, 1 + draw(&state, 6));
            scripted_reset();
            begin_again(&rig);
            lose_power(&rig, synced, &state);
        }
        rig_remove(&rig);
        cr_assert_eq(scripted_open_files(), 0);
        cr_assert_eq(mem_live(), 0);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/file/fixture.h - the file broker without its plugin shell: a directory of its own, jobs run in the
 * test's thread
 *
 * Events are numbered; number n has key n % 3 and the payload "n". What the files hold is read back by those numbers.
 */
#ifndef OBX_TESTS_BROKERS_FILE_FIXTURE_H
#define OBX_TESTS_BROKERS_FILE_FIXTURE_H

#include "../../../brokers/file/broker.h"
#include "base/buf.h"
#include "sys_fixture.h"

struct fixture {
    char dir[64];
    char path[96];
    struct file_broker broker;
    struct outbox_error error; /* of the last fixture_open */
};

void fixture_make(struct fixture *fixture, int64_t max_size); /* not open yet */
int fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);
void fixture_remove(struct fixture *fixture); /* closes; removes the directory with all that is in it */
void fixture_begin(struct fixture *fixture, int64_t max_size); /* made and open; no failures set, counters at 0 */
void fixture_end(struct fixture *fixture);                     /* removed, and nothing is left open or in memory */

/* One job of one publish: events first .. first + count - 1. */
const struct file_result *fixture_write(struct fixture *fixture, unsigned first, unsigned count);

/* All numbers, oldest first, over the rotated files and the current one, as "1 2 3". Fails the test on a line that
 * is not a whole event. */
const char *fixture_read(struct fixture *fixture);

void fixture_put(struct fixture *fixture, const char *name, const char *bytes,
                 size_t size);                                   /* append to a file of the directory */
int64_t fixture_size(struct fixture *fixture, const char *name); /* -1: no such file */
const char *fixture_log(void);                                   /* the last line that was logged; "" none */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/file/rig.h - the file broker without its plugin shell: a directory of its own, jobs run in the test's
 * thread
 *
 * Events are numbered; number n has key n % 3 and the payload "n". What the files hold is read back by those numbers.
 */
#ifndef OBX_TESTS_BROKERS_FILE_RIG_H
#define OBX_TESTS_BROKERS_FILE_RIG_H

#include "../../../brokers/file/file.h"
#include "base/buf.h"
#include "scripted.h"

struct rig {
    char dir[64];
    char path[96];
    struct file_broker broker;
    struct outbox_error error; /* of the last rig_open */
};

void rig_make(struct rig *rig, int64_t max_size); /* not open yet */
int rig_open(struct rig *rig);
void rig_close(struct rig *rig);
void rig_remove(struct rig *rig);                  /* closes; removes the directory with all that is in it */
void rig_begin(struct rig *rig, int64_t max_size); /* made and open, nothing scripted or counted yet */
void rig_end(struct rig *rig);                     /* removed, and nothing is left open or in memory */

/* One job of one publish: events first .. first + count - 1. */
const struct file_result *rig_write(struct rig *rig, unsigned first, unsigned count);

/* All numbers, oldest first, over the rotated files and the current one, as "1 2 3". Fails the test on a line that
 * is not a whole event. */
const char *rig_read(struct rig *rig);

void rig_put(struct rig *rig, const char *name, const char *bytes, size_t size); /* append to a file of the directory */
int64_t rig_size(struct rig *rig, const char *name);                             /* -1: no such file */
const char *rig_log(void); /* the last line that was logged; "" none */

#endif

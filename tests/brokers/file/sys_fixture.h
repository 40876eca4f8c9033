/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/file/sys_fixture.h - the kernel, with failures
 *
 * Every call goes to the kernel unless it was set to fail. The settings are global; every test runs in a separate
 * process.
 */
#ifndef OBX_TESTS_BROKERS_FILE_SYS_FIXTURE_H
#define OBX_TESTS_BROKERS_FILE_SYS_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "../../../brokers/file/sys.h"

enum sys_fixture_call {
    ON_OPENAT,
    ON_LIST,
    ON_FSTAT,
    ON_STATAT,
    ON_LOCK,
    ON_PREAD,
    ON_WRITE,
    ON_RESERVE,
    ON_START_WRITEBACK,
    ON_FDATASYNC,
    ON_FSYNC,
    ON_FTRUNCATE,
    ON_RENAMEAT,
    ON_CALLS
};

extern const struct file_sys sys_fixture_sys;
extern const char *const sys_fixture_names[ON_CALLS];

void sys_fixture_reset(void); /* no failures, counters at 0 */
/* The nth call of this kind from now (1: the next) fails with errno = number; 0: every one from now. */
void sys_fixture_fail(enum sys_fixture_call call, unsigned nth, int number);
bool sys_fixture_failed(void);                          /* did one fail since the reset? */
unsigned sys_fixture_count(enum sys_fixture_call call); /* since the reset */
void sys_fixture_space(long bytes);  /* after so many more bytes writes find no space; -1: no limit */
void sys_fixture_short(size_t most); /* a write takes at most so many bytes, every other one is EINTR */
int sys_fixture_open_files(void);

#endif

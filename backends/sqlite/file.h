/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/file.h - the identity of the database file and of the two files of its log
 *
 * lite_file_record() runs at start; lite_file_verify() runs before each claim, acquire and renew, and detects that a
 * file was removed or replaced while it was open. Workers call both.
 */
#ifndef OBX_BACKENDS_SQLITE_FILE_H
#define OBX_BACKENDS_SQLITE_FILE_H

#include <sys/types.h>

#include "conn.h"

struct lite_file_id {
    dev_t device;
    ino_t inode;
};

enum { LITE_LOG_FILES = 2 }; /* DATABASE-wal and DATABASE-shm */

struct lite_file {
    const char *path; /* of the option */
    char *real;       /* owned by the C library: the path without links; NULL until the first start */
    struct lite_file_id database, log[LITE_LOG_FILES];
    /* A log file was replaced: closing a connection must neither copy the log nor remove its files. */
    atomic_bool log_replaced;
};

/* The database is open and was read, so its log exists. */
int lite_file_record(struct lite_file *file, const char *what, struct outbox_error *error);
int lite_file_verify(struct lite_file *file, const char *what, struct outbox_error *error);
bool lite_file_same(const struct lite_file_id *left, const struct lite_file_id *right);

#endif

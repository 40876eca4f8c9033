/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/file.c - see file.h */
#include "file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const log_suffixes[LITE_LOG_FILES] = {"-wal", "-shm"};

static struct lite_file_id id_of(const struct stat *status)
{
    return (struct lite_file_id){status->st_dev, status->st_ino};
}

bool lite_file_same(const struct lite_file_id *left, const struct lite_file_id *right)
{
    return left->device == right->device && left->inode == right->inode;
}

static bool is_file(const struct lite_file_id *id, const struct stat *status)
{
    return status->st_dev == id->device && status->st_ino == id->inode;
}

static int stat_log(const struct lite_file *file, int which, struct stat *status)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s%s", file->real, log_suffixes[which]);
    return stat(path, status);
}

int lite_file_record(struct lite_file *file, const char *what, struct outbox_error *error)
{
    struct stat status;
    free(file->real);
    file->real = realpath(file->path, NULL);
    if (!file->real || stat(file->real, &status))
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND, "%s %s: %s", what, file->path, strerror(errno));
    file->database = id_of(&status);
    for (int i = 0; i < LITE_LOG_FILES; i++) {
        if (stat_log(file, i, &status))
            return outbox_error_set(error, OUTBOX_E_IO, "%s %s: read the attributes of %s%s: %s", what, file->path,
                                    file->real, log_suffixes[i], strerror(errno));
        file->log[i] = id_of(&status);
    }
    return OUTBOX_OK;
}

/* After a log file was removed, other processes create a new one, and their commits are not in ours. */
static int verify_log(struct lite_file *file, const char *what, struct outbox_error *error)
{
    for (int i = 0; i < LITE_LOG_FILES; i++) {
        struct stat status;
        if (!stat_log(file, i, &status) && is_file(&file->log[i], &status))
            continue;
        file->log_replaced = true;
        return outbox_error_set(error, OUTBOX_E_NOT_CONNECTED,
                                "%s %s: %s%s was removed while it was open, which may lose commits and damage the "
                                "database; the relay opens it again: check it with 'PRAGMA integrity_check'",
                                what, file->path, file->real, log_suffixes[i]);
    }
    return OUTBOX_OK;
}

int lite_file_verify(struct lite_file *file, const char *what, struct outbox_error *error)
{
    struct stat status;
    if (stat(file->path, &status))
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND,
                                "%s %s: the file was removed while it was open; put it back, or create a new one with "
                                "'outbox init'",
                                what, file->path);
    if (is_file(&file->database, &status))
        return verify_log(file, what, error);
    return outbox_error_set(error, OUTBOX_E_NOT_CONNECTED,
                            "%s %s: the file was replaced by another while it was open; the relay opens it again", what,
                            file->path);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/rotate.c - renames a full file to NAME.number and creates a new one
 *
 * The steps, and what the next start finds if the process or the machine crashes after each:
 *   1. sync the file                       NAME, unchanged
 *   2. rename NAME to NAME.000001          no NAME, which is created; or still NAME, if the directory was not written
 *                                          back, which is rotated again at the next batch
 *   3. sync the directory                  no NAME, which is created
 *   4. create NAME and lock it             an empty NAME, or none
 *   5. sync the directory                  an empty NAME, or none
 * No event is lost or written twice: every event that was reported as delivered is in a synced file. The lock of the
 * old file is held until the new one is locked. Numbers only grow; the directory is read once to find the next one.
 *
 * Failure modes: if the rename fails the file grows, with a warning, and rotation is tried again after another
 * max_size. A failure after the rename fails the batch.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST_NUMBER 999999999999u

bool file_sink_is_full(const struct file_sink *sink, size_t more)
{
    return sink->rotate_at && sink->size + (int64_t)more >= sink->rotate_at;
}

/* The number of a rotated file of this name; 0: it is another file. */
static uint64_t number_of(const char *file, const char *name)
{
    size_t length = strlen(name);
    if (strncmp(file, name, length) || file[length] != '.')
        return 0;
    const char *digits = file + length + 1;
    size_t count = strspn(digits, "0123456789");
    return digits[count] || count < 6 || count > 12 ? 0 : strtoull(digits, NULL, 10);
}

static void note_number(void *arg, const char *file)
{
    struct file_sink *sink = arg;
    uint64_t number = number_of(file, sink->name);
    if (number > sink->last_number)
        sink->last_number = number;
}

static int rename_file(struct file_sink *sink)
{
    char name[NAME_MAX + 1];
    struct stat status;
    if (!sink->last_number && sink->sys->list(sink->dir, note_number, sink))
        return -1;
    uint64_t number = sink->last_number;
    do { /* another program may have created a file there since */
        if (++number > LARGEST_NUMBER) {
            errno = EOVERFLOW;
            return -1;
        }
        snprintf(name, sizeof name, "%s.%06" PRIu64, sink->name, number);
    } while (sink->sys->statat(sink->dir, name, &status) == 0);
    if (errno != ENOENT || (errno = OUTBOX_FAILPOINT_ERROR(sink->host, file, before_rename, NULL)) ||
        sink->sys->renameat(sink->dir, sink->name, name))
        return -1;
    OUTBOX_FAILPOINT(sink->host, file, after_rename);
    sink->last_number = number;
    sink->host->log(sink->host, OUTBOX_LOG_INFO, "%s: rotated to %s", sink->path, name);
    return 0;
}

static void postpone_rotation(struct file_sink *sink)
{
    struct outbox_error error;
    file_fail(&error, errno, "rotate", sink->path);
    sink->host->log(sink->host, OUTBOX_LOG_WARN, "%s; the file grows instead", error.text);
    sink->rotate_at = sink->size + sink->max_size;
}

int file_sink_rotate(struct file_sink *sink, struct outbox_error *error)
{
    if (file_sink_sync(sink, error))
        return error->code;
    if (rename_file(sink)) {
        postpone_rotation(sink);
        return OUTBOX_OK;
    }
    int old = sink->fd;
    int code = file_sync_dir(sink, error);
    if (!code)
        code = file_open_name(sink, O_EXCL, error);
    if (!code) {
        sink->size = sink->durable = 0;
        sink->rotate_at = sink->max_size;
        OUTBOX_FAILPOINT(sink->host, file, after_create);
        code = file_sync_dir(sink, error);
    }
    sink->sys->close(old);
    if (sink->fd == old)
        sink->fd = -1;
    return code;
}

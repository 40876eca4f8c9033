/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/sink.c - the open file: append, sync, cut, close
 *
 * Failure modes: no space (FULL), a disk that fails (IO). Bytes after the last sync are then cut off, now or at the
 * next open.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LARGEST_NAME 240 /* leaves room for the number of a rotated file */

int file_sink_init(struct file_sink *sink, struct outbox_error *error)
{
    const char *slash = strrchr(sink->path, '/');
    sink->name = slash ? slash + 1 : sink->path;
    sink->dir = sink->fd = -1;
    size_t length = strlen(sink->name);
    if (!length || !strcmp(sink->name, ".") || !strcmp(sink->name, ".."))
        return outbox_error_set(error, OUTBOX_E_CONFIG, "path '%s' names a directory; give the path of a file",
                                sink->path);
    if (length > LARGEST_NAME)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "the file name in path has %zu bytes; %d are allowed", length,
                                LARGEST_NAME);
    return OUTBOX_OK;
}

static void close_fd(struct file_sink *sink, int *fd)
{
    if (*fd >= 0)
        sink->sys->close(*fd);
    *fd = -1;
}

/* Bytes that are not durable are cut off before the lock is released, so the next writer finds only lines that are on
 * the disk. If that fails, the next open cuts them, unless another program changed the file since. */
void file_sink_close(struct file_sink *sink)
{
    if (sink->fd >= 0 && sink->has_unsynced && file_sink_cut(sink))
        sink->has_unsynced = sink->sys->fstat(sink->fd, &sink->closed_as) == 0;
    close_fd(sink, &sink->fd);
    close_fd(sink, &sink->dir);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* `more` bytes were not written. */
static int note_failure(struct file_sink *sink, size_t more, int code)
{
    if (code == OUTBOX_E_FULL)
        sink->space_needed = sink->size - sink->durable + (int64_t)more;
    sink->has_unsynced = true;
    return code;
}

int file_sink_append(struct file_sink *sink, const char *data, size_t size, struct outbox_error *error)
{
    while (size) {
        size_t most = OUTBOX_FAILPOINT_ERROR(sink->host, file, short_write, NULL) ? (size + 1) / 2 : size;
        ssize_t done = (errno = OUTBOX_FAILPOINT_ERROR(sink->host, file, before_write, NULL))
                           ? -1
                           : sink->sys->write(sink->fd, data, most);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return note_failure(sink, size, file_fail(error, done ? errno : EIO, "write", sink->path));
        data += done;
        size -= (size_t)done;
        sink->size += done;
        OUTBOX_FAILPOINT(sink->host, file, after_write);
    }
    return OUTBOX_OK;
}

/* The result is ignored: only the sync determines which bytes are durable. */
void file_sink_start_writeback(struct file_sink *sink)
{
    sink->sys->start_writeback(sink->fd, (off_t)sink->durable, (off_t)(sink->size - sink->durable));
}

int file_sink_sync(struct file_sink *sink, struct outbox_error *error)
{
    if ((errno = OUTBOX_FAILPOINT_ERROR(sink->host, file, before_sync, NULL)) || sink->sys->fdatasync(sink->fd))
        return note_failure(sink, 0, file_fail(error, errno, "sync", sink->path));
    OUTBOX_FAILPOINT(sink->host, file, after_sync);
    sink->durable = sink->size;
    sink->has_unsynced = false;
    return OUTBOX_OK;
}

int file_sink_cut(struct file_sink *sink)
{
    if (sink->fd < 0 || sink->sys->ftruncate(sink->fd, (off_t)sink->durable))
        return OUTBOX_E_UNKNOWN_OUTCOME;
    sink->size = sink->durable;
    sink->has_unsynced = false;
    return OUTBOX_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/sink.c - open, lock, append, sync
 *
 * Opening: the directory first, then the name in it, never through a symbolic link; then the lock, held as long as
 * the descriptor; then a look that the name still means the file that was locked (the owner before us may have
 * rotated in between); then the end of the file is repaired; then file and directory are synced, so that what a
 * predecessor left behind without knowing whether it was durable, is.
 *
 * Failure modes: another writer (AGAIN), no space (FULL), a path that is not ours (PERMISSION, CORRUPT, CONFIG), a
 * disk that fails (IO). The text names the path and what to do.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define OPEN_ATTEMPTS 5
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

/* What is not durable goes while the lock is still ours, so that whoever writes next finds lines that are on the disk.
 * If that fails it is cut at our next open, unless the file was changed since by somebody else. */
void file_sink_close(struct file_sink *sink)
{
    if (sink->fd >= 0 && sink->unsure && file_sink_cut(sink))
        sink->unsure = sink->sys->fstat(sink->fd, &sink->left) == 0;
    close_fd(sink, &sink->fd);
    close_fd(sink, &sink->dir);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* The directory part of path goes into text; a name of a rotated file is made of it later, so it is not kept. */
int file_open_dir(struct file_sink *sink, struct outbox_error *error)
{
    size_t length = (size_t)(sink->name - sink->path);
    char *text = sink->host->alloc(sink->host, length + 2);
    if (!text)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "open %s: out of memory", sink->path);
    memcpy(text, length ? sink->path : ".", length ? length : 1);
    sink->dir = sink->sys->openat(AT_FDCWD, text, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    int number = errno;
    sink->host->release(sink->host, text);
    if (sink->dir < 0)
        return file_fail(error, number, "open the directory of", sink->path);
    struct stat status;
    if (sink->sys->fstat(sink->dir, &status))
        return file_fail(error, errno, "look at the directory of", sink->path);
    if ((status.st_mode & S_IWOTH) && !(status.st_mode & S_ISVTX))
        return outbox_error_set(error, OUTBOX_E_PERMISSION,
                                "open %s: everybody may write its directory, and so replace the file; chmod o-w it",
                                sink->path);
    return OUTBOX_OK;
}

int file_identify(struct file_sink *sink, int fd, struct outbox_error *error)
{
    if (sink->sys->fstat(fd, &sink->id))
        return file_fail(error, errno, "look at", sink->path);
    return S_ISREG(sink->id.st_mode)
               ? OUTBOX_OK
               : outbox_error_set(error, OUTBOX_E_CONFIG, "open %s: not a regular file", sink->path);
}

static int lock_file(struct file_sink *sink, int fd, struct outbox_error *error)
{
    if (file_identify(sink, fd, error))
        return error->code;
    if (sink->sys->lock(fd) == 0)
        return OUTBOX_OK;
    if (errno == EAGAIN || errno == EACCES)
        return outbox_error_set(
            error, OUTBOX_E_AGAIN,
            "lock %s: another relay writes this file, here or in another process; stop it, or give another path",
            sink->path);
    return file_fail(error, errno, "lock", sink->path);
}

/* Without blocking, so that a FIFO in the place of the file cannot hold us. `fd` is only ever a file that is ours. */
int file_open_name(struct file_sink *sink, int extra_flags, struct outbox_error *error)
{
    int flags = O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | extra_flags;
    int fd = sink->sys->openat(sink->dir, sink->name, flags, 0640);
    if (fd < 0)
        return file_fail(error, errno, "open", sink->path);
    if (lock_file(sink, fd, error)) {
        sink->sys->close(fd);
        return error->code;
    }
    sink->fd = fd;
    return OUTBOX_OK;
}

/* Does the whole path still mean the open file? A directory may have been moved away with all that is in it. Also looks
 * at the file anew. */
static bool is_current(struct file_sink *sink)
{
    struct stat named;
    return sink->sys->fstat(sink->fd, &sink->id) == 0 && sink->id.st_nlink > 0 &&
           sink->sys->statat(AT_FDCWD, sink->path, &named) == 0 && named.st_ino == sink->id.st_ino &&
           named.st_dev == sink->id.st_dev;
}

static int open_current(struct file_sink *sink, struct outbox_error *error)
{
    for (int i = 0; i < OPEN_ATTEMPTS; i++) {
        if (file_open_name(sink, 0, error))
            return error->code;
        if (is_current(sink))
            return OUTBOX_OK;
        close_fd(sink, &sink->fd);
    }
    return outbox_error_set(error, OUTBOX_E_AGAIN, "open %s: somebody keeps replacing the file; find out who",
                            sink->path);
}

int file_sync_dir(struct file_sink *sink, struct outbox_error *error)
{
    if ((errno = OUTBOX_FAILPOINT_ERROR(sink->host, file, before_dir_sync, NULL)) || sink->sys->fsync(sink->dir))
        return file_fail(error, errno, "sync the directory of", sink->path);
    OUTBOX_FAILPOINT(sink->host, file, after_dir_sync);
    return OUTBOX_OK;
}

/* After a failure for want of space the host asks again and again: say no until there is some. */
static int find_space(struct file_sink *sink, struct outbox_error *error)
{
    if (!sink->wanted)
        return OUTBOX_OK;
    if (sink->sys->reserve(sink->fd, (off_t)sink->size, (off_t)sink->wanted) && (errno == ENOSPC || errno == EDQUOT))
        return file_fail(error, errno, "find space for", sink->path);
    sink->wanted = 0;
    return OUTBOX_OK;
}

static bool is_as_left(const struct stat *left, const struct stat *found)
{
    return left->st_ino == found->st_ino && left->st_dev == found->st_dev && left->st_size == found->st_size &&
           left->st_mtim.tv_sec == found->st_mtim.tv_sec && left->st_mtim.tv_nsec == found->st_mtim.tv_nsec;
}

static int open_all(struct file_sink *sink, struct outbox_error *error)
{
    if ((errno = OUTBOX_FAILPOINT_ERROR(sink->host, file, before_open, NULL)))
        return file_fail(error, errno, "open", sink->path);
    if (file_open_dir(sink, error) || open_current(sink, error))
        return error->code;
    if (!is_as_left(&sink->left, &sink->id))
        sink->unsure = false; /* what we knew is about another file, or another writer has been there since */
    if (file_recover(sink, error) || find_space(sink, error) || file_sink_sync(sink, error) ||
        file_sync_dir(sink, error))
        return error->code;
    sink->rotate_at = sink->max_size;
    return OUTBOX_OK;
}

int file_sink_open(struct file_sink *sink, struct outbox_error *error)
{
    if (open_all(sink, error))
        file_sink_close(sink);
    return sink->fd < 0 ? error->code : OUTBOX_OK;
}

int file_sink_check(struct file_sink *sink, struct outbox_error *error)
{
    bool current = is_current(sink);
    if (current && sink->id.st_size == sink->size)
        return OUTBOX_OK;
    sink->host->log(sink->host, OUTBOX_LOG_WARN, "%s: %s by somebody else; opening it again", sink->path,
                    !current                        ? "moved or removed"
                    : sink->id.st_size < sink->size ? "cut short"
                                                    : "written");
    file_sink_close(sink);
    return file_sink_open(sink, error);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* What a failure to write leaves behind: `more` bytes did not go. */
static int note_failure(struct file_sink *sink, size_t more, int code)
{
    if (code == OUTBOX_E_FULL)
        sink->wanted = sink->size - sink->durable + (int64_t)more;
    sink->unsure = true;
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

/* Whatever it answers: only the sync says what is durable. */
void file_sink_hasten(struct file_sink *sink)
{
    sink->sys->hasten(sink->fd, (off_t)sink->durable, (off_t)(sink->size - sink->durable));
}

int file_sink_sync(struct file_sink *sink, struct outbox_error *error)
{
    if ((errno = OUTBOX_FAILPOINT_ERROR(sink->host, file, before_sync, NULL)) || sink->sys->fdatasync(sink->fd))
        return note_failure(sink, 0, file_fail(error, errno, "sync", sink->path));
    OUTBOX_FAILPOINT(sink->host, file, after_sync);
    sink->durable = sink->size;
    sink->unsure = false;
    return OUTBOX_OK;
}

int file_sink_cut(struct file_sink *sink)
{
    if (sink->fd < 0 || sink->sys->ftruncate(sink->fd, (off_t)sink->durable))
        return OUTBOX_E_UNKNOWN_OUTCOME;
    sink->size = sink->durable;
    sink->unsure = false;
    return OUTBOX_OK;
}

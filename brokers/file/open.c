/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/open.c - open and lock the file, and know whether it is still the one at the path
 *
 * The steps: open the directory; open the name in it, never through a symbolic link; lock the file for as long as it is
 * open; check that the name still means the locked file (the writer before may have rotated it in between); repair its
 * end; sync the file and the directory, so that everything in it is durable.
 *
 * Failure modes: another writer (AGAIN), no space (FULL), a file or directory that others control (PERMISSION), a file
 * without events (CORRUPT, CONFIG), a disk that fails (IO). The text names the path and what to do.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define OPEN_ATTEMPTS 5

static bool is_foreign(const struct stat *status)
{
    return status->st_uid && status->st_uid != geteuid();
}

/* The directory part of the path, without slashes at its end: with them a symbolic link would be followed. */
static char *directory_of(const struct file_sink *sink)
{
    size_t length = (size_t)(sink->name - sink->path);
    while (length > 1 && sink->path[length - 1] == '/')
        length--;
    char *text = sink->host->alloc(sink->host, length + 2);
    if (text)
        memcpy(text, length ? sink->path : ".", length ? length : 1);
    return text;
}

/* A link is followed only if root or this user made it. Anything that becomes a link after that is not followed. */
static int open_directory(struct file_sink *sink, const char *text, struct outbox_error *error)
{
    struct stat link;
    bool is_link = !sink->sys->statat(AT_FDCWD, text, &link) && S_ISLNK(link.st_mode);
    if (is_link && is_foreign(&link))
        return outbox_error_set(error, OUTBOX_E_PERMISSION,
                                "open %s: its directory is a symbolic link of user %lu; give the path of the directory",
                                sink->path, (unsigned long)link.st_uid);
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (is_link ? 0 : O_NOFOLLOW);
    sink->dir = sink->sys->openat(AT_FDCWD, text, flags, 0);
    return sink->dir < 0 ? file_fail(error, errno, "open the directory of", sink->path) : OUTBOX_OK;
}

int file_open_dir(struct file_sink *sink, struct outbox_error *error)
{
    char *text = directory_of(sink);
    if (!text)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "open %s: out of memory", sink->path);
    int code = open_directory(sink, text, error);
    sink->host->release(sink->host, text);
    if (code)
        return code;
    struct stat status;
    if (sink->sys->fstat(sink->dir, &status))
        return file_fail(error, errno, "inspect the directory of", sink->path);
    if ((status.st_mode & S_IWOTH) && !(status.st_mode & S_ISVTX))
        return outbox_error_set(
            error, OUTBOX_E_PERMISSION,
            "open %s: its directory is writable by all users, who could replace the file; chmod o-w it", sink->path);
    return OUTBOX_OK;
}

int file_identify(struct file_sink *sink, int fd, struct outbox_error *error)
{
    const struct stat *id = &sink->id;
    if (sink->sys->fstat(fd, &sink->id))
        return file_fail(error, errno, "inspect", sink->path);
    if (!S_ISREG(id->st_mode))
        return outbox_error_set(error, OUTBOX_E_CONFIG, "open %s: not a regular file", sink->path);
    if (is_foreign(id))
        return outbox_error_set(error, OUTBOX_E_PERMISSION,
                                "open %s: it belongs to user %lu; give it to the user of the relay, or remove it",
                                sink->path, (unsigned long)id->st_uid);
    if (id->st_mode & S_IWOTH)
        return outbox_error_set(error, OUTBOX_E_PERMISSION, "open %s: it is writable by all users; chmod o-w it",
                                sink->path);
    if (id->st_nlink > 1)
        return outbox_error_set(error, OUTBOX_E_PERMISSION,
                                "open %s: it has %lu names (hard links); remove the others, or give another path",
                                sink->path, (unsigned long)id->st_nlink);
    return OUTBOX_OK;
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

/* O_NONBLOCK: a FIFO at the path does not block. sink->fd is set only when the file is locked. */
int file_open_name(struct file_sink *sink, int extra_flags, struct outbox_error *error)
{
    int flags = O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | extra_flags;
    int fd = sink->sys->openat(sink->dir, sink->name, flags, sink->mode);
    if (fd < 0)
        return file_fail(error, errno, "open", sink->path);
    if (lock_file(sink, fd, error)) {
        sink->sys->close(fd);
        return error->code;
    }
    sink->fd = fd;
    return OUTBOX_OK;
}

/* Does the whole path still mean the open file? Its directory may have been moved. Fills sink->id. */
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
        sink->sys->close(sink->fd);
        sink->fd = -1;
    }
    return outbox_error_set(error, OUTBOX_E_AGAIN, "open %s: another program keeps replacing the file; find out which",
                            sink->path);
}

int file_sync_dir(struct file_sink *sink, struct outbox_error *error)
{
    if ((errno = OUTBOX_FAILPOINT_ERROR(sink->host, file, before_dir_sync, NULL)) || sink->sys->fsync(sink->dir))
        return file_fail(error, errno, "sync the directory of", sink->path);
    OUTBOX_FAILPOINT(sink->host, file, after_dir_sync);
    return OUTBOX_OK;
}

/* After a failure for lack of space the host keeps opening: fail until the space is there. */
static int find_space(struct file_sink *sink, struct outbox_error *error)
{
    if (!sink->space_needed)
        return OUTBOX_OK;
    if (sink->sys->reserve(sink->fd, (off_t)sink->size, (off_t)sink->space_needed) &&
        (errno == ENOSPC || errno == EDQUOT))
        return file_fail(error, errno, "find space for", sink->path);
    sink->space_needed = 0;
    return OUTBOX_OK;
}

static bool is_as_closed(const struct stat *closed, const struct stat *found)
{
    return closed->st_ino == found->st_ino && closed->st_dev == found->st_dev && closed->st_size == found->st_size &&
           closed->st_mtim.tv_sec == found->st_mtim.tv_sec && closed->st_mtim.tv_nsec == found->st_mtim.tv_nsec;
}

static int open_all(struct file_sink *sink, struct outbox_error *error)
{
    if ((errno = OUTBOX_FAILPOINT_ERROR(sink->host, file, before_open, NULL)))
        return file_fail(error, errno, "open", sink->path);
    if (file_open_dir(sink, error) || open_current(sink, error))
        return error->code;
    if (!is_as_closed(&sink->closed_as, &sink->id))
        sink->has_unsynced = false; /* it is another file, or another writer was there since */
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
    sink->host->log(sink->host, OUTBOX_LOG_WARN, "%s: %s by another program; opening it again", sink->path,
                    !current                        ? "moved or removed"
                    : sink->id.st_size < sink->size ? "cut short"
                                                    : "written");
    file_sink_close(sink);
    return file_sink_open(sink, error);
}

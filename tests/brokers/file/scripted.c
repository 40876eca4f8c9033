/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/file/scripted.c - see scripted.h */
#include "scripted.h"

#include <errno.h>

static struct script {
    unsigned count[ON_CALLS], fail_at[ON_CALLS];
    bool always[ON_CALLS];
    int number[ON_CALLS];
    bool failed;
    bool has_space_limit;
    long space;
    size_t most;
    bool interrupt;
} script;
static int open_files;

const char *const scripted_names[ON_CALLS] = {"openat", "list",      "fstat",   "statat", "lock",
                                              "pread",  "write",     "reserve", "hasten", "fdatasync",
                                              "fsync",  "ftruncate", "renameat"};

void scripted_reset(void)
{
    script = (struct script){0};
}

void scripted_fail(enum scripted_call call, unsigned nth, int number)
{
    script.always[call] = !nth;
    script.fail_at[call] = script.count[call] + nth;
    script.number[call] = number;
}

bool scripted_failed(void)
{
    return script.failed;
}

unsigned scripted_count(enum scripted_call call)
{
    return script.count[call];
}

void scripted_space(long bytes)
{
    script.has_space_limit = bytes >= 0;
    script.space = bytes;
}

void scripted_short(size_t most)
{
    script.most = most;
}

int scripted_open_files(void)
{
    return open_files;
}

static bool fails(enum scripted_call call)
{
    unsigned now = ++script.count[call];
    if (!script.number[call] || (!script.always[call] && now != script.fail_at[call]))
        return false;
    script.failed = true;
    errno = script.number[call];
    return true;
}

static int scripted_openat(int dir, const char *name, int flags, mode_t mode)
{
    int fd = fails(ON_OPENAT) ? -1 : file_kernel.openat(dir, name, flags, mode);
    open_files += fd >= 0;
    return fd;
}

static int scripted_close(int fd)
{
    open_files--;
    return file_kernel.close(fd);
}

static int scripted_list(int dir, void (*each)(void *arg, const char *name), void *arg)
{
    return fails(ON_LIST) ? -1 : file_kernel.list(dir, each, arg);
}

static int scripted_fstat(int fd, struct stat *status)
{
    return fails(ON_FSTAT) ? -1 : file_kernel.fstat(fd, status);
}

static int scripted_statat(int dir, const char *name, struct stat *status)
{
    return fails(ON_STATAT) ? -1 : file_kernel.statat(dir, name, status);
}

static int scripted_lock(int fd)
{
    return fails(ON_LOCK) ? -1 : file_kernel.lock(fd);
}

static ssize_t scripted_pread(int fd, void *data, size_t size, off_t offset)
{
    return fails(ON_PREAD) ? -1 : file_kernel.pread(fd, data, size, offset);
}

static int scripted_forget(int fd, off_t offset)
{
    return file_kernel.forget(fd, offset);
}

static ssize_t scripted_write(int fd, const void *data, size_t size)
{
    if (fails(ON_WRITE))
        return -1;
    if (script.most && (script.interrupt = !script.interrupt)) {
        errno = EINTR;
        return -1;
    }
    if (script.most && size > script.most)
        size = script.most;
    if (script.has_space_limit && script.space <= 0) {
        script.failed = true;
        errno = ENOSPC;
        return -1;
    }
    if (script.has_space_limit && size > (size_t)script.space)
        size = (size_t)script.space;
    script.space -= (long)size;
    return file_kernel.write(fd, data, size);
}

static int scripted_reserve(int fd, off_t offset, off_t size)
{
    if (fails(ON_RESERVE))
        return -1;
    if (script.has_space_limit && script.space < size) {
        errno = ENOSPC;
        return -1;
    }
    return file_kernel.reserve(fd, offset, size);
}

static int scripted_hasten(int fd, off_t offset, off_t size)
{
    return fails(ON_HASTEN) ? -1 : file_kernel.hasten(fd, offset, size);
}

static int scripted_fdatasync(int fd)
{
    return fails(ON_FDATASYNC) ? -1 : file_kernel.fdatasync(fd);
}

static int scripted_fsync(int fd)
{
    return fails(ON_FSYNC) ? -1 : file_kernel.fsync(fd);
}

static int scripted_ftruncate(int fd, off_t size)
{
    return fails(ON_FTRUNCATE) ? -1 : file_kernel.ftruncate(fd, size);
}

static int scripted_renameat(int dir, const char *from, const char *to)
{
    return fails(ON_RENAMEAT) ? -1 : file_kernel.renameat(dir, from, to);
}

const struct file_sys scripted_sys = {
    .openat = scripted_openat,
    .close = scripted_close,
    .list = scripted_list,
    .fstat = scripted_fstat,
    .statat = scripted_statat,
    .lock = scripted_lock,
    .pread = scripted_pread,
    .forget = scripted_forget,
    .write = scripted_write,
    .reserve = scripted_reserve,
    .hasten = scripted_hasten,
    .fdatasync = scripted_fdatasync,
    .fsync = scripted_fsync,
    .ftruncate = scripted_ftruncate,
    .renameat = scripted_renameat,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/file/sys_fixture.c - see sys_fixture.h */
#include "sys_fixture.h"

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

const char *const sys_fixture_names[ON_CALLS] = {"openat", "list",      "fstat",   "statat", "lock",
                                                 "pread",  "write",     "reserve", "hasten", "fdatasync",
                                                 "fsync",  "ftruncate", "renameat"};

void sys_fixture_reset(void)
{
    script = (struct script){0};
}

void sys_fixture_fail(enum sys_fixture_call call, unsigned nth, int number)
{
    script.always[call] = !nth;
    script.fail_at[call] = script.count[call] + nth;
    script.number[call] = number;
}

bool sys_fixture_failed(void)
{
    return script.failed;
}

unsigned sys_fixture_count(enum sys_fixture_call call)
{
    return script.count[call];
}

void sys_fixture_space(long bytes)
{
    script.has_space_limit = bytes >= 0;
    script.space = bytes;
}

void sys_fixture_short(size_t most)
{
    script.most = most;
}

int sys_fixture_open_files(void)
{
    return open_files;
}

static bool fails(enum sys_fixture_call call)
{
    unsigned now = ++script.count[call];
    if (!script.number[call] || (!script.always[call] && now != script.fail_at[call]))
        return false;
    script.failed = true;
    errno = script.number[call];
    return true;
}

static int sys_fixture_openat(int dir, const char *name, int flags, mode_t mode)
{
    int fd = fails(ON_OPENAT) ? -1 : file_kernel.openat(dir, name, flags, mode);
    open_files += fd >= 0;
    return fd;
}

static int sys_fixture_close(int fd)
{
    open_files--;
    return file_kernel.close(fd);
}

static int sys_fixture_list(int dir, void (*each)(void *arg, const char *name), void *arg)
{
    return fails(ON_LIST) ? -1 : file_kernel.list(dir, each, arg);
}

static int sys_fixture_fstat(int fd, struct stat *status)
{
    return fails(ON_FSTAT) ? -1 : file_kernel.fstat(fd, status);
}

static int sys_fixture_statat(int dir, const char *name, struct stat *status)
{
    return fails(ON_STATAT) ? -1 : file_kernel.statat(dir, name, status);
}

static int sys_fixture_lock(int fd)
{
    return fails(ON_LOCK) ? -1 : file_kernel.lock(fd);
}

static ssize_t sys_fixture_pread(int fd, void *data, size_t size, off_t offset)
{
    return fails(ON_PREAD) ? -1 : file_kernel.pread(fd, data, size, offset);
}

static int sys_fixture_forget(int fd, off_t offset)
{
    return file_kernel.drop_cache(fd, offset);
}

static ssize_t sys_fixture_write(int fd, const void *data, size_t size)
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

static int sys_fixture_reserve(int fd, off_t offset, off_t size)
{
    if (fails(ON_RESERVE))
        return -1;
    if (script.has_space_limit && script.space < size) {
        errno = ENOSPC;
        return -1;
    }
    return file_kernel.reserve(fd, offset, size);
}

static int sys_fixture_hasten(int fd, off_t offset, off_t size)
{
    return fails(ON_START_WRITEBACK) ? -1 : file_kernel.start_writeback(fd, offset, size);
}

static int sys_fixture_fdatasync(int fd)
{
    return fails(ON_FDATASYNC) ? -1 : file_kernel.fdatasync(fd);
}

static int sys_fixture_fsync(int fd)
{
    return fails(ON_FSYNC) ? -1 : file_kernel.fsync(fd);
}

static int sys_fixture_ftruncate(int fd, off_t size)
{
    return fails(ON_FTRUNCATE) ? -1 : file_kernel.ftruncate(fd, size);
}

static int sys_fixture_renameat(int dir, const char *from, const char *to)
{
    return fails(ON_RENAMEAT) ? -1 : file_kernel.renameat(dir, from, to);
}

const struct file_sys sys_fixture_sys = {
    .openat = sys_fixture_openat,
    .close = sys_fixture_close,
    .list = sys_fixture_list,
    .fstat = sys_fixture_fstat,
    .statat = sys_fixture_statat,
    .lock = sys_fixture_lock,
    .pread = sys_fixture_pread,
    .drop_cache = sys_fixture_forget,
    .write = sys_fixture_write,
    .reserve = sys_fixture_reserve,
    .start_writeback = sys_fixture_hasten,
    .fdatasync = sys_fixture_fdatasync,
    .fsync = sys_fixture_fsync,
    .ftruncate = sys_fixture_ftruncate,
    .renameat = sys_fixture_renameat,
};

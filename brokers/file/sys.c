/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/file/sys.c - the table of system calls that goes to the kernel */
#include "sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int open_at(int dir, const char *name, int flags, mode_t mode)
{
    return openat(dir, name, flags, mode);
}

static int list_at(int dir, void (*each)(void *arg, const char *name), void *arg)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(stream));)
        each(arg, entry->d_name);
    closedir(stream);
    return 0;
}

static int stat_at(int dir, const char *name, struct stat *status)
{
    return fstatat(dir, name, status, AT_SYMLINK_NOFOLLOW);
}

/* The lock is the open file description's: a second open in this process conflicts too, and closing another descriptor
 * of the file does not release it. */
static int lock(int fd)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &all);
}

static int reserve(int fd, off_t offset, off_t size)
{
    return fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, size);
}

static int drop_cache(int fd, off_t offset)
{
    return posix_fadvise(fd, offset, 0, POSIX_FADV_DONTNEED);
}

/* Does not wait: the kernel keeps an error of the disk for the next fdatasync. */
static int start_writeback(int fd, off_t offset, off_t size)
{
    return sync_file_range(fd, offset, size, SYNC_FILE_RANGE_WRITE);
}

static int rename_at(int dir, const char *from, const char *to)
{
    return renameat(dir, from, dir, to);
}

const struct file_sys file_kernel = {
    .openat = open_at,
    .close = close,
    .list = list_at,
    .fstat = fstat,
    .statat = stat_at,
    .lock = lock,
    .pread = pread,
    .drop_cache = drop_cache,
    .write = write,
    .reserve = reserve,
    .start_writeback = start_writeback,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .ftruncate = ftruncate,
    .renameat = rename_at,
};

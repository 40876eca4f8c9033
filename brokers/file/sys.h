/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/sys.h - the system calls of the file broker, as a table, so that tests can make each of them fail
 *
 * Every function behaves like the call of its name: -1 and errno on failure.
 */
#ifndef OBX_BROKERS_FILE_SYS_H
#define OBX_BROKERS_FILE_SYS_H

#include <sys/stat.h>
#include <sys/types.h>

struct file_sys {
    int (*openat)(int dir, const char *name, int flags, mode_t mode);
    int (*close)(int fd);
    int (*list)(int dir, void (*each)(void *arg, const char *name), void *arg); /* every name in the directory */
    int (*fstat)(int fd, struct stat *status);
    int (*statat)(int dir, const char *name, struct stat *status); /* does not follow a symbolic link */
    int (*lock)(int fd);                                           /* for writing; EAGAIN: another process has it */
    ssize_t (*pread)(int fd, void *data, size_t size, off_t offset);
    int (*drop_cache)(int fd, off_t offset); /* from there on, so that reads show the disk */
    ssize_t (*write)(int fd, const void *data, size_t size);
    int (*reserve)(int fd, off_t offset, off_t size); /* blocks, without changing the length; EOPNOTSUPP: unknown */
    int (*start_writeback)(int fd, off_t offset, off_t size); /* does not wait; promises nothing */
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*ftruncate)(int fd, off_t size);
    int (*renameat)(int dir, const char *from, const char *to);
};

extern const struct file_sys file_kernel;

#endif

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
    int (*list)(int dir, void (*each)(void *arg, const char *name), void *arg); /* all names of the directory */
    int (*fstat)(int fd, struct stat *status);
    int (*statat)(int dir, const char *name, struct stat *status); /* of a symbolic link itself */
    int (*lock)(int fd);                                           /* for writing; EAGAIN: somebody else has it */
    ssize_t (*pread)(int fd, void *data, size_t size, off_t offset);
    int (*forget)(int fd, off_t offset); /* what is cached and clean from there on: reads shall show the disk */
    ssize_t (*write)(int fd, const void *data, size_t size);
    int (*reserve)(int fd, off_t offset, off_t size); /* blocks, not length; EOPNOTSUPP where that is not known */
    int (*hasten)(int fd, off_t offset,
                  off_t size); /* begin to write back what a sync will wait for; promises nothing */
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*ftruncate)(int fd, off_t size);
    int (*renameat)(int dir, const char *from, const char *to);
};

extern const struct file_sys file_kernel;

#endif

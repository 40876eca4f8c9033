/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/lock.c - see lock.h */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_errno(const struct lite_lock *lock, const char *path, struct outbox_error *error)
{
    int code = errno == EACCES || errno == EPERM ? OUTBOX_E_PERMISSION
               : errno == EROFS                  ? OUTBOX_E_READ_ONLY
               : errno == ENOSPC                 ? OUTBOX_E_FULL
                                                 : OUTBOX_E_IO;
    return outbox_error_set(error, code, LITE_OWNING " %s: lock file %s: %s; this user must be able to write it",
                            lock->file->path, path, strerror(errno));
}

static int fail_memory(const struct lite_lock *lock, struct outbox_error *error)
{
    return outbox_error_set(error, OUTBOX_E_NO_MEMORY, LITE_OWNING " %s: out of memory", lock->file->path);
}

/* Names of tables are equal without regard to case. */
static char fold(char c)
{
    return (char)(c == '/' ? '_' : c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* From the path without links, so that all names of a database lead to one lock. */
int lite_lock_name(struct lite_lock *lock, const char *table, struct outbox_error *error)
{
    size_t base = strlen(lock->file->real), size = base + strlen(table) + sizeof "-.relay-lock";
    if (lock->path)
        return OUTBOX_OK;
    lock->path = lock->host->alloc(lock->host, size);
    if (!lock->path)
        return fail_memory(lock, error);
    snprintf(lock->path, size, "%s-%s.relay-lock", lock->file->real, table);
    for (char *c = lock->path + base; *c; c++)
        *c = fold(*c);
    return OUTBOX_OK;
}

static int try_lock(int fd)
{
    struct flock whole_file = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &whole_file);
}

/* Best effort: another user who may write the database should be able to take over. */
static void make_like_database(const struct lite_lock *lock, int fd)
{
    struct stat database, own;
    if (stat(lock->file->real, &database) || fstat(fd, &own) || own.st_uid != geteuid())
        return;
    int ignored = fchmod(fd, database.st_mode & 0666);
    if (geteuid() == 0)
        ignored = fchown(fd, database.st_uid, database.st_gid);
    (void)ignored;
}

bool lite_lock_is_named(const struct lite_lock *lock, int fd)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && stat(lock->path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

int lite_lock_take(const struct lite_lock *lock, struct outbox_error *error)
{
    int fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        fail_errno(lock, lock->path, error);
        return -1;
    }
    if (try_lock(fd)) {
        if (errno != EAGAIN && errno != EACCES)
            fail_errno(lock, lock->path, error);
    } else if (lite_lock_is_named(lock, fd)) {
        make_like_database(lock, fd);
        return fd;
    }
    close(fd);
    return -1;
}

bool lite_lock_is_taken(const struct lite_lock *lock)
{
    struct flock whole_file = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(lock->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool taken = fd >= 0 && !fcntl(fd, F_OFD_GETLK, &whole_file) && whole_file.l_type != F_UNLCK;
    if (fd >= 0)
        close(fd);
    return taken;
}

int lite_lock_replace(const struct lite_lock *lock, struct outbox_error *error)
{
    size_t size = strlen(lock->path) + sizeof ".XXXXXX";
    char *path = lock->host->alloc(lock->host, size);
    if (!path) {
        fail_memory(lock, error);
        return -1;
    }
    snprintf(path, size, "%s.XXXXXX", lock->path);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        make_like_database(lock, fd);
    if (fd < 0 || try_lock(fd) || rename(path, lock->path)) {
        fail_errno(lock, path, error);
        if (fd >= 0) {
            unlink(path);
            close(fd);
            fd = -1;
        }
    }
    lock->host->release(lock->host, path);
    return fd;
}

#define SINCE ", owner since "

int lite_lock_write_heartbeat(struct lite_lock *lock, int64_t epoch, struct outbox_error *error)
{
    char text[LITE_HEARTBEAT_SIZE];
    int size = snprintf(text, sizeof text, "epoch %lld" SINCE "%lld, heartbeat %llu\n", (long long)epoch,
                        (long long)lock->since_us, (unsigned long long)++lock->heartbeats);
    if (pwrite(lock->fd, text, (size_t)size, 0) != size)
        return fail_errno(lock, lock->path, error);
    return OUTBOX_OK;
}

void lite_lock_read_heartbeat(const struct lite_lock *lock, char text[LITE_HEARTBEAT_SIZE])
{
    int fd = open(lock->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size = fd < 0 ? -1 : pread(fd, text, LITE_HEARTBEAT_SIZE - 1, 0);
    if (fd >= 0)
        close(fd);
    text[size < 0 ? 0 : size] = '\0';
}

int64_t lite_lock_read_since(const struct lite_lock *lock)
{
    char text[LITE_HEARTBEAT_SIZE];
    lite_lock_read_heartbeat(lock, text);
    const char *since = strstr(text, SINCE);
    return since ? strtoll(since + strlen(SINCE), NULL, 10) : 0;
}

void lite_lock_release(struct lite_lock *lock)
{
    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
    lock->host->release(lock->host, lock->path);
    lock->path = NULL;
}

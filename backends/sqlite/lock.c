/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/lock.c - the lock file: DATABASE-TABLE.relay-lock
 *
 * Whoever has the lock on the file that the path names lives. The lock is of the open file description, not of the
 * process, so that two relays in one process see each other and closing another descriptor does not drop it. The file
 * is never removed, since whoever removes it cannot know who has just opened it; it is replaced, by a rename, only
 * when its owner hangs. It belongs to whom the database belongs to, as SQLite does it with its own files.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(const struct lite_store *store, const char *path, struct outbox_error *error)
{
    int code = errno == EACCES || errno == EPERM ? OUTBOX_E_PERMISSION
               : errno == EROFS                  ? OUTBOX_E_READ_ONLY
               : errno == ENOSPC                 ? OUTBOX_E_FULL
                                                 : OUTBOX_E_IO;
    return outbox_error_set(error, code, LITE_OWNING " %s: lock file %s: %s; this user must be able to write it",
                            store->path, path, strerror(errno));
}

static int no_memory(const struct lite_store *store, struct outbox_error *error)
{
    return outbox_error_set(error, OUTBOX_E_NO_MEMORY, LITE_OWNING " %s: out of memory", store->path);
}

/* A name of a table is the same in capitals. */
static char plain(char c)
{
    return (char)(c == '/' ? '_' : c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* real: the path of the database without links, so that all its names have one lock. */
int lite_lock_name(struct lite_store *store, struct outbox_error *error)
{
    size_t base = strlen(store->real), size = base + strlen(store->table) + sizeof "-.relay-lock";
    if (store->lock_path)
        return OUTBOX_OK;
    store->lock_path = store->host->alloc(store->host, size);
    if (!store->lock_path)
        return no_memory(store, error);
    snprintf(store->lock_path, size, "%s-%s.relay-lock", store->real, store->table);
    for (char *c = store->lock_path + base; *c; c++)
        *c = plain(*c);
    return OUTBOX_OK;
}

static int try_lock(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &lock);
}

/* Best effort: another user who may write the database should be able to take over. */
static void make_like_database(const struct lite_store *store, int fd)
{
    struct stat database, lock;
    if (stat(store->real, &database) || fstat(fd, &lock) || lock.st_uid != geteuid())
        return;
    int ignored = fchmod(fd, database.st_mode & 0666);
    if (geteuid() == 0)
        ignored = fchown(fd, database.st_uid, database.st_gid);
    (void)ignored;
}

bool lite_lock_is_named(const struct lite_store *store, int fd)
{
    struct stat open_one, named;
    return fstat(fd, &open_one) == 0 && stat(store->lock_path, &named) == 0 && open_one.st_dev == named.st_dev &&
           open_one.st_ino == named.st_ino;
}

int lite_lock_take(const struct lite_store *store, struct outbox_error *error)
{
    int fd = open(store->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        failed(store, store->lock_path, error);
        return -1;
    }
    if (try_lock(fd)) {
        if (errno != EAGAIN && errno != EACCES)
            failed(store, store->lock_path, error);
    } else if (lite_lock_is_named(store, fd)) {
        make_like_database(store, fd);
        return fd;
    }
    close(fd);
    return -1;
}

int lite_lock_replace(const struct lite_store *store, struct outbox_error *error)
{
    size_t size = strlen(store->lock_path) + sizeof ".XXXXXX";
    char *path = store->host->alloc(store->host, size);
    if (!path) {
        no_memory(store, error);
        return -1;
    }
    snprintf(path, size, "%s.XXXXXX", store->lock_path);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        make_like_database(store, fd);
    if (fd < 0 || try_lock(fd) || rename(path, store->lock_path)) {
        failed(store, path, error);
        if (fd >= 0) {
            unlink(path);
            close(fd);
            fd = -1;
        }
    }
    store->host->release(store->host, path);
    return fd;
}

int lite_lock_beat(struct lite_store *store, struct outbox_error *error)
{
    char text[96];
    int size = snprintf(text, sizeof text, "epoch %lld, heartbeat %llu\n", (long long)store->epoch,
                        (unsigned long long)++store->beats);
    if (pwrite(store->lock_fd, text, (size_t)size, 0) != size)
        return failed(store, store->lock_path, error);
    return OUTBOX_OK;
}

void lite_lock_read(const struct lite_store *store, char *text, size_t room)
{
    int fd = open(store->lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size = fd < 0 ? -1 : pread(fd, text, room - 1, 0);
    if (fd >= 0)
        close(fd);
    text[size < 0 ? 0 : size] = '\0';
}

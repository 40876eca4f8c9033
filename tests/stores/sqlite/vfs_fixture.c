/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/vfs_fixture.c - see vfs_fixture.h */
#include "vfs_fixture.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>
#include <time.h>

#define MOST_HOLDS 20000
#define WRITE_LOCK 0 /* of a write-ahead log; its place in the shared memory is a part of SQLite's file format */

struct file {
    sqlite3_file base; /* first: what SQLite sees */
    uint32_t number;   /* of database files, from 1; 0: another kind of file */
    bool holds;
    struct vfs_hold hold;
    sqlite3_file *real; /* after this struct */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vfs_hold holds[MOST_HOLDS];
static uint32_t hold_count, opened, fail_number, fails;
static uint32_t slow_ns;
static _Thread_local uint32_t removed; /* by the connection that this thread works with */
static sqlite3_vfs vfs, *under;
static sqlite3_io_methods methods;

static sqlite3_file *real(sqlite3_file *file)
{
    return ((struct file *)(void *)file)->real;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- recording ----------------------------------------------------------------------------------------------- */

static void taken(struct file *file)
{
    file->holds = true;
    file->hold = (struct vfs_hold){.begin_ns = now_ns()};
    removed = 0;
}

static void released(struct file *file)
{
    file->holds = false;
    file->hold.end_ns = now_ns();
    file->hold.removed = removed;
    pthread_mutex_lock(&lock);
    if (hold_count < MOST_HOLDS)
        holds[hold_count++] = file->hold;
    pthread_mutex_unlock(&lock);
}

static int shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    struct file *file = (struct file *)(void *)base;
    bool ours = offset == WRITE_LOCK && flags & SQLITE_SHM_EXCLUSIVE;
    if (ours && flags & SQLITE_SHM_UNLOCK && file->holds)
        released(file);
    int code = file->real->pMethods->xShmLock(file->real, offset, count, flags);
    if (ours && flags & SQLITE_SHM_LOCK && code == SQLITE_OK)
        taken(file);
    file->hold.refused += file->holds && code == SQLITE_BUSY;
    return code;
}

static int sync_file(sqlite3_file *base, int flags)
{
    struct file *file = (struct file *)(void *)base;
    file->hold.database_syncs += file->holds;
    pthread_mutex_lock(&lock);
    bool fail = file->number && file->number == fail_number;
    fails += fail;
    pthread_mutex_unlock(&lock);
    return fail ? SQLITE_IOERR_FSYNC : file->real->pMethods->xSync(file->real, flags);
}

static void changed(void *arg, int what, const char *database, const char *table, sqlite3_int64 row)
{
    (void)arg, (void)database, (void)row;
    if (what != SQLITE_DELETE || strcmp(table, "outbox") != 0)
        return;
    removed++;
    if (slow_ns)
        nanosleep(&(struct timespec){.tv_nsec = slow_ns}, NULL);
}

static int connected(sqlite3 *db, const char **error, const struct sqlite3_api_routines *api)
{
    (void)error, (void)api;
    sqlite3_update_hook(db, changed, NULL);
    return SQLITE_OK;
}

/* ---- forwarding ---------------------------------------------------------------------------------------------- */

static int close_file(sqlite3_file *f)
{
    return real(f)->pMethods->xClose(real(f));
}

static int read_file(sqlite3_file *f, void *to, int size, sqlite3_int64 at)
{
    return real(f)->pMethods->xRead(real(f), to, size, at);
}

static int write_file(sqlite3_file *f, const void *from, int size, sqlite3_int64 at)
{
    return real(f)->pMethods->xWrite(real(f), from, size, at);
}

static int truncate_file(sqlite3_file *f, sqlite3_int64 size)
{
    return real(f)->pMethods->xTruncate(real(f), size);
}

static int size_of(sqlite3_file *f, sqlite3_int64 *size)
{
    return real(f)->pMethods->xFileSize(real(f), size);
}

static int lock_file(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xLock(real(f), level);
}

static int unlock_file(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xUnlock(real(f), level);
}

static int check_lock(sqlite3_file *f, int *result)
{
    return real(f)->pMethods->xCheckReservedLock(real(f), result);
}

static int control(sqlite3_file *f, int what, void *arg)
{
    return real(f)->pMethods->xFileControl(real(f), what, arg);
}

static int sector_size(sqlite3_file *f)
{
    return real(f)->pMethods->xSectorSize(real(f));
}

static int traits(sqlite3_file *f)
{
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **to)
{
    return real(f)->pMethods->xShmMap(real(f), page, size, extend, to);
}

static void shm_barrier(sqlite3_file *f)
{
    real(f)->pMethods->xShmBarrier(real(f));
}

static int shm_unmap(sqlite3_file *f, int remove)
{
    return real(f)->pMethods->xShmUnmap(real(f), remove);
}

static int open_file(sqlite3_vfs *self, const char *name, sqlite3_file *base, int flags, int *out)
{
    struct file *file = (struct file *)(void *)base;
    (void)self;
    memset(file, 0, sizeof *file);
    file->real = (sqlite3_file *)(void *)(file + 1);
    int code = under->xOpen(under, name, file->real, flags, out);
    file->base.pMethods = file->real->pMethods ? &methods : NULL;
    pthread_mutex_lock(&lock);
    if (code == SQLITE_OK && flags & SQLITE_OPEN_MAIN_DB)
        file->number = ++opened;
    pthread_mutex_unlock(&lock);
    return code;
}

/* ---- for tests ----------------------------------------------------------------------------------------------- */

void vfs_install(void)
{
    methods = (sqlite3_io_methods){2,         close_file,  read_file,  write_file, truncate_file, sync_file, size_of,
                                   lock_file, unlock_file, check_lock, control,    sector_size,   traits,    shm_map,
                                   shm_lock,  shm_barrier, shm_unmap,  NULL,       NULL};
    under = sqlite3_vfs_find(NULL);
    vfs = *under;
    vfs.zName = "outbox-fixture";
    vfs.szOsFile = (int)sizeof(struct file) + under->szOsFile;
    vfs.xOpen = open_file;
    sqlite3_vfs_register(&vfs, 1);
    sqlite3_auto_extension((void (*)(void))connected);
}

void vfs_reset(void)
{
    pthread_mutex_lock(&lock);
    hold_count = opened = fail_number = fails = slow_ns = 0;
    pthread_mutex_unlock(&lock);
}

uint32_t vfs_holds(const struct vfs_hold **list)
{
    *list = holds;
    return hold_count;
}

void vfs_slow_removals(uint32_t row_ns)
{
    slow_ns = row_ns;
}

void vfs_fail_sync(uint32_t nth)
{
    fail_number = nth;
}

uint32_t vfs_failed_syncs(void)
{
    return fails;
}

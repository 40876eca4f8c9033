/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/calls.c - the system calls of the file broker on the simulated disk
 *
 * Replaces brokers/file/sys.c. The process or the machine may die at any call. That call may have had its whole effect
 * or a part of it; later calls of the same step have none.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../../brokers/file/sys.h"
#include "disk.h"
#include "sim.h"
#include "sink.h"

#define DESCRIPTORS 64
#define DIRECTORY (UINT32_MAX - 1)

struct descriptor {
    bool open;
    uint32_t life, file;
};

static struct descriptor descriptors[DESCRIPTORS];
static enum sim_doom doom;

void sim_calls_init(void)
{
    memset(descriptors, 0, sizeof descriptors);
    doom = SIM_LIVES;
}

enum sim_doom sim_calls_doom(void)
{
    enum sim_doom now = doom;
    doom = SIM_LIVES;
    return now;
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

static int fail(int number)
{
    errno = number;
    return -1;
}

/* Does the process die here? Only during one of its steps: calls during the teardown do not count. */
static bool dies(void)
{
    if (doom == SIM_LIVES && sim->running && sim_strikes(SIM_DISK_DIES, 10))
        doom = SIM_DIED;
    if (doom == SIM_LIVES && sim->running && sim_strikes(SIM_DISK_POWER, 10))
        doom = SIM_POWERLESS;
    return doom != SIM_LIVES;
}

/* Calls that change nothing. */
static bool fails(int number)
{
    if (doom != SIM_LIVES)
        return fail(EIO);
    return (dies() || sim_strikes(SIM_DISK_ERRORS, 20)) && fail(number);
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

static struct sim_file *file_of(int fd)
{
    if (fd < 0 || fd >= DESCRIPTORS || !descriptors[fd].open || descriptors[fd].file == DIRECTORY)
        sim_fail("a system call on descriptor %d, which is none of a file", fd);
    return sim_file(descriptors[fd].file);
}

static int open_file(uint32_t file)
{
    int fd = 0;
    while (fd < DESCRIPTORS && descriptors[fd].open)
        fd++;
    if (fd == DESCRIPTORS)
        sim_fail("descriptors are not closed");
    descriptors[fd] = (struct descriptor){.open = true, .life = sim->running ? sim->running->life : 0, .file = file};
    return fd;
}

static int call_openat(int dir, const char *name, int flags, mode_t mode)
{
    (void)mode;
    if (fails(EMFILE))
        return -1;
    if (dir == AT_FDCWD)
        return open_file(DIRECTORY);
    uint32_t file = sim_name_find(&sim->disk->cached, name);
    if (file != SIM_NO_FILE && (flags & O_EXCL))
        return fail(EEXIST);
    return open_file(file == SIM_NO_FILE ? sim_file_create(name) : file);
}

static int call_close(int fd)
{
    struct descriptor *descriptor = &descriptors[fd];
    if (fd < 0 || fd >= DESCRIPTORS || !descriptor->open)
        sim_fail("descriptor %d is closed twice", fd);
    if (descriptor->file != DIRECTORY && file_of(fd)->locked_by == fd)
        file_of(fd)->locked_by = -1;
    descriptor->open = false;
    return 0;
}

void sim_calls_crash(const struct sim_node *node)
{
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        if (descriptors[fd].open && descriptors[fd].life == node->life)
            call_close(fd);
    }
}

static int call_lock(int fd)
{
    struct sim_file *file = file_of(fd);
    if (fails(EIO))
        return -1;
    if (file->locked_by >= 0 && file->locked_by != fd)
        return fail(EAGAIN);
    file->locked_by = fd;
    return 0;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int call_list(int dir, void (*each)(void *arg, const char *name), void *arg)
{
    (void)dir;
    if (fails(EMFILE))
        return -1;
    for (uint32_t i = 0; i < sim->disk->cached.count; i++)
        each(arg, sim->disk->cached.items[i].text);
    return 0;
}

static int call_drop_cache(int fd, off_t offset)
{
    (void)offset;
    sim_file_forget(file_of(fd));
    return 0;
}

static int fill_status(uint32_t file, struct stat *status)
{
    *status = (struct stat){.st_dev = 1, .st_ino = 2, .st_mode = S_IFDIR | 0755, .st_nlink = 2};
    if (file == DIRECTORY)
        return 0;
    status->st_ino = 3 + file;
    status->st_mode = S_IFREG | 0640;
    status->st_nlink = 1;
    status->st_size = (off_t)sim_file(file)->cached_size;
    status->st_mtim.tv_nsec = (long)(sim_file(file)->changed_ns % 1000000000);
    status->st_mtim.tv_sec = (time_t)(sim_file(file)->changed_ns / 1000000000);
    return 0;
}

static int call_fstat(int fd, struct stat *status)
{
    return fails(EIO) ? -1 : fill_status(descriptors[fd].file, status);
}

static int call_statat(int dir, const char *name, struct stat *status)
{
    const char *slash = strrchr(name, '/'); /* there is one directory */
    uint32_t file = sim_name_find(&sim->disk->cached, slash ? slash + 1 : name);
    (void)dir;
    if (fails(EIO))
        return -1;
    return file == SIM_NO_FILE ? fail(ENOENT) : fill_status(file, status);
}

static ssize_t call_pread(int fd, void *data, size_t size, off_t offset)
{
    const struct sim_file *file = file_of(fd);
    if (fails(EIO))
        return -1;
    if (sim_strikes(SIM_DISK_SHORT, 200))
        return fail(EINTR);
    if ((uint64_t)offset >= file->cached_size)
        return 0;
    size = OBX_MIN(size, file->cached_size - (uint64_t)offset);
    if (size > 1 && sim_strikes(SIM_DISK_SHORT, 200))
        size = sim_pick(1, size);
    memcpy(data, file->cached + offset, size);
    return (ssize_t)size;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static ssize_t call_write(int fd, const void *data, size_t size)
{
    struct sim_file *file = file_of(fd);
    bool strikes = sim_strikes(SIM_DISK_ERRORS, 20);
    if (doom != SIM_LIVES)
        return fail(EIO);
    if (sim_strikes(SIM_DISK_SHORT, 200))
        return fail(EINTR);
    bool last = dies(), full = sim->disk->full;
    size_t part = last || full || strikes ? sim_pick(0, size) : size;
    if (part > 1 && sim_strikes(SIM_DISK_SHORT, 400))
        part = sim_pick(1, part);
    if (part)
        sim_file_append(file, data, part);
    if (last || strikes)
        return fail(EIO);
    return part || !full ? (ssize_t)part : fail(ENOSPC);
}

static int call_reserve(int fd, off_t offset, off_t size)
{
    (void)offset, (void)size;
    file_of(fd);
    if (fails(EIO))
        return -1;
    return sim->disk->full ? fail(ENOSPC) : 0;
}

static int call_fdatasync(int fd)
{
    struct sim_file *file = file_of(fd);
    if (doom != SIM_LIVES)
        return fail(EIO);
    bool last = dies();
    if (last && sim_pick(0, 1))
        return fail(EIO);
    if (sim_strikes(SIM_DISK_SYNC, 40)) {
        sim_file_fail_sync(file);
        return fail(sim_pick(0, 3) ? EIO : ENOSPC);
    }
    sim_file_sync(file);
    sim_sink_after_sync();
    return last ? fail(EIO) : 0;
}

static int call_fsync(int fd)
{
    if (descriptors[fd].file != DIRECTORY)
        return call_fdatasync(fd);
    if (doom != SIM_LIVES)
        return fail(EIO);
    bool last = dies();
    if ((last && sim_pick(0, 1)) || sim_strikes(SIM_DISK_SYNC, 40))
        return fail(EIO);
    sim_dir_sync();
    sim_sink_after_sync();
    return last ? fail(EIO) : 0;
}

static int call_ftruncate(int fd, off_t size)
{
    struct sim_file *file = file_of(fd);
    if (doom != SIM_LIVES)
        return fail(EIO);
    bool last = dies();
    if ((last && sim_pick(0, 1)) || sim_strikes(SIM_DISK_ERRORS, 50))
        return fail(EIO);
    sim_sink_cut(file, (uint64_t)size);
    sim_file_cut(file, (uint64_t)size);
    return last ? fail(EIO) : 0;
}

static int call_renameat(int dir, const char *from, const char *to)
{
    (void)dir;
    if (doom != SIM_LIVES)
        return fail(EIO);
    bool last = dies();
    if ((last && sim_pick(0, 1)) || sim_strikes(SIM_DISK_ERRORS, 100))
        return fail(EACCES);
    sim_file_rename(from, to);
    return last ? fail(EIO) : 0;
}

const struct file_sys file_kernel = {.openat = call_openat,
                                     .close = call_close,
                                     .list = call_list,
                                     .fstat = call_fstat,
                                     .statat = call_statat,
                                     .lock = call_lock,
                                     .pread = call_pread,
                                     .drop_cache = call_drop_cache,
                                     .write = call_write,
                                     .reserve = call_reserve,
                                     .fdatasync = call_fdatasync,
                                     .fsync = call_fsync,
                                     .ftruncate = call_ftruncate,
                                     .renameat = call_renameat};

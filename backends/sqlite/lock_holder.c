/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/lock_holder.c - see lock_holder.h */
#include "lock_holder.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Bytes that SQLite locks, by its file format: of PATH-shm, a writer; of PATH, a connection with locking_mode =
 * EXCLUSIVE or a journal that is no log. */
struct bytes {
    unsigned long long first, last;
};
static const struct bytes of_log = {120, 120}, of_database = {0x40000000, 0x40000000 + 511};

/* "1: POSIX  ADVISORY  WRITE 123 08:01:4711 120 120": the pid; 0: another lock. */
static int writer_of(const char *line, const struct stat *file, const struct bytes *bytes)
{
    char kind[16], mode[16];
    int pid;
    unsigned major_number, minor_number;
    unsigned long long inode, first, last;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
    if (sscanf(line, "%*d: %15s %*s %15s %d %x:%x:%llu %llu %llu", kind, mode, &pid, &major_number, &minor_number,
               &inode, &first, &last) != 8)
        return 0; /* "EOF" as its end, too: a lock of the whole file */
    bool same = inode == file->st_ino && major_number == major(file->st_dev) && minor_number == minor(file->st_dev);
    bool writes = !strcmp(kind, "POSIX") && !strcmp(mode, "WRITE") && first <= bytes->last && last >= bytes->first;
    return same && writes ? pid : 0;
}

static int find_writer(const char *path, const struct bytes *bytes)
{
    char line[200];
    int pid = 0;
    struct stat file;
    if (stat(path, &file))
        return 0;
    FILE *locks = fopen("/proc/locks", "re");
    while (locks && !pid && fgets(line, sizeof line, locks))
        pid = writer_of(line, &file, bytes);
    if (locks)
        fclose(locks);
    return pid;
}

static void append_name(int pid, char *text, size_t size)
{
    char path[40], name[40] = "";
    size_t used = strlen(text);
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    FILE *comm = fopen(path, "re");
    if (comm && fgets(name, sizeof name, comm))
        snprintf(text + used, size - used, " (%.*s)", (int)strcspn(name, "\n"), name);
    if (comm)
        fclose(comm);
}

/* SQLite has its files beside the database, not beside a symbolic link to it. */
bool lite_lock_holder(const char *path, char *text, size_t size)
{
    char real[PATH_MAX], shared[PATH_MAX + sizeof "-shm"];
    if (!realpath(path, real))
        return false;
    snprintf(shared, sizeof shared, "%s-shm", real);
    int pid = find_writer(shared, &of_log);
    if (!pid)
        pid = find_writer(real, &of_database);
    if (pid <= 0)
        return false;
    snprintf(text, size, "process %d", pid);
    append_name(pid, text, size);
    return true;
}

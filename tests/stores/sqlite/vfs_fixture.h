/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sqlite/vfs_fixture.h - a file system layer over SQLite's own that records locks and flushes
 *
 * Installed as the default of the process, it sees every file that SQLite opens here. It keeps a list of holds: from
 * locking a write-ahead log for writing to the release, on any connection, with the removed rows and the flushes of the
 * database in between. And it can make the flushes of one database file fail, or removals slow.
 */
#ifndef OBX_TESTS_STORES_SQLITE_VFS_FIXTURE_H
#define OBX_TESTS_STORES_SQLITE_VFS_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

struct vfs_hold {
    uint64_t begin_ns, end_ns;
    uint32_t removed;        /* rows */
    uint32_t database_syncs; /* by the connection that holds the lock */
    uint32_t refused;        /* locks that it asked for meanwhile and did not get */
};

void vfs_install(void);
void vfs_reset(void); /* forgets the holds; files are counted from here on */
uint32_t vfs_holds(const struct vfs_hold **holds);

/* From now on each removed row takes so much more time without work, like a stalled disk or a busy processor. */
void vfs_slow_removals(uint32_t row_ns);

/* The nth database file opened from the reset on cannot be flushed. */
void vfs_fail_sync(uint32_t nth);
uint32_t vfs_failed_syncs(void); /* how often it was tried */

#endif

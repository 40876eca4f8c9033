/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/lock_holder.h - which process holds the lock of writers
 *
 * From /proc/locks, where the system has that: a question by fcntl() needs a descriptor of the file, and closing that
 * would release the locks that SQLite itself holds in this process.
 */
#ifndef OBX_BACKENDS_SQLITE_LOCK_HOLDER_H
#define OBX_BACKENDS_SQLITE_LOCK_HOLDER_H

#include <stdbool.h>
#include <stddef.h>

/* "process 123 (NAME)". False: nobody holds it, or it cannot be seen. path: of the database. Any thread. */
bool lite_lock_holder(const char *path, char *text, size_t size);

#endif

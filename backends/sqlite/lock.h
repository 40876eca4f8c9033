/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/lock.h - the lock file next to the database, DATABASE-TABLE.relay-lock
 *
 * A relay that has the lock on the file that the path names is alive: the kernel frees the lock with the process. The
 * lock belongs to the open file description, not to the process, so two relays in one process exclude each other and
 * closing another descriptor does not drop it. The file also carries the owner's heartbeat.
 *
 * The file is never removed, since another process may just have opened it. A standby replaces it, by a rename, only
 * when its owner hangs. Its owner and mode are those of the database, as for SQLite's own files.
 *
 * WRITE lane, and stop, which runs alone.
 */
#ifndef OBX_BACKENDS_SQLITE_LOCK_H
#define OBX_BACKENDS_SQLITE_LOCK_H

#include "file.h"

struct lite_lock {
    const struct outbox_host *host;
    const struct lite_file *file; /* the database */
    char *path;                   /* owned; NULL: no name yet */
    int fd;                       /* owned; -1: this relay does not own the outbox */
    uint64_t heartbeats;          /* written so far */
    int64_t since_us;             /* when the ownership began, since 1970 */
};

#define LITE_OWNING "own outbox" /* begins the error texts of owning */
enum { LITE_HEARTBEAT_SIZE = 96 };

/* Derive the path, if it is not known. */
int lite_lock_name(struct lite_lock *lock, const char *table, struct outbox_error *error);
/* Both give a descriptor with the lock, which the caller owns; or -1, with an error, or without one if another relay
 * has the lock. */
int lite_lock_take(const struct lite_lock *lock, struct outbox_error *error);
int lite_lock_replace(const struct lite_lock *lock, struct outbox_error *error);
/* A relay has the lock: it is alive. Takes nothing. The path must be known. */
bool lite_lock_is_taken(const struct lite_lock *lock);
bool lite_lock_is_named(const struct lite_lock *lock, int fd); /* is this the file that the path names? */
int lite_lock_write_heartbeat(struct lite_lock *lock, int64_t epoch, struct outbox_error *error);
void lite_lock_read_heartbeat(const struct lite_lock *lock, char text[LITE_HEARTBEAT_SIZE]); /* "" if there is none */
int64_t lite_lock_read_since(const struct lite_lock *lock); /* of the owner, microseconds since 1970; 0: unknown */
void lite_lock_release(struct lite_lock *lock);             /* closes the descriptor and forgets the path */

#endif

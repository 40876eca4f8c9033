/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/lock_watch.h - what a statement waits for that gets no answer
 *
 * A statement of one lane that has no answer after 2 s may wait for a lock of another session: CREATE INDEX, LOCK
 * TABLE, ALTER TABLE. The other lane then queries the server which lock it is, and who holds it. The answer is logged
 * once a minute, and is the reason of a start that gets no further.
 *
 * Failure modes: the other lane is not connected or has work itself, or the server does not tell this user: then
 * nothing is known. All on the loop thread.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_LOCK_WATCH_H
#define OBX_BACKENDS_SQL_SERVER_LOCK_WATCH_H

#include "sql/server/store.h"

void sql_lock_watch_begin(struct sql_store *store);         /* a statement was sent */
void sql_lock_watch_end(struct sql_store *store);           /* the lanes are closed */
void sql_lock_watch_forget(struct sql_store *store);        /* another step of the start begins */
const char *sql_lock_watch_reason(struct sql_store *store); /* "" while nothing is known */

#endif

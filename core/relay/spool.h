/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/spool.h - copies rows of a log to the spool, so that they do not hold the log (store.h)
 *
 * Happy path: a row that waits for its key or for the dead letters is WANTED (obx_batch_leave_row()). A step takes the
 * wanted rows from the low mark on, up to the first row that is neither passed nor wanted, and copies up to 1,000 of
 * them, or 4 MiB, in one operation. Then their batches can be released. So at every moment all rows of the spool
 * precede all rows of the log that are still needed, and a restart that reads the spool first keeps the order of each
 * key.
 * Also wanted are: rows in flight for 3 s that hold others up; given-up rows before delivered ones, when the relay
 * stops; everything, while the log is too long (log_room.h).
 * Failure modes: a copy that fails is repeated after a pause that grows; logged when that lasts 10 s. When the
 * connection is lost the rows are read again from the log. Loop thread only.
 */
#ifndef OBX_RELAY_SPOOL_H
#define OBX_RELAY_SPOOL_H

#include "relay/stages.h"

struct obx_spool *obx_spool_new(struct obx_stages *stages); /* NULL: no memory */
void obx_spool_free(struct obx_spool *spool);               /* NULL is fine */
void obx_spool_step(struct obx_spool *spool);
void obx_spool_reset(struct obx_spool *spool);      /* ownership is new: copy now */
bool obx_spool_idle(const struct obx_spool *spool); /* no row is wanted, none is being copied */

#endif

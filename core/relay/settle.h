/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/settle.h - removes delivered rows from the outbox; never delays a publish
 *
 * Happy path: finished batches gather in DONE while one settle is in flight, and go together in the next. A settle is a
 * commit that competes with the commits of the application. So fewer than 1,000 rows wait until 20 ms after the
 * previous settle, unless a stop, a rewind, a retry or memory waits for them. A settle of a log also stores the low
 * mark; when nothing is delivered, a settle without rows every 5 s lets the store pass what it has read.
 * Failure modes: after a failure that a new connection does not cure the settle is repeated; it is logged when that
 * lasts 10 s. Any other failure means that the connection or the ownership is lost. The rows then stay DELIVERED and
 * are settled first when the ownership is back, if the store guarantees that their positions still name the same rows.
 * Loop thread only.
 */
#ifndef OBX_RELAY_SETTLE_H
#define OBX_RELAY_SETTLE_H

#include "relay/stages.h"

struct obx_settler *obx_settler_new(struct obx_stages *stages); /* NULL: no memory */
void obx_settler_free(struct obx_settler *settler);             /* NULL is fine */
void obx_settler_step(struct obx_settler *settler);
bool obx_settler_has_rows(const struct obx_settler *settler);    /* delivered rows wait to be settled */
bool obx_settler_fails(const struct obx_settler *settler);       /* for so long that it was logged */
uint64_t obx_settler_refused(const struct obx_settler *settler); /* published rows that cannot be removed */
void obx_settler_describe_refused(const struct obx_settler *settler, char *text, size_t size); /* how many, one, why */
void obx_settler_reset(struct obx_settler *settler); /* ownership is new: settle now */

#endif

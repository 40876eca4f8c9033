/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/surveyor.h - who owns the outboxes of one place, read again and again over one connection
 *
 *   DOWN -> STARTING -> READY -> SURVEYING -> READY ...; any failure -> STOPPING -> DOWN; end: -> STOPPING -> freed
 *
 * A place is what one session of a user reaches: a database of Postgres, a server of MySQL. The store of the first
 * relay is started without columns; those of the others only name their outboxes. After a failure the next one starts
 * after a pause. The wishes are locks of its session, so they end with it. Loop thread.
 */
#ifndef OBX_PROGRAM_DAEMON_SURVEYOR_H
#define OBX_PROGRAM_DAEMON_SURVEYOR_H

#include "cli/context.h"
#include "plugin/instance.h"

struct obx_surveyor;

/* error: NULL after a survey that succeeded. */
struct obx_surveyor_events {
    void (*surveyed)(void *arg, const struct obx_surveyor *surveyor, const struct outbox_error *error);
    void (*ended)(void *arg); /* the surveyor is freed after this call */
    void *arg;
};

/* room: how many outboxes may be added, at least one must be. NULL: no memory. */
struct obx_surveyor *obx_surveyor_new(struct obx_loop *loop, uint32_t room, const struct obx_surveyor_events *events);
/* Is the outbox of this store in the same place? All options that identify it are equal, but for `table` and
 * `database`; and `user`. */
bool obx_surveyor_serves(const struct obx_surveyor *surveyor, const struct obx_instance *store);
/* store: owned from here on. Returns the index of its outbox in surveys. interval_ns: between two surveys at most; the
 * least of all stores counts. */
uint32_t obx_surveyor_add(struct obx_surveyor *surveyor, struct obx_instance *store, uint32_t lease_ms,
                          uint64_t interval_ns);

void obx_surveyor_start(struct obx_surveyor *surveyor);
/* In surveyed(), without an error: what is known of the outbox. */
const struct outbox_surveyed *obx_surveyor_outbox(const struct obx_surveyor *surveyor, uint32_t index);
void obx_surveyor_wish(struct obx_surveyor *surveyor, uint32_t index, bool wish); /* from the next survey on, which
                                                                               follows at once if it is a new wish */
/* Stop and free; the wishes end. Started, and not in surveyed(). */
void obx_surveyor_end(struct obx_surveyor *surveyor);
void obx_surveyor_free(struct obx_surveyor *surveyor); /* never started; NULL is fine */

#endif

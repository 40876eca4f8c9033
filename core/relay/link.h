/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/link.h - one connection of a relay: to the store or to the broker
 *
 *   DOWN -> STARTING -> (store: ACQUIRING ->) UP -> STOPPING -> DOWN
 *
 * Every failure goes through STOPPING, where the plugin completes what is in flight, and back to DOWN. Then the pause
 * before the next start doubles, from 100 ms to 10 s; the relay never gives up. Only real work ends an outage and
 * resets the pause: the work that failed, such as a settle, and a claim or a delivery. A failure is logged at most once
 * a minute for each cause, in a long outage after 1 minute and every 10 minutes; its end is logged with its
 * duration. Loop thread only.
 */
#ifndef OBX_RELAY_LINK_H
#define OBX_RELAY_LINK_H

#include "relay/context.h"

enum obx_link_state {
    OBX_LINK_DOWN, /* until its pause is over */
    OBX_LINK_STARTING,
    OBX_LINK_ACQUIRING, /* store only: started, not the owner of the outbox */
    OBX_LINK_UP,
    OBX_LINK_STOPPING, /* stop() completes what is in flight, then itself */
    OBX_LINK_STATES
};

/* What failed, or succeeded; or-ed. */
enum obx_link_work {
    OBX_WORK_CONNECT = 1, /* connections, starts, the ownership */
    OBX_WORK_CLAIM = 2,
    OBX_WORK_SETTLE = 4,
    OBX_WORK_RENEW = 8,
    OBX_WORK_DEAD_LETTER = 16,
    OBX_WORK_PUBLISH = 32,
    OBX_WORK_SPOOL = 64,
    OBX_WORK_ALL = 127
};

struct obx_link;

/* NULL: no memory. */
struct obx_link *obx_link_new(struct obx_relay_context *context, enum outbox_kind kind);
void obx_link_free(struct obx_link *link); /* and its instance; NULL is fine */

/* Make the instance of the section `store` or `broker` of a relay. wake: there may be new rows; NULL
 * for a broker. No I/O. */
int obx_link_open(struct obx_link *link, struct obx_registry *registry, const struct obx_section *relay,
                  void (*wake)(void *arg), void *arg, struct outbox_error *error);
void obx_link_reset(struct obx_link *link); /* the relay starts: no failures, may be started at once */

struct obx_instance *obx_link_instance(const struct obx_link *link);
enum obx_link_state obx_link_state(const struct obx_link *link);
bool obx_link_up(const struct obx_link *link);
/* A start or an acquire is in flight. */
bool obx_link_busy(const struct obx_link *link);
/* The start succeeded, and obx_link_started() has to wait; when that was, in nanoseconds; 0: nothing waits. */
void obx_link_answered(struct obx_link *link);
uint64_t obx_link_answered_at(const struct obx_link *link);
/* When the last failure with OUTBOX_E_FENCED came; nanoseconds, 0: none came. */
uint64_t obx_link_fenced_at(const struct obx_link *link);
/* The last failure; code 0: none since the link works. */
const struct outbox_error *obx_link_error(const struct obx_link *link);

/* In a tick: try again a stop that did not reach the plugin. */
void obx_link_step(struct obx_link *link);
/* In a tick: DOWN and the pause is over. The caller starts the instance by obx_link_begin(). */
bool obx_link_may_start(struct obx_link *link);
bool obx_link_may_acquire(struct obx_link *link); /* likewise, of a link that is ACQUIRING */

/* Begin a start or an acquire; for a start the link is STARTING from now on. Gives the call to submit. */
struct obx_call *obx_link_begin(struct obx_link *link, void *stage,
                                void (*done)(void *stage, const struct outbox_error *error));
void obx_link_started(struct obx_link *link); /* the start succeeded: a store is ACQUIRING, a broker UP */
void obx_link_acquired(struct obx_link *link);
/* Another relay owns the outbox: acquire again after the pause. */
void obx_link_stand_by(struct obx_link *link, const struct outbox_error *error, uint64_t pause_ms);

/* Real work of these kinds succeeded. The outage is over when no kind of work that failed is left. */
void obx_link_works(struct obx_link *link, unsigned works);
/* A failure: log it, stop, start again later. No effect on a link that is DOWN or STOPPING. */
void obx_link_lost(struct obx_link *link, enum obx_link_work work, const struct outbox_error *error);
/* Stop without a failure. The link must be neither DOWN nor STOPPING. */
void obx_link_stop(struct obx_link *link, uint32_t timeout_ms);
void obx_link_cancel(struct obx_link *link); /* cancel what its stop waits for */

#define OBX_LINK_STOP_MS 5000 /* timeout of a stop, unless the relay ends */

#endif

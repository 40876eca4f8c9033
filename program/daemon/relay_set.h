/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/relay_set.h - the relays of one process
 *
 * Each relay is independent of the others. They share the loop, the plugins and the log. A reload replaces the relays
 * whose part of the configuration changed and leaves the others alone. Loop thread.
 */
#ifndef OBX_PROGRAM_DAEMON_RELAY_SET_H
#define OBX_PROGRAM_DAEMON_RELAY_SET_H

#include "cli/context.h"
#include "daemon/snapshot.h"
#include "relay/relay.h"

struct obx_relay_set;

struct obx_relay_info {
    const char *name;
    enum outbox_state state;
    bool was_relaying; /* since it was made */
    bool drained;      /* at the last claim nothing was left but `blocked` events */
    uint64_t blocked;
    const struct outbox_error *failure; /* code 0: none since the last recovery */
    struct obx_relay *relay;
};

struct obx_relay_set_events {
    void (*changed)(void *arg); /* a state, or what is drained: read it with obx_relay_set_each() */
    void (*stopped)(void *arg); /* obx_relay_set_stop() is complete: every relay has stopped */
    void *arg;
};

/* Make the relays of the context's configuration; no I/O. On failure *set is NULL. Errors: CONFIG and what
 * obx_relay_new() gives. */
int obx_relay_set_new(struct obx_context *context, const struct obx_relay_set_events *events,
                      struct obx_relay_set **set, struct outbox_error *error);
void obx_relay_set_free(struct obx_relay_set *set); /* never started, or stopped; NULL is fine */
void obx_relay_set_start(struct obx_relay_set *set);

/* Each relay stops within its own stop_timeout; now: at once. A second call with now shortens the first. */
void obx_relay_set_stop(struct obx_relay_set *set, bool now);
/* The context has read a new configuration: make the relays that changed, then replace the old ones. On failure nothing
 * changes. Errors: AGAIN (the relays of the last reload still stop) and those of obx_relay_set_new(). */
int obx_relay_set_reload(struct obx_relay_set *set, struct outbox_error *error);

/* In the order of the configuration; relays that a reload removed are included until they have stopped. */
void obx_relay_set_each(struct obx_relay_set *set, void (*each)(void *arg, const struct obx_relay_info *info),
                        void *arg);
/* Carry out what an operator wants of the relay of this name. answer: as in obx_relay_control(); CONFIG: there is none.
 */
void obx_relay_set_control(struct obx_relay_set *set, const char *relay, const struct obx_control_request *request,
                           struct outbox_error *answer);
void obx_relay_set_sample(struct obx_relay_set *set);              /* for rates; call every few seconds */
void obx_relay_set_fill(void *arg, struct obx_snapshot *snapshot); /* arg: the set; for obx_snapshots_new() */

#endif

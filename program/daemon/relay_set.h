/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/relay_set.h - the relays of one process
 *
 * Each is independent of the others; they share the loop, the plugins and the log. A reload replaces the relays whose
 * part of the configuration changed and leaves the others alone. Loop thread.
 */
#ifndef OBX_PROGRAM_DAEMON_RELAY_SET_H
#define OBX_PROGRAM_DAEMON_RELAY_SET_H

#include "relay/relay.h"
#include "cli/context.h"
#include "daemon/snapshot.h"

struct obx_relay_set;

/* For each relay, in the order of the configuration. */
struct obx_member_info {
    const char *name;
    enum outbox_state state;
    bool was_relaying; /* since it was started */
    bool drained;      /* nothing is left but `blocked` events, as far as was seen last */
    uint64_t blocked;
    const struct outbox_error *failure; /* code 0: none since the last recovery */
    struct obx_relay *relay;
};

struct obx_relay_set_events {
    void (*changed)(void *arg); /* a state, or what is drained; look with obx_relay_set_each */
    void (*stopped)(void *arg); /* obx_relay_set_stop is complete: every relay has stopped */
    void *arg;
};

/* Make the relays of the app's configuration; no I/O. */
int obx_relay_set_new(struct obx_app *app, const struct obx_relay_set_events *events, struct obx_relay_set **group,
                      struct outbox_error *error);
void obx_relay_set_free(struct obx_relay_set *group); /* never started, or stopped; NULL is fine */
void obx_relay_set_start(struct obx_relay_set *group);

/* Each stops within the deadline of its own settings; now: at once. May be called again. */
void obx_relay_set_stop(struct obx_relay_set *group, bool now);
/* The app's configuration was read anew: make what changed, then replace. On failure all stays as it is. */
int obx_relay_set_reload(struct obx_relay_set *group, struct outbox_error *error);

void obx_relay_set_each(struct obx_relay_set *group, void (*each)(void *arg, const struct obx_member_info *info),
                        void *arg);
void obx_relay_set_sample(struct obx_relay_set *group);            /* for rates; call every few seconds */
void obx_relay_set_fill(void *arg, struct obx_snapshot *snapshot); /* arg: the group */

#endif

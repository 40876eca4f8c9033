/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/snapshot.h - what the relays are doing, for threads that are not the loop's
 *
 * A reader asks, the loop thread fills, the reader copies: nothing is done while nobody asks, and a loop that hangs
 * shows by not answering.
 */
#ifndef OBX_PROGRAM_DAEMON_SNAPSHOT_H
#define OBX_PROGRAM_DAEMON_SNAPSHOT_H

#include <outbox/outbox.h>

#include "loop/loop.h"
#include "relay/settings.h"

#define OBX_VIEW_BLOCKED 16u

struct obx_blocked_view {
    char topic[128];
    char key[128];
    char event_id[64];
    char reason[192];
    uint64_t position;
    uint64_t events;
    uint64_t for_ns;
    uint32_t attempts;
};

struct obx_relay_view {
    char name[OBX_RELAY_NAME_MAX + 1];
    char store[32];
    char broker[32];
    struct outbox_stats stats;
    uint64_t unready_ns;    /* not relaying for so long; 0: is relaying */
    double rate;            /* events settled in a second, over the last few seconds */
    uint32_t blocked_count; /* of the list; stats.blocked_keys has them all */
    struct obx_blocked_view blocked[OBX_VIEW_BLOCKED];
};

struct obx_snapshot {
    uint32_t count;
    uint32_t room;
    struct obx_relay_view *relays; /* owned */
    uint64_t log_dropped;
};

/* Copy text that may be anything: what is not UTF-8 becomes '?', and no character is cut. from may be NULL or to. */
void obx_view_text(char *to, size_t size, const char *from);

/* A place for one more relay, zeroed; NULL without memory. */
struct obx_relay_view *obx_snapshot_more(struct obx_snapshot *snapshot);
void obx_snapshot_free(struct obx_snapshot *snapshot);

struct obx_snapshots;

/* fill: called on the loop thread with a snapshot whose count is 0. */
int obx_snapshots_new(struct obx_loop *loop, void (*fill)(void *arg, struct obx_snapshot *snapshot), void *arg,
                      struct obx_snapshots **snapshots, struct outbox_error *error);
void obx_snapshots_close(struct obx_snapshots *snapshots); /* loop thread: readers are answered no more */
void obx_snapshots_free(struct obx_snapshots *snapshots);  /* loop thread: no reader is left; NULL is fine */

/* Any thread but the loop's. Errors: TIMEOUT (the loop did not answer), CANCELED (closed), NO_MEMORY. */
int obx_snapshots_get(struct obx_snapshots *snapshots, uint32_t timeout_ms, struct obx_snapshot *copy);

#endif

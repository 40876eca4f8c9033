/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/snapshot.h - the state of the relays, for threads other than the loop's
 *
 * A reader requests a snapshot, the loop thread fills it, the reader gets a copy. Without a request no work is done. A
 * hanging loop is detected by the timeout of the request.
 */
#ifndef OBX_PROGRAM_DAEMON_SNAPSHOT_H
#define OBX_PROGRAM_DAEMON_SNAPSHOT_H

#include <outbox/outbox.h>

#include "loop/loop.h"
#include "relay/relay.h"
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
    char process[80];        /* the process of the owner, "HOST/PID": this one while it relays; "": unknown */
    char owner[96];          /* the owner, for people: this relay while it relays; "": unknown */
    uint64_t owned_since_ns; /* when that ownership began, since 1970; 0: unknown */
    uint64_t unready_ns;     /* since it last relayed; 0: it is relaying */
    uint64_t behind_ns;      /* since when events are left in the outbox; 0: none are */
    uint64_t held_ns;        /* of a log: since when the oldest event that holds it is claimed; 0: none does */
    struct obx_relay_measures measures;
    uint64_t oldest_ns;     /* age of the oldest claimed event that is not confirmed; 0: there is none */
    uint64_t blocked_ns;    /* since when the key is blocked that is blocked longest; 0: none is */
    uint64_t paused;        /* 1: by an operator */
    uint64_t late_ns;       /* since when it is late, by service.late; 0: it is not */
    int64_t late_since_us;  /* the same, since 1970 */
    uint64_t late_age_ns;   /* of the oldest event then, at the last sample */
    double rate;            /* events settled in a second, over the last few seconds */
    uint32_t blocked_count; /* entries of `blocked`; stats.blocked_keys counts all keys */
    struct obx_blocked_view blocked[OBX_VIEW_BLOCKED];
};

struct obx_balance_view {
    uint64_t taken, given; /* outboxes, since the start: by this process, and to others by hand-over */
};

struct obx_snapshot {
    uint32_t count;
    uint32_t room;
    struct obx_relay_view *relays; /* owned */
    uint64_t log_dropped;
    uint64_t reloaded;    /* 1: the last reload of the configuration succeeded, or the start did; 0: it failed */
    double reloaded_at_s; /* when the configuration in force was read; seconds since 1970 */
    struct obx_balance_view balance; /* zeros without service.balance */
};

/* Copy any bytes as UTF-8: each invalid byte becomes '?', and no character is cut. from may be NULL, or `to`. */
void obx_view_text(char *to, size_t size, const char *from);

/* Append a zeroed view; NULL without memory. */
struct obx_relay_view *obx_snapshot_more(struct obx_snapshot *snapshot);
void obx_snapshot_free(struct obx_snapshot *snapshot);
/* The relay of this name; NULL: there is none. */
const struct obx_relay_view *obx_snapshot_find(const struct obx_snapshot *snapshot, const char *relay);

struct obx_snapshots;

/* fill: called on the loop thread with a snapshot whose count is 0. */
int obx_snapshots_new(struct obx_loop *loop, void (*fill)(void *arg, struct obx_snapshot *snapshot), void *arg,
                      struct obx_snapshots **snapshots, struct outbox_error *error);
void obx_snapshots_close(struct obx_snapshots *snapshots); /* loop thread: waiting and later readers get CANCELED */
void obx_snapshots_free(struct obx_snapshots *snapshots);  /* loop thread, after the last reader; NULL is fine */

/* Any thread but the loop's. Errors: TIMEOUT (the loop did not run in time), CANCELED (closed), NO_MEMORY. */
int obx_snapshots_get(struct obx_snapshots *snapshots, uint32_t timeout_ms, struct obx_snapshot *copy);

#endif

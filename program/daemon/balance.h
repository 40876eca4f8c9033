/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/balance.h - which relays does this process take, give away and wish for? Pure: no I/O, no clock
 *
 * Processes with the same configuration share its relays evenly. The lock of the store is the only fence: a wrong
 * decision here costs a needless hand-over, and never two owners. There is no leader and no table of members. Each
 * process counts by the locks that it sees who owns how many, and decides by itself:
 *
 *   claim  an outbox without an owner, by a wish: a quarter of those at a time, and not before a process that owns
 *          fewer; after a while all of them
 *   take   what it has wished for, as soon as nobody owns it
 *   wish   for an outbox of a process that owns at least two more than this one, wishes included
 *   give   an outbox to the process that wishes for it, if this one still owns two more: it finishes what is in
 *          flight, and releases the lock; and an outbox that cannot be relayed here while other processes relay: this
 *          one may not reach the broker
 *
 * A hand-over makes the larger of two numbers smaller and never reverses their order, so they end, and the numbers then
 * differ by one at most. docs/decisions/090-balance.md has the reasons. Loop thread.
 */
#ifndef OBX_PROGRAM_DAEMON_BALANCE_H
#define OBX_PROGRAM_DAEMON_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

enum obx_balance_local {
    OBX_BALANCE_IDLE,    /* the relay does not run here */
    OBX_BALANCE_RUNNING, /* started, and not stopping */
    OBX_BALANCE_LEAVING, /* stopping, or replaced by a reload */
};
enum obx_balance_action { OBX_BALANCE_KEEP, OBX_BALANCE_TAKE, OBX_BALANCE_GIVE };

/* A process is known by a number made of its name; 0: nobody, or unknown. */
struct obx_balance_relay {
    /* in: of this process */
    enum obx_balance_local local;
    bool connecting; /* RUNNING: has not relayed since its start */
    bool relaying;
    bool lost; /* RUNNING: another process was faster, and owns the outbox */
    /* in: of the last survey */
    bool known;     /* it succeeded */
    bool owned;     /* by any session, that of this process included */
    bool silent;    /* its owner hangs: as good as not owned */
    bool wished;    /* by any process; */
    bool ours;      /* by this one */
    uint64_t owner; /* of an outbox that this process does not own */
    uint64_t wisher;
    /* private */
    uint64_t free_since; /* nanoseconds; 0: owned, or unknown */
    uint64_t left_at;    /* when it ran here last */
    uint64_t given_to;   /* until that process is seen to own it */
    uint64_t hangs;      /* the process that wishes for it, and does not take it; until its wish ends */
    uint64_t hung_at;    /* when that was seen last */
    uint64_t connecting_since, barred_until; /* it is tried elsewhere until then */
    /* out */
    bool wish; /* the next survey holds the wish */
    enum obx_balance_action action;
};

struct obx_balance {
    struct obx_balance_relay **relays;
    uint32_t count;
    uint64_t patience_ns; /* how long a free outbox is left to others: to who wished for it, or owns fewer */
    uint64_t self;        /* the number of this process */
    uint64_t taken, given;
    /* private */
    uint64_t now, claimed_at, barred_until;
    uint32_t failures; /* relays given up since one has started to relay here */
};

/* Fills `wish` and `action` of each relay. now: nanoseconds, above 0. random: any number, another one for each step and
 * process. The caller obeys each action before the next step. */
void obx_balance_step(struct obx_balance *balance, uint64_t now, uint64_t random);

#endif

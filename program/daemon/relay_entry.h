/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/relay_entry.h - one relay of a relay set, and the states that it goes through
 *
 *     MADE --start--> RUNNING --stop--> STOPPING --relay stopped--> STOPPED_UNWINDING --stack unwound--> STOPPED
 *     WAITING --its predecessor was reaped--> RUNNING, or MADE where processes share the relays
 *     STOPPED --this process takes it again--> RUNNING
 *                     RUNNING --reload--> REMOVING --relay stopped--> REAPABLE --stack unwound--> freed
 *
 * relay_entry.c has the table of legal moves; any other move is a bug and aborts. The set owns its entries and is the
 * only caller. Loop thread.
 */
#ifndef OBX_PROGRAM_DAEMON_RELAY_ENTRY_H
#define OBX_PROGRAM_DAEMON_RELAY_ENTRY_H

#include "base/list.h"
#include "cli/context.h"
#include "daemon/lateness.h"
#include "relay/relay.h"

enum obx_entry_state {
    OBX_ENTRY_MADE,              /* the relay exists and was never started */
    OBX_ENTRY_WAITING,           /* replaces an entry that still stops; starts when that one is reaped */
    OBX_ENTRY_RUNNING,           /* started; it may be connecting, standing by or halted */
    OBX_ENTRY_STOPPING,          /* the whole set stops */
    OBX_ENTRY_STOPPED_UNWINDING, /* the relay has stopped, but its functions are still on the stack */
    OBX_ENTRY_STOPPED,
    OBX_ENTRY_REMOVING, /* a reload removed or replaced it: stops, then is freed */
    OBX_ENTRY_REAPABLE, /* as STOPPED_UNWINDING; freed next */
    OBX_ENTRY_STATES
};

struct obx_relay_entry;

/* arg is the set. Neither call may free the entry. */
struct obx_relay_entry_events {
    void (*changed)(void *arg);                                /* the relay's state, or what is drained */
    void (*unwound)(void *arg, struct obx_relay_entry *entry); /* stopped, stack unwound: STOPPED, or REAPABLE */
    void *arg;
};

/* The settled rows at one moment: two of them give a rate. */
struct obx_rate_sample {
    uint64_t at_ns, settled;
};

/* Of a relay that the balancer has not started here. */
struct obx_entry_elsewhere {
    bool balanced;               /* the balancer starts it */
    bool known;                  /* the last survey of its database succeeded */
    char owner[96];              /* for people; "": nobody, or unknown */
    uint32_t since_s;            /* when that ownership began, since 1970; 0: unknown */
    struct outbox_error failure; /* of the last survey; code 0: none */
};

struct obx_relay_entry {
    struct obx_list link; /* of the set */
    enum obx_entry_state state;
    char *name;                          /* owned */
    struct obx_config_ref *config;       /* owned reference: `section` lives in it */
    const struct obx_section *section;   /* relays.NAME, as the relay was made from it */
    struct obx_relay *relay;             /* owned */
    struct obx_loop *loop;               /* borrowed from the context */
    struct obx_relay_entry *replacement; /* starts when this one is reaped; NULL: none */
    struct obx_task unwound;
    const struct obx_relay_entry_events *events; /* the set's */
    bool was_relaying;                           /* since it was made */
    bool drained;                                /* nothing is left but `blocked` events */
    bool unchanged;                              /* during a reload: the new configuration has it as it is */
    uint64_t blocked;
    struct obx_rate_sample previous, latest;
    struct obx_lateness lateness;
    struct obx_entry_elsewhere elsewhere; /* with service.balance */
};

/* Make the relay of relays.NAME; no I/O. *entry is NULL on failure. Errors: those of obx_relay_new(). */
int obx_relay_entry_new(struct obx_context *context, const char *name, const struct obx_relay_entry_events *events,
                        struct obx_relay_entry **entry, struct outbox_error *error);
/* Not linked, and MADE, WAITING, STOPPED or REAPABLE. NULL is fine. */
void obx_relay_entry_free(struct obx_relay_entry *entry);

void obx_relay_entry_start(struct obx_relay_entry *entry);   /* from MADE, WAITING or STOPPED */
void obx_relay_entry_release(struct obx_relay_entry *entry); /* from WAITING to MADE: it may be started later */
/* The whole set stops. Within the relay's own stop_timeout; now: at once, also when it stops already. */
void obx_relay_entry_stop(struct obx_relay_entry *entry, bool now);
/* A reload dropped or changed it; in any state but WAITING. replacement: waits for it; NULL: none. */
void obx_relay_entry_remove(struct obx_relay_entry *entry, struct obx_relay_entry *replacement);

bool obx_relay_entry_is_busy(const struct obx_relay_entry *entry);    /* it has not finished */
bool obx_relay_entry_is_removed(const struct obx_relay_entry *entry); /* being removed after a reload */

#endif

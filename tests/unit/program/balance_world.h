/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/program/balance_world.h - processes that share relays, and the locks of their server, in virtual time
 *
 * Each process runs the real decisions over what it saw at its last survey: between a survey and its actions, and
 * between an action and its effect, the others act. A hand-over takes as long as its events in flight.
 */
#ifndef BALANCE_WORLD_H
#define BALANCE_WORLD_H

#include "daemon/balance.h"

#define MS 1000000ull
enum {
    RELAYS_MAX = 200,
    PROCESSES_MAX = 20,
    SURVEY_MS = 500,
    PATIENCE_MS = 2000,
    LEASE_MS = 10000,
    EVENTS = 12,
    QUIET_MS = 60000,  /* between the last event and the checks */
    UNOWNED_MS = 6000, /* the longest time without an owner, in addition to the lease of one that hangs */
    STUCK_MS = 15 * PATIENCE_MS,
    BAR_MS = 15 * PATIENCE_MS,
    BAR_MAX_MS = 16 * BAR_MS
};

enum phase { OUT, STARTING, RUNNING, STOPPING };

struct place { /* of a relay in a process */
    enum phase phase;
    bool acquired, lost;
    uint64_t due_ms; /* STARTING: acquires then; STOPPING: releases then */
    uint64_t relaying_ms;
};

struct process {
    bool alive, hung;
    uint64_t id; /* another one after each start */
    uint64_t next_ms, hung_ms, blind_until_ms;
    uint64_t brokerless_until_ms; /* no relay that starts here relays before */
    struct place places[RELAYS_MAX];
    struct obx_balance_relay relays[RELAYS_MAX], *list[RELAYS_MAX];
    struct obx_balance balance;
};

struct outbox { /* the locks of the server */
    struct process *owner, *wisher;
    uint64_t stale_until_ms; /* the wish is of a session that its process has no more; 0: it is not */
    uint64_t unowned_ms;     /* since then */
    uint64_t idle_ms;        /* nobody relays it since then */
};

struct world {
    uint64_t random, now_ms, ids;
    uint32_t relay_count, process_count;
    struct process processes[PROCESSES_MAX];
    struct outbox outboxes[RELAYS_MAX];
    uint64_t longest_ms;      /* that an outbox was free while a process could take it */
    uint64_t longest_idle_ms; /* that nobody relayed an outbox */
    uint64_t actions;
    uint64_t given;
    uint64_t given_up;
};

extern struct world world;

/* Below `below`. */
uint64_t world_draw(uint64_t below);
bool world_works(const struct process *process);
void world_enter(struct process *process);
void world_leave(struct process *process);
/* Its sessions stay, until others end those that own. It never wakes up: a wish of it has to be waited out. */
void world_hang(struct process *process);
/* Processes that do. */
uint32_t world_working(void);
/* A process starts, stops, hangs, or loses its survey or its broker. */
void world_random_event(void);
/* The process relays this outbox. */
bool world_relays(const struct process *process, uint32_t r);
/* Virtual time. */
void world_run(uint64_t ms);
/* Between the processes that own most and fewest. */
uint32_t world_spread(void);
uint32_t world_unowned(void);
/* A world without processes. */
void world_begin(uint64_t seed, uint32_t relays, uint32_t processes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/sim.h - one run: a world with a database, a broker and writers, and the relays in it
 *
 * Everything runs in one thread on one virtual clock, and all random choices come from the seed. The world has a loop
 * for the servers and the writers; each relay has a loop for its process. So a relay can be paused (its loop stands
 * still, the clock does not) or crash (its loop and its memory are dropped) at any step. The loop with the earliest
 * event runs next; the oracle checks after every step.
 *
 *   plan.c    the seed's faults and settings   node.c      a relay's process: start, stop, pause, crash
 *   db.c      the table, commits, failover     store*.c    the store plugin, and its requests at the server
 *   writers.c transactions of the application  cluster.c   the broker; producer.c  the broker plugin
 *   transactions.c coordinator.c   ... or transactions
 *   disk.c    ... or files: disk, calls, sink  oracle.c    the promises, during the run
 *   chaos.c   the faults of all of them        verdict.c   the promises, at the end
 *
 * There is one run at a time in a process, and `sim` is it.
 */
#ifndef OBX_TESTS_SIMULATION_SIM_H
#define OBX_TESTS_SIMULATION_SIM_H

#include "fake_loop.h"
#include "memory.h"
#include "plan.h"

#include "node.h"

#define SIM_SECOND (1000 * OBX_MS)
#define SIM_NODES 3
#define SIM_STOP_GRACE_MS 1000 /* tolerance of a stop's deadline, while nothing is slow */

struct sim_db;
struct sim_cluster;
struct sim_disk;
struct obx_registry;

struct sim {
    uint64_t seed;
    bool trace;
    bool healed; /* no more faults */
    bool done;   /* everything is relayed: relays that stop stay down */
    struct sim_random random;
    struct sim_plan plan;
    struct sim_owner memory; /* the world's */
    struct fake_loop world;
    uint64_t now_ns;
    uint64_t steps;
    struct obx_registry *registry;
    struct sim_node nodes[SIM_NODES];
    uint32_t lives; /* so far, of all nodes */
    struct sim_db *db;
    struct sim_cluster *cluster;
    struct sim_disk *disk;    /* where the broker is a file */
    struct sim_node *running; /* whose step this is; NULL: the world's */
    uint64_t largest_batch;   /* as the budget counts it, in this run */
};

extern struct sim *sim;

struct sim_result {
    uint64_t steps, virtual_ns, events, appended, duplicates, digest;
};

/* One whole run. When a promise is broken it reports that and exits with 1. */
struct sim_result sim_run(uint64_t seed, bool trace);

/* With --trace, prints one line. */
void sim_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define SIM_TRACE(...) (sim->trace ? sim_print(__VA_ARGS__) : (void)0)
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Does this fault occur now? per_mille: its probability, if the seed has it on and faults are not over. */
bool sim_strikes(enum sim_fault fault, uint32_t per_mille);
bool sim_has(enum sim_fault fault); /* on, and not over */
uint64_t sim_pick(uint64_t least, uint64_t most);

void sim_world_after(struct obx_timer *timer, uint64_t delay_ns);

#endif

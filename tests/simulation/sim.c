/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/sim.c - one run: create the world, inject faults until they heal, drain everything, stop
 *
 * The loop of the world and those of the processes share one clock. The loop with the earliest due event runs next.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "chaos.h"
#include "oracle.h"
#include "plugin/registry.h"
#include "producer.h"
#include "prompt.h"
#include "sink.h"
#include "store.h"
#include "transactions.h"
#include "transform.h"
#include "verdict.h"
#include "writers.h"

#define DRAIN_NS (180 * SIM_SECOND) /* within that after the last fault */
#define STEPS_MAX 20000000u

struct sim *sim;

/* ---- output ----------------------------------------------------------------------------------------------------- */

void sim_print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%11.6f  ", (double)sim->now_ns / 1e9);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

void sim_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("seed %llu, at %.6f s, step %llu: ", (unsigned long long)sim->seed, (double)sim->now_ns / 1e9,
           (unsigned long long)sim->steps);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    fflush(stdout);
    _Exit(1);
}

/* ---- random choices --------------------------------------------------------------------------------------------- */

uint64_t sim_pick(uint64_t least, uint64_t most)
{
    return sim_between(&sim->random, least, most);
}

bool sim_has(enum sim_fault fault)
{
    return !sim->healed && sim_plan_has(&sim->plan, fault);
}

bool sim_strikes(enum sim_fault fault, uint32_t per_mille)
{
    return sim_has(fault) && sim_pick(0, 999) < per_mille;
}

void sim_world_after(struct obx_timer *timer, uint64_t delay_ns)
{
    obx_heap_set(&sim->world.heap, timer, sim->now_ns + delay_ns);
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

static uint64_t world_due(void)
{
    return sim->world.heap.first ? OBX_MAX(sim->world.heap.first->due_ns, sim->now_ns) : UINT64_MAX;
}

static struct sim_node *next_node(uint64_t *due)
{
    struct sim_node *next = NULL;
    *due = UINT64_MAX;
    for (uint32_t i = 0; i < sim->plan.relays; i++) {
        uint64_t at = sim_node_due(&sim->nodes[i]);
        if (at < *due) {
            *due = at;
            next = &sim->nodes[i];
        }
    }
    return next;
}

static bool step(void)
{
    uint64_t node_due, due = world_due();
    struct sim_node *node = next_node(&node_due);
    if (due == UINT64_MAX && node_due == UINT64_MAX)
        return false;
    sim->steps++;
    if (sim->steps > STEPS_MAX)
        sim_fail("too many steps: something turns in circles");
    sim->now_ns = OBX_MAX(sim->now_ns, OBX_MIN(due, node_due));
    if (node_due < due) {
        sim_node_step(node);
        oracle_step(node);
    } else {
        sim->world.now_ns = sim->now_ns;
        fake_loop_step(&sim->world);
    }
    return true;
}

static void run_until(uint64_t end_ns, bool (*done)(void))
{
    uint64_t next_check_ns = 0;
    while (sim->now_ns < end_ns && !(done && sim->steps % 64 == 0 && done()) && step()) {
        if (sim->now_ns < next_check_ns)
            continue;
        prompt_check();
        next_check_ns = sim->now_ns + 200 * OBX_MS;
    }
}

/* ---- the phases ------------------------------------------------------------------------------------------------- */

static void make_registry(void)
{
    static const struct outbox_plugin *const plugins[] = {&sim_store_plugin,
                                                          &sim_broker_plugin,
                                                          &sim_once_plugin,
                                                          &sim_watch_plugin,
                                                          &sim_transform_plugin,
                                                          &outbox_broker_file,
                                                          NULL};
    struct outbox_error error = {0};
    sim_store_shape();
    sim_broker_shape();
    if (obx_registry_new(NULL, plugins, NULL, &sim->registry, &error))
        sim_fail("%s", error.text);
}

static void begin(struct sim *run, uint64_t seed, bool trace)
{
    sim = run;
    *run = (struct sim){.seed = seed, .trace = trace, .random.state = seed * 0x2545f4914f6cdd1d};
    sim_own(&run->memory);
    fake_loop_init(&run->world, 0);
    run->now_ns = run->world.now_ns;
    run->world.step_ns = 0;
    sim_plan_draw(&run->plan, &run->random, seed);
    if (trace)
        sim_plan_print(&run->plan);
    oracle_init();
    prompt_init();
    verdict_init();
    window_init();
    sim_db_init();
    sim_cluster_init();
    sim_coordinator_init();
    sim_calls_init();
    if (run->plan.file)
        sim_disk_init();
    make_registry();
    if (sim_has(SIM_BACKLOG))
        sim_writers_backlog(run->plan.events / 2);
    sim_writers_start();
    for (uint32_t i = 0; i < run->plan.relays; i++) {
        sim_node_init(&run->nodes[i], i);
        sim_node_born_after(&run->nodes[i], sim_pick(0, 200) * OBX_MS);
    }
    sim_chaos_start();
}

/* A working owner is stopped with time to settle: no delivered row may stay unsettled. */
static void stop_one(void)
{
    bool slow = sim_plan_has(&sim->plan, SIM_SLOW_STORE) || sim_plan_has(&sim->plan, SIM_BROKER_SLOW) ||
                sim_plan_has(&sim->plan, SIM_DISK_SLOW) || sim->plan.locks;
    run_until(sim->now_ns + sim_pick(0, sim_pick(1, 300)) * OBX_MS, NULL);
    for (uint32_t i = 0; i < sim->plan.relays && !slow; i++) {
        struct sim_node *node = &sim->nodes[i];
        if (!sim_node_alive(node) || node->stop_by_ns || !sim_store_owns(node) ||
            obx_relay_state(node->relay) != OUTBOX_STATE_RELAYING)
            continue;
        node->settles = true; /* unless a standby fences it first: a store that could not renew may have been silent for
                               * a lease */
        sim->db->fenced_life = 0;
        prompt_stopped();
        sim_node_stop(node, 3000);
    }
}

static bool all_down(void)
{
    for (uint32_t i = 0; i < sim->plan.relays; i++) {
        if (sim_node_alive(&sim->nodes[i]))
            return false;
    }
    return true;
}

static void end(void)
{
    sim->done = true;
    for (uint32_t i = 0; i < sim->plan.relays; i++)
        sim_node_stop(&sim->nodes[i], (uint32_t)sim_pick(0, 3000));
    run_until(sim->now_ns + 30 * SIM_SECOND, all_down);
    if (!all_down())
        sim_fail("the relays do not stop");
    oracle_end();
    verdict_check();
}

struct sim_result sim_run(uint64_t seed, bool trace)
{
    static struct sim run;
    begin(&run, seed, trace);
    run_until(run.now_ns + run.plan.busy_ns, NULL);
    sim_chaos_heal();
    if (sim_pick(0, 1))
        stop_one();
    run_until(run.now_ns + DRAIN_NS, oracle_drained);
    if (!oracle_drained())
        oracle_stuck();
    end();
    struct sim_result result = {.steps = run.steps,
                                .virtual_ns = run.now_ns,
                                .events = run.db->count,
                                .appended = oracle_appends(),
                                .duplicates = oracle_duplicates(),
                                .digest = oracle_digest() + run.steps};
    sim_owner_drop(&run.memory);
    return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/chaos.c - see chaos.h; injects one of the seed's faults at random moments */
#include "chaos.h"

#include "db.h"
#include "producer.h"
#include "prompt.h"
#include "sink.h"
#include "sim.h"
#include "transactions.h"
#include "store.h"

static struct obx_timer next;
static struct obx_timer writable, broker_up, space, long_outage, lock, operator_;

static struct sim_node *any_node(void)
{
    return &sim->nodes[sim_pick(0, sim->plan.relays - 1)];
}

/* Mostly the owner: the other nodes are rarely affected. */
static struct sim_node *busy_node(void)
{
    for (uint32_t i = 0; i < sim->plan.relays && sim_pick(0, 3); i++) {
        struct sim_node *node = &sim->nodes[i];
        if (sim->db->owner && sim->db->owner->life == node->life)
            return node;
    }
    return any_node();
}

static uint64_t a_while(void)
{
    return sim_pick(1, sim_pick(1, 6000)) * OBX_MS;
}

static void end_read_only(struct obx_timer *timer)
{
    (void)timer;
    sim->db->read_only = false;
}

static void begin_read_only(void)
{
    uint64_t ns = a_while();
    SIM_TRACE("the database is read-only for %.3f s", (double)ns / 1e9);
    sim->db->read_only = true;
    writable.fire = end_read_only;
    sim_world_after(&writable, ns);
}

static void end_outage(struct obx_timer *timer)
{
    (void)timer;
    for (uint32_t i = 0; i < SIM_PARTITIONS; i++)
        sim->cluster->down[i] = false;
    SIM_TRACE("the broker is up");
}

static void take_down(bool all, uint64_t ns)
{
    for (uint32_t i = 0; i < SIM_PARTITIONS; i++)
        sim->cluster->down[i] = all || sim_pick(0, 2) == 0;
    SIM_TRACE("%s down for %.3f s", all ? "the broker is" : "some partitions are", (double)ns / 1e9);
    broker_up.fire = end_outage;
    sim_world_after(&broker_up, ns);
}

static void begin_outage(void)
{
    bool all = sim_pick(0, 1);
    uint64_t ns = sim_pick(1, 8000) * OBX_MS;
    if (sim->now_ns >= sim->cluster->long_down_until_ns)
        take_down(all, ns);
}

static void begin_long_outage(struct obx_timer *timer)
{
    (void)timer;
    sim->cluster->long_down_until_ns = sim->now_ns + sim->plan.outage_ns;
    take_down(sim_pick(0, 3), sim->plan.outage_ns);
}

/* One partition, or some: those that a broker led. */
static void change_leaders(void)
{
    uint32_t least = (uint32_t)sim_pick(0, sim->plan.partitions - 1), step = (uint32_t)sim_pick(1, SIM_PARTITIONS);
    uint64_t ns = a_while();
    for (uint32_t i = least; i < sim->plan.partitions; i += step)
        sim_leader_lose(i, ns);
}

static void end_full(struct obx_timer *timer)
{
    (void)timer;
    if (sim->disk)
        sim->disk->full = false;
}

static void fill_disk(void)
{
    uint64_t ns = a_while();
    SIM_TRACE("the disk is full for %.3f s", (double)ns / 1e9);
    sim->disk->full = true;
    space.fire = end_full;
    sim_world_after(&space, ns);
}

static void take_ownership(void)
{
    if (!sim->db->owner)
        return;
    SIM_TRACE("ownership is taken from life %u", sim->db->owner->life);
    sim->db->owner = NULL;
}

/* CREATE INDEX, a migration, a backup. */
static void lock_table(struct obx_timer *timer)
{
    if (sim->healed)
        return;
    if (sim->plan.swaps && sim_pick(0, 3) == 0)
        sim_db_swap();
    else
        sim->db->locked_until_ns = sim->now_ns + sim_pick(1, sim_pick(1, 20000)) * OBX_MS;
    sim_world_after(timer, sim_pick(1, 8000) * OBX_MS);
}

static void operate(struct obx_timer *timer)
{
    static const enum obx_control_action actions[] = {OBX_CONTROL_PAUSE, OBX_CONTROL_PAUSE, OBX_CONTROL_RESUME,
                                                      OBX_CONTROL_RETRY};
    if (sim->healed)
        return;
    sim_node_control(busy_node(), actions[sim_pick(0, 3)]);
    sim_world_after(timer, sim_pick(1, 2000) * OBX_MS);
}

/* Some of the dead letters, in any order; a replayed event may still be rejected. */
static void work_on_letters(bool drop)
{
    struct sim_db *db = sim->db;
    if (!db->up || db->read_only)
        return;
    for (uint32_t i = 0, first = (uint32_t)sim_pick(0, db->count); i < db->count; i++) {
        uint32_t number = (first + i) % db->count;
        if (!sim_event(number)->dead || sim_pick(0, 2) == 0)
            continue;
        if (drop)
            sim_db_drop(number);
        else
            sim_db_replay(number, sim_pick(0, 1));
    }
    sim_store_notify();
}

static void lose_producer(struct sim_node *node)
{
    if (sim->plan.once)
        sim_once_lose(node);
    else
        sim_producer_lose(node);
}

static void strike(enum sim_fault fault)
{
    switch (fault) {
    case SIM_CRASH:
        sim_node_crash(busy_node());
        break;
    case SIM_PAUSE:
        sim_node_pause(busy_node(), sim_pick(1, sim_pick(1, 15000)) * OBX_MS);
        break;
    case SIM_STOP:
        sim_node_stop(any_node(), (uint32_t)sim_pick(0, 2000));
        break;
    case SIM_SESSION:
        sim_store_lose(busy_node());
        break;
    case SIM_HALF_OPEN:
        sim_store_cut(busy_node());
        break;
    case SIM_RESTART:
        sim_db_restart(a_while());
        break;
    case SIM_FAILOVER:
        sim_db_failover(a_while());
        break;
    case SIM_READ_ONLY:
        begin_read_only();
        break;
    case SIM_TAKEN:
        take_ownership();
        break;
    case SIM_BROKER_DOWN:
        begin_outage();
        break;
    case SIM_LEADER:
        change_leaders();
        break;
    case SIM_BROKER_LOST:
        lose_producer(busy_node());
        break;
    case SIM_REPLAY:
    case SIM_DROP:
        work_on_letters(fault == SIM_DROP);
        break;
    case SIM_DISK_POWER:
        sim_sink_power();
        break;
    case SIM_DISK_FULL:
        fill_disk();
        break;
    default:
        break;
    }
}

/* Older seeds draw from fewer faults, so that they keep their meaning. */
static uint32_t count_faults(void)
{
    if (sim_has(SIM_LEADER))
        return SIM_ALL_FAULTS;
    return sim->plan.file || sim->plan.letters ? SIM_OLD_FAULTS : SIM_FAULT_COUNT;
}

static void happen(struct obx_timer *timer)
{
    uint32_t count = count_faults(), tries = count;
    enum sim_fault fault = (enum sim_fault)sim_pick(0, count - 1);
    while (!sim_has(fault) && tries--)
        fault = (fault + 1) % count;
    if (sim->healed)
        return;
    if (sim_has(fault))
        strike(fault);
    sim_world_after(timer, sim_pick(0, 2 * sim->plan.fault_every_ns));
}

void sim_chaos_start(void)
{
    next = writable = broker_up = space = (struct obx_timer){.fire = happen};
    long_outage = (struct obx_timer){.fire = begin_long_outage};
    sim_world_after(&next, sim_pick(0, 2 * sim->plan.fault_every_ns));
    lock = (struct obx_timer){.fire = lock_table};
    if (sim->plan.locks)
        sim_world_after(&lock, sim_pick(1, 4000) * OBX_MS);
    operator_ = (struct obx_timer){.fire = operate};
    if (sim->plan.operators)
        sim_world_after(&operator_, sim_pick(1, 2000) * OBX_MS);
    if (sim_has(SIM_LONG_DOWN))
        sim_world_after(&long_outage, sim_pick(0, sim->plan.busy_ns - sim->plan.outage_ns));
}

/* Ends all faults: servers are up, paused processes continue, and silent connections are reported as lost. */
void sim_chaos_heal(void)
{
    sim->healed = true;
    prompt_healed();
    SIM_TRACE("no more faults");
    sim->db->read_only = false;
    sim->db->locked_until_ns = 0;
    sim_db_come_up();
    end_outage(NULL);
    sim_leaders_elect();
    end_full(NULL);
    for (uint32_t i = 0; i < sim->plan.relays; i++) {
        struct sim_node *node = &sim->nodes[i];
        if (node->stop_by_ns)
            node->stop_by_ns = OBX_MAX(node->stop_by_ns, sim->now_ns + SIM_STOP_GRACE_MS * OBX_MS);
        node->paused_until_ns = 0;
        if (sim->plan.operators)
            sim_node_control(node, OBX_CONTROL_RESUME);
        node->memory.fail_one_in = 0;
        node->loop.fail_offload = 0;
        node->loop.work_max_ns = OBX_MS;
        if (node->store && node->store->cut && node->store->session) {
            node->store->cut = false;
            sim_store_lose(node);
        }
    }
    for (struct sim_session *session = sim->db->sessions; session; session = session->next) {
        if (session->dies_ns)
            session->dies_ns = OBX_MIN(session->dies_ns, sim->now_ns + SIM_SECOND);
    }
}

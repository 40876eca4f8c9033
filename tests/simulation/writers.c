/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/writers.c - see writers.h */
#include "writers.h"

#include "db.h"
#include "sim.h"
#include "store.h"

struct writer {
    struct obx_timer timer;
    uint32_t slot, left; /* events that this transaction will still insert */
    uint32_t drawn;      /* its id is drawn, its row not yet inserted; SIM_NONE: none */
};

static struct writer writers[SIM_TXNS];

static bool busy(void)
{
    return !sim->healed && sim->db->count < sim->plan.events;
}

static uint32_t draw_key(void)
{
    if (sim_strikes(SIM_NULL_KEYS, 200))
        return SIM_NO_KEY;
    if (sim_pick(0, 3) == 0)
        return 0; /* the hot one */
    return (uint32_t)sim_pick(0, sim->plan.keys - 1);
}

static uint32_t draw_count(void)
{
    if (sim_strikes(SIM_BURST, 100))
        return (uint32_t)sim_pick(10, SIM_TXN_EVENTS);
    return (uint32_t)sim_pick(1, sim_pick(0, 2) ? 2 : 6);
}

static uint64_t pace(void)
{
    uint64_t mean = sim->plan.busy_ns / (sim->plan.events / sim->plan.writers + 1);
    return sim_pick(0, 2 * OBX_MIN(mean, SIM_SECOND));
}

static void begin(struct writer *writer)
{
    if (!sim->db->up || sim->db->read_only)
        return;
    sim_txn_begin(writer->slot, sim_pick(0, 2) == 0);
    writer->left = draw_count();
    writer->drawn = SIM_NONE;
}

/* One event: the id now, the row mostly at once. False: its key is locked. */
static bool add(struct writer *writer)
{
    if (writer->drawn == SIM_NONE) {
        writer->drawn = sim_txn_draw(writer->slot, draw_key());
        if (writer->drawn == SIM_NONE)
            return false;
        writer->left--;
        if (sim_pick(0, 7) == 0)
            return false;
    }
    sim_txn_insert(writer->slot, writer->drawn);
    writer->drawn = SIM_NONE;
    return true;
}

static void end(struct writer *writer)
{
    bool commits = !sim->db->read_only && !sim_strikes(SIM_ROLLBACK, 200);
    sim_txn_end(writer->slot, commits);
    if (commits)
        sim_store_notify();
}

static void step(struct obx_timer *timer)
{
    struct writer *writer = OBX_CONTAINER(timer, struct writer, timer);
    bool open = sim->db->txns[writer->slot].open;
    uint64_t delay = sim_pick(0, 2000000);
    if (!open && !busy())
        return;
    if (!open) {
        begin(writer);
    } else if (writer->left || writer->drawn != SIM_NONE) {
        while ((writer->left || writer->drawn != SIM_NONE) && add(writer)) {
        }
        if (sim_strikes(SIM_LONG_TXN, 100))
            delay = sim_pick(100, 8000) * OBX_MS;
    } else if (sim->plan.log && !sim->db->txns[writer->slot].prepared && sim_pick(0, 5) == 0) {
        sim_txn_prepare(writer->slot);
        delay = sim_pick(0, 3000) * OBX_MS;
    } else if (sim->plan.log && (!sim->db->up || sim->db->read_only)) {
        delay = sim_pick(1, 100) * OBX_MS;
    } else {
        end(writer);
        delay = pace();
    }
    sim_world_after(&writer->timer, delay);
}

void sim_writers_start(void)
{
    for (uint32_t i = 0; i < sim->plan.writers && i < SIM_TXNS; i++) {
        writers[i] = (struct writer){.timer.fire = step, .slot = i, .drawn = SIM_NONE};
        sim_world_after(&writers[i].timer, pace());
    }
}

void sim_writers_backlog(uint32_t events)
{
    while (events) {
        uint32_t count = (uint32_t)sim_pick(1, OBX_MIN(events, 20u));
        events -= count;
        sim_txn_begin(0, true);
        while (count--)
            sim_txn_insert(0, sim_txn_draw(0, draw_key()));
        sim_txn_end(0, !sim_strikes(SIM_ROLLBACK, 200));
    }
}

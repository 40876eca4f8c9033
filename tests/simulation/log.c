/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/log.c - the database of a store that reads a log: the stored position, the spool, the limit
 *
 * The id of an event is its place in the log, which it gets at the commit. An event is in the outbox while its place is
 * after the stored position, or while it is in the spool. Each commit here is atomic, and may be lost in a failover.
 */
#include "db.h"
#include "oracle.h"
#include "sim.h"
#include "sql/gaps/id_ranges.h"

#define OVER_NS (10 * SIM_SECOND) /* so long a relay that owns the outbox may exceed the limit */

/* Events that a commit has changed, with what they were. */
struct changes {
    uint32_t *numbers, count, room;
};

static void change(struct changes *changes, const struct sim_event *event)
{
    if (changes->count == changes->room) {
        changes->room = changes->room * 2 + 64;
        changes->numbers = obx_resize(changes->numbers, changes->room * sizeof *changes->numbers);
    }
    changes->numbers[changes->count++] = event->number | (event->spooled ? SIM_WAS_SPOOLED : SIM_WAS_IN_LOG);
}

static void settle(uint32_t life, struct sim_event *event, struct changes *changes)
{
    oracle_settled(life, event);
    if (!event->spooled)
        return; /* the position will pass it */
    change(changes, event);
    event->spooled = false;
    event->gone = true;
}

static void copy(struct sim_event *event, struct changes *changes)
{
    if (event->spooled)
        return;
    change(changes, event);
    event->spooled = true;
}

static void pass_range(uint32_t life, const struct sim_pass *pass, uint32_t i, struct changes *changes)
{
    for (int64_t id = pass->ranges[i].lo; id <= pass->ranges[i].hi; id++) {
        struct sim_event *event = sim_db_row(id);
        if (pass->spools && id > pass->low)
            sim_fail("event %ld is copied to the spool, and the position stays before it", (long)id);
        if (event && pass->spools)
            copy(event, changes);
        else if (event)
            settle(life, event, changes);
    }
}

static bool is_settled(const struct sim_pass *pass, int64_t id)
{
    for (uint32_t i = 0; i < pass->range_count && !pass->spools; i++)
        if (id >= pass->ranges[i].lo && id <= pass->ranges[i].hi)
            return true;
    return id < pass->settled_room && pass->settled[id];
}

/* The position passes also the settled events directly after `low`. */
static void pass_log(uint32_t life, const struct sim_pass *pass, struct changes *changes)
{
    struct sim_db *db = sim->db;
    int64_t low = OBX_MAX(db->low, pass->low);
    while (low + 1 < db->next_id && is_settled(pass, low + 1))
        low++;
    for (int64_t id = db->low + 1; id <= low; id++) {
        struct sim_event *event = sim_db_row(id);
        if (!event || event->spooled)
            continue;
        oracle_settled(life, event);
        change(changes, event);
        event->gone = true;
    }
    db->low = OBX_MAX(db->low, low);
}

void sim_log_pass(uint32_t life, const struct sim_pass *pass)
{
    struct changes changes = {0};
    struct sim_db *db = sim->db;
    int64_t before = db->low;
    for (uint32_t i = 0; i < pass->range_count; i++)
        pass_range(life, pass, i, &changes);
    pass_log(life, pass, &changes);
    int64_t after = db->low;
    db->low = before; /* which the commit notes */
    sim_db_log(SIM_PASSES, changes.numbers, changes.count);
    db->low = after;
    SIM_TRACE("life %u %s, position %ld", life, pass->spools ? "copies to the spool" : "settles", (long)after);
    obx_free(changes.numbers);
    sim_log_check_limit();
}

void sim_log_undo(const struct sim_commit *commit)
{
    for (uint32_t i = 0; i < commit->count; i++) {
        struct sim_event *event = sim_event(commit->events[i] & ~(SIM_WAS_SPOOLED | SIM_WAS_IN_LOG));
        event->gone = false;
        event->returned = true;
        event->spooled = commit->events[i] & SIM_WAS_SPOOLED;
    }
    sim->db->low = commit->low;
}

/* ---- the limit --------------------------------------------------------------------------------------------------- */

uint32_t sim_log_percent(void)
{
    struct sim_db *db = sim->db;
    if (!sim->plan.log_limit)
        return 0;
    uint32_t percent = (uint32_t)((db->next_id - 1 - db->low) * 100 / sim->plan.log_limit);
    db->relieve = percent >= 75 || (db->relieve && percent >= 70);
    return percent;
}

/* Faults of these kinds keep a relay from its work. */
static bool is_hindered(void)
{
    static const enum sim_fault kinds[] = {
        SIM_PAUSE, SIM_SESSION, SIM_HALF_OPEN, SIM_RESTART, SIM_FAILOVER,       SIM_READ_ONLY, SIM_SLOW_STORE,
        SIM_AGAIN, SIM_CRASH,   SIM_STOP,      SIM_TAKEN,   SIM_UNKNOWN_SETTLE, SIM_NO_MEMORY, SIM_NEVER_SAME};
    for (size_t i = 0; i < OBX_COUNT(kinds); i++)
        if (sim_plan_has(&sim->plan, kinds[i]))
            return true;
    return !sim->db->owner;
}

/* At each commit of the application and of the relay. */
void sim_log_check_limit(void)
{
    struct sim_db *db = sim->db;
    if (sim_log_percent() < 100 || is_hindered())
        db->over_ns = 0;
    else if (!db->over_ns)
        db->over_ns = sim->now_ns;
    else if (sim->now_ns - db->over_ns > OVER_NS)
        sim_fail("the log is kept past its limit: %ld events, and %u may be kept", (long)(db->next_id - 1 - db->low),
                 sim->plan.log_limit);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/prompt.c - see prompt.h */
#include "prompt.h"

#include <string.h>

#include "oracle.h"
#include "sim.h"

#define POLL_MS 1100u /* the longest pause between two polls of an outbox without a wake-up, and the poll */
/* With a broker that keeps no order, one event of a key is published at a time. That takes a claim, a round trip of two
 * times 3 ms, and a retry of the blocked key in between. */
#define EVENT_MS 14u
/* Events after a failing event in its partition are refused with it, and pause; three times in a row is rare enough. */
#define REFUSALS_MS(retry_min) (7u * (retry_min))

#define TRANSFORM_MS 2300u /* the longest pause of a key whose event could not be transformed */
#define LOCK_MS 17000u     /* a statement that waited for a lock has ended its session, which is made anew */

static uint64_t calm_ns; /* time since when only events fail; UINT64_MAX: not yet */

void prompt_init(void)
{
    calm_ns = sim->plan.peace ? 0 : UINT64_MAX;
}

void prompt_healed(void)
{
    if (!sim->plan.peace && !sim->plan.once)
        calm_ns = sim->now_ns;
}

void prompt_stopped(void)
{
    if (sim->plan.once)
        return; /* a refused event ends the transaction of all keys */
    calm_ns = sim->now_ns + 3 * SIM_SECOND + (sim->plan.lease_ms + sim->plan.standby_ms) * OBX_MS;
}

void prompt_refused(struct sim_event *event)
{
    if (!event->refused_ns)
        event->refused_ns = sim->now_ns;
}

/* ---- the bound --------------------------------------------------------------------------------------------------- */

#define BIT(fault) (1ull << SIM_##fault)

/* The delay that a fault causes after its end; in peace none. */
static const struct {
    uint64_t faults;
    uint32_t ms;
} remains[] = {
    /* the next life of a process begins, or one that stops by its deadline */
    {BIT(CRASH) | BIT(STOP) | BIT(DISK_POWER) | BIT(DISK_DIES), 3500},
    /* the longest pause before a lost database is connected to again */
    {BIT(SESSION) | BIT(HALF_OPEN) | BIT(RESTART) | BIT(FAILOVER) | BIT(READ_ONLY) | BIT(TAKEN) | BIT(SLOW_STORE) |
         BIT(UNKNOWN_SETTLE) | BIT(PAUSE) | BIT(NO_MEMORY),
     10000},
    /* a session that does not end is fenced after its lease, by a standby that polls the lock */
    {BIT(SESSION) | BIT(HALF_OPEN) | BIT(LINGER) | BIT(CRASH) | BIT(PAUSE) | BIT(SLOW_STORE), 7000},
    /* an operation in flight when the database recovers its speed */
    {BIT(SLOW_STORE), 4000},
    /* the longest pause before a lost broker is connected to again */
    {BIT(BROKER_DOWN) | BIT(BROKER_LOST) | BIT(ACK_LOST) | BIT(NOT_SENT) | BIT(LEADER) | BIT(LONG_DOWN) |
         BIT(BROKER_SLOW) | BIT(NO_MEMORY) | BIT(PAUSE) | BIT(DISK_FULL) | BIT(DISK_SYNC) | BIT(DISK_ERRORS),
     10000},
    /* messages in flight when the broker recovers its speed, and their reports */
    {BIT(BROKER_SLOW), 16000},
    /* keys that failed with their events, or after other events, pause */
    {BIT(THROTTLED) | BIT(SICK) | BIT(NOT_SENT) | BIT(POISON_RETRY), 2300},
};

static uint64_t bound_ns(void)
{
    uint64_t ms = POLL_MS + EVENT_MS * sim->db->count + REFUSALS_MS(sim->plan.retry_min_ms);
    ms += sim->plan.transforms ? TRANSFORM_MS : 0;
    ms += sim->plan.locks ? LOCK_MS : 0;
    for (size_t i = 0; i < OBX_COUNT(remains) && !sim->plan.peace; i++)
        ms += sim->plan.faults & remains[i].faults ? remains[i].ms : 0;
    return ms * OBX_MS;
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

static bool is_promised(void)
{
    return !sim->done && sim->now_ns > calm_ns && !strcmp(sim->plan.on_reject, "block-key") &&
           strcmp(sim->plan.order, "global") != 0 && sim->plan.max_blocked_events >= 1000;
}

/* Of the events that block their keys, the one that was refused first; NULL: none does. */
static const struct sim_event *blocking(void)
{
    const struct sim_event *first = NULL;
    for (uint32_t i = 0; i < sim->db->count; i++) {
        const struct sim_event *event = sim_event(i);
        bool blocks = event->refused_ns && event->poison != SIM_HEALTHY && sim_event_stays(event);
        if (blocks && (!first || event->refused_ns < first->refused_ns))
            first = event;
    }
    return first;
}

static void check_bound(const struct sim_event *event, const struct sim_event *poison)
{
    uint64_t since = OBX_MAX(OBX_MAX(event->committed_ns, calm_ns), poison->refused_ns);
    if (sim->now_ns <= since + bound_ns() || event->poison != SIM_HEALTHY || oracle_is_behind_poison(event))
        return;
    sim_fail("promptness: event %u of key %d waits for %.3f s while key %d is blocked by event %u, and at most %.3f s "
             "are fine",
             event->number, (int)event->key, (double)(sim->now_ns - since) / 1e9, (int)poison->key, poison->number,
             (double)bound_ns() / 1e9);
}

void prompt_appended(const struct sim_event *event)
{
    const struct sim_event *poison = is_promised() ? blocking() : NULL;
    if (poison)
        check_bound(event, poison);
}

void prompt_check(void)
{
    const struct sim_event *poison = is_promised() ? blocking() : NULL;
    for (uint32_t i = 0; poison && i < sim->db->count; i++) {
        const struct sim_event *event = sim_event(i);
        if (sim_event_stays(event) && !event->appended)
            check_bound(event, poison);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/oracle.c - see oracle.h */
#include "oracle.h"

#include <string.h>

#include "prompt.h"
#include "sim.h"
#include "store.h"

/* The committed events of one key, in order, and the first of them that later events may not overtake yet. */
struct chain {
    uint32_t *events, count, room, first_open;
    uint32_t highest; /* appended so far, + 1 */
    bool intervened;
};

static struct chain chains[SIM_MAX_KEYS];
static uint64_t appends, duplicates, digest;

void oracle_init(void)
{
    memset(chains, 0, sizeof chains);
    appends = duplicates = digest = 0;
}

static bool policy_is(const char *name)
{
    return !strcmp(sim->plan.on_reject, name);
}

static bool order_is(const char *name)
{
    return !strcmp(sim->plan.order, name);
}

void oracle_committed(struct sim_event *event)
{
    event->committed_ns = sim->now_ns;
    if (event->key == SIM_NO_KEY)
        return;
    struct chain *chain = &chains[event->key];
    if (chain->count == chain->room) {
        chain->room = chain->room ? chain->room * 2 : 64;
        chain->events = obx_resize(chain->events, chain->room * sizeof *chain->events);
    }
    event->chain = chain->count;
    chain->events[chain->count++] = event->number;
}

void oracle_lost(struct sim_event *event)
{
    event->lost = true;
}

/* ---- order ------------------------------------------------------------------------------------------------------ */

/* May later events of its key be appended though it is not? */
static bool may_be_passed(const struct sim_event *event)
{
    if (event->lost || event->dropped || event->poison == SIM_REJECTED)
        return true;
    if (policy_is("park"))
        return event->ever_dead || event->poison != SIM_HEALTHY;
    return event->ever_dead && (!policy_is("park-key") || event->key == SIM_NO_KEY || chains[event->key].intervened);
}

/* May it be appended after later events of its key? */
static bool may_be_late(const struct sim_event *event)
{
    return event->lost || event->dropped || event->ever_dead || event->poison == SIM_REJECTED ||
           (event->poison == SIM_FAILING_NOW && policy_is("park"));
}

bool oracle_has_no_place(const struct sim_event *event)
{
    return order_is("none") || may_be_passed(event) || may_be_late(event);
}

static bool is_closed(uint32_t number)
{
    const struct sim_event *event = sim_event(number);
    return event->appended || may_be_passed(event);
}

static void check_order(struct sim_event *event)
{
    struct chain *chain = &chains[event->key];
    while (chain->first_open < event->chain && is_closed(chain->events[chain->first_open]))
        chain->first_open++;
    if (chain->first_open < event->chain)
        sim_fail("order: event %u of key %u is appended before event %u", event->number, event->key,
                 chain->events[chain->first_open]);
    if (event->chain + 1 < chain->highest && !may_be_late(event))
        sim_fail("order: event %u of key %u is appended after a later one", event->number, event->key);
    chain->highest = OBX_MAX(chain->highest, event->chain + 1);
}

void oracle_appended(struct sim_event *event)
{
    appends++;
    if (!event->appended)
        prompt_appended(event);
    digest = digest * 31 + event->number + sim->now_ns;
    if (event->appended && sim->plan.once && !event->returned)
        sim_fail("duplicate: event %u is committed twice with delivery: exactly-once", event->number);
    if (event->appended++)
        duplicates++;
    else if (event->key != SIM_NO_KEY && !order_is("none"))
        check_order(event);
    if (event->poison == SIM_REFUSED)
        sim_fail("event %u is appended, which admit refuses", event->number);
}

/* ---- actions of relays ------------------------------------------------------------------------------------------ */

struct sim_event *oracle_submitted(const struct sim_node *node, const struct outbox_message *message)
{
    struct sim_event *event = sim_message_event(message);
    if (event->state != SIM_COMMITTED)
        sim_fail("invention: event %u is published and was not committed", event->number);
    if (event->reported_life == node->life && event->reported_generation == sim->db->generation && !sim->plan.keeps)
        sim_fail("duplicate: event %u is published again by its owner, which knows that it was delivered",
                 event->number);
    return event;
}

void oracle_reported(uint32_t life, uint32_t generation, struct sim_event *event, enum outbox_outcome outcome)
{
    if (outcome != OUTBOX_DELIVERED)
        return;
    event->reported_lives |= 1ull << life % 64;
    event->reported_life = life;
    event->reported_generation = generation;
}

void oracle_settled(uint32_t life, const struct sim_event *event)
{
    if (!event->appended)
        sim_fail("loss: event %u leaves the outbox and was not appended", event->number);
    if (sim->plan.file && !event->on_disk)
        sim_fail("loss: event %u leaves the outbox and is not on the disk", event->number);
    if (!(event->reported_lives >> life % 64 & 1))
        sim_fail("loss: event %u leaves the outbox before life %u knew that it was delivered", event->number, life);
}

void oracle_intervened(const struct sim_event *event)
{
    if (event->key != SIM_NO_KEY)
        chains[event->key].intervened = true;
}

/* park-key: the dead letters know keys, not places, so events that come back to the relay go there, too, though they
 * stand before the poisoned event. */
static bool shares_key_with_poison(const struct sim_event *event)
{
    if (order_is("global"))
        return true;
    if (event->key == SIM_NO_KEY || order_is("none"))
        return false;
    const struct chain *chain = &chains[event->key];
    for (uint32_t i = 0; i < chain->count; i++) {
        const struct sim_event *other = sim_event(chain->events[i]);
        if (other->poison != SIM_HEALTHY || other->ever_dead)
            return true;
    }
    return false;
}

void oracle_dead_lettered(struct sim_event *event)
{
    if (event->poison == SIM_HEALTHY && !(policy_is("park-key") && shares_key_with_poison(event)))
        sim_fail("event %u goes to the dead letters, and nothing is wrong with it", event->number);
    if (!policy_is("park") && !policy_is("park-key"))
        sim_fail("event %u goes to the dead letters, and on_reject is %s", event->number, sim->plan.on_reject);
    event->dead = event->ever_dead = true;
}

/* ---- relays ----------------------------------------------------------------------------------------------------- */

#define TRANSFORMED_BYTES (5u * 16 * 1024) /* the first blocks of the arenas of a batch */

void oracle_step(const struct sim_node *node)
{
    struct outbox_stats stats;
    if (!node->relay)
        return;
    obx_relay_stats(node->relay, &stats);
    uint64_t budget = sim->plan.memory_kib * 1024ull;
    uint64_t batch = sim->plan.transforms ? 2 * sim->largest_batch + TRANSFORMED_BYTES : sim->largest_batch;
    if (stats.in_flight_bytes > budget + batch)
        sim_fail("%s has %llu bytes in flight, more than its budget of %llu and one batch of %llu", node->name,
                 (unsigned long long)stats.in_flight_bytes, (unsigned long long)budget, (unsigned long long)batch);
    if (stats.violations)
        sim_fail("%s has seen %llu violations of the contract", node->name, (unsigned long long)stats.violations);
}

/* The pause doubles from 0.1 s to 10 s, with at least a tenth of that after jitter. The core may count one failure
 * less: it learns of a delivery only when the whole publish is complete. */
void oracle_reconnects(const struct sim_node *node, uint32_t failures, uint64_t failed_ns)
{
    if (failures >= 10 && sim->now_ns - failed_ns < SIM_SECOND * 9 / 10)
        sim_fail("%s starts the broker again %.3f s after the last of %u failures", node->name,
                 (double)(sim->now_ns - failed_ns) / 1e9, failures);
}

void oracle_stopped(const struct sim_node *node)
{
    struct outbox_stats stats;
    obx_relay_stats(node->relay, &stats);
    oracle_step(node);
    if (stats.in_flight || stats.in_flight_bytes)
        sim_fail("%s has stopped with %u events and %llu bytes in flight", node->name, stats.in_flight,
                 (unsigned long long)stats.in_flight_bytes);
    if (sim_store_lent(node))
        sim_fail("%s has stopped and did not release %u batches", node->name, sim_store_lent(node));
}

void oracle_settled_all(const struct sim_node *node)
{
    for (uint32_t i = 0; i < sim->db->count; i++) {
        const struct sim_event *event = sim_event(i);
        if (sim_event_stays(event) && !event->kept && event->reported_life == node->life &&
            event->reported_generation == sim->db->generation)
            sim_fail("%s has stopped in time, and event %u is delivered and not settled", node->name, i);
    }
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

static bool poison_stays(const struct sim_event *event)
{
    return event->state == SIM_COMMITTED && !event->lost && !event->gone && event->poison != SIM_HEALTHY &&
           event->poison != SIM_FAILING_NOW;
}

/* May the event stay in the outbox, because it or an earlier event of its key is permanently poisoned? */
static bool may_stay(const struct sim_event *event)
{
    if (policy_is("park") || policy_is("park-key"))
        return false;
    if (poison_stays(event))
        return true;
    if (event->key == SIM_NO_KEY || order_is("none"))
        return false;
    const struct chain *chain = &chains[event->key];
    for (uint32_t i = 0; i < event->chain; i++) {
        if (poison_stays(sim_event(chain->events[i])))
            return true;
    }
    return false;
}

bool oracle_is_behind_poison(const struct sim_event *event)
{
    if (event->key == SIM_NO_KEY || order_is("none"))
        return false;
    const struct chain *chain = &chains[event->key];
    for (uint32_t i = 0; i < event->chain; i++) {
        const struct sim_event *other = sim_event(chain->events[i]);
        if (other->poison != SIM_HEALTHY && sim_event_stays(other))
            return true;
    }
    return false;
}

/* Poisoned events that by the settings may block everything, so that liveness cannot be checked. */
static bool excused(void)
{
    bool all = order_is("global") || policy_is("stop") || sim->plan.max_blocked_events < 1000;
    if (!all || policy_is("park"))
        return false;
    for (uint32_t i = 0; i < sim->db->count; i++) {
        if (sim_event(i)->poison != SIM_HEALTHY)
            return true;
    }
    return false;
}

static const struct sim_event *missing(void)
{
    for (uint32_t i = 0; i < sim->db->count; i++) {
        const struct sim_event *event = sim_event(i);
        bool open = event->state == SIM_DRAWN || event->state == SIM_INSERTED;
        if (open || (sim_event_stays(event) && !may_stay(event)))
            return event;
    }
    return NULL;
}

bool oracle_drained(void)
{
    return excused() || !missing();
}

void oracle_stuck(void)
{
    const struct sim_event *event = missing();
    sim_fail("liveness: event %u, id %ld, of key %d was committed and is not relayed long after the last fault: "
             "appended %u times, poison %d",
             event->number, (long)event->id, (int)event->key, event->appended, event->poison);
}

void oracle_end(void)
{
    for (uint32_t i = 0; i < sim->db->count; i++) {
        const struct sim_event *event = sim_event(i);
        if (event->state == SIM_COMMITTED && event->gone && !event->appended && !event->dropped)
            sim_fail("loss: event %u is nowhere", event->number);
    }
}

uint64_t oracle_appends(void)
{
    return appends;
}

uint64_t oracle_duplicates(void)
{
    return duplicates;
}

uint64_t oracle_digest(void)
{
    return digest;
}

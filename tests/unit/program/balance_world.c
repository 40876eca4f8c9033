/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/balance_world.c - see balance_world.h */
#include "balance_world.h"

#include <criterion/criterion.h>
#include <string.h>

struct world world;

uint64_t world_draw(uint64_t below)
{
    world.random += 0x9e3779b97f4a7c15u;
    uint64_t z = world.random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

/* ---- locks ------------------------------------------------------------------------------------------------------- */

bool world_works(const struct process *process)
{
    return process->alive && !process->hung;
}

static bool anyone(void)
{
    for (uint32_t p = 0; p < world.process_count; p++)
        if (world_works(&world.processes[p]) && world.processes[p].blind_until_ms <= world.now_ms)
            return true;
    return false;
}

static void release(struct outbox *outbox)
{
    outbox->owner = NULL;
    outbox->unowned_ms = world.now_ms;
}

static bool is_silent(const struct outbox *outbox)
{
    return outbox->owner->hung && world.now_ms - outbox->owner->hung_ms >= LEASE_MS;
}

static bool acquire(struct process *process, uint32_t r)
{
    struct outbox *outbox = &world.outboxes[r];
    if (outbox->owner && is_silent(outbox)) { /* its session is ended */
        outbox->owner->places[r] = (struct place){.phase = RUNNING, .lost = true};
        release(outbox);
    }
    if (outbox->owner)
        return outbox->owner == process;
    outbox->owner = process;
    return true;
}

static void set_wisher(struct outbox *outbox, struct process *process)
{
    outbox->wisher = process;
    outbox->stale_until_ms = 0;
}

/* ---- a process --------------------------------------------------------------------------------------------------- */

static void survey(struct process *process, uint32_t r)
{
    struct obx_balance_relay *relay = &process->relays[r];
    struct outbox *outbox = &world.outboxes[r];
    if (outbox->wisher && outbox->wisher->hung && world.now_ms - outbox->wisher->hung_ms >= LEASE_MS)
        set_wisher(outbox, NULL); /* its session is ended */
    if (outbox->stale_until_ms && outbox->stale_until_ms <= world.now_ms)
        set_wisher(outbox, NULL);
    if (relay->wish && !outbox->wisher)
        set_wisher(outbox, process);
    else if (!relay->wish && outbox->wisher == process && !outbox->stale_until_ms)
        set_wisher(outbox, NULL);
    relay->known = process->blind_until_ms <= world.now_ms;
    if (!relay->known) /* the rest is as before */
        return;
    relay->owned = outbox->owner;
    relay->silent = outbox->owner && is_silent(outbox);
    relay->owner = outbox->owner ? outbox->owner->id : 0;
    relay->wished = outbox->wisher;
    relay->ours = outbox->wisher == process && !outbox->stale_until_ms;
    relay->wisher = outbox->wisher ? outbox->wisher->id : 0;
}

static void fill(struct process *process, uint32_t r)
{
    const struct place *place = &process->places[r];
    struct obx_balance_relay *relay = &process->relays[r];
    relay->local = place->phase == OUT        ? OBX_BALANCE_IDLE
                   : place->phase == STOPPING ? OBX_BALANCE_LEAVING
                                              : OBX_BALANCE_RUNNING;
    relay->lost = place->lost;
    relay->relaying = place->phase == RUNNING && place->acquired && place->relaying_ms <= world.now_ms;
    relay->connecting = relay->local == OBX_BALANCE_RUNNING && !relay->relaying;
}

static void obey(struct process *process, uint32_t r)
{
    struct place *place = &process->places[r];
    enum obx_balance_action action = process->relays[r].action;
    world.actions += action != OBX_BALANCE_KEEP || process->relays[r].wish;
    if (action == OBX_BALANCE_TAKE) {
        cr_assert_eq(place->phase, OUT);
        *place = (struct place){.phase = STARTING, .due_ms = world.now_ms + 10 + world_draw(300)};
    } else if (action == OBX_BALANCE_GIVE) {
        cr_assert_eq(place->phase, RUNNING);
        bool stuck = process->relays[r].connecting && !place->lost;
        world.given_up += stuck;
        cr_expect(stuck || place->lost || process->relays[r].wisher != process->id, "given to itself");
        place->phase = STOPPING;
        place->due_ms = world.now_ms + 5 + (place->lost ? 0 : world_draw(800));
    }
}

static void step(struct process *process)
{
    for (uint32_t r = 0; r < world.relay_count; r++) {
        survey(process, r);
        fill(process, r);
    }
    uint64_t given = process->balance.given;
    bool wished = false, before[RELAYS_MAX];
    for (uint32_t r = 0; r < world.relay_count; r++)
        before[r] = process->relays[r].wish;
    obx_balance_step(&process->balance, world.now_ms * MS + 1, world_draw(UINT64_MAX));
    world.given += process->balance.given - given;
    for (uint32_t r = 0; r < world.relay_count; r++) {
        wished |= process->relays[r].wish && !before[r];
        obey(process, r);
    }
    process->next_ms =
        world.now_ms + (wished ? 5 + world_draw(20) : SURVEY_MS - SURVEY_MS / 4 + world_draw(SURVEY_MS / 2));
}

static void advance_place(struct process *process, uint32_t r)
{
    struct place *place = &process->places[r];
    if (place->phase == STARTING && place->due_ms <= world.now_ms) {
        place->phase = RUNNING;
        place->acquired = acquire(process, r);
        place->lost = !place->acquired;
        place->relaying_ms = world.now_ms + world_draw(300);
        if (place->relaying_ms < process->brokerless_until_ms)
            place->relaying_ms = process->brokerless_until_ms;
    } else if (place->phase == STOPPING && place->due_ms <= world.now_ms) {
        if (world.outboxes[r].owner == process)
            release(&world.outboxes[r]);
        *place = (struct place){.phase = OUT};
    }
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

void world_enter(struct process *process)
{
    memset(process, 0, sizeof *process);
    process->alive = true;
    process->id = ++world.ids;
    process->next_ms = world.now_ms + 1 + world_draw(400);
    for (uint32_t r = 0; r < world.relay_count; r++)
        process->list[r] = &process->relays[r];
    process->balance = (struct obx_balance){
        .relays = process->list, .count = world.relay_count, .patience_ns = PATIENCE_MS * MS, .self = process->id};
}

void world_leave(struct process *process)
{
    process->alive = false;
    for (uint32_t r = 0; r < world.relay_count; r++) {
        if (world.outboxes[r].owner == process)
            release(&world.outboxes[r]);
        if (world.outboxes[r].wisher == process)
            set_wisher(&world.outboxes[r], NULL);
    }
}

void world_hang(struct process *process)
{
    process->hung = true;
    process->hung_ms = world.now_ms;
}

/* The server keeps the session of the former surveys, with its wishes, for a while. */
static void lose_survey(struct process *process, uint64_t ms)
{
    process->blind_until_ms = world.now_ms + ms;
    for (uint32_t r = 0; r < world.relay_count; r++)
        if (world.outboxes[r].wisher == process && !world.outboxes[r].stale_until_ms)
            world.outboxes[r].stale_until_ms = world.now_ms + 1 + world_draw(LEASE_MS);
}

uint32_t world_working(void)
{
    uint32_t count = 0;
    for (uint32_t p = 0; p < world.process_count; p++)
        count += world_works(&world.processes[p]);
    return count;
}

void world_random_event(void)
{
    struct process *process = &world.processes[world_draw(world.process_count)];
    uint64_t kind = world_draw(6);
    if (!world_works(process)) {
        world_leave(process);
        world_enter(process);
        process->brokerless_until_ms = world_draw(4) ? 0 : world.now_ms + world_draw(2 * STUCK_MS);
    } else if (kind == 0) {
        lose_survey(process, world_draw(8000));
    } else if (kind == 1 && world_working() > 1) {
        world_hang(process);
    } else if (world_working() > 1) {
        world_leave(process);
    }
}

/* ---- a history --------------------------------------------------------------------------------------------------- */

bool world_relays(const struct process *process, uint32_t r)
{
    const struct place *place = &process->places[r];
    return world_works(process) && place->phase == RUNNING && place->acquired && place->relaying_ms <= world.now_ms;
}

static void note_unowned(void)
{
    bool any = anyone();
    for (uint32_t r = 0; r < world.relay_count; r++) {
        struct outbox *outbox = &world.outboxes[r];
        if (outbox->owner && world_relays(outbox->owner, r))
            outbox->idle_ms = world.now_ms;
        uint64_t idle_ms = world.now_ms - outbox->idle_ms;
        world.longest_idle_ms = idle_ms > world.longest_idle_ms ? idle_ms : world.longest_idle_ms;
        if (outbox->owner)
            continue;
        if (!any)
            outbox->unowned_ms = world.now_ms;
        uint64_t free_ms = world.now_ms - outbox->unowned_ms;
        world.longest_ms = free_ms > world.longest_ms ? free_ms : world.longest_ms;
    }
}

void world_run(uint64_t ms)
{
    for (uint64_t end = world.now_ms + ms; world.now_ms < end; world.now_ms += 5) {
        for (uint32_t p = 0; p < world.process_count; p++) {
            struct process *process = &world.processes[p];
            for (uint32_t r = 0; world_works(process) && r < world.relay_count; r++)
                advance_place(process, r);
            if (world_works(process) && process->next_ms <= world.now_ms)
                step(process);
        }
        note_unowned();
    }
}

uint32_t world_spread(void)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t p = 0; p < world.process_count; p++) {
        uint32_t count = 0;
        for (uint32_t r = 0; r < world.relay_count; r++)
            count += world.outboxes[r].owner == &world.processes[p];
        if (!world_works(&world.processes[p]))
            continue;
        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    return most - least;
}

uint32_t world_unowned(void)
{
    uint32_t count = 0;
    for (uint32_t r = 0; r < world.relay_count; r++)
        count += !world.outboxes[r].owner || !world_works(world.outboxes[r].owner);
    return count;
}

void world_begin(uint64_t seed, uint32_t relays, uint32_t processes)
{
    memset(&world, 0, sizeof world);
    world.random = seed;
    world.now_ms = 1;
    world.relay_count = relays;
    world.process_count = processes;
    for (uint32_t r = 0; r < relays; r++)
        world.outboxes[r].unowned_ms = world.outboxes[r].idle_ms = 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/program/balance_test.c - processes that come and go share relays: a simulation of their locks
 *
 * Each process runs the real decisions over what it saw at its last survey, in virtual time: between a survey and its
 * actions, and between an action and its effect, the others act. Processes start, stop, crash, hang, and lose their
 * survey or their broker. A hand-over takes as long as its events in flight. OUTBOX_BALANCE_RUNS sets the number of
 * histories, and OUTBOX_BALANCE_SEED the first of them.
 *
 * The promises: see the checks. A failure names the seed.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

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
    UNOWNED_MS = 6000, /* beside the lease of an owner that hangs */
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

static struct world {
    uint64_t random, now_ms, ids;
    uint32_t relay_count, process_count;
    struct process processes[PROCESSES_MAX];
    struct outbox outboxes[RELAYS_MAX];
    uint64_t longest_ms;      /* that an outbox was free while a process could take it */
    uint64_t longest_idle_ms; /* that nobody relayed an outbox */
    uint64_t actions;
    uint64_t given;
    uint64_t given_up;
} world;

static uint64_t draw(uint64_t below)
{
    world.random += 0x9e3779b97f4a7c15u;
    uint64_t z = world.random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

/* ---- locks ------------------------------------------------------------------------------------------------------- */

static bool works(const struct process *process)
{
    return process->alive && !process->hung;
}

static bool anyone(void)
{
    for (uint32_t p = 0; p < world.process_count; p++)
        if (works(&world.processes[p]) && world.processes[p].blind_until_ms <= world.now_ms)
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
        *place = (struct place){.phase = STARTING, .due_ms = world.now_ms + 10 + draw(300)};
    } else if (action == OBX_BALANCE_GIVE) {
        cr_assert_eq(place->phase, RUNNING);
        bool stuck = process->relays[r].connecting && !place->lost;
        world.given_up += stuck;
        cr_expect(stuck || place->lost || process->relays[r].wisher != process->id, "given to itself");
        place->phase = STOPPING;
        place->due_ms = world.now_ms + 5 + (place->lost ? 0 : draw(800));
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
    obx_balance_step(&process->balance, world.now_ms * MS + 1, draw(UINT64_MAX));
    world.given += process->balance.given - given;
    for (uint32_t r = 0; r < world.relay_count; r++) {
        wished |= process->relays[r].wish && !before[r];
        obey(process, r);
    }
    process->next_ms = world.now_ms + (wished ? 5 + draw(20) : SURVEY_MS - SURVEY_MS / 4 + draw(SURVEY_MS / 2));
}

static void advance_place(struct process *process, uint32_t r)
{
    struct place *place = &process->places[r];
    if (place->phase == STARTING && place->due_ms <= world.now_ms) {
        place->phase = RUNNING;
        place->acquired = acquire(process, r);
        place->lost = !place->acquired;
        place->relaying_ms = world.now_ms + draw(300);
        if (place->relaying_ms < process->brokerless_until_ms)
            place->relaying_ms = process->brokerless_until_ms;
    } else if (place->phase == STOPPING && place->due_ms <= world.now_ms) {
        if (world.outboxes[r].owner == process)
            release(&world.outboxes[r]);
        *place = (struct place){.phase = OUT};
    }
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static void enter(struct process *process)
{
    memset(process, 0, sizeof *process);
    process->alive = true;
    process->id = ++world.ids;
    process->next_ms = world.now_ms + 1 + draw(400);
    for (uint32_t r = 0; r < world.relay_count; r++)
        process->list[r] = &process->relays[r];
    process->balance = (struct obx_balance){
        .relays = process->list, .count = world.relay_count, .patience_ns = PATIENCE_MS * MS, .self = process->id};
}

static void leave(struct process *process)
{
    process->alive = false;
    for (uint32_t r = 0; r < world.relay_count; r++) {
        if (world.outboxes[r].owner == process)
            release(&world.outboxes[r]);
        if (world.outboxes[r].wisher == process)
            set_wisher(&world.outboxes[r], NULL);
    }
}

/* Its sessions stay, until others end those that own. It never wakes up: a wish of it has to be waited out. */
static void hang(struct process *process)
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
            world.outboxes[r].stale_until_ms = world.now_ms + 1 + draw(LEASE_MS);
}

static uint32_t working(void)
{
    uint32_t count = 0;
    for (uint32_t p = 0; p < world.process_count; p++)
        count += works(&world.processes[p]);
    return count;
}

static void random_event(void)
{
    struct process *process = &world.processes[draw(world.process_count)];
    uint64_t kind = draw(6);
    if (!works(process)) {
        leave(process);
        enter(process);
        process->brokerless_until_ms = draw(4) ? 0 : world.now_ms + draw(2 * STUCK_MS);
    } else if (kind == 0) {
        lose_survey(process, draw(8000));
    } else if (kind == 1 && working() > 1) {
        hang(process);
    } else if (working() > 1) {
        leave(process);
    }
}

/* ---- a history --------------------------------------------------------------------------------------------------- */

static bool relays(const struct process *process, uint32_t r)
{
    const struct place *place = &process->places[r];
    return works(process) && place->phase == RUNNING && place->acquired && place->relaying_ms <= world.now_ms;
}

static void note_unowned(void)
{
    bool any = anyone();
    for (uint32_t r = 0; r < world.relay_count; r++) {
        struct outbox *outbox = &world.outboxes[r];
        if (outbox->owner && relays(outbox->owner, r))
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

static void run(uint64_t ms)
{
    for (uint64_t end = world.now_ms + ms; world.now_ms < end; world.now_ms += 5) {
        for (uint32_t p = 0; p < world.process_count; p++) {
            struct process *process = &world.processes[p];
            for (uint32_t r = 0; works(process) && r < world.relay_count; r++)
                advance_place(process, r);
            if (works(process) && process->next_ms <= world.now_ms)
                step(process);
        }
        note_unowned();
    }
}

static uint32_t spread(void)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t p = 0; p < world.process_count; p++) {
        uint32_t count = 0;
        for (uint32_t r = 0; r < world.relay_count; r++)
            count += world.outboxes[r].owner == &world.processes[p];
        if (!works(&world.processes[p]))
            continue;
        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    return most - least;
}

static uint32_t unowned(void)
{
    uint32_t count = 0;
    for (uint32_t r = 0; r < world.relay_count; r++)
        count += !world.outboxes[r].owner || !works(world.outboxes[r].owner);
    return count;
}

static void begin(uint64_t seed, uint32_t relays, uint32_t processes)
{
    memset(&world, 0, sizeof world);
    world.random = seed;
    world.now_ms = 1;
    world.relay_count = relays;
    world.process_count = processes;
    for (uint32_t r = 0; r < relays; r++)
        world.outboxes[r].unowned_ms = world.outboxes[r].idle_ms = 1;
}

/* Nothing is free, the numbers differ by one at most, and nothing happens any more. */
static void check_settled(uint64_t seed, const char *when)
{
    cr_expect_eq(unowned(), 0, "seed %lu, %s: %u of %u relays without an owner", (unsigned long)seed, when, unowned(),
                 world.relay_count);
    cr_expect_leq(spread(), 1, "seed %lu, %s: %u relays on %u processes: the numbers differ by %u", (unsigned long)seed,
                  when, world.relay_count, working(), spread());
    world.actions = 0;
    run(10000);
    cr_expect_eq(world.actions, 0, "seed %lu, %s: %lu actions though everything is settled", (unsigned long)seed, when,
                 (unsigned long)world.actions);
}

static uint64_t number(const char *name, uint64_t default_value)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : default_value;
}

static void random_history(uint64_t seed)
{
    begin(seed, 0, 0);
    uint32_t relays = 3 + (uint32_t)draw(RELAYS_MAX - 2), processes = 2 + (uint32_t)draw(PROCESSES_MAX - 1);
    begin(seed, relays, processes);
    enter(&world.processes[0]);
    for (int i = 0; i < EVENTS; i++) {
        random_event();
        run(draw(4) ? draw(3000) : 20000);
    }
    run(2 * STUCK_MS + QUIET_MS); /* a process may lack its broker for so long */
    if (world.given_up)
        run(BAR_MAX_MS + QUIET_MS);
    check_settled(seed, "after events");
    cr_expect_leq(world.longest_ms, UNOWNED_MS, "seed %lu: an outbox was free for %lu ms", (unsigned long)seed,
                  (unsigned long)world.longest_ms);
}

Test(balance, processes_that_come_and_go_share_the_relays)
{
    uint64_t first = number("OUTBOX_BALANCE_SEED", 1), runs = number("OUTBOX_BALANCE_RUNS", 24);
    for (uint64_t seed = first; seed < first + runs; seed++)
        random_history(seed);
}

/* ---- hand-overs -------------------------------------------------------------------------------------------------- */

/* A process that comes gets its share by as many hand-overs, and nobody else moves anything. */
static void coming(uint64_t seed, uint32_t relays, uint32_t processes)
{
    begin(seed, relays, processes);
    for (uint32_t p = 0; p + 1 < processes; p++)
        enter(&world.processes[p]);
    run(QUIET_MS);
    check_settled(seed, "started");
    world.given = 0;
    enter(&world.processes[processes - 1]);
    run(QUIET_MS);
    check_settled(seed, "one more");
    cr_expect_leq(world.given, relays / processes + 1, "seed %lu: %u relays, %u processes: %lu hand-overs for one more",
                  (unsigned long)seed, relays, processes, (unsigned long)world.given);
    /* what it owned is taken by those that own fewest: next to nothing is left to be handed over */
    world.given = 0;
    leave(&world.processes[processes - 1]);
    run(QUIET_MS);
    check_settled(seed, "one fewer");
    cr_expect_leq(world.given, relays / processes + 1,
                  "seed %lu: %u relays, %u processes: %lu hand-overs for one fewer", (unsigned long)seed, relays,
                  processes, (unsigned long)world.given);
}

Test(balance, a_process_that_comes_gets_its_share_and_no_more)
{
    static const struct {
        uint32_t relays, processes;
    } cases[] = {{3, 2}, {10, 3}, {40, 4}, {40, 5}, {200, 20}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (uint64_t seed = 1; seed <= 4; seed++)
            coming(seed, cases[i].relays, cases[i].processes);
}

/* ---- a process without its broker -------------------------------------------------------------------------------- */

static uint32_t count_idle(void)
{
    uint32_t count = 0;
    for (uint32_t r = 0; r < world.relay_count; r++)
        count += !world.outboxes[r].owner || !relays(world.outboxes[r].owner, r);
    return count;
}

/* Some processes cannot reach the broker. Their share goes to the others; from time to time they try one outbox, in the
 * worst case one after the other the same. */
static void share_of_brokerless(uint64_t seed, uint32_t relays, uint32_t processes, uint32_t brokerless)
{
    begin(seed, relays, processes);
    for (uint32_t p = 0; p < processes; p++)
        enter(&world.processes[p]);
    for (uint32_t p = 0; p < brokerless; p++)
        world.processes[p].brokerless_until_ms = UINT64_MAX;
    run(STUCK_MS + 3 * UNOWNED_MS);
    cr_expect_leq(count_idle(), brokerless, "seed %lu: nobody relays %u of %u outboxes", (unsigned long)seed,
                  count_idle(), relays);
    for (uint32_t r = 0; r < relays; r++)
        world.outboxes[r].idle_ms = world.now_ms;
    world.longest_idle_ms = world.given_up = 0;
    run(3 * BAR_MAX_MS);
    cr_expect_leq(world.longest_idle_ms, brokerless * (STUCK_MS + UNOWNED_MS),
                  "seed %lu: nobody relayed an outbox for %lu ms", (unsigned long)seed,
                  (unsigned long)world.longest_idle_ms);
    cr_expect_leq(world.given_up, 8 * brokerless, "seed %lu: %lu tries", (unsigned long)seed,
                  (unsigned long)world.given_up);
    for (uint32_t p = 0; p < brokerless; p++)
        world.processes[p].brokerless_until_ms = 0;
    for (uint32_t p = 0; p < brokerless; p++)
        for (uint32_t r = 0; r < relays; r++)
            world.processes[p].places[r].relaying_ms = 0;
    run(BAR_MAX_MS + QUIET_MS);
    check_settled(seed, "the broker is back");
}

Test(balance, process_without_its_broker_leaves_its_share_to_others)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        share_of_brokerless(seed, 10, 2, 1);
        share_of_brokerless(seed, 40, 4, 2);
        share_of_brokerless(seed, 3, 5, 2);
    }
}

/* Where nobody relays, nothing moves. */
Test(balance, processes_that_all_lack_the_broker_keep_their_shares)
{
    begin(1, 40, 4);
    for (uint32_t p = 0; p < 4; p++) {
        enter(&world.processes[p]);
        world.processes[p].brokerless_until_ms = 20 * STUCK_MS;
    }
    run(20 * STUCK_MS - world.now_ms);
    cr_expect_eq(world.given_up + world.given, 0, "%lu", (unsigned long)world.given_up);
    run(QUIET_MS);
    check_settled(1, "the broker is back");
}

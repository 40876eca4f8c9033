/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/program/balance_test.c - processes that come and go share relays: a simulation of their locks
 *
 * Processes start, stop, crash, hang, and lose their survey or their broker. OUTBOX_BALANCE_RUNS sets the number of
 * histories, and OUTBOX_BALANCE_SEED the first of them. The promises: see the checks. A failure names the seed.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "balance_world.h"

/* Nothing is free, the numbers differ by one at most, and nothing happens any more. */
static void check_settled(uint64_t seed, const char *when)
{
    cr_expect_eq(world_unowned(), 0, "seed %lu, %s: %u of %u relays without an owner", (unsigned long)seed, when,
                 world_unowned(), world.relay_count);
    cr_expect_leq(world_spread(), 1, "seed %lu, %s: %u relays on %u processes: the numbers differ by %u",
                  (unsigned long)seed, when, world.relay_count, world_working(), world_spread());
    world.actions = 0;
    world_run(10000);
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
    world_begin(seed, 0, 0);
    uint32_t relays = 3 + (uint32_t)world_draw(RELAYS_MAX - 2), processes = 2 + (uint32_t)world_draw(PROCESSES_MAX - 1);
    world_begin(seed, relays, processes);
    world_enter(&world.processes[0]);
    for (int i = 0; i < EVENTS; i++) {
        world_random_event();
        world_run(world_draw(4) ? world_draw(3000) : 20000);
    }
    world_run(2 * STUCK_MS + QUIET_MS); /* a process may lack its broker for so long */
    if (world.given_up)
        world_run(BAR_MAX_MS + QUIET_MS);
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

static bool wishes(const struct process *process)
{
    for (uint32_t r = 0; r < world.relay_count; r++)
        if (world.outboxes[r].wisher == process)
            return true;
    return false;
}

/* ---- hand-overs -------------------------------------------------------------------------------------------------- */

/* A process that comes gets its share by as many hand-overs, and nobody else moves anything. */
static void coming(uint64_t seed, uint32_t relays, uint32_t processes)
{
    world_begin(seed, relays, processes);
    for (uint32_t p = 0; p + 1 < processes; p++)
        world_enter(&world.processes[p]);
    world_run(QUIET_MS);
    check_settled(seed, "started");
    world.given = 0;
    world_enter(&world.processes[processes - 1]);
    world_run(QUIET_MS);
    check_settled(seed, "one more");
    cr_expect_leq(world.given, relays / processes + 1, "seed %lu: %u relays, %u processes: %lu hand-overs for one more",
                  (unsigned long)seed, relays, processes, (unsigned long)world.given);
    /* what it owned is taken by those that own fewest: next to nothing is left to be handed over */
    world.given = 0;
    world_leave(&world.processes[processes - 1]);
    world_run(QUIET_MS);
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

/* A process wishes, hangs, and keeps its wish until its lease ends: it is not given again what it did not take. */
Test(balance, process_that_hangs_is_given_next_to_nothing)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        world_begin(seed, 40, 5);
        for (uint32_t p = 0; p < 4; p++)
            world_enter(&world.processes[p]);
        world_run(QUIET_MS);
        struct process *comes = &world.processes[4];
        world_enter(comes);
        while (!wishes(comes))
            world_run(5);
        world.given = 0;
        world_hang(comes);
        world_run(LEASE_MS);
        cr_expect_leq(world.given, 2, "seed %lu: %lu hand-overs to a process that hangs", (unsigned long)seed,
                      (unsigned long)world.given);
        world_run(QUIET_MS);
        check_settled(seed, "beside a process that hangs");
    }
}

/* ---- a process without its broker -------------------------------------------------------------------------------- */

static uint32_t count_idle(void)
{
    uint32_t count = 0;
    for (uint32_t r = 0; r < world.relay_count; r++)
        count += !world.outboxes[r].owner || !world_relays(world.outboxes[r].owner, r);
    return count;
}

/* Some processes cannot reach the broker. Their share goes to the others; from time to time they try one outbox, in the
 * worst case one after the other the same. */
static void share_of_brokerless(uint64_t seed, uint32_t relays, uint32_t processes, uint32_t brokerless)
{
    world_begin(seed, relays, processes);
    for (uint32_t p = 0; p < processes; p++)
        world_enter(&world.processes[p]);
    for (uint32_t p = 0; p < brokerless; p++)
        world.processes[p].brokerless_until_ms = UINT64_MAX;
    world_run(STUCK_MS + 3 * UNOWNED_MS);
    cr_expect_leq(count_idle(), brokerless, "seed %lu: nobody relays %u of %u outboxes", (unsigned long)seed,
                  count_idle(), relays);
    for (uint32_t r = 0; r < relays; r++)
        world.outboxes[r].idle_ms = world.now_ms;
    world.longest_idle_ms = world.given_up = 0;
    world_run(3 * BAR_MAX_MS);
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
    world_run(BAR_MAX_MS + QUIET_MS);
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
    world_begin(1, 40, 4);
    for (uint32_t p = 0; p < 4; p++) {
        world_enter(&world.processes[p]);
        world.processes[p].brokerless_until_ms = 20 * STUCK_MS;
    }
    world_run(20 * STUCK_MS - world.now_ms);
    cr_expect_eq(world.given_up + world.given, 0, "%lu", (unsigned long)world.given_up);
    world_run(QUIET_MS);
    check_settled(1, "the broker is back");
}

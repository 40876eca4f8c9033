/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/plugins/relay_test.c - the whole pipeline with faults and delays between relay and broker, on virtual time
 *
 * Synthetic events of the memory store, few keys, many publishes in flight, failures of every kind at every twentieth
 * event or call, answers that come late. For each seed all promises are checked: nothing lost, first occurrences in
 * order within each key, duplicates only where an answer was unknown, the outbox empty.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../brokers/memory/memory.h"
#include "mem_fault.h"
#include "stack_fixture.h"
#include "plugin/internal.h"
#include "relay/relay.h"

#define EVENTS 400
#define KEYS 4
#define SEEDS 60

struct run {
    struct fake_loop fake; /* first */
    struct loop_fixture base;
    struct obx_relay *relay;
    bool drained, stopped;
};

static bool turn(struct obx_loop *loop)
{
    return fake_loop_step((struct fake_loop *)loop);
}

static int drop(struct obx_loop *loop)
{
    return fake_loop_idle((struct fake_loop *)loop) ? 0 : -1;
}

static void drained(void *arg, uint64_t blocked)
{
    struct run *run = arg;
    run->drained = !blocked;
}

static void stopped(void *arg)
{
    struct run *run = arg;
    run->stopped = true;
}

static bool is_drained(void *arg)
{
    return ((struct run *)arg)->drained;
}

static bool is_stopped(void *arg)
{
    return ((struct run *)arg)->stopped;
}

static void *bottom(struct obx_instance *instance)
{
    while (instance->inner)
        instance = instance->inner;
    return obx_instance_self(instance);
}

static void begin(struct run *run, const char *store_fault, const char *broker_fault, const char *inner_fault,
                  unsigned seed)
{
    char yaml[1200];
    struct outbox_error error = {0};
    memset(run, 0, sizeof *run);
    snprintf(
        yaml, sizeof yaml,
        "t:\n"
        "  store: { plugin: fault, %s, seed: %u,\n"
        "           wraps: { plugin: delay, calls: 'claim, settle', before: 1ms, after: 1ms, jitter: 4ms,\n"
        "                   wraps: { plugin: memory, events: %d, keys: %d } } }\n"
        "  broker: { plugin: fault, %s, seed: %u,\n"
        "            wraps: { plugin: delay, calls: publish, before: 1ms, after: 1ms, jitter: 3ms,\n"
        "                    wraps: { plugin: fault, calls: publish, %s, seed: %u, wraps: { plugin: memory } } } }\n"
        "  claim_rows: 20\n"
        "  retry_min: 1ms\n"
        "  retry_max: 10ms\n"
        "  max_attempts: 1000\n",
        store_fault, seed, EVENTS, KEYS, broker_fault, seed, inner_fault, seed + 100);
    fake_loop_init(&run->fake, seed);
    cr_assert_eq(loop_fixture_open(&run->base, &run->fake.base, turn, drop, NULL, &error), 0);
    cr_assert_eq(loop_fixture_configure(&run->base, "test.yaml", yaml, &error), 0, "%s", error.text);
    struct obx_relay_setup setup = {.loop = &run->fake.base,
                                    .registry = run->base.registry,
                                    .log = &run->base.log,
                                    .name = "t",
                                    .events = {.drained = drained, .arg = run}};
    cr_assert_eq(obx_section_child(obx_config_root(run->base.config), "t", &setup.section, &error), 0);
    cr_assert_eq(obx_relay_new(&setup, &run->relay, &error), 0, "%s", error.text);
}

/* First occurrences: each number once, ascending within its key. Gives the number of duplicates. */
static uint32_t check_broker(struct run *run, const char *what)
{
    const void *broker = bottom(obx_relay_broker(run->relay));
    bool seen[EVENTS + 1] = {false};
    unsigned last[KEYS] = {0}, distinct = 0;
    for (uint32_t i = 0; i < outbox_memory_broker_count(broker); i++) {
        const struct outbox_message *message = outbox_memory_broker_at(broker, i);
        unsigned number = (unsigned)strtoul(message->value.data, NULL, 10), key = number % KEYS;
        cr_assert(number >= 1 && number <= EVENTS, "%s: event %u was never there", what, number);
        if (seen[number])
            continue;
        seen[number] = true;
        distinct++;
        cr_assert_gt(number, last[key], "%s: %u comes after %u of its key", what, number, last[key]);
        last[key] = number;
    }
    cr_assert_eq(distinct, EVENTS, "%s: %u of %d events arrived", what, distinct, EVENTS);
    return outbox_memory_broker_count(broker) - distinct;
}

static void relay_through(const char *store_fault, const char *broker_fault, const char *inner_fault, bool may_repeat)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct run run;
        char what[300];
        snprintf(what, sizeof what, "store: %s, broker: %s over %s, seed %u", store_fault, broker_fault, inner_fault,
                 seed);
        begin(&run, store_fault, broker_fault, inner_fault, seed);
        obx_relay_start(run.relay);
        cr_assert(fake_loop_run_until(&run.fake, is_drained, &run, 3600ull * 1000 * OBX_MS), "%s: never drained", what);
        uint32_t repeated = check_broker(&run, what);
        cr_assert(may_repeat || !repeated, "%s: %u events were sent twice", what, repeated);
        cr_assert_eq(obx_instance_violations(obx_relay_broker(run.relay)).unknown_ops, 0);
        cr_assert_eq(obx_instance_violations(obx_relay_broker(run.relay)).bad_outcomes, 0);
        obx_relay_stop(run.relay, 10000, stopped, &run);
        cr_assert(fake_loop_run_until(&run.fake, is_stopped, &run, 60ull * 1000 * OBX_MS), "%s: never stopped", what);
        obx_relay_free(run.relay);
        cr_assert_eq(loop_fixture_close(&run.base), 0);
        cr_assert_eq(mem_live(), 0);
    }
}

static void relay(const char *store_fault, const char *broker_fault, bool may_repeat)
{
    relay_through(store_fault, broker_fault, "rate: 0", may_repeat);
}

#define NONE "calls: check"
#define BROKER(options) "calls: publish, " options

Test(relay, keeps_its_guarantees_when_events_are_retried)
{
    relay(NONE, BROKER("kind: retry, rate: 5"), false);
}

Test(relay, guarantees_hold_when_the_broker_is_lost)
{
    relay(NONE, BROKER("kind: not_connected, rate: 5"), false);
    relay(NONE, BROKER("kind: not_connected, every: 7"), false);
}

Test(relay, keeps_its_guarantees_when_outcomes_are_unknown)
{
    relay(NONE, BROKER("kind: unknown, rate: 5"), false);
    relay(NONE, BROKER("kind: unknown, every: 5, nth: 2"), false);
}

Test(relay, keeps_its_guarantees_when_answers_are_lost)
{
    relay(NONE, BROKER("effect: drop_ack, rate: 5"), true);
    relay(NONE, BROKER("effect: drop_ack, every: 6"), true);
}

Test(relay, keeps_its_guarantees_when_the_connection_is_lost)
{
    relay(NONE, BROKER("effect: lost, every: 9"), true);
}

Test(relay, keeps_its_guarantees_when_the_store_fails)
{
    relay("calls: claim, every: 6, kind: not_connected", BROKER("rate: 0"), true);
    relay("calls: claim, effect: drop_ack, every: 6, kind: timeout", BROKER("rate: 0"), true);
    relay("calls: settle, every: 3, kind: again", BROKER("rate: 0"), true);
    relay("calls: settle, effect: drop_ack, every: 4, kind: timeout", BROKER("rate: 0"), true);
    relay("calls: 'start, acquire, stop', rate: 40, kind: not_connected", BROKER("rate: 0"), true);
}

Test(relay, keeps_its_guarantees_when_both_fail)
{
    relay("calls: 'claim, settle', rate: 20, kind: timeout", BROKER("kind: retry, rate: 5"), true);
    relay("calls: 'claim, settle', rate: 20, effect: drop_ack", BROKER("effect: drop_ack, rate: 5"), true);
}

/* Of a key, one event is to be tried again and another has an unknown outcome, in publishes that fly together. */
Test(relay, keeps_its_guarantees_when_outcomes_of_a_key_are_mixed)
{
    relay_through(NONE, BROKER("kind: unknown, rate: 3"), "kind: retry, rate: 3", false);
    relay_through(NONE, BROKER("kind: retry, rate: 3"), "kind: unknown, rate: 3", false);
    relay_through(NONE, BROKER("kind: retry, rate: 3"), "effect: drop_ack, rate: 3", true);
    relay_through(NONE, BROKER("effect: lost, every: 11"), "kind: retry, rate: 3", true);
    relay_through(NONE, BROKER("kind: retry, rate: 5"), "kind: retry, rate: 2", false);
    relay_through(NONE, BROKER("kind: retry, nth: 3, every: 5"), "kind: retry, rate: 10", false);
}

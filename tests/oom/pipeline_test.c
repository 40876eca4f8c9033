/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/oom/pipeline_test.c - memory runs out at every place of the way from claim to settle
 *
 * The n-th allocation fails, for n = 1 until a run needs fewer; either that one alone, or all from it on until memory
 * is back five (virtual) seconds later. Whatever happens: every event is delivered, in order within its key, and
 * settled once memory is back; nothing crashes; nothing leaks.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../../brokers/memory/memory.h"
#include "fake_loop.h"
#include "loop_fixture.h"
#include "mem_fault.h"
#include "relay/relay.h"

#define EVENTS 40u
#define KEYS 5u
#define OUTAGE_NS (5000 * OBX_MS)
#define PATIENCE_NS (600000 * OBX_MS)

struct run {
    struct fake_loop loop;
    struct loop_fixture base;
    struct obx_relay *relay;
    bool drained, stopped;
    bool failed; /* an allocation did */
};

/* Memory is back. */
static void end_outage(struct run *run)
{
    run->failed |= mem_failed();
    mem_fail_at(0, false);
}

static bool turn(struct obx_loop *loop)
{
    return fake_loop_step((struct fake_loop *)(void *)loop);
}

static int drop(struct obx_loop *loop)
{
    return fake_loop_idle((struct fake_loop *)(void *)loop) ? 0 : 1;
}

static void note_drained(void *arg, uint64_t blocked)
{
    struct run *run = arg;
    run->drained = blocked == 0;
}

static void note_stopped(void *arg)
{
    ((struct run *)arg)->stopped = true;
}

static bool is_drained(void *arg)
{
    return ((struct run *)arg)->drained;
}

static bool is_stopped(void *arg)
{
    return ((struct run *)arg)->stopped;
}

static void open_run(struct run *run, const char *yaml)
{
    struct outbox_error error = {0};
    fake_loop_init(&run->loop, 1);
    cr_assert_eq(loop_fixture_open(&run->base, &run->loop.base, turn, drop, NULL, &error), 0, "%s", error.text);
    run->base.verbose = getenv("OUTBOX_TEST_VERBOSE") != NULL;
    cr_assert_eq(loop_fixture_configure(&run->base, "test.yaml", yaml, &error), 0, "%s", error.text);
}

static int new_relay(struct run *run, struct outbox_error *error)
{
    struct obx_relay_setup setup = {.loop = &run->loop.base,
                                    .registry = run->base.registry,
                                    .log = &run->base.log,
                                    .name = "test",
                                    .section = obx_config_root(run->base.config),
                                    .events = {.drained = note_drained, .arg = run}};
    return obx_relay_new(&setup, &run->relay, error);
}

/* Synthetic events have their number at the beginning of the payload and key number % KEYS. */
static uint32_t number_of(const struct outbox_message *message)
{
    char digits[16] = "";
    memcpy(digits, message->value.data, message->value.size < 15 ? message->value.size : 15);
    return (uint32_t)strtoul(digits, NULL, 10);
}

/* Gives how many of the events are there; each in its order. */
static uint32_t check_delivered(const struct run *run, size_t n)
{
    const void *broker = obx_instance_self(obx_relay_broker(run->relay));
    bool seen[EVENTS + 1] = {false};
    uint32_t reached[KEYS] = {0}, distinct = 0;
    for (uint32_t i = 0; i < outbox_memory_broker_count(broker); i++) {
        uint32_t number = number_of(outbox_memory_broker_at(broker, i));
        cr_assert(number >= 1 && number <= EVENTS, "allocation %zu: event %u was invented", n, number);
        if (seen[number])
            continue;
        seen[number] = true;
        distinct++;
        cr_assert(number > reached[number % KEYS], "allocation %zu: event %u after event %u of its key", n, number,
                  reached[number % KEYS]);
        reached[number % KEYS] = number;
    }
    return distinct;
}

static void check_settled(struct run *run, size_t n, uint32_t delivered)
{
    struct outbox_store_status status = {.struct_size = sizeof status};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_status(obx_relay_store(run->relay), &call.call, 0, &status);
    cr_assert_eq(loop_fixture_wait(&run->base, &call), 0, "%s", call.error.text);
    cr_assert_eq(status.pending, 0, "allocation %zu: %lld rows are left", n, (long long)status.pending);
    cr_assert_eq(delivered + status.dead, EVENTS, "allocation %zu: of %u events %u were delivered and %lld are dead", n,
                 EVENTS, delivered, (long long)status.dead);
}

static void relay_all(struct run *run, size_t n, bool persistent)
{
    obx_relay_start(run->relay);
    if (persistent) {
        fake_loop_run_for(&run->loop, OUTAGE_NS);
        end_outage(run);
    }
    bool drained = fake_loop_run_until(&run->loop, is_drained, run, PATIENCE_NS);
    struct outbox_stats stats = {.struct_size = sizeof stats};
    obx_relay_stats(run->relay, &stats);
    cr_assert(drained, "allocation %zu: not drained; state %d, %u in flight, %llu settled, last error: %s", n,
              (int)stats.state, stats.in_flight, (unsigned long long)stats.settled, stats.last_error);
    check_settled(run, n, check_delivered(run, n));
    cr_assert_eq(stats.violations, 0);
    obx_relay_stop(run->relay, 10000, note_stopped, run);
    cr_assert(fake_loop_run_until(&run->loop, is_stopped, run, PATIENCE_NS), "allocation %zu: not stopped", n);
}

/* One run with the n-th allocation failing; true if the run made that many allocations. */
static bool run_once(const char *yaml, size_t n, bool persistent)
{
    struct run run = {0};
    struct outbox_error error = {0};
    open_run(&run, yaml);
    mem_fail_at(n, persistent);
    int result = new_relay(&run, &error);
    cr_assert(result == 0 || (result == OUTBOX_E_NO_MEMORY && mem_failed()), "allocation %zu: %s", n, error.text);
    if (result == 0)
        relay_all(&run, n, persistent);
    end_outage(&run);
    obx_relay_free(run.relay);
    cr_assert_eq(loop_fixture_close(&run.base), 0, "allocation %zu: something is left on the loop", n);
    cr_assert_eq(mem_live(), 0, "allocation %zu: %zu blocks leaked", n, mem_live());
    return run.failed;
}

static size_t run_all(const char *yaml, bool persistent)
{
    size_t n = 1;
    while (run_once(yaml, n, persistent))
        n++;
    return n;
}

static const char plain[] = "store: {plugin: memory, events: 40, keys: 5, payload_size: 16}\n"
                            "broker: {plugin: memory}\n"
                            "claim_rows: 8\n";

/* Every event is too large for the broker and becomes a dead letter. */
static const char parking[] = "store: {plugin: memory, events: 40, keys: 5, payload_size: 16}\n"
                              "broker: {plugin: memory, max_bytes: 8}\n"
                              "claim_rows: 8\n"
                              "on_reject: park\n";

/* A template of several columns and headers makes the route allocate. */
static const char routed[] = "store: {plugin: memory, events: 40, keys: 5, payload_size: 16}\n"
                             "broker: {plugin: memory}\n"
                             "claim_rows: 3\n"
                             "max_in_flight_bytes: 64KiB\n"
                             "order: global\n"
                             "route:\n"
                             "  topic: a.${aggregatetype}.${type}\n"
                             "  key: ${aggregateid}-${type}\n"
                             "  headers: {id: \"${event_id}\", all: \"${type}/${aggregateid}\"}\n";

Test(oom, no_event_is_lost_when_one_allocation_fails)
{
    cr_assert_gt(run_all(plain, false), 50);
}

Test(oom, no_event_is_lost_when_allocations_fail_for_a_while)
{
    cr_assert_gt(run_all(plain, true), 50);
}

Test(oom, rejected_rows_are_dead_lettered_when_one_allocation_fails)
{
    cr_assert_gt(run_all(parking, false), 50);
}

Test(oom, rejected_rows_are_dead_lettered_when_allocations_fail_for_a_while)
{
    cr_assert_gt(run_all(parking, true), 50);
}

Test(oom, routes_survive_when_one_allocation_fails)
{
    cr_assert_gt(run_all(routed, false), 50);
}

Test(oom, routes_survive_when_allocations_fail_for_a_while)
{
    cr_assert_gt(run_all(routed, true), 50);
}

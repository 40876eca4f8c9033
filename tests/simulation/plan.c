/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/plan.c - drawing a plan from the seed */
#include "plan.h"

#include <stdio.h>

#include "loop/loop.h"
#include "loop/random.h"

uint64_t sim_draw(struct sim_random *random)
{
    random->state += OBX_RANDOM_STEP;
    return obx_random_stir(random->state);
}

uint64_t sim_between(struct sim_random *random, uint64_t least, uint64_t most)
{
    return most <= least ? least : least + sim_draw(random) % (most - least + 1);
}

static bool one_in_n(struct sim_random *random, uint32_t n)
{
    return sim_draw(random) % n == 0;
}

static const char *pick(struct sim_random *random, const char *const *words, uint32_t count)
{
    return words[sim_between(random, 0, count - 1)];
}

/* Each order of magnitude between the bounds is equally likely. */
static uint32_t scale(struct sim_random *random, uint32_t least, uint32_t most)
{
    uint32_t top = least;
    while (top < most && !one_in_n(random, 4))
        top = top * 2 + 1;
    return (uint32_t)sim_between(random, least, top < most ? top : most);
}

static void draw_faults(struct sim_plan *plan, struct sim_random *random)
{
    uint32_t one_in = (uint32_t)sim_between(random, 1, 8);
    if (one_in_n(random, 16))
        return;
    for (int i = 0; i < SIM_FAULT_COUNT; i++) {
        if (one_in_n(random, one_in + 1))
            plan->faults |= 1ull << i;
    }
    if (!one_in_n(random, 4))
        plan->faults &= ~(1ull << SIM_NO_MEMORY);
}

#define BIT(fault) (1ull << SIM_##fault)

static void draw_file(struct sim_plan *plan, struct sim_random *random)
{
    static const uint64_t brokers = BIT(BROKER_DOWN) | BIT(BROKER_SLOW) | BIT(BROKER_LOST) | BIT(ACK_LOST) |
                                    BIT(NOT_SENT) | BIT(THROTTLED) | BIT(POISON_AFTER) | BIT(POISON_RETRY) | BIT(SICK);
    uint32_t one_in = (uint32_t)sim_between(random, 1, 4);
    plan->file = plan->ordered = true;
    plan->faults &= ~brokers;
    for (int i = SIM_FAULT_COUNT; i < SIM_REPLAY; i++) {
        if (one_in_n(random, one_in + 1))
            plan->faults |= 1ull << i;
    }
    if (one_in_n(random, 2))
        plan->file_kib = scale(random, 4, 256);
}

static void draw_letters(struct sim_plan *plan, struct sim_random *random)
{
    static const uint64_t poisons = BIT(POISON_ADMIT) | BIT(POISON_AFTER);
    plan->letters = true;
    plan->on_reject = one_in_n(random, 2) ? "park" : "park-key";
    plan->faults |= BIT(REPLAY) | (one_in_n(random, 2) ? BIT(DROP) : 0) | (one_in_n(random, 2) ? poisons : 0);
}

static void draw_cluster(struct sim_plan *plan, struct sim_random *random)
{
    uint32_t one_in = (uint32_t)sim_between(random, 1, 3);
    plan->faults |= one_in_n(random, one_in) ? BIT(LEADER) : 0;
    plan->faults |= one_in_n(random, one_in) ? BIT(QUEUE_FULL) : 0;
    plan->faults |= one_in_n(random, 16) ? BIT(LONG_DOWN) : 0;
    plan->patient = one_in_n(random, 2);
    if (sim_plan_has(plan, SIM_QUEUE_FULL))
        plan->queue_room = scale(random, 1, 200);
    if (!sim_plan_has(plan, SIM_LONG_DOWN))
        return;
    plan->outage_ns = sim_between(random, 61, 300) * 1000 * OBX_MS;
    plan->busy_ns += plan->outage_ns;
    plan->idle_ms = OBX_MAX(plan->idle_ms, 25u); /* a poll each millisecond for minutes tests nothing more */
    plan->fault_every_ns = OBX_MAX(plan->fault_every_ns, 1000 * OBX_MS);
}

static void draw_nulls(struct sim_plan *plan, struct sim_random *random)
{
    plan->faults |= one_in_n(random, 2) ? BIT(TOMBSTONE) : 0;
    plan->nulls_refused = one_in_n(random, 3);
}

/* Only faults of the load remain. Pauses are long, so that a key that waits for another key is detected. */
static void draw_peace(struct sim_plan *plan, struct sim_random *random)
{
    static const uint64_t poisons = BIT(POISON_ADMIT) | BIT(POISON_AFTER);
    plan->peace = true;
    plan->letters = false;
    plan->faults &= BIT(ROLLBACK) | BIT(LONG_TXN) | BIT(BURST) | BIT(HUGE) | BIT(NULL_KEYS) | BIT(BACKLOG) | poisons |
                    BIT(POISON_RETRY);
    if (!(plan->faults & (poisons | BIT(POISON_RETRY))))
        plan->faults |= poisons;
    plan->order = one_in_n(random, 8) ? "none" : "key";
    plan->on_reject = "block-key";
    plan->max_blocked_events = 250000;
    plan->retry_max_ms = plan->retry_min_ms + (uint32_t)sim_between(random, 1000, 30000);
    plan->keys = OBX_MAX(plan->keys, 4u);
}

static void draw_by_tens(struct sim_plan *plan, uint64_t seed)
{
    struct sim_random random = {.state = seed * 0x9e6c63d0876a9a47}; /* a separate generator: the other draws stay
                                                                      * unchanged */
    uint64_t tens = seed / 10 % 10;
    if (!plan->file && tens >= 4 && tens <= 7)
        draw_cluster(plan, &random);
    if (tens == 4 || tens == 6)
        draw_nulls(plan, &random);
    if (!plan->file && tens == 8)
        draw_peace(plan, &random);
}

/* Hundreds of refused events, and nothing else that fails. */
static void draw_refusals(struct sim_plan *plan, struct sim_random *random)
{
    static const char *const policies[] = {"block-key", "block-key", "park", "park-key"};
    draw_peace(plan, random);
    plan->refusals = true;
    plan->faults |= BIT(POISON_AFTER);
    plan->on_reject = pick(random, policies, 4);
    plan->keys = OBX_MAX(plan->keys, 9u);
    plan->events = (uint32_t)sim_between(random, 400, 2500);
}

/* Half of the runs have rejected events whose followers must wait. */
static void draw_transforms(struct sim_plan *plan, struct sim_random *random)
{
    plan->transforms = true;
    if (one_in_n(random, 2))
        return;
    plan->faults |= BIT(POISON_ADMIT);
    plan->order = "key";
    plan->on_reject = one_in_n(random, 3) ? "park-key" : "block-key";
}

/* By the seed's ten millions. */
static void draw_kind(struct sim_plan *plan, uint64_t seed)
{
    struct sim_random random = {.state = seed * 0x9e6c63d0876a9a47 + 1};
    uint64_t kind = seed / 10000000;
    if (kind == 1)
        draw_transforms(plan, &random);
    if (kind == 2 && !plan->file)
        draw_refusals(plan, &random);
    plan->locks = kind == 3 && !plan->peace;
    plan->operators = kind == 8 && !plan->peace;
    plan->position = kind == 9 && !plan->file;
    plan->keeps = plan->position && seed / 100 % 10 >= 6 && seed / 1000 % 10 != 7;
    plan->renews |= plan->keeps; /* the store removes them then */
    plan->swaps = plan->locks && one_in_n(&random, 2);
}

static void draw_log(struct sim_plan *plan, uint64_t seed)
{
    struct sim_random random = {.state = seed * 0xd1342543de82ef95};
    plan->log = (seed < 10000000 && seed / 1000 % 10 == 3 && seed / 10000 % 10 < 5) ||
                (plan->position && seed / 1000 % 10 == 7);
    if (!plan->log)
        return;
    plan->sql = false;
    plan->log_limit = one_in_n(&random, 2) ? scale(&random, 10, 300) : 0;
    if (plan->letters) /* the place of a replayed event is not kept for that */
        plan->faults &= ~BIT(FAILOVER);
}

static void draw_settings(struct sim_plan *plan, struct sim_random *random)
{
    static const char *const orders[] = {"key", "key", "key", "key", "key", "key", "global", "none"};
    static const char *const policies[] = {"block-key", "block-key", "park", "park", "park-key", "park-key", "stop"};
    plan->order = pick(random, orders, 8);
    plan->on_reject = pick(random, policies, 7);
    plan->batch = scale(random, 1, 500);
    plan->memory_kib = scale(random, 64, 1024);
    plan->max_blocked_events = one_in_n(random, 10) ? (uint32_t)sim_between(random, 1, 50) : 250000;
    plan->max_attempts = scale(random, 1, 10);
    plan->retry_min_ms = scale(random, 1, 200);
    plan->retry_max_ms = plan->retry_min_ms + scale(random, 1, 2000);
    plan->idle_ms = scale(random, 1, 200);
    plan->lease_ms = (uint32_t)sim_between(random, 1000, 5000);
    plan->standby_ms = scale(random, 10, 1000);
    plan->timeout_ms = (uint32_t)sim_between(random, 200, 4000);
}

/* Of the broker, what transactions.c has: outages, lost producers, EndTxn requests that are late or not answered. */
static void draw_once(struct sim_plan *plan, struct sim_random *random, uint64_t seed)
{
    static const uint64_t others =
        BIT(NOT_SENT) | BIT(THROTTLED) | BIT(NO_MEMORY) | BIT(LEADER) | BIT(QUEUE_FULL) | BIT(LONG_DOWN);
    plan->once = plan->ordered = plan->renews = true;
    plan->faults &= ~others;
    plan->faults |= one_in_n(random, 2) ? BIT(BROKER_SLOW) : 0;
    plan->faults |= one_in_n(random, 2) ? BIT(ACK_LOST) : 0;
    plan->queue_room = UINT32_MAX;
    plan->relays = (uint32_t)sim_between(random, 1, 3);
    plan->log = seed / 1000 % 10 == 7;
    plan->sql = plan->sql && !plan->log;
    plan->keeps = seed / 100 % 10 >= 6 && !plan->log;
}

void sim_plan_draw(struct sim_plan *plan, struct sim_random *random, uint64_t seed)
{
    *plan = (struct sim_plan){0};
    draw_faults(plan, random);
    draw_settings(plan, random);
    plan->relays = (uint32_t)sim_between(random, 1, 3);
    plan->writers = scale(random, 1, 8);
    plan->keys = scale(random, 1, 30);
    plan->partitions = scale(random, 1, 6);
    plan->events = scale(random, 20, 600);
    plan->busy_ns = sim_between(random, 1, 12) * 1000 * OBX_MS;
    plan->fault_every_ns = sim_between(random, 20, 3000) * OBX_MS;
    plan->sql = !one_in_n(random, 3);
    plan->wakeup = one_in_n(random, 3);
    plan->renews = !one_in_n(random, 4);
    plan->ordered = !one_in_n(random, 4);
    plan->hold_keys = one_in_n(random, 2);
    plan->exact_limited = one_in_n(random, 2);
    plan->queue_room = UINT32_MAX;
    if (seed / 10000000 == SIM_ONCE_KIND) {
        draw_once(plan, random, seed);
        return;
    }
    if (seed % 5 == 1)
        draw_file(plan, random);
    if (seed % 10 == 2 || seed % 10 == 4)
        draw_letters(plan, random);
    draw_by_tens(plan, seed);
    draw_kind(plan, seed);
    draw_log(plan, seed);
    plan->concurrent = !plan->ordered && seed % 2 == 0;
}

const char *sim_plan_yaml(const struct sim_plan *plan)
{
    static char text[1024];
    char broker[128] = "{plugin: sim}";
    if (plan->once)
        snprintf(broker, sizeof broker, "{plugin: once}\ndelivery: exactly-once");
    if (plan->file)
        snprintf(broker, sizeof broker,
                 "{plugin: watch, wraps: {plugin: file, path: /disk/events.ndjson, max_size: %uKiB}}", plan->file_kib);
    snprintf(text, sizeof text,
             "order: %s\non_reject: %s\nclaim_rows: %u\nmax_in_flight_bytes: %uKiB\nmax_blocked_events: "
             "%u\nmax_attempts: %u\n"
             "retry_min: %ums\nretry_max: %ums\npoll_interval_max: %ums\nlease: %ums\nstandby_poll_interval: "
             "%ums\nstore_timeout: %ums\n"
             "store: {plugin: sim}\nbroker: %s\nroute: {tombstone: %s, position: %s}\n%s",
             plan->order, plan->on_reject, plan->batch, plan->memory_kib, plan->max_blocked_events, plan->max_attempts,
             plan->retry_min_ms, plan->retry_max_ms, plan->idle_ms, plan->lease_ms, plan->standby_ms, plan->timeout_ms,
             broker, plan->nulls_refused ? "false" : "true", plan->position ? "true" : "false",
             plan->transforms ? "transforms: {t: {plugin: sim}}\n" : "");
    return text;
}

void sim_plan_print(const struct sim_plan *plan)
{
    static const char *const words[] = {
#define SIM_FAULT_WORDS(name, words) words,
        SIM_FAULTS(SIM_FAULT_WORDS) SIM_DISK_FAULTS(SIM_FAULT_WORDS) SIM_LETTER_FAULTS(SIM_FAULT_WORDS)
            SIM_TENS_FAULTS(SIM_FAULT_WORDS)
#undef SIM_FAULT_WORDS
    };
    printf("%u relays, %u writers, %u events of %u keys in %.1f s, %u partitions; store: %s%s%s; broker: %s\n",
           plan->relays, plan->writers, plan->events, plan->keys, (double)plan->busy_ns / 1e9, plan->partitions,
           plan->log   ? "a log"
           : plan->sql ? "gaps of backends/sql"
                       : "knows the rows it returned",
           plan->wakeup ? ", a wake-up" : "", plan->renews ? ", renews" : "",
           plan->once         ? "transactions, exactly once"
           : plan->file       ? "a file"
           : plan->concurrent ? "one event of each key in flight"
           : !plan->ordered   ? "no order"
           : plan->hold_keys  ? "order by key"
                              : "order by partition");
    for (int i = 0; i < SIM_ALL_FAULTS; i++) {
        if (sim_plan_has(plan, (enum sim_fault)i))
            printf("  %s\n", words[i]);
    }
    printf("%s%s%s%s%s", plan->keeps ? "  some rows cannot be removed for a while\n" : "",
           plan->transforms ? "  events are transformed\n" : "",
           plan->refusals ? "  two thirds of the events of some keys are refused\n" : "",
           plan->locks ? "  other sessions lock the table\n" : "", plan->swaps ? "  the table is replaced\n" : "");
    if (plan->log_limit)
        printf("  of the log %u events may be kept\n", plan->log_limit);
    printf("%s\n", sim_plan_yaml(plan));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/altered_test.c - a broker whose server answers anything at all
 *
 * Each run connects a broker through the altering proxy, checks, publishes and stops. Each operation may fail in any
 * way, but it ends, each event has one outcome, and nothing is read that is not there: a build with sanitizers sees
 * that. The runs end when so many answers were altered as OUTBOX_ALTERED_ANSWERS says; OUTBOX_ALTERED_SEED is the first
 * seed.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "altered.h"
#include "fixture.h"

enum { EVENTS = EVENTS_MAX, PATIENCE_MS = 60000 };

static struct altering_proxy proxy;
static struct publishing publishing;
static struct {
    uint64_t runs, started, delivered, failed;
} seen;

static void open_broker(uint64_t seed)
{
    struct outbox_error error;
    const char *section = altered_broker.sections[seed % 2], *port = strstr(section, "PORT");
    logged[0] = '\0';
    base.exactly_once = strstr(section, "transactional.id") != NULL;
    int code = fixture_try(&error, "%.*s%u%s", (int)(port - section), section, proxy.port, port + 4);
    cr_assert_eq(code, OUTBOX_OK, "%s", error.text);
    base.timeout_ms = PATIENCE_MS;
}

static bool start(void)
{
    static const struct outbox_broker_start how = {
        .struct_size = sizeof how, .epoch = 1, .outbox = "altered", .order = OUTBOX_ORDER_KEY};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_broker_start(broker, &call.call, altered_broker.start_ms, &how);
    int code = loop_fixture_wait(&base, &call);
    cr_assert(call.done, "seed %llu: the start does not end", (unsigned long long)proxy.seed);
    return code == OUTBOX_OK;
}

static void ignore(void *arg, const struct outbox_finding *finding)
{
    (void)arg, (void)finding;
}

static void check(void)
{
    static const char *const topics[] = {"altered", "nowhere", NULL};
    struct outbox_check check = {.struct_size = sizeof check, .report = ignore, .topics = topics};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_broker_check(broker, &call.call, altered_broker.wait_ms, &check);
    loop_fixture_wait(&base, &call);
    cr_assert(call.done, "seed %llu: the check does not end", (unsigned long long)proxy.seed);
}

static void publish(void)
{
    memset(&publishing, 0, sizeof publishing);
    for (uint32_t i = 0; i < EVENTS; i++) {
        event_set(&publishing, i, i == 5 ? "nowhere" : altered_broker.topic, i % 2 ? "k" : NULL, "{}");
        publishing.messages[i].position.major = i + 1;
    }
    fixture_submit(&publishing, EVENTS);
    base.timeout_ms = altered_broker.wait_ms;
    loop_fixture_until(&base, fixture_is_done, &publishing);
    base.timeout_ms = PATIENCE_MS;
}

static void stop(void)
{
    fixture_stop_within(altered_broker.wait_ms);
    obx_instance_free(broker);
    cr_assert_eq(loop_fixture_close(&base), 0, "seed %llu: a handle of the loop was left open",
                 (unsigned long long)proxy.seed);
}

/* After the stop nothing is in flight. */
static void count_outcomes(void)
{
    for (uint32_t i = 0; i < EVENTS; i++) {
        cr_assert_eq(publishing.results[i].reports, 1, "seed %llu: event %u has %u outcomes",
                     (unsigned long long)proxy.seed, i, publishing.results[i].reports);
        seen.delivered += publishing.results[i].outcome == OUTBOX_DELIVERED;
        seen.failed += publishing.results[i].outcome != OUTBOX_DELIVERED;
    }
}

static void run(uint64_t seed)
{
    atomic_store(&proxy.seed, seed);
    open_broker(seed);
    bool started = start();
    if (started) {
        seen.started++;
        if (seed % 3 == 0)
            check();
        publish();
    }
    stop();
    if (started)
        count_outcomes();
    seen.runs++;
}

static void open_proxy(void)
{
    const char *colon = server() ? strrchr(server(), ':') : NULL;
    int target = colon ? atoi(colon + 1) : 0;
    if (altered_broker.begin)
        altered_broker.begin(&proxy, &target);
    altering_proxy_start(&proxy, altered_broker.protocol, target);
}

Test(altered, broker_survives_whatever_a_server_answers, .timeout = 7200)
{
    uint64_t answers = altering_proxy_setting("OUTBOX_ALTERED_ANSWERS", altered_broker.answers),
             seed = altering_proxy_setting("OUTBOX_ALTERED_SEED", 1);
    open_proxy();
    while (atomic_load(&proxy.altered) < answers)
        run(seed++);
    fprintf(stderr, "# %llu runs, %llu started; %llu of %llu answers altered; %llu events delivered, %llu not\n",
            (unsigned long long)seen.runs, (unsigned long long)seen.started,
            (unsigned long long)atomic_load(&proxy.altered), (unsigned long long)atomic_load(&proxy.messages),
            (unsigned long long)seen.delivered, (unsigned long long)seen.failed);
    cr_assert_gt(seen.delivered, 0);
    cr_assert_gt(seen.failed, 0);
    altering_proxy_stop(&proxy);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conformance/broker_faults.c - order and loss when the server refuses, dies or pauses in the middle of publishes
 *
 * Commands of the configuration (`refuse:` and `accept:`, `break:` and `repair:`, `pause:` and `resume:`) hurt the
 * server while a relay publishes. A check without its commands is skipped.
 */
#include <stdio.h>
#include <stdlib.h>

#include "checks.h"
#include "relay_fixture.h"

#define EVENTS 1500u
#define KEYS 7u

struct hurt {
    const char *name, *begin, *end;
    uint32_t ms;
};

static void require_commands(struct conf_fixture *fixture, const struct hurt *hurt)
{
    char why[96];
    snprintf(why, sizeof why, "no commands %s are configured", hurt->name);
    if (!hurt->begin || !hurt->end)
        conf_skip(fixture, why);
}

static bool has_effect(void *arg)
{
    const struct conf_relay *relay = arg;
    struct outbox_stats stats;
    obx_relay_stats(relay->relay, &stats);
    return stats.retried || stats.resent || stats.broker_connects > 1;
}

/* Events that were sent when the server began to refuse are in the middle of the relay's publishes. */
static void publish_while_hurt(struct conf_relay *relay, const struct hurt *hurt)
{
    conf_relay_add(relay, EVENTS / 3, KEYS);
    conf_relay_reaches(relay, 50);
    conf_relay_command(relay, hurt->begin);
    conf_relay_add(relay, EVENTS / 3, KEYS);
    conf_relay_runs_for(relay, hurt->ms);
    if (hurt->begin == relay->fixture->subject->refuse)
        conf_require(relay->fixture, loop_fixture_poll(&relay->fixture->base, has_effect, relay),
                     "the command of %s had no effect: no event was retried, and the broker was not restarted",
                     hurt->name);
    conf_relay_command(relay, hurt->end);
    conf_relay_add(relay, EVENTS / 3, KEYS);
    conf_relay_reaches(relay, EVENTS);
}

static void run(struct conf_fixture *fixture, const struct hurt *hurt, const char *settings, bool all)
{
    struct conf_relay relay;
    require_commands(fixture, hurt);
    conf_relay_begin(fixture, &relay, settings);
    publish_while_hurt(&relay, hurt);
    conf_relay_published(&relay, all);
    conf_relay_end(&relay);
}

void conf_broker_keeps_order_when_the_server_refuses_some(struct conf_fixture *fixture)
{
    const struct hurt hurt = {"refuse and accept", fixture->subject->refuse, fixture->subject->accept, 500};
    run(fixture, &hurt, "", false);
}

void conf_broker_keeps_global_order_when_the_server_refuses_some(struct conf_fixture *fixture)
{
    const struct hurt hurt = {"refuse and accept", fixture->subject->refuse, fixture->subject->accept, 500};
    run(fixture, &hurt, "order: global\n", true);
}

void conf_broker_loses_nothing_when_the_server_dies(struct conf_fixture *fixture)
{
    const struct hurt hurt = {"break and repair", fixture->subject->break_, fixture->subject->repair, 1500};
    run(fixture, &hurt, "", false);
}

void conf_broker_loses_nothing_when_the_server_pauses(struct conf_fixture *fixture)
{
    const struct hurt hurt = {"pause and resume", fixture->subject->pause, fixture->subject->resume, 3000};
    run(fixture, &hurt, "", false);
}

/* The host cancels what a stop waits for; the plugin must end it, though the server does not answer. */
void conf_broker_stop_ends_while_the_server_pauses(struct conf_fixture *fixture)
{
    const struct hurt hurt = {"pause and resume", fixture->subject->pause, fixture->subject->resume, 0};
    struct conf_relay relay;
    require_commands(fixture, &hurt);
    conf_relay_begin(fixture, &relay, "");
    conf_relay_add(&relay, 100, KEYS);
    conf_relay_reaches(&relay, 100);
    conf_relay_command(&relay, hurt.begin);
    conf_relay_add(&relay, 100, KEYS);
    conf_relay_runs_for(&relay, 500);
    uint64_t begin = obx_loop_now(fixture->base.loop);
    conf_relay_end(&relay);
    uint64_t took_ms = (obx_loop_now(fixture->base.loop) - begin) / OBX_MS;
    conf_require(fixture, system(hurt.end) == 0, "the command failed: %s", hurt.end);
    conf_require(fixture, took_ms < 30000, "a stop of 5 s took %llu ms: cancel() must end what is in flight",
                 (unsigned long long)took_ms);
}

/* A probe, as `outbox check` makes it: nothing is published, and a broker in use is not disturbed. */
void conf_broker_probe_changes_nothing(struct conf_fixture *fixture)
{
    struct obx_instance *probe;
    conf_broker_begin(fixture);
    conf_must(fixture, loop_fixture_instance(&fixture->base, OUTBOX_BROKER, "broker", &probe, error));
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_broker_start_to_probe(probe, &call.call, 10000);
    int status = loop_fixture_wait(&fixture->base, &call);
    conf_require(fixture, status == OUTBOX_OK, "a probe while the broker is in use: %s", call.error.text);
    conf_must(fixture, loop_fixture_stop(&fixture->base, probe, error));
    obx_instance_free(probe);
    struct conf_burst *burst = conf_burst_new(fixture, 1, 1, 1);
    conf_burst_send(fixture, burst);
    conf_burst_delivered(fixture, burst);
    struct conf_events events = conf_read(fixture);
    conf_published_range(fixture, &events, 1, 1, 1);
    free(burst);
}

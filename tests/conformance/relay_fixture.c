/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/relay_fixture.c - see relay_fixture.h */
#include "relay_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/tree.h"

#define ADD_MAX 200u /* events of one transaction */
#define LARGE 500    /* bytes more: a server that refuses by size refuses some */

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* The relay gets the section of the subject's file, with its locations. */
static void append_broker(struct conf_fixture *fixture, struct obx_config *config)
{
    struct obx_section *root = (struct obx_section *)(uintptr_t)obx_config_root(config);
    const struct obx_entry *from = obx_section_entry(obx_config_root(fixture->base.config), "broker");
    struct obx_entry *entry = obx_config_alloc(config, sizeof *entry);
    conf_require(fixture, from && entry, "no section 'broker'");
    *entry = *from;
    entry->next = NULL;
    *root->last = entry;
    root->last = &entry->next;
    root->count++;
}

void conf_relay_begin(struct conf_fixture *fixture, struct conf_relay *relay, const char *settings)
{
    char yaml[1024];
    snprintf(
        yaml, sizeof yaml,
        "store: {plugin: memory}\nroute: {topic: %s}\nretry_min: 10ms\nretry_max: 200ms\nmax_attempts: 1000000\n%s",
        getenv("OUTBOX_TOPIC"), settings);
    *relay = (struct conf_relay){.fixture = fixture};
    conf_must(fixture, obx_config_parse("conformance", yaml, strlen(yaml), &relay->config, error));
    append_broker(fixture, relay->config);
    const struct obx_relay_setup setup = {.loop = fixture->base.loop,
                                          .registry = fixture->base.registry,
                                          .log = &fixture->base.log,
                                          .name = "conformance",
                                          .section = obx_config_root(relay->config)};
    conf_must(fixture, obx_relay_new(&setup, &relay->relay, error));
    obx_relay_start(relay->relay);
}

static bool is_started(void *arg)
{
    struct outbox_stats stats;
    obx_relay_stats(((struct conf_relay *)arg)->relay, &stats);
    return stats.store_connects > 0;
}

static void add_some(struct conf_relay *relay, uint32_t first, uint32_t count)
{
    static struct outbox_event events[ADD_MAX];
    static const struct outbox_event *list[ADD_MAX];
    static char text[ADD_MAX][2][48], payloads[ADD_MAX][LARGE + 64];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = first + i;
        conf_event_id(text[i][0], number);
        snprintf(text[i][1], sizeof text[i][1], "key-%" PRIu32, number % relay->keys);
        int size = snprintf(payloads[i], sizeof payloads[i], "{\"number\": %" PRIu32 ", \"blanks\": \"%*s\"}", number,
                            number % 5 ? 0 : LARGE, "");
        events[i] = (struct outbox_event){.struct_size = sizeof events[i],
                                          .event_id = {text[i][0], strlen(text[i][0])},
                                          .aggregate_type = {"t", 1},
                                          .aggregate_id = {text[i][1], strlen(text[i][1])},
                                          .type = {"placed", 6},
                                          .payload = {payloads[i], (size_t)size}};
        list[i] = &events[i];
    }
    conf_must(relay->fixture,
              loop_fixture_add(&relay->fixture->base, obx_relay_store(relay->relay), list, count, error));
    obx_relay_wake(relay->relay);
}

void conf_relay_add(struct conf_relay *relay, uint32_t count, uint32_t keys)
{
    conf_require(relay->fixture, loop_fixture_until(&relay->fixture->base, is_started, relay),
                 "the memory store did not start");
    relay->keys = keys;
    while (count) {
        uint32_t some = count < ADD_MAX ? count : ADD_MAX;
        add_some(relay, relay->count + 1, some);
        relay->count += some;
        count -= some;
    }
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static bool has_settled(void *arg)
{
    struct conf_relay *relay = arg;
    struct outbox_stats stats;
    obx_relay_stats(relay->relay, &stats);
    return stats.settled + stats.dead_lettered >= relay->settled;
}

void conf_relay_reaches(struct conf_relay *relay, uint64_t settled)
{
    struct outbox_stats stats;
    relay->settled = settled;
    bool reached = loop_fixture_poll(&relay->fixture->base, has_settled, relay);
    obx_relay_stats(relay->relay, &stats);
    conf_require(relay->fixture, reached, "only %" PRIu64 " of %" PRIu64 " events were published in time: %s",
                 stats.settled, settled, stats.last_error[0] ? stats.last_error : "no error is known");
}

struct pause {
    struct obx_loop *loop;
    uint64_t end;
};

static bool is_over(void *arg)
{
    const struct pause *pause = arg;
    return obx_loop_now(pause->loop) >= pause->end;
}

void conf_relay_runs_for(struct conf_relay *relay, uint32_t ms)
{
    struct obx_loop *loop = relay->fixture->base.loop;
    struct pause pause = {loop, obx_loop_now(loop) + ms * OBX_MS};
    loop_fixture_poll(&relay->fixture->base, is_over, &pause);
}

static bool has_ended(void *arg)
{
    struct conf_relay *relay = arg;
    int status;
    if (waitpid(relay->command, &status, WNOHANG) == 0)
        return false;
    conf_require(relay->fixture, WIFEXITED(status) && WEXITSTATUS(status) == 0, "the command failed with status %d",
                 status);
    relay->command = 0;
    return true;
}

void conf_relay_command(struct conf_relay *relay, const char *command)
{
    fflush(NULL);
    relay->command = fork();
    if (relay->command == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    conf_require(relay->fixture, relay->command > 0 && loop_fixture_poll(&relay->fixture->base, has_ended, relay),
                 "the command did not end: %s", command);
}

static void on_stopped(void *arg)
{
    ((struct conf_relay *)arg)->stopped = true;
}

static bool is_stopped(void *arg)
{
    return ((struct conf_relay *)arg)->stopped;
}

void conf_relay_end(struct conf_relay *relay)
{
    struct outbox_stats stats;
    obx_relay_stop(relay->relay, 5000, on_stopped, relay);
    conf_require(relay->fixture, loop_fixture_until(&relay->fixture->base, is_stopped, relay),
                 "the relay did not stop: an operation of the broker was not completed");
    obx_relay_stats(relay->relay, &stats);
    conf_require(relay->fixture, !stats.violations, "%" PRIu64 " completions or outcomes broke the contract",
                 stats.violations);
    obx_relay_free(relay->relay);
    obx_config_free(relay->config);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

uint32_t conf_relay_published(struct conf_relay *relay, bool all)
{
    struct conf_events events = conf_read(relay->fixture);
    uint32_t *reached = calloc(relay->keys, sizeof *reached), seen = 0;
    bool *known = calloc(relay->count + 1, sizeof *known);
    conf_require(relay->fixture, reached && known, "out of memory");
    for (uint32_t i = 0; i < events.count; i++) {
        uint32_t number = conf_event_number(relay->fixture, &events.items[i]);
        uint32_t *last = &reached[all ? 0 : number % relay->keys];
        conf_require(relay->fixture, number && number <= relay->count, "event %u was never added", number);
        if (known[number])
            continue;
        conf_require(relay->fixture, number > *last, "event %u comes after event %u of the same key", number, *last);
        known[number] = true;
        *last = number;
        seen++;
    }
    for (uint32_t i = 1; i <= relay->count; i++)
        conf_require(relay->fixture, known[i], "event %u left the outbox and cannot be read", i);
    free(reached);
    free(known);
    return events.count - seen;
}

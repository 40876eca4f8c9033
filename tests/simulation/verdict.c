/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/verdict.c - see verdict.h */
#include "verdict.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "oracle.h"
#include "producer.h"
#include "sim.h"
#include "sink.h"

static struct sim_record *log_items;
static uint32_t log_count, log_room;
static struct oracle *the_oracle;

void verdict_init(void)
{
    log_items = NULL; /* the world of the former run is freed, with its memory */
    log_count = log_room = 0;
    the_oracle = NULL;
}

static uint64_t hash(struct outbox_bytes bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data ? bytes.data : "", bytes.size, seed);
}

void verdict_hash(const struct outbox_message *message, uint64_t *payload, uint64_t *content)
{
    const struct outbox_bytes parts[] = {message->topic, message->key, message->id, message->type};
    uint64_t sum = *payload = message->value.data ? hash(message->value, 0) : 0;
    for (size_t i = 0; i < OBX_COUNT(parts); i++)
        sum = hash(parts[i], sum);
    for (uint32_t i = 0; i < message->header_count - sim->plan.position; i++)
        sum = hash(message->headers[i].value, hash(message->headers[i].name, sum));
    *content = sum + (uint64_t)message->timestamp_us;
}

void verdict_append(const struct sim_record *record)
{
    if (log_count == log_room) {
        log_room = log_room ? log_room * 2 : 256;
        log_items = obx_resize(log_items, log_room * sizeof *log_items);
    }
    log_items[log_count++] = *record;
}

uint64_t sim_payload_hash(const struct sim_event *event)
{
    static char bytes[64 * 1024 + 256];
    if (event->value == SIM_NULL)
        return 0;
    sim_payload_write(event, bytes);
    return XXH3_64bits(bytes, sim_payload_size(event));
}

/* ---- the ledger -------------------------------------------------------------------------------------------------- */

/* Its id goes into text. */
static struct oracle_sighting sighting_of(const struct sim_event *event, char text[24])
{
    const char *key = sim_key_text(event->key);
    int size = snprintf(text, 24, "e-%u", event->number);
    return (struct oracle_sighting){.id = text, .id_size = (size_t)size, .key = key, .key_size = key ? strlen(key) : 0};
}

/* The content of a commit that a failover lost is unknown. */
static enum oracle_outcome expectation_of(const struct sim_event *event)
{
    if (event->state != SIM_COMMITTED)
        return ORACLE_ROLLED_BACK;
    return event->lost ? ORACLE_DOUBT : ORACLE_COMMITTED;
}

static void write_event(const struct sim_event *event)
{
    struct outbox_error error = {0};
    char id[24];
    struct oracle_sighting meant = sighting_of(event, id);
    meant.payload = sim_payload_hash(event);
    if (oracle_begin(the_oracle, &error) || oracle_wrote(the_oracle, &meant, event->chain + 1, &error))
        sim_fail("the verdict: %s", error.text);
    oracle_ended(the_oracle, expectation_of(event));
    if (oracle_has_no_place(event))
        oracle_excuse(the_oracle, id, meant.id_size);
}

/* ---- published and remaining events ------------------------------------------------------------------------------ */

void verdict_sighting(const struct oracle_sighting *seen)
{
    oracle_saw(the_oracle, seen);
}

static void see_topics(void)
{
    for (uint32_t i = 0; i < log_count; i++) {
        char id[24];
        struct oracle_sighting seen = sighting_of(sim_event(log_items[i].event), id);
        seen.payload = log_items[i].payload;
        seen.content = log_items[i].content;
        oracle_saw(the_oracle, &seen);
    }
}

static void find_rows(void)
{
    for (uint32_t i = 0; i < sim->db->count; i++) {
        const struct sim_event *event = sim_event(i);
        char id[24];
        int size = snprintf(id, sizeof id, "e-%u", event->number);
        if (event->state == SIM_COMMITTED && !event->lost && (!event->gone || event->dropped))
            oracle_found(the_oracle, id, (size_t)size, event->dead || event->dropped);
    }
}

static void report_broken(const struct oracle_verdict *verdict)
{
#define SAY_FAULT(name, text) \
    if (verdict->name)        \
        sim_fail("verdict: %llu " #name ": " text, (unsigned long long)verdict->name);
    ORACLE_FAULTS(SAY_FAULT)
#undef SAY_FAULT
}

void verdict_check(void)
{
    struct oracle_rules rules = {.incidents = UINT64_MAX, .report = sim->trace ? stdout : NULL};
    struct oracle_verdict verdict;
    if (oracle_new(&rules, &the_oracle))
        sim_fail("the simulator is out of memory");
    for (uint32_t i = 0; i < sim->db->count; i++)
        write_event(sim_event(i));
    see_topics();
    if (sim->plan.file)
        sim_sink_end();
    find_rows();
    if (!oracle_judge(the_oracle, &verdict))
        report_broken(&verdict);
    oracle_free(the_oracle);
}

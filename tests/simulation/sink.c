/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/sink.c - see sink.h */
#include "sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../oracle/published.h"
#include "oracle.h"
#include "producer.h"
#include "sim.h"
#include "verdict.h"

/* ---- lines on the disk ------------------------------------------------------------------------------------------- */

static bool is(const json_t *object, const char *name, const char *text)
{
    const char *there = json_string_value(json_object_get(object, name));
    return text ? there && !strcmp(there, text) : json_is_null(json_object_get(object, name));
}

static bool has_headers(const json_t *headers, const char *id)
{
    bool transformed = json_object_size(headers) == 2 && is(headers, SIM_TRANSFORMED, id);
    return is(headers, "id", id) && (sim->plan.transforms ? transformed : json_object_size(headers) == 1);
}

/* Compares every byte except the payload's, which the hash represents. */
static bool matches(const struct oracle_line *line, const struct sim_event *event)
{
    char id[24], topic[32], time[32];
    const json_t *headers = json_object_get(line->object, "headers");
    snprintf(id, sizeof id, "e-%u", event->number);
    snprintf(topic, sizeof topic, "outbox.event.%s", sim_topic_text(event));
    snprintf(time, sizeof time, "1970-01-01T00:00:00.%06uZ", event->number);
    return is(line->object, "topic", topic) && is(line->object, "key", sim_key_text(event->key)) &&
           is(line->object, "type", NULL) && is(line->object, "time", time) && has_headers(headers, id) &&
           line->seen.payload == sim_payload_hash(event);
}

static struct sim_event *event_of(const struct oracle_line *line)
{
    unsigned number = SIM_NONE;
    sscanf(line->seen.id, "e-%u", &number);
    if (number >= sim->db->count || !matches(line, sim_event(number)))
        sim_fail("the file has a line that is no event, or not as it was written: %.200s", line->seen.id);
    return sim_event(number);
}

/* The line that begins at `at`, and the start of the next one; 0: no whole line is left. */
static uint64_t each_line(const struct sim_file *file, uint64_t at, uint64_t end, struct oracle_line *line)
{
    const char *newline = at < end ? memchr(file->stored + at, '\n', end - at) : NULL;
    if (!newline)
        return 0;
    size_t size = (size_t)(newline - (file->stored + at));
    if (!oracle_line_parse(line, file->stored + at, size))
        sim_fail("the file has a torn line: %.*s", (int)OBX_MIN(size, (size_t)60), file->stored + at);
    return at + size + 1;
}

static void check_file(struct sim_file *file)
{
    struct oracle_line line = {0};
    for (uint64_t next; (next = each_line(file, file->checked, file->synced, &line)); file->checked = next) {
        struct sim_event *event = event_of(&line);
        event->on_disk = true;
        oracle_appended(event);
        SIM_TRACE("event %u, key %d is on the disk%s", event->number, (int)event->key,
                  event->appended > 1 ? " again" : "");
        oracle_line_drop(&line);
    }
}

void sim_sink_after_sync(void)
{
    const struct sim_names *names = &sim->disk->stored;
    struct sim_owner *before = sim_own(&sim->memory);
    for (uint32_t i = 0; i < names->count; i++)
        check_file(sim_file(names->items[i].file));
    sim_own(before);
}

void sim_sink_cut(struct sim_file *file, uint64_t size)
{
    SIM_TRACE("a file of %llu bytes is cut to %llu", (unsigned long long)file->cached_size, (unsigned long long)size);
    if (size < file->checked)
        sim_fail("events that were synced are cut off the file");
}

/* ---- power cut --------------------------------------------------------------------------------------------------- */

void sim_sink_power(void)
{
    sim_disk_lose_power();
    for (uint32_t i = 0; i < sim->plan.relays; i++)
        sim_node_crash(&sim->nodes[i]);
}

static int by_name(const void *left, const void *right)
{
    /* the names of rotated files are of one length and longer than the name without a number, which is the last */
    const char *a = ((const struct sim_name *)left)->text, *b = ((const struct sim_name *)right)->text;
    return strlen(a) != strlen(b) ? (strlen(a) < strlen(b)) - (strlen(a) > strlen(b)) : strcmp(a, b);
}

void sim_sink_end(void)
{
    struct sim_names *names = &sim->disk->stored;
    struct oracle_line line = {0};
    sim_disk_lose_power();
    qsort(names->items, names->count, sizeof *names->items, by_name);
    for (uint32_t i = 0; i < names->count; i++) {
        const struct sim_file *file = sim_file(names->items[i].file);
        for (uint64_t at = 0; (at = each_line(file, at, file->synced, &line));) {
            verdict_sighting(&line.seen);
            oracle_line_drop(&line);
        }
    }
}

/* ---- the decorator ----------------------------------------------------------------------------------------------- */

struct watch {
    const struct outbox_host *host;
    const struct outbox_inner *inner;
    struct sim_node *node;
};

/* The scratch memory of a publish. */
struct watched {
    struct watch *watch;
    outbox_op_t op;
    const struct outbox_publish *publish;
    uint32_t life, generation;
};

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct watch *watch = self;
    (void)error;
    watch->host = init->host;
    watch->inner = init->inner;
    watch->node = &sim->nodes[init->relay[strlen("relay")] - '0'];
    return OUTBOX_OK;
}

static void fini(void *self)
{
    (void)self;
}

static void on_outcomes(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes)
{
    struct watched *watched = arg;
    (void)child;
    for (uint32_t i = 0; i < outcomes->count; i++) {
        uint32_t index = outcomes->indexes ? outcomes->indexes[i] : outcomes->first + i;
        struct sim_event *event = sim_message_event(outbox_message_at(watched->publish, index));
        if (outcomes->outcome == OUTBOX_DELIVERED && !event->on_disk)
            sim_fail("event %u is reported as delivered and is not on the disk", event->number);
        if (outcomes->outcome != OUTBOX_DELIVERED)
            SIM_TRACE("event %u comes back, outcome %u: %s", event->number, outcomes->outcome, outcomes->error->text);
        oracle_reported(watched->life, watched->generation, event, outcomes->outcome);
    }
    watched->watch->host->outcomes(watched->watch->host, watched->op, outcomes);
}

static void on_done(void *arg, outbox_op_t child, const struct outbox_error *error)
{
    struct watched *watched = arg;
    (void)child;
    watched->watch->host->op_done(watched->watch->host, watched->op, error);
}

static void publish(void *self, outbox_op_t op, const struct outbox_publish *args)
{
    static const struct outbox_error none = {.code = OUTBOX_E_NO_MEMORY, .text = "out of memory"};
    struct watch *watch = self;
    const struct outbox_broker_ops *ops = watch->inner->ops;
    struct watched *watched = watch->host->op_scratch(watch->host, op);
    *watched = (struct watched){watch, op, args, watch->node->life, sim->db->generation};
    SIM_TRACE("%s publishes %u events", watch->node->name, args->count);
    for (uint32_t i = 0; i < args->count; i++)
        oracle_submitted(watch->node, outbox_message_at(args, i));
    struct outbox_child child = {.struct_size = sizeof child, .done = on_done, .outcomes = on_outcomes, .arg = watched};
    outbox_op_t below = watch->host->op_child(watch->host, op, &child);
    if (below) {
        ops->publish(watch->inner->self, below, args);
        return;
    }
    struct outbox_outcomes refused = {
        .struct_size = sizeof refused, .outcome = OUTBOX_NOT_CONNECTED, .count = args->count, .error = &none};
    watch->host->outcomes(watch->host, op, &refused);
    watch->host->op_done(watch->host, op, &none);
}

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof ops, .init = init, .fini = fini, .publish = publish, .admit = sim_broker_admit};

const struct outbox_plugin sim_watch_plugin = {.abi_major = OUTBOX_ABI_MAJOR,
                                               .struct_size = sizeof sim_watch_plugin,
                                               .kind = OUTBOX_BROKER,
                                               .option_size = sizeof(struct outbox_option),
                                               .caps = OUTBOX_CAP_DECORATOR | OUTBOX_CAP_ADMIT,
                                               .name = "watch",
                                               .version = "1",
                                               .description = "watches the file broker",
                                               .instance_size = sizeof(struct watch),
                                               .op_size = sizeof(struct watched),
                                               .ops = &ops};

/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/render.c - a snapshot as text for machines; pure, so that the formats are tested without a server */
#include "cli/render.h"

#include <inttypes.h>
#include <stddef.h>

#include <outbox/version.h>

#include "base/mem.h"

/* One place for every number: its name in JSON, and in Prometheus with the kind and a sentence about it. */
#define NUMBER(member, kind, help)                                                                             \
    {                                                                                                          \
#member, offsetof(struct outbox_stats, member), sizeof(((struct outbox_stats *)0)->member), kind, help \
    }

static const struct number {
    const char *name;
    size_t offset, size;
    const char *kind; /* "counter" or "gauge" */
    const char *help;
} numbers[] = {
    NUMBER(in_flight, "gauge", "events claimed and not settled"),
    NUMBER(in_flight_bytes, "gauge", "bytes of the events in flight"),
    NUMBER(claimed, "counter", "rows given by the store, again after a recovery included"),
    NUMBER(delivered, "counter", "events confirmed by the broker"),
    NUMBER(settled, "counter", "events removed from the outbox after delivery"),
    NUMBER(retried, "counter", "attempts that failed for a reason of the event's own"),
    NUMBER(resent, "counter", "events sent again after an outage or an unknown outcome: the possible duplicates"),
    NUMBER(rejected, "counter", "events that the broker refused for good"),
    NUMBER(dead_lettered, "counter", "events moved to the dead letters"),
    NUMBER(deferred, "gauge", "events waiting behind a blocked key"),
    NUMBER(blocked_keys, "gauge", "keys that an event blocks"),
    NUMBER(store_connects, "counter", "successful connects to the store"),
    NUMBER(broker_connects, "counter", "successful connects to the broker"),
    NUMBER(claims, "counter", "claim operations, empty ones included"),
    NUMBER(settles, "counter", "settle operations"),
    NUMBER(violations, "counter", "completions by plugins that broke the contract"),
};

static uint64_t value_of(const struct outbox_stats *stats, const struct number *number)
{
    const char *at = (const char *)stats + number->offset;
    return number->size == sizeof(uint32_t) ? *(const uint32_t *)(const void *)at : *(const uint64_t *)(const void *)at;
}

static json_t *blocked_json(const struct obx_blocked_view *view)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:s}", "topic", view->topic, "key", view->key, "event_id",
                     view->event_id, "position", (json_int_t)view->position, "attempts", (json_int_t)view->attempts,
                     "events", (json_int_t)view->events, "seconds", (double)view->for_ns / 1e9, "reason", view->reason);
}

static json_t *relay_json(const struct obx_relay_view *view)
{
    json_t *blocked = json_array();
    for (uint32_t i = 0; i < view->blocked_count; i++)
        json_array_append_new(blocked, blocked_json(&view->blocked[i]));
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:f, s:f, s:s, s:o}", "state", outbox_state_name(view->stats.state), "store",
                  view->store, "broker", view->broker, "rate", view->rate, "unready_seconds",
                  (double)view->unready_ns / 1e9, "last_error", view->stats.last_error, "blocked", blocked);
    for (size_t i = 0; object && i < OBX_COUNT(numbers); i++)
        json_object_set_new(object, numbers[i].name, json_integer((json_int_t)value_of(&view->stats, &numbers[i])));
    return object;
}

json_t *obx_report_json(const struct obx_snapshot *snapshot)
{
    json_t *relays = json_object();
    for (uint32_t i = 0; i < snapshot->count; i++)
        json_object_set_new(relays, snapshot->relays[i].name, relay_json(&snapshot->relays[i]));
    return json_pack("{s:s, s:I, s:o}", "version", OUTBOX_VERSION_STRING, "log_dropped",
                     (json_int_t)snapshot->log_dropped, "relays", relays);
}

static void add_label(struct obx_buf *text, const char *value)
{
    for (; *value; value++) {
        if (*value == '"' || *value == '\\' || *value == '\n')
            obx_buf_putc(text, '\\');
        obx_buf_putc(text, *value == '\n' ? 'n' : *value);
    }
}

static void add_head(struct obx_buf *text, const char *name, const char *suffix, const char *kind, const char *help)
{
    obx_buf_printf(text, "# HELP outbox_%s%s %s\n# TYPE outbox_%s%s %s\n", name, suffix, help, name, suffix, kind);
}

static void add_sample(struct obx_buf *text, const char *name, const char *suffix, const struct obx_relay_view *view)
{
    obx_buf_printf(text, "outbox_%s%s{relay=\"", name, suffix);
    add_label(text, view->name);
    obx_buf_puts(text, "\"} ");
}

static void add_numbers(const struct obx_snapshot *snapshot, struct obx_buf *text)
{
    for (size_t n = 0; n < OBX_COUNT(numbers); n++) {
        const char *suffix = numbers[n].kind[0] == 'c' ? "_total" : "";
        add_head(text, numbers[n].name, suffix, numbers[n].kind, numbers[n].help);
        for (uint32_t i = 0; i < snapshot->count; i++) {
            add_sample(text, numbers[n].name, suffix, &snapshot->relays[i]);
            obx_buf_printf(text, "%" PRIu64 "\n", value_of(&snapshot->relays[i].stats, &numbers[n]));
        }
    }
}

static void add_states(const struct obx_snapshot *snapshot, struct obx_buf *text)
{
    add_head(text, "relaying", "", "gauge", "1 while events are relayed");
    for (uint32_t i = 0; i < snapshot->count; i++) {
        add_sample(text, "relaying", "", &snapshot->relays[i]);
        obx_buf_printf(text, "%d\n", snapshot->relays[i].stats.state == OUTBOX_STATE_RELAYING);
    }
    add_head(text, "standby", "", "gauge", "1 while another relay owns the outbox");
    for (uint32_t i = 0; i < snapshot->count; i++) {
        add_sample(text, "standby", "", &snapshot->relays[i]);
        obx_buf_printf(text, "%d\n", snapshot->relays[i].stats.state == OUTBOX_STATE_STANDBY);
    }
    add_head(text, "unready_seconds", "", "gauge", "how long nothing was relayed; 0 while it is");
    for (uint32_t i = 0; i < snapshot->count; i++) {
        add_sample(text, "unready_seconds", "", &snapshot->relays[i]);
        obx_buf_printf(text, "%.3f\n", (double)snapshot->relays[i].unready_ns / 1e9);
    }
}

void obx_report_metrics(const struct obx_snapshot *snapshot, struct obx_buf *text)
{
    add_head(text, "build_info", "", "gauge", "the version that runs");
    obx_buf_printf(text, "outbox_build_info{version=\"%s\"} 1\n", OUTBOX_VERSION_STRING);
    add_head(text, "log_dropped", "_total", "counter",
             "log messages that could not be written, or that nobody read in time");
    obx_buf_printf(text, "outbox_log_dropped_total %" PRIu64 "\n", snapshot->log_dropped);
    add_states(snapshot, text);
    add_numbers(snapshot, text);
}

bool obx_report_ready(const struct obx_snapshot *snapshot, struct obx_buf *text)
{
    bool ready = true;
    for (uint32_t i = 0; i < snapshot->count; i++) {
        const struct outbox_stats *stats = &snapshot->relays[i].stats;
        if (stats->state == OUTBOX_STATE_RELAYING || stats->state == OUTBOX_STATE_STANDBY)
            continue;
        ready = false;
        obx_buf_printf(text, "%s: %s%s%s\n", snapshot->relays[i].name, outbox_state_name(stats->state),
                       stats->last_error[0] ? ": " : "", stats->last_error);
    }
    if (ready)
        obx_buf_puts(text, "ready\n");
    return ready;
}

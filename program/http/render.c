/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/render.c - a snapshot as text; pure, so that the formats are tested without a server */
#include "http/render.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include <outbox/version.h>

#include "base/mem.h"
#include "base/utf8.h"

/* Every number: its name in JSON and Prometheus, the Prometheus kind, and its help text. */
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
    NUMBER(claimed, "counter", "rows claimed from the store, including rows claimed again after a recovery"),
    NUMBER(delivered, "counter", "confirmations by the broker; an event that is sent again counts again"),
    NUMBER(settled, "counter", "events removed from the outbox after delivery"),
    NUMBER(retried, "counter", "pauses of a key after a failed attempt: of its event, or of its topic"),
    NUMBER(resent, "counter", "events published again that the broker has or may have: the possible duplicates"),
    NUMBER(rejected, "counter",
           "refusals: by the broker, by the route, or after max_attempts; each try of a blocked event counts"),
    NUMBER(dead_lettered, "counter", "events moved to the dead-letter table"),
    NUMBER(blocked_events, "gauge", "events that wait for a blocked key"),
    NUMBER(blocked_keys, "gauge", "keys blocked by a failed event"),
    NUMBER(store_connects, "counter", "connects to the store, the first one included"),
    NUMBER(broker_connects, "counter",
           "connects to the broker, the first one and reconnects of its client library included"),
    NUMBER(claims, "counter", "claim operations, including empty ones"),
    NUMBER(empty_claims, "counter", "claim operations that returned no row"),
    NUMBER(settles, "counter", "settle operations"),
    NUMBER(spooled, "counter", "events of a log that were copied to the spool, as they could not go at once"),
    NUMBER(kept_log_bytes, "gauge", "bytes of the server's log that are kept for the outbox"),
    NUMBER(kept_log_percent, "gauge", "percent of the server's log that may be kept for the outbox"),
    NUMBER(violations, "counter", "plugin completions that violated the ABI contract"),
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
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:s, s:o}", "state", outbox_state_name(view->stats.state), "store",
        view->store, "broker", view->broker, "owner", view->owner, "rate", view->rate, "unready_seconds",
        (double)view->unready_ns / 1e9, "behind_seconds", (double)view->behind_ns / 1e9, "held_seconds",
        (double)view->held_ns / 1e9, "last_error", view->stats.last_error, "blocked", blocked);
    for (size_t i = 0; object && i < OBX_COUNT(numbers); i++)
        json_object_set_new(object, numbers[i].name, json_integer((json_int_t)value_of(&view->stats, &numbers[i])));
    return object;
}

json_t *obx_render_json(const struct obx_snapshot *snapshot)
{
    json_t *relays = json_object();
    for (uint32_t i = 0; i < snapshot->count; i++)
        json_object_set_new(relays, snapshot->relays[i].name, relay_json(&snapshot->relays[i]));
    return json_pack("{s:s, s:I, s:o}", "version", OUTBOX_VERSION_STRING, "log_dropped",
                     (json_int_t)snapshot->log_dropped, "relays", relays);
}

static void append_label(struct obx_buf *text, const char *value)
{
    for (; *value; value++) {
        if (*value == '"' || *value == '\\' || *value == '\n')
            obx_buf_putc(text, '\\');
        obx_buf_putc(text, *value == '\n' ? 'n' : *value);
    }
}

static void append_head(struct obx_buf *text, const char *name, const char *suffix, const char *kind, const char *help)
{
    obx_buf_printf(text, "# HELP outbox_%s%s %s\n# TYPE outbox_%s%s %s\n", name, suffix, help, name, suffix, kind);
}

static void append_sample(struct obx_buf *text, const char *name, const char *suffix, const struct obx_relay_view *view)
{
    obx_buf_printf(text, "outbox_%s%s{relay=\"", name, suffix);
    append_label(text, view->name);
    obx_buf_puts(text, "\"} ");
}

static void append_numbers(const struct obx_snapshot *snapshot, struct obx_buf *text)
{
    for (size_t n = 0; n < OBX_COUNT(numbers); n++) {
        const char *suffix = numbers[n].kind[0] == 'c' ? "_total" : "";
        append_head(text, numbers[n].name, suffix, numbers[n].kind, numbers[n].help);
        for (uint32_t i = 0; i < snapshot->count; i++) {
            append_sample(text, numbers[n].name, suffix, &snapshot->relays[i]);
            obx_buf_printf(text, "%" PRIu64 "\n", value_of(&snapshot->relays[i].stats, &numbers[n]));
        }
    }
}

static void append_state(const struct obx_snapshot *snapshot, struct obx_buf *text, const char *name, const char *help,
                         enum outbox_state state)
{
    append_head(text, name, "", "gauge", help);
    for (uint32_t i = 0; i < snapshot->count; i++) {
        append_sample(text, name, "", &snapshot->relays[i]);
        obx_buf_printf(text, "%d\n", snapshot->relays[i].stats.state == state);
    }
}

static void append_seconds(const struct obx_snapshot *snapshot, struct obx_buf *text, const char *name,
                           const char *help, size_t offset)
{
    append_head(text, name, "", "gauge", help);
    for (uint32_t i = 0; i < snapshot->count; i++) {
        const char *view = (const char *)&snapshot->relays[i];
        append_sample(text, name, "", &snapshot->relays[i]);
        obx_buf_printf(text, "%.3f\n", (double)*(const uint64_t *)(const void *)(view + offset) / 1e9);
    }
}

/* So that a standby can be matched with the process that it waits for, also where two databases have relays of one
 * name. */
static void append_owners(const struct obx_snapshot *snapshot, struct obx_buf *text)
{
    append_head(text, "owner", "", "gauge",
                "the process that owns the outbox, as HOST/PID: 1 if it is this one and relays, 0 seen by a standby");
    for (uint32_t i = 0; i < snapshot->count; i++) {
        const struct obx_relay_view *view = &snapshot->relays[i];
        if (!view->process[0])
            continue;
        obx_buf_puts(text, "outbox_owner{relay=\"");
        append_label(text, view->name);
        obx_buf_puts(text, "\",process=\"");
        append_label(text, view->process);
        obx_buf_printf(text, "\"} %d\n", view->stats.state == OUTBOX_STATE_RELAYING);
    }
}

static void append_states(const struct obx_snapshot *snapshot, struct obx_buf *text)
{
    append_state(snapshot, text, "relaying", "1 while events are relayed", OUTBOX_STATE_RELAYING);
    append_state(snapshot, text, "standby", "1 while another relay owns the outbox", OUTBOX_STATE_STANDBY);
    append_owners(snapshot, text);
    append_seconds(snapshot, text, "unready_seconds", "seconds since the relay last relayed; 0 while relaying",
                   offsetof(struct obx_relay_view, unready_ns));
    append_seconds(snapshot, text, "behind_seconds",
                   "seconds for which each claim has left events in the outbox; 0 after one that took all",
                   offsetof(struct obx_relay_view, behind_ns));
    append_seconds(snapshot, text, "held_seconds",
                   "seconds since the oldest event was claimed for which the server's log is kept; 0: there is none",
                   offsetof(struct obx_relay_view, held_ns));
}

void obx_render_metrics(const struct obx_snapshot *snapshot, struct obx_buf *text)
{
    append_head(text, "build_info", "", "gauge", "the running version");
    obx_buf_printf(text, "outbox_build_info{version=\"%s\"} 1\n", OUTBOX_VERSION_STRING);
    append_head(text, "log_dropped", "_total", "counter",
                "log messages dropped because writing them would have blocked or failed");
    obx_buf_printf(text, "outbox_log_dropped_total %" PRIu64 "\n", snapshot->log_dropped);
    append_states(snapshot, text);
    append_numbers(snapshot, text);
}

/* Errors have text of servers in them, and the page is for terminals, too. */
static void append_visible(struct obx_buf *text, const char *error)
{
    size_t left = strlen(error);
    while (left) {
        size_t length = obx_utf8_length(error, left);
        bool plain = length && !obx_utf8_is_control(error);
        if (plain)
            obx_buf_add(text, error, length);
        else
            obx_buf_printf(text, "\\x%02x", (unsigned char)*error);
        error += plain ? length : 1;
        left -= plain ? length : 1;
    }
}

bool obx_render_readiness(const struct obx_snapshot *snapshot, const char *relay, struct obx_buf *text)
{
    bool ready = true;
    for (uint32_t i = 0; i < snapshot->count; i++) {
        const struct outbox_stats *stats = &snapshot->relays[i].stats;
        bool asked = !relay || !strcmp(snapshot->relays[i].name, relay);
        if (!asked || stats->state == OUTBOX_STATE_RELAYING || stats->state == OUTBOX_STATE_STANDBY)
            continue;
        ready = false;
        obx_buf_printf(text, "%s: %s%s", snapshot->relays[i].name, outbox_state_name(stats->state),
                       stats->last_error[0] ? ": " : "");
        append_visible(text, stats->last_error);
        obx_buf_putc(text, '\n');
    }
    if (ready)
        obx_buf_puts(text, "ready\n");
    return ready;
}

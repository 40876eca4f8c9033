/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/render.c - a snapshot as text; pure, so that the formats are tested without a server */
#include "http/render.h"

#include <string.h>

#include <outbox/plugin_util.h>
#include <outbox/version.h>

#include "base/since.h"
#include "base/utf8.h"
#include "http/metrics.h"

static json_t *blocked_json(const struct obx_blocked_view *view)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:s}", "topic", view->topic, "key", view->key, "event_id",
                     view->event_id, "position", (json_int_t)view->position, "attempts", (json_int_t)view->attempts,
                     "events", (json_int_t)view->events, "seconds", (double)view->for_ns / 1e9, "reason", view->reason);
}

/* As text: numbers of seconds are durations here. Null: unknown. */
static json_t *time_json(int64_t us)
{
    char text[OUTBOX_TIME_SIZE];
    return us > 0 && outbox_time_text(text, us) ? json_string(text) : json_null();
}

static json_t *relay_json(const struct obx_relay_view *view)
{
    json_t *blocked = json_array();
    for (uint32_t i = 0; i < view->blocked_count; i++)
        json_array_append_new(blocked, blocked_json(&view->blocked[i]));
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:o}", "state",
                  outbox_state_name(view->stats.state), "store", view->store, "broker", view->broker, "owner",
                  view->owner, "owner_since", time_json((int64_t)(view->owned_since_ns / 1000)), "late_since",
                  time_json(view->late_since_us), "late_age_seconds", (double)view->late_age_ns / 1e9, "rate",
                  view->rate, "unready_seconds", (double)view->unready_ns / 1e9, "behind_seconds",
                  (double)view->behind_ns / 1e9, "held_seconds", (double)view->held_ns / 1e9, "oldest_seconds",
                  (double)view->oldest_ns / 1e9, "last_error", view->stats.last_error, "blocked", blocked);
    if (object)
        obx_metrics_add_numbers(view, object);
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

/* "late: ...", or the state and the last error. False: neither is to be reported. */
static bool append_unready(const struct obx_relay_view *view, struct obx_buf *text)
{
    bool relays = view->stats.state == OUTBOX_STATE_RELAYING || view->stats.state == OUTBOX_STATE_STANDBY;
    if (relays && !view->late_since_us)
        return false;
    obx_buf_printf(text, "%s: ", view->name);
    if (relays)
        obx_buf_printf(text, "late%s: the oldest event has waited %.1f s", obx_since(view->late_since_us).text,
                       (double)view->late_age_ns / 1e9);
    else
        obx_buf_printf(text, "%s%s", outbox_state_name(view->stats.state), view->stats.last_error[0] ? ": " : "");
    append_visible(text, relays ? "" : view->stats.last_error);
    obx_buf_putc(text, '\n');
    return true;
}

bool obx_render_readiness(const struct obx_snapshot *snapshot, const char *relay, struct obx_buf *text)
{
    bool ready = true;
    for (uint32_t i = 0; i < snapshot->count; i++) {
        bool wanted = !relay || !strcmp(snapshot->relays[i].name, relay);
        if (wanted && append_unready(&snapshot->relays[i], text))
            ready = false;
    }
    if (ready)
        obx_buf_puts(text, "ready\n");
    return ready;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/relay_view.c - copies what a snapshot shows of one relay
 *
 * The rate counts from the sample before the last one, so that it spans at least one whole sampling interval.
 */
#include "daemon/relay_view.h"

#include <stdio.h>
#include <string.h>

#include <outbox/plugin_util.h>

static struct outbox_stats read_stats(const struct obx_relay_entry *entry)
{
    struct outbox_stats stats = {.struct_size = sizeof stats};
    obx_relay_stats(entry->relay, &stats);
    return stats;
}

void obx_relay_view_sample(struct obx_relay_entry *entry)
{
    entry->previous = entry->latest;
    entry->latest = (struct obx_rate_sample){obx_loop_now(entry->loop), read_stats(entry).settled};
}

static uint64_t age_ns(const struct obx_relay_entry *entry, int64_t created_us)
{
    int64_t wall_us = entry->loop->ops->wall(entry->loop);
    return created_us < wall_us ? (uint64_t)(wall_us - created_us) * 1000 : 0;
}

bool obx_relay_view_note_late(struct obx_relay_entry *entry, uint64_t limit_ns)
{
    struct obx_relay_measures measures;
    struct outbox_stats stats = read_stats(entry);
    uint64_t now = obx_loop_now(entry->loop);
    obx_relay_measure(entry->relay, &measures);
    const struct obx_lateness_facts facts = {.now_ns = now,
                                             .wall_us = entry->loop->ops->wall(entry->loop),
                                             .limit_ns = limit_ns,
                                             .oldest_ns = age_ns(entry, measures.oldest_in_flight_us),
                                             .behind_ns = stats.behind_since_ns ? now - stats.behind_since_ns : 0,
                                             .in_flight = stats.in_flight,
                                             .settled = stats.settled,
                                             .elsewhere = stats.state == OUTBOX_STATE_STANDBY ||
                                                          stats.state == OUTBOX_STATE_STOPPED};
    return obx_lateness_note(&entry->lateness, &facts);
}

static double events_per_second(const struct obx_relay_entry *entry, const struct outbox_stats *stats, uint64_t now)
{
    const struct obx_rate_sample *since = entry->previous.at_ns ? &entry->previous : &entry->latest;
    if (!since->at_ns || now <= since->at_ns || stats->settled < since->settled)
        return 0;
    return (double)(stats->settled - since->settled) * 1e9 / (double)(now - since->at_ns);
}

struct blocked_copy {
    struct obx_relay_view *view;
    uint64_t now;
};

static void copy_blocked_key(void *arg, const struct obx_blocked_key *key)
{
    const struct blocked_copy *copy = arg;
    if (copy->view->blocked_count == OBX_VIEW_BLOCKED)
        return;
    struct obx_blocked_view *view = &copy->view->blocked[copy->view->blocked_count++];
    obx_view_text(view->topic, sizeof view->topic, key->topic);
    obx_view_text(view->key, sizeof view->key, key->key);
    obx_view_text(view->event_id, sizeof view->event_id, key->event_id);
    obx_view_text(view->reason, sizeof view->reason, key->reason);
    view->position = key->position.major;
    view->events = key->events;
    view->attempts = key->attempts;
    view->for_ns = copy->now - key->since_ns;
}

/* "HOST/PID" of "RELAY on HOST, process PID, ..."; "" for any other text. */
void obx_relay_view_process(const char *owner, char *process, size_t size)
{
    const char *host = NULL, *pid = strstr(owner, ", process ");
    process[0] = '\0';
    for (const char *at = owner; pid && (at = strstr(at, " on ")) && at < pid; at++)
        host = at + 4;
    if (host)
        snprintf(process, size, "%.*s/%.*s", (int)(pid - host), host, (int)strspn(pid + 10, "0123456789"), pid + 10);
}

static void fill_owner(struct obx_relay_view *view, const struct obx_relay_entry *entry)
{
    char own[sizeof view->owner];
    outbox_describe_process(own, sizeof own, entry->name);
    bool owns = view->stats.state == OUTBOX_STATE_RELAYING || view->stats.state == OUTBOX_STATE_PAUSED;
    obx_view_text(view->owner, sizeof view->owner, owns ? own : obx_relay_owner(entry->relay));
    obx_relay_view_process(view->owner, view->process, sizeof view->process);
    if (view->owner[0] && view->measures.owned_since_us > 0)
        view->owned_since_ns = (uint64_t)view->measures.owned_since_us * 1000;
}

static void fill_measures(struct obx_relay_view *view, const struct obx_relay_entry *entry, uint64_t now)
{
    const struct obx_lateness *late = &entry->lateness;
    obx_relay_measure(entry->relay, &view->measures);
    view->oldest_ns = age_ns(entry, view->measures.oldest_us);
    view->late_ns = late->since_ns ? now - late->since_ns : 0;
    view->late_since_us = late->since_us;
    view->late_age_ns = late->age_ns;
    view->blocked_ns = view->measures.blocked_since_ns ? now - view->measures.blocked_since_ns : 0;
    view->paused = obx_relay_paused_by(entry->relay) != NULL;
}

/* A relay that is not started here, because another process owns its outbox or nobody could be seen to. */
static void fill_elsewhere(struct obx_relay_view *view, const struct obx_relay_entry *entry)
{
    const struct obx_entry_elsewhere *elsewhere = &entry->elsewhere;
    if (!elsewhere->balanced || obx_relay_entry_is_busy(entry))
        return;
    view->stats.state = elsewhere->known && elsewhere->owner[0] ? OUTBOX_STATE_STANDBY : OUTBOX_STATE_CONNECTING;
    obx_view_text(view->owner, sizeof view->owner, elsewhere->owner);
    view->owned_since_ns = elsewhere->since_s * UINT64_C(1000000000);
    obx_view_text(view->stats.last_error, sizeof view->stats.last_error, elsewhere->failure.text);
    obx_relay_view_process(view->owner, view->process, sizeof view->process);
}

void obx_relay_view_fill(struct obx_relay_view *view, const struct obx_relay_entry *entry)
{
    uint64_t now = obx_loop_now(entry->loop);
    struct blocked_copy copy = {view, now};
    obx_view_text(view->name, sizeof view->name, entry->name);
    obx_view_text(view->store, sizeof view->store, obx_instance_name(obx_relay_store(entry->relay)));
    obx_view_text(view->broker, sizeof view->broker, obx_instance_name(obx_relay_broker(entry->relay)));
    view->stats = read_stats(entry);
    obx_view_text(view->stats.last_error, sizeof view->stats.last_error, view->stats.last_error);
    fill_measures(view, entry, now);
    fill_owner(view, entry);
    fill_elsewhere(view, entry);
    view->behind_ns = view->stats.behind_since_ns ? now - view->stats.behind_since_ns : 0;
    view->held_ns = view->stats.held_since_ns ? now - view->stats.held_since_ns : 0;
    view->unready_ns = view->stats.unready_since_ns ? now - view->stats.unready_since_ns : 0;
    view->rate = events_per_second(entry, &view->stats, now);
    obx_relay_each_blocked(entry->relay, copy_blocked_key, &copy);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/relay_entry.c - one relay of a relay set: a flat state machine with a table of legal moves
 *
 * The relay reports that it has stopped from inside its own calls. So the entry defers a task, and only when that task
 * runs, with the relay's stack unwound, the set may free the entry or start the replacement.
 */
#include "daemon/relay_entry.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"

#define TO(state) (1u << OBX_ENTRY_##state)

/* By state: where it may go next. A state without moves is left by freeing the entry only. */
static const unsigned legal_moves[OBX_ENTRY_STATES] = {
    [OBX_ENTRY_MADE] = TO(WAITING) | TO(RUNNING) | TO(REAPABLE),
    [OBX_ENTRY_WAITING] = TO(RUNNING) | TO(MADE),
    [OBX_ENTRY_RUNNING] = TO(STOPPING) | TO(REMOVING),
    [OBX_ENTRY_STOPPING] = TO(STOPPED_UNWINDING) | TO(REMOVING),
    [OBX_ENTRY_STOPPED_UNWINDING] = TO(STOPPED) | TO(REAPABLE),
    [OBX_ENTRY_STOPPED] = TO(RUNNING) | TO(REAPABLE),
    [OBX_ENTRY_REMOVING] = TO(REAPABLE),
    [OBX_ENTRY_REAPABLE] = 0,
};

static void move(struct obx_relay_entry *entry, enum obx_entry_state to)
{
    if (!(legal_moves[entry->state] & 1u << to))
        abort();
    entry->state = to;
}

/* ---- events of the relay ---- */

static void on_state(void *arg, enum outbox_state state, const char *why)
{
    struct obx_relay_entry *entry = arg;
    (void)why;
    entry->was_relaying |= state == OUTBOX_STATE_RELAYING;
    entry->drained &= state == OUTBOX_STATE_RELAYING;
    entry->events->changed(entry->events->arg);
}

static void on_drained(void *arg, uint64_t blocked)
{
    struct obx_relay_entry *entry = arg;
    entry->drained = true;
    entry->blocked = blocked;
    entry->events->changed(entry->events->arg);
}

static void on_unwound(struct obx_task *task)
{
    struct obx_relay_entry *entry = OBX_CONTAINER(task, struct obx_relay_entry, unwound);
    if (entry->state == OBX_ENTRY_STOPPED_UNWINDING)
        move(entry, OBX_ENTRY_STOPPED);
    entry->events->unwound(entry->events->arg, entry);
}

static void defer_unwound(struct obx_relay_entry *entry)
{
    entry->unwound.run = on_unwound;
    entry->loop->ops->defer(entry->loop, &entry->unwound);
}

static void on_stopped(void *arg)
{
    struct obx_relay_entry *entry = arg;
    move(entry, entry->state == OBX_ENTRY_REMOVING ? OBX_ENTRY_REAPABLE : OBX_ENTRY_STOPPED_UNWINDING);
    defer_unwound(entry);
}

/* ---- life ---- */

static int make_relay(struct obx_relay_entry *entry, struct obx_context *context, struct outbox_error *error)
{
    int status = obx_relay_section(context->config, entry->name, &entry->section, error);
    if (status)
        return status;
    const struct obx_relay_setup setup = {.loop = context->loop,
                                          .registry = context->registry,
                                          .log = context->log,
                                          .name = entry->name,
                                          .section = entry->section,
                                          .events = {.state = on_state, .drained = on_drained, .arg = entry}};
    return obx_relay_new(&setup, &entry->relay, error);
}

int obx_relay_entry_new(struct obx_context *context, const char *name, const struct obx_relay_entry_events *events,
                        struct obx_relay_entry **made, struct outbox_error *error)
{
    struct obx_relay_entry *entry = obx_alloc(sizeof *entry);
    *made = entry;
    if (!entry)
        return obx_error_no_memory(error);
    entry->loop = context->loop;
    entry->events = events;
    entry->config = obx_config_ref_acquire(context->config_ref);
    entry->name = obx_strdup(name);
    int status = entry->name ? make_relay(entry, context, error) : obx_error_no_memory(error);
    if (status) {
        obx_relay_entry_free(entry);
        *made = NULL;
    }
    return status;
}

void obx_relay_entry_free(struct obx_relay_entry *entry)
{
    if (!entry)
        return;
    entry->loop->ops->cancel(entry->loop, &entry->unwound);
    obx_relay_free(entry->relay);
    obx_config_ref_release(entry->config);
    obx_free(entry->name);
    obx_free(entry);
}

/* ---- moves ---- */

void obx_relay_entry_start(struct obx_relay_entry *entry)
{
    move(entry, OBX_ENTRY_RUNNING);
    obx_relay_start(entry->relay);
}

void obx_relay_entry_release(struct obx_relay_entry *entry)
{
    move(entry, OBX_ENTRY_MADE);
}

static void stop_relay(struct obx_relay_entry *entry, bool now)
{
    uint32_t deadline_ms = now ? 0 : (uint32_t)obx_relay_settings(entry->relay)->stop_timeout_ms;
    obx_relay_stop(entry->relay, deadline_ms, on_stopped, entry);
}

void obx_relay_entry_stop(struct obx_relay_entry *entry, bool now)
{
    if (entry->state == OBX_ENTRY_RUNNING)
        move(entry, OBX_ENTRY_STOPPING);
    if (entry->state == OBX_ENTRY_STOPPING || entry->state == OBX_ENTRY_REMOVING)
        stop_relay(entry, now);
}

void obx_relay_entry_remove(struct obx_relay_entry *entry, struct obx_relay_entry *replacement)
{
    bool runs = entry->state == OBX_ENTRY_RUNNING || entry->state == OBX_ENTRY_STOPPING;
    move(entry, runs ? OBX_ENTRY_REMOVING : OBX_ENTRY_REAPABLE);
    entry->replacement = replacement;
    if (replacement)
        move(replacement, OBX_ENTRY_WAITING);
    if (runs)
        stop_relay(entry, false);
    else
        defer_unwound(entry);
}

bool obx_relay_entry_is_busy(const struct obx_relay_entry *entry)
{
    static const unsigned idle = TO(MADE) | TO(WAITING) | TO(STOPPED);
    return !(idle & 1u << entry->state);
}

bool obx_relay_entry_is_removed(const struct obx_relay_entry *entry)
{
    return entry->state == OBX_ENTRY_REMOVING || entry->state == OBX_ENTRY_REAPABLE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/relay_set.c - the relays of one process: made together, started together, replaced one by one
 *
 * A reload makes the new relays before it stops any, so that a wrong configuration changes nothing. A replacement
 * starts when its predecessor has stopped and was reaped: two relays of one process would contend for the same outbox.
 * relay_entry.c has the states of one relay. With service.balance the balancer starts relays, and nothing else does.
 */
#include "daemon/relay_set.h"

#include <string.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "daemon/balancer.h"
#include "daemon/relay_conflicts.h"
#include "daemon/relay_entry.h"
#include "daemon/relay_view.h"

struct obx_relay_set {
    struct obx_context *context;
    struct obx_relay_set_events events;
    struct obx_relay_entry_events entry_events;
    struct obx_list entries;
    bool balanced;                 /* service.balance at the start */
    struct obx_balancer *balancer; /* owned; NULL: every relay runs. A reload replaces it */
    uint32_t balancers;            /* that were started and have not ended */
    bool stopping;
};

#define EACH_ENTRY(list, entry) OBX_LIST_EACH(list, entry, struct obx_relay_entry, link)

/* ---- events of the entries ---- */

static void report_if_stopped(struct obx_relay_set *set)
{
    if (!set->stopping)
        return;
    EACH_ENTRY(&set->entries, entry)
    if (obx_relay_entry_is_busy(entry))
        return;
    if (!set->balancers)
        set->events.stopped(set->events.arg);
}

static void on_changed(void *arg)
{
    struct obx_relay_set *set = arg;
    if (set->events.changed)
        set->events.changed(set->events.arg);
}

static void reap(struct obx_relay_set *set, struct obx_relay_entry *entry)
{
    struct obx_relay_entry *replacement = entry->replacement;
    obx_list_remove(&entry->link);
    obx_relay_entry_free(entry);
    if (replacement && set->balancer)
        obx_relay_entry_release(replacement);
    else if (replacement && !set->stopping)
        obx_relay_entry_start(replacement);
}

static void on_unwound(void *arg, struct obx_relay_entry *entry)
{
    struct obx_relay_set *set = arg;
    if (obx_relay_entry_is_removed(entry))
        reap(set, entry);
    report_if_stopped(set);
}

static void on_balancer_ended(void *arg)
{
    struct obx_relay_set *set = arg;
    set->balancers--;
    report_if_stopped(set);
}

/* ---- life ---- */

static void free_entries(struct obx_list *entries)
{
    struct obx_list *link;
    while ((link = obx_list_pop(entries)))
        obx_relay_entry_free(OBX_CONTAINER(link, struct obx_relay_entry, link));
}

static int add_entry(struct obx_relay_set *set, const char *name, struct obx_list *entries, struct outbox_error *error)
{
    struct obx_relay_entry *entry;
    int status = obx_relay_entry_new(set->context, name, &set->entry_events, &entry, error);
    if (!status)
        obx_list_append(entries, &entry->link);
    return status;
}

/* *balancer stays NULL without service.balance. */
static int make_balancer(struct obx_relay_set *set, struct obx_balancer **balancer, struct outbox_error *error)
{
    const struct obx_balancer_events events = {on_balancer_ended, set};
    *balancer = NULL;
    return set->balanced ? obx_balancer_new(set->context, &set->entries, &events, balancer, error) : OUTBOX_OK;
}

static void start_balancer(struct obx_relay_set *set, struct obx_balancer *balancer)
{
    set->balancer = balancer;
    if (!balancer)
        return;
    set->balancers++;
    obx_balancer_start(balancer);
}

int obx_relay_set_new(struct obx_context *context, const struct obx_relay_set_events *events,
                      struct obx_relay_set **made, struct outbox_error *error)
{
    struct obx_relay_set *set = obx_alloc(sizeof *set);
    *made = set;
    if (!set)
        return obx_error_no_memory(error);
    set->context = context;
    set->events = *events;
    set->balanced = context->settings.balance;
    set->entry_events = (struct obx_relay_entry_events){on_changed, on_unwound, set};
    obx_list_init(&set->entries);
    const char *name;
    int status = OUTBOX_OK;
    for (uint32_t i = 0; !status && (name = obx_context_relay(context, i)); i++)
        status = add_entry(set, name, &set->entries, error);
    if (!status)
        status = obx_relay_conflicts_check(context, error);
    if (!status)
        status = make_balancer(set, &set->balancer, error);
    if (!status)
        return OUTBOX_OK;
    obx_relay_set_free(set);
    *made = NULL;
    return status;
}

void obx_relay_set_free(struct obx_relay_set *set)
{
    if (!set)
        return;
    obx_balancer_free(set->balancer);
    free_entries(&set->entries);
    obx_free(set);
}

void obx_relay_set_start(struct obx_relay_set *set)
{
    start_balancer(set, set->balancer);
    EACH_ENTRY(&set->entries, entry)
    if (!set->balancer)
        obx_relay_entry_start(entry);
}

void obx_relay_set_stop(struct obx_relay_set *set, bool now)
{
    set->stopping = true;
    if (set->balancer)
        obx_balancer_end(set->balancer);
    set->balancer = NULL;
    EACH_ENTRY(&set->entries, entry)
    obx_relay_entry_stop(entry, now);
    report_if_stopped(set);
}

/* ---- reload ---- */

static struct obx_relay_entry *find_by_name(struct obx_list *entries, const char *name)
{
    EACH_ENTRY(entries, entry)
    if (!obx_relay_entry_is_removed(entry) && !strcmp(entry->name, name))
        return entry;
    return NULL;
}

/* Make an entry for every relay that is new or has changed; mark the old ones that are unchanged. */
static int make_changed(struct obx_relay_set *set, struct obx_list *fresh, struct outbox_error *error)
{
    const char *name;
    int status = OUTBOX_OK;
    for (uint32_t i = 0; !status && (name = obx_context_relay(set->context, i)); i++) {
        const struct obx_section *section;
        struct obx_relay_entry *old = find_by_name(&set->entries, name);
        status = obx_relay_section(set->context->config, name, &section, error);
        if (!status && old && obx_section_same(old->section, section))
            old->unchanged = true;
        else if (!status)
            status = add_entry(set, name, fresh, error);
    }
    return status;
}

static void log_difference(struct obx_relay_set *set, const struct obx_relay_entry *old,
                           const struct obx_relay_entry *replacement)
{
    char difference[256];
    obx_section_difference(old->section, replacement->section, difference, sizeof difference);
    obx_log_write(set->context->log, OUTBOX_LOG_INFO, old->name, "its configuration changed: restarting; different: %s",
                  difference);
}

static void remove_entry(struct obx_relay_set *set, struct obx_relay_entry *old, struct obx_list *fresh)
{
    struct obx_relay_entry *replacement = find_by_name(fresh, old->name);
    if (replacement) {
        log_difference(set, old, replacement);
        obx_relay_inherit_pause(replacement->relay, old->relay);
    } else {
        obx_log_write(set->context->log, OUTBOX_LOG_INFO, old->name, "no longer configured: stopping");
    }
    obx_relay_entry_remove(old, replacement);
}

/* Add the fresh entries to the set, and start those that replace nothing. */
static void adopt(struct obx_relay_set *set, struct obx_list *fresh)
{
    struct obx_list *link;
    while ((link = obx_list_pop(fresh))) {
        struct obx_relay_entry *entry = OBX_CONTAINER(link, struct obx_relay_entry, link);
        obx_list_append(&set->entries, link);
        if (entry->state != OBX_ENTRY_MADE || set->balancer)
            continue;
        obx_log_write(set->context->log, OUTBOX_LOG_INFO, entry->name, "new in the configuration: starting");
        obx_relay_entry_start(entry);
    }
}

static bool is_reloading(struct obx_relay_set *set)
{
    EACH_ENTRY(&set->entries, entry)
    if (obx_relay_entry_is_removed(entry))
        return true;
    return false;
}

static int make_fresh(struct obx_relay_set *set, struct obx_list *fresh, struct obx_balancer **balancer,
                      struct outbox_error *error)
{
    EACH_ENTRY(&set->entries, entry)
    entry->unchanged = false;
    int status = make_changed(set, fresh, error);
    if (!status)
        status = obx_relay_conflicts_check(set->context, error);
    if (!status)
        status = make_balancer(set, balancer, error);
    return status ? status : OBX_FAILPOINT_ERROR(reload, relays_made, error);
}

int obx_relay_set_reload(struct obx_relay_set *set, struct outbox_error *error)
{
    struct obx_list fresh;
    struct obx_balancer *balancer = NULL;
    obx_list_init(&fresh);
    if (is_reloading(set))
        return obx_error_set(error, OUTBOX_E_AGAIN,
                             "reload: relays of the last reload are still stopping; send SIGHUP again later");
    int status = make_fresh(set, &fresh, &balancer, error);
    if (status) {
        obx_balancer_free(balancer);
        free_entries(&fresh);
        return status;
    }
    EACH_ENTRY(&set->entries, entry)
    {
        if (entry->unchanged)
            obx_relay_retry(entry->relay);
        else
            remove_entry(set, entry, &fresh);
    }
    OBX_FAILPOINT(reload, relays_replaced);
    if (set->balancer && balancer) {
        obx_balancer_continue(balancer, set->balancer);
        obx_balancer_end(set->balancer);
    }
    adopt(set, &fresh);
    start_balancer(set, balancer);
    return OUTBOX_OK;
}

/* ---- reading ---- */

void obx_relay_set_each(struct obx_relay_set *set, void (*each)(void *arg, const struct obx_relay_info *info),
                        void *arg)
{
    EACH_ENTRY(&set->entries, entry)
    {
        const struct obx_relay_info info = {.name = entry->name,
                                            .state = obx_relay_state(entry->relay),
                                            .was_relaying = entry->was_relaying,
                                            .drained = entry->drained,
                                            .blocked = entry->blocked,
                                            .failure = obx_relay_failure(entry->relay),
                                            .relay = entry->relay};
        each(arg, &info);
    }
}

void obx_relay_set_control(struct obx_relay_set *set, const char *relay, const struct obx_control_request *request,
                           struct outbox_error *answer)
{
    struct obx_relay_entry *entry = find_by_name(&set->entries, relay);
    char names[200];
    if (entry && entry->elsewhere.balanced && !obx_relay_entry_is_busy(entry)) {
        obx_error_set(answer, OUTBOX_E_STANDBY, "this process does not own the outbox; its owner is %s",
                      entry->elsewhere.owner[0] ? entry->elsewhere.owner : "unknown");
        return;
    }
    if (entry) {
        obx_relay_control(entry->relay, request, answer);
        return;
    }
    obx_context_list_relays(set->context->config, names, sizeof names);
    obx_error_set(answer, OUTBOX_E_CONFIG, "the service has no relay of this name; it has: %s", names);
}

static void log_late(const struct obx_relay_set *set, const struct obx_relay_entry *entry)
{
    const struct obx_lateness *late = &entry->lateness;
    if (late->since_ns)
        obx_log_write(set->context->log, OUTBOX_LOG_WARN, entry->name,
                      "late: the oldest event has waited %.1f s, and service.late is %.1f s",
                      (double)late->age_ns / 1e9, (double)set->context->settings.late_ms / 1e3);
    else
        obx_log_write(set->context->log, OUTBOX_LOG_INFO, entry->name, "late no more");
}

void obx_relay_set_sample(struct obx_relay_set *set)
{
    EACH_ENTRY(&set->entries, entry)
    {
        if (obx_relay_view_note_late(entry, (uint64_t)set->context->settings.late_ms * OBX_MS))
            log_late(set, entry);
        obx_relay_view_sample(entry);
    }
}

void obx_relay_set_fill(void *arg, struct obx_snapshot *snapshot)
{
    struct obx_relay_set *set = arg;
    snapshot->log_dropped = obx_logger_dropped(set->context->logger);
    if (set->balancer)
        snapshot->balance = (struct obx_balance_view){.taken = obx_balancer_balance(set->balancer)->taken,
                                                      .given = obx_balancer_balance(set->balancer)->given};
    EACH_ENTRY(&set->entries, entry)
    {
        struct obx_relay_view *view = obx_relay_entry_is_removed(entry) ? NULL : obx_snapshot_more(snapshot);
        if (view)
            obx_relay_view_fill(view, entry);
    }
}

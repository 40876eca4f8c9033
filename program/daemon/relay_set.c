/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/relay_set.c - the relays of one process: made together, started together, replaced one by one
 *
 * A member is one relay. On a reload the new members are made before anything is stopped, so that a configuration that
 * is wrong changes nothing. A member that is replaced names its successor, which starts when the old one has stopped:
 * the two would fight for the same outbox.
 */
#include "daemon/relay_set.h"

#include <string.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/list.h"
#include "base/mem.h"
#include "daemon/relay_conflicts.h"

enum phase { MADE, RUNNING, STOPPING, STOPPED };

struct member {
    struct obx_list link;
    struct obx_relay_set *group;
    struct obx_config_ref *held;
    const struct obx_section *section;
    char *name;
    struct obx_relay *relay;
    enum phase phase;
    bool was_relaying, drained, leaving; /* leaving: to be freed when stopped */
    bool kept;                           /* during a reload: the new configuration has it too */
    uint64_t blocked;
    struct member *successor;
    struct obx_task farewell; /* frees it, after the relay's own stack has unwound */
    struct sample {
        uint64_t at_ns, settled;
    } before, last;
};

struct obx_relay_set {
    struct obx_app *app;
    struct obx_relay_set_events events;
    struct obx_list members;
    bool stopping;
};

/* ---- members ---- */

static void tell_changed(struct obx_relay_set *group)
{
    if (group->events.changed)
        group->events.changed(group->events.arg);
}

static void on_state(void *arg, enum outbox_state state, const char *why)
{
    struct member *member = arg;
    (void)why;
    member->was_relaying |= state == OUTBOX_STATE_RELAYING;
    member->drained &= state == OUTBOX_STATE_RELAYING;
    tell_changed(member->group);
}

static void on_drained(void *arg, uint64_t blocked)
{
    struct member *member = arg;
    member->drained = true;
    member->blocked = blocked;
    tell_changed(member->group);
}

static void member_free(struct member *member)
{
    if (!member)
        return;
    struct obx_loop *loop = member->group->app->loop;
    loop->ops->cancel(loop, &member->farewell);
    obx_relay_free(member->relay);
    obx_config_ref_drop(member->held);
    obx_free(member->name);
    obx_free(member);
}

static int member_new(struct obx_relay_set *group, const char *name, struct member **made, struct outbox_error *error)
{
    struct member *member = obx_alloc(sizeof *member);
    struct obx_app *app = group->app;
    *made = member;
    if (!member)
        return obx_error_no_memory(error);
    member->group = group;
    member->held = obx_config_ref_take(app->held);
    member->name = obx_strdup(name);
    int status =
        member->name ? obx_app_relay_section(app->config, name, &member->section, error) : obx_error_no_memory(error);
    if (!status) {
        const struct obx_relay_setup setup = {.loop = app->loop,
                                              .registry = app->registry,
                                              .log = app->log,
                                              .name = member->name,
                                              .section = member->section,
                                              .events = {on_state, on_drained, member}};
        status = obx_relay_new(&setup, &member->relay, error);
    }
    if (status) {
        member_free(member);
        *made = NULL;
    }
    return status;
}

static void member_start(struct member *member)
{
    member->phase = RUNNING;
    obx_relay_start(member->relay);
}

static void check_stopped(struct obx_relay_set *group);

static void say_farewell(struct obx_task *task)
{
    struct member *member = OBX_CONTAINER(task, struct member, farewell);
    struct obx_relay_set *group = member->group;
    struct member *successor = member->successor;
    if (member->leaving) {
        obx_list_remove(&member->link);
        member_free(member);
    }
    if (successor && !group->stopping)
        member_start(successor);
    check_stopped(group);
}

static void on_stopped(void *arg)
{
    struct member *member = arg;
    struct obx_loop *loop = member->group->app->loop;
    member->phase = STOPPED;
    member->farewell.run = say_farewell;
    loop->ops->defer(loop, &member->farewell);
}

static void member_stop(struct member *member, bool now)
{
    if (member->phase == MADE || member->phase == STOPPED)
        return;
    uint32_t deadline = now ? 0 : (uint32_t)obx_relay_settings(member->relay)->stop_timeout_ms;
    member->phase = STOPPING;
    obx_relay_stop(member->relay, deadline, on_stopped, member);
}

/* ---- the group ---- */

static bool is_busy(const struct member *member)
{
    return member->phase == RUNNING || member->phase == STOPPING || member->farewell.queued;
}

static void check_stopped(struct obx_relay_set *group)
{
    if (!group->stopping)
        return;
    OBX_LIST_EACH(&group->members, member, struct member, link)
    if (is_busy(member))
        return;
    group->events.stopped(group->events.arg);
}

static void free_list(struct obx_list *members)
{
    struct obx_list *link;
    while ((link = obx_list_pop(members)))
        member_free(OBX_CONTAINER(link, struct member, link));
}

int obx_relay_set_new(struct obx_app *app, const struct obx_relay_set_events *events, struct obx_relay_set **made,
                      struct outbox_error *error)
{
    struct obx_relay_set *group = obx_alloc(sizeof *group);
    *made = group;
    if (!group)
        return obx_error_no_memory(error);
    group->app = app;
    group->events = *events;
    obx_list_init(&group->members);
    const char *name;
    int status = OUTBOX_OK;
    for (uint32_t i = 0; !status && (name = obx_app_relay(app, i)); i++) {
        struct member *member;
        status = member_new(group, name, &member, error);
        if (!status)
            obx_list_append(&group->members, &member->link);
    }
    if (!status)
        status = obx_relay_conflicts_check(app, error);
    if (!status)
        return OUTBOX_OK;
    obx_relay_set_free(group);
    *made = NULL;
    return status;
}

void obx_relay_set_free(struct obx_relay_set *group)
{
    if (!group)
        return;
    free_list(&group->members);
    obx_free(group);
}

void obx_relay_set_start(struct obx_relay_set *group)
{
    OBX_LIST_EACH(&group->members, member, struct member, link)
    member_start(member);
}

void obx_relay_set_stop(struct obx_relay_set *group, bool now)
{
    group->stopping = true;
    OBX_LIST_EACH(&group->members, member, struct member, link)
    member_stop(member, now);
    check_stopped(group);
}

/* ---- reload ---- */

static struct member *find(struct obx_relay_set *group, const char *name)
{
    OBX_LIST_EACH(&group->members, member, struct member, link)
    if (!member->leaving && !strcmp(member->name, name))
        return member;
    return NULL;
}

/* Make a new member for every relay that is new or has changed; note which of the old ones stay. */
static int make_changed(struct obx_relay_set *group, struct obx_list *fresh, struct outbox_error *error)
{
    const char *name;
    for (uint32_t i = 0; (name = obx_app_relay(group->app, i)); i++) {
        const struct obx_section *section;
        struct member *old = find(group, name), *member;
        int status = obx_app_relay_section(group->app->config, name, &section, error);
        if (!status && old && obx_section_same(old->section, section)) {
            old->kept = true;
            continue;
        }
        if (!status)
            status = member_new(group, name, &member, error);
        if (status)
            return status;
        obx_list_append(fresh, &member->link);
    }
    return OUTBOX_OK;
}

static void retire(struct obx_relay_set *group, struct member *old, struct obx_list *fresh)
{
    old->leaving = true;
    OBX_LIST_EACH(fresh, member, struct member, link)
    if (!strcmp(member->name, old->name))
        old->successor = member;
    obx_log_write(group->app->log, OUTBOX_LOG_INFO, old->name,
                  old->successor ? "its configuration changed: restarting" : "no longer configured: stopping");
    member_stop(old, false);
}

static bool succeeds_another(struct obx_relay_set *group, const struct member *fresh)
{
    OBX_LIST_EACH(&group->members, member, struct member, link)
    if (member->successor == fresh)
        return true;
    return false;
}

static bool is_changing(struct obx_relay_set *group)
{
    OBX_LIST_EACH(&group->members, member, struct member, link)
    if (member->leaving)
        return true;
    return false;
}

int obx_relay_set_reload(struct obx_relay_set *group, struct outbox_error *error)
{
    struct obx_list fresh;
    obx_list_init(&fresh);
    if (is_changing(group))
        return obx_error_set(error, OUTBOX_E_AGAIN, "a reload is still under way: relays are stopping");
    OBX_LIST_EACH(&group->members, member, struct member, link)
    member->kept = false;
    int status = make_changed(group, &fresh, error);
    if (!status)
        status = obx_relay_conflicts_check(group->app, error);
    if (!status)
        status = OBX_FAILPOINT_ERROR(reload, relays_made, error);
    if (status) {
        free_list(&fresh);
        return status;
    }
    OBX_LIST_EACH(&group->members, member, struct member, link)
    if (!member->kept)
        retire(group, member, &fresh);
    OBX_FAILPOINT(reload, relays_replaced);
    struct obx_list *link;
    while ((link = obx_list_pop(&fresh))) {
        struct member *member = OBX_CONTAINER(link, struct member, link);
        obx_list_append(&group->members, link);
        if (!succeeds_another(group, member))
            member_start(member);
    }
    return OUTBOX_OK;
}

/* ---- looking ---- */

void obx_relay_set_each(struct obx_relay_set *group, void (*each)(void *arg, const struct obx_member_info *info),
                        void *arg)
{
    OBX_LIST_EACH(&group->members, member, struct member, link)
    {
        const struct obx_member_info info = {.name = member->name,
                                             .state = obx_relay_state(member->relay),
                                             .was_relaying = member->was_relaying,
                                             .drained = member->drained,
                                             .blocked = member->blocked,
                                             .failure = obx_relay_failure(member->relay),
                                             .relay = member->relay};
        each(arg, &info);
    }
}

static struct outbox_stats stats_of(const struct member *member)
{
    struct outbox_stats stats = {.struct_size = sizeof stats};
    obx_relay_stats(member->relay, &stats);
    return stats;
}

void obx_relay_set_sample(struct obx_relay_set *group)
{
    uint64_t now = obx_loop_now(group->app->loop);
    OBX_LIST_EACH(&group->members, member, struct member, link)
    {
        member->before = member->last;
        member->last = (struct sample){now, stats_of(member).settled};
    }
}

static double rate_of(const struct member *member, const struct outbox_stats *stats, uint64_t now)
{
    const struct sample *since = member->before.at_ns ? &member->before : &member->last;
    if (!since->at_ns || now <= since->at_ns || stats->settled < since->settled)
        return 0;
    return (double)(stats->settled - since->settled) * 1e9 / (double)(now - since->at_ns);
}

struct filling {
    struct obx_relay_view *view;
    uint64_t now;
};

static void fill_blocked(void *arg, const struct obx_blocked_key *key)
{
    const struct filling *filling = arg;
    if (filling->view->blocked_count == OBX_VIEW_BLOCKED)
        return;
    struct obx_blocked_view *view = &filling->view->blocked[filling->view->blocked_count++];
    obx_view_text(view->topic, sizeof view->topic, key->topic);
    obx_view_text(view->key, sizeof view->key, key->key);
    obx_view_text(view->event_id, sizeof view->event_id, key->event_id);
    obx_view_text(view->reason, sizeof view->reason, key->reason);
    view->position = key->position.major;
    view->events = key->events;
    view->attempts = key->attempts;
    view->for_ns = filling->now - key->since_ns;
}

void obx_relay_set_fill(void *arg, struct obx_snapshot *snapshot)
{
    struct obx_relay_set *group = arg;
    struct filling filling = {.now = obx_loop_now(group->app->loop)};
    snapshot->log_dropped = obx_logger_dropped(group->app->logger);
    OBX_LIST_EACH(&group->members, member, struct member, link)
    {
        struct obx_relay_view *view = member->leaving ? NULL : obx_snapshot_more(snapshot);
        if (!view)
            continue;
        obx_view_text(view->name, sizeof view->name, member->name);
        obx_view_text(view->store, sizeof view->store, obx_instance_name(obx_relay_store(member->relay)));
        obx_view_text(view->broker, sizeof view->broker, obx_instance_name(obx_relay_broker(member->relay)));
        view->stats = stats_of(member);
        obx_view_text(view->stats.last_error, sizeof view->stats.last_error, view->stats.last_error);
        view->unready_ns = view->stats.unready_since_ns ? filling.now - view->stats.unready_since_ns : 0;
        view->rate = rate_of(member, &view->stats, filling.now);
        filling.view = view;
        obx_relay_each_blocked(member->relay, fill_blocked, &filling);
    }
}

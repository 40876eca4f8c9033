/* SPDX-License-Identifier: Apache-2.0 */
/* program/daemon/surveyor.c - the connection of a surveyor: a flat state machine with a table of legal moves */
#include "daemon/surveyor.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/table.h"
#include "daemon/relay_conflicts.h"

enum state { DOWN, STARTING, READY, SURVEYING, STOPPING, ENDED, STATES };
#define TO(state) (1u << (state))
static const unsigned legal_moves[STATES] = {
    [DOWN] = TO(STARTING) | TO(ENDED),
    [STARTING] = TO(READY) | TO(STOPPING),
    [READY] = TO(SURVEYING) | TO(STOPPING),
    [SURVEYING] = TO(READY) | TO(STOPPING),
    [STOPPING] = TO(DOWN),
    [ENDED] = 0,
};

enum { TIMEOUT_MS = 10000, STOP_MS = 5000, PAUSE_MS = 1000, HURRY_MS = 20 };

struct obx_surveyor {
    struct obx_loop *loop;
    struct obx_surveyor_events events;
    enum state state;
    bool ending;
    uint64_t interval_ns;
    struct obx_instance **stores; /* owned, each and the list */
    uint32_t connected;           /* which of them has the connection */
    struct outbox_survey survey;
    bool *wishes; /* owned; of the next survey */
    bool hurry;   /* there is a new one */
    struct outbox_store_start start;
    struct obx_call call;
    struct obx_timer timer;
    struct obx_task end_task;
};

static void move(struct obx_surveyor *surveyor, enum state to)
{
    if (!(legal_moves[surveyor->state] & TO(to)))
        abort();
    surveyor->state = to;
}

/* Processes must not survey in step: of two that see the same free outbox, one is faster then. */
static void set_timer(struct obx_surveyor *surveyor, uint64_t ns)
{
    uint64_t random = surveyor->loop->ops->random(surveyor->loop);
    surveyor->loop->ops->timer_set(surveyor->loop, &surveyor->timer, ns - ns / 4 + random % (ns / 2 + 1));
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

void obx_surveyor_free(struct obx_surveyor *surveyor)
{
    if (!surveyor)
        return;
    surveyor->loop->ops->timer_clear(surveyor->loop, &surveyor->timer);
    surveyor->loop->ops->cancel(surveyor->loop, &surveyor->end_task);
    for (uint32_t i = 0; i < surveyor->survey.count; i++)
        obx_instance_free(surveyor->stores[i]);
    obx_free(surveyor->stores);
    obx_free(surveyor->survey.outboxes);
    obx_free(surveyor->wishes);
    obx_free(surveyor);
}

static void on_end(struct obx_task *task)
{
    struct obx_surveyor *surveyor = OBX_CONTAINER(task, struct obx_surveyor, end_task);
    surveyor->events.ended(surveyor->events.arg);
    obx_surveyor_free(surveyor);
}

static void go_down(struct obx_surveyor *surveyor)
{
    if (surveyor->ending) {
        move(surveyor, ENDED);
        surveyor->loop->ops->defer(surveyor->loop, &surveyor->end_task);
    } else {
        surveyor->connected = (surveyor->connected + 1) % surveyor->survey.count; /* its database may be gone */
        set_timer(surveyor, OBX_MAX(surveyor->interval_ns, PAUSE_MS * OBX_MS));
    }
}

static void on_stopped(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_surveyor *surveyor = OBX_CONTAINER(call, struct obx_surveyor, call);
    (void)error; /* the connection is closed in any case */
    move(surveyor, DOWN);
    go_down(surveyor);
}

static void stop(struct obx_surveyor *surveyor)
{
    move(surveyor, STOPPING);
    surveyor->call = (struct obx_call){.done = on_stopped};
    obx_instance_stop(surveyor->stores[surveyor->connected], &surveyor->call, STOP_MS);
}

void obx_surveyor_end(struct obx_surveyor *surveyor)
{
    surveyor->ending = true;
    surveyor->loop->ops->timer_clear(surveyor->loop, &surveyor->timer);
    if (surveyor->state == READY)
        stop(surveyor);
    else if (surveyor->state == DOWN)
        go_down(surveyor);
    else
        obx_instance_cancel(surveyor->stores[surveyor->connected]); /* what is in flight ends, and a stop follows */
}

/* ---- surveys ----------------------------------------------------------------------------------------------------- */

static void end_call(struct obx_surveyor *surveyor, const struct outbox_error *error)
{
    bool failed = error->code != OUTBOX_OK;
    if (!surveyor->ending)
        surveyor->events.surveyed(surveyor->events.arg, surveyor, failed ? error : NULL);
    if (failed || surveyor->ending) {
        stop(surveyor);
    } else {
        move(surveyor, READY);
        set_timer(surveyor, surveyor->hurry ? HURRY_MS * OBX_MS : surveyor->interval_ns);
    }
}

static void on_surveyed(struct obx_call *call, const struct outbox_error *error)
{
    end_call(OBX_CONTAINER(call, struct obx_surveyor, call), error);
}

static void survey(struct obx_surveyor *surveyor)
{
    move(surveyor, SURVEYING);
    surveyor->hurry = false;
    for (uint32_t i = 0; i < surveyor->survey.count; i++)
        surveyor->survey.outboxes[i].flags = surveyor->wishes[i] ? OUTBOX_SURVEY_WISH : 0;
    surveyor->call = (struct obx_call){.done = on_surveyed};
    obx_store_survey(surveyor->stores[surveyor->connected], &surveyor->call, TIMEOUT_MS, &surveyor->survey);
}

static void on_started(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_surveyor *surveyor = OBX_CONTAINER(call, struct obx_surveyor, call);
    if (error->code || surveyor->ending) {
        end_call(surveyor, error);
    } else {
        move(surveyor, READY);
        survey(surveyor);
    }
}

static void start(struct obx_surveyor *surveyor)
{
    move(surveyor, STARTING);
    surveyor->call = (struct obx_call){.done = on_started};
    surveyor->start = (struct outbox_store_start){.struct_size = sizeof surveyor->start};
    obx_store_start(surveyor->stores[surveyor->connected], &surveyor->call, TIMEOUT_MS, &surveyor->start);
}

static void on_timer(struct obx_timer *timer)
{
    struct obx_surveyor *surveyor = OBX_CONTAINER(timer, struct obx_surveyor, timer);
    if (surveyor->state == DOWN)
        start(surveyor);
    else
        survey(surveyor);
}

/* Within an interval: processes that start together do not race for the same outboxes. */
void obx_surveyor_start(struct obx_surveyor *surveyor)
{
    set_timer(surveyor, surveyor->interval_ns / 2);
}

const struct outbox_surveyed *obx_surveyor_outbox(const struct obx_surveyor *surveyor, uint32_t index)
{
    return &surveyor->survey.outboxes[index];
}

void obx_surveyor_wish(struct obx_surveyor *surveyor, uint32_t index, bool wish)
{
    surveyor->hurry |= wish && !surveyor->wishes[index];
    surveyor->wishes[index] = wish;
    if (surveyor->hurry && surveyor->state == READY)
        set_timer(surveyor, HURRY_MS * OBX_MS);
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

struct obx_surveyor *obx_surveyor_new(struct obx_loop *loop, uint32_t room, const struct obx_surveyor_events *events)
{
    struct obx_surveyor *surveyor = obx_alloc(sizeof *surveyor);
    if (!surveyor)
        return NULL;
    surveyor->loop = loop;
    surveyor->events = *events;
    surveyor->interval_ns = UINT64_MAX;
    surveyor->timer.fire = on_timer;
    surveyor->end_task.run = on_end;
    surveyor->survey.struct_size = sizeof surveyor->survey;
    surveyor->stores = obx_alloc(room * sizeof *surveyor->stores);
    surveyor->survey.outboxes = obx_alloc(room * sizeof *surveyor->survey.outboxes);
    surveyor->wishes = obx_alloc(room * sizeof *surveyor->wishes);
    if (surveyor->stores && surveyor->survey.outboxes && surveyor->wishes)
        return surveyor;
    obx_surveyor_free(surveyor);
    return NULL;
}

uint32_t obx_surveyor_add(struct obx_surveyor *surveyor, struct obx_instance *store, uint32_t lease_ms,
                          uint64_t interval_ns)
{
    uint32_t index = surveyor->survey.count++;
    const void *self = obx_instance_self(obx_instance_innermost(store));
    surveyor->stores[index] = store;
    surveyor->interval_ns = OBX_MIN(surveyor->interval_ns, interval_ns);
    surveyor->survey.outboxes[index] = (struct outbox_surveyed){.store = self, .lease_ms = lease_ms};
    return index;
}

/* ---- one place --------------------------------------------------------------------------------------------------- */

/* A store reaches the other databases of its server, or has no option for them. Another user may have other rights. */
static bool must_be_equal(const struct outbox_option *option)
{
    bool which = !strcmp(option->name, "table") || !strcmp(option->name, "database");
    return !strcmp(option->name, "user") || (option->flags & OUTBOX_OPT_IDENTITY && !which);
}

bool obx_surveyor_serves(const struct obx_surveyor *surveyor, const struct obx_instance *store)
{
    const struct obx_instance *first = obx_instance_innermost(surveyor->stores[0]);
    const struct outbox_plugin *descriptor = obx_instance_descriptor(first);
    store = obx_instance_innermost(store);
    if (obx_instance_descriptor(store) != descriptor)
        return false;
    for (uint32_t i = 0; i < descriptor->option_count; i++) {
        struct outbox_option option = obx_option_at(descriptor->options, descriptor->option_size, i);
        const char *a = obx_instance_self(first), *b = obx_instance_self(store);
        if (must_be_equal(&option) && !obx_relay_same_value(&option, a + option.offset, b + option.offset))
            return false;
    }
    return true;
}

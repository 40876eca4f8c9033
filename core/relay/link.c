/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/link.c - the state machine of link.h, its failures and its pauses */
#include "relay/link.h"

#include <stdio.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "relay/backoff.h"
#include "relay/causes.h"
#include "relay/failures.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 10000
#define STOP_AGAIN_NS (10 * OBX_MS)

struct obx_link {
    struct obx_relay_context *context;
    enum outbox_kind kind;
    const char *name; /* "store", "broker" */
    enum obx_trouble trouble;
    enum obx_link_state state;
    struct obx_instance *instance; /* owned */
    struct obx_request start;      /* start, acquire */
    struct obx_request stop;
    uint32_t failures; /* in a row; reset by the first success of real work */
    uint64_t retry_at;
    uint64_t fenced_at;       /* the last failure OUTBOX_E_FENCED; 0: none */
    uint64_t answered_at;     /* the start succeeded, and the link is STARTING still; 0: no */
    unsigned broken;          /* enum obx_link_work: what failed and has not succeeded since; 0: no outage */
    uint64_t broken_since;    /* the outage */
    uint32_t outage_failures; /* of it */
    bool logged;              /* a line has announced the outage */
    struct obx_causes causes;
    void (*wake)(void *arg);
    void *wake_arg;
    struct outbox_error error;
};

struct obx_link *obx_link_new(struct obx_relay_context *context, enum outbox_kind kind)
{
    struct obx_link *link = obx_alloc(sizeof *link);
    if (!link)
        return NULL;
    link->context = context;
    link->kind = kind;
    link->name = kind == OUTBOX_STORE ? "store" : "broker";
    link->trouble = kind == OUTBOX_STORE ? OBX_TROUBLE_STORE : OBX_TROUBLE_BROKER;
    return link;
}

void obx_link_free(struct obx_link *link)
{
    if (link)
        obx_instance_free(link->instance);
    obx_free(link);
}

static void on_wake(void *arg)
{
    struct obx_link *link = arg;
    if (link->wake)
        link->wake(link->wake_arg);
}

static void on_lost(void *arg, const struct outbox_error *error)
{
    struct obx_link *link = arg;
    obx_relay_context_update_now(link->context);
    obx_link_lost(link, OBX_WORK_CONNECT, error);
}

int obx_link_open(struct obx_link *link, struct obx_registry *registry, const struct obx_section *relay,
                  void (*wake)(void *arg), void *arg, struct outbox_error *error)
{
    struct obx_instance_setup setup = {.loop = link->context->loop,
                                       .registry = registry,
                                       .log = link->context->log,
                                       .relay = link->context->name,
                                       .exactly_once = obx_relay_context_exactly_once(link->context),
                                       .events = {.wake = on_wake, .lost = on_lost, .arg = link}};
    link->wake = wake;
    link->wake_arg = arg;
    if (!obx_section_has(relay, link->name))
        return obx_section_error(relay, NULL, error, "relay '%s' has no %s; add '%s:' with 'plugin:'", setup.relay,
                                 link->name, link->name);
    int code = obx_section_child(relay, link->name, &setup.section, error);
    return code ? code : obx_instance_new(&setup, link->kind, &link->instance, error);
}

void obx_link_reset(struct obx_link *link)
{
    link->failures = 0;
    link->broken = 0;
    link->retry_at = link->context->now;
}

/* ---- state ------------------------------------------------------------------------------------------------------- */

/* Which states may follow which: a bit for each. */
static const uint8_t legal[OBX_LINK_STATES] = {
    [OBX_LINK_DOWN] = 1u << OBX_LINK_STARTING,
    [OBX_LINK_STARTING] = 1u << OBX_LINK_ACQUIRING | 1u << OBX_LINK_UP | 1u << OBX_LINK_STOPPING,
    [OBX_LINK_ACQUIRING] = 1u << OBX_LINK_UP | 1u << OBX_LINK_STOPPING,
    [OBX_LINK_UP] = 1u << OBX_LINK_STOPPING,
    [OBX_LINK_STOPPING] = 1u << OBX_LINK_DOWN,
};

static void move(struct obx_link *link, enum obx_link_state state)
{
    static const char *const names[] = {"down", "starting", "acquiring", "up", "stopping"};
    if (!(legal[link->state] & 1u << state))
        OBX_RELAY_LOG(link->context, OUTBOX_LOG_ERROR, /* not covered: it would be a bug */
                      "bug: the %s goes from %s to %s", link->name, names[link->state], names[state]);
    OBX_RELAY_LOG(link->context, OUTBOX_LOG_TRACE, "the %s goes from %s to %s", link->name, names[link->state],
                  names[state]);
    link->state = state;
}

struct obx_instance *obx_link_instance(const struct obx_link *link)
{
    return link->instance;
}

enum obx_link_state obx_link_state(const struct obx_link *link)
{
    return link->state;
}

bool obx_link_up(const struct obx_link *link)
{
    return link->state == OBX_LINK_UP;
}

bool obx_link_busy(const struct obx_link *link)
{
    return obx_request_busy(&link->start);
}

void obx_link_answered(struct obx_link *link)
{
    link->answered_at = link->context->now;
}

uint64_t obx_link_answered_at(const struct obx_link *link)
{
    return link->state == OBX_LINK_STARTING ? link->answered_at : 0;
}

uint64_t obx_link_fenced_at(const struct obx_link *link)
{
    return link->fenced_at;
}

const struct outbox_error *obx_link_error(const struct obx_link *link)
{
    return &link->error;
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

bool obx_link_may_start(struct obx_link *link)
{
    return link->state == OBX_LINK_DOWN && obx_due(link->context, link->retry_at);
}

bool obx_link_may_acquire(struct obx_link *link)
{
    return link->state == OBX_LINK_ACQUIRING && obx_due(link->context, link->retry_at);
}

struct obx_call *obx_link_begin(struct obx_link *link, void *stage,
                                void (*done)(void *stage, const struct outbox_error *error))
{
    link->answered_at = 0;
    if (link->state == OBX_LINK_DOWN)
        move(link, OBX_LINK_STARTING);
    return obx_request_begin(&link->start, link->context, stage, done);
}

static void log_end(const struct obx_link *link)
{
    const struct obx_relay_context *context = link->context;
    uint64_t resent = context->stats.resent - context->resent_before;
    char twice[80] = "";
    if (resent)
        snprintf(twice, sizeof twice, "; %llu events may be published twice", (unsigned long long)resent);
    OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "%s: works again after %u failures in %s%s", link->name,
                  link->outage_failures, obx_duration(context->now - link->broken_since).text, twice);
}

/* The outage is over when nothing that failed is left. */
static void mend(struct obx_link *link, unsigned works)
{
    bool was_broken = link->broken;
    link->broken &= ~works;
    if (!was_broken || link->broken)
        return;
    if (link->logged)
        log_end(link);
    link->logged = false;
    link->error.code = OUTBOX_OK;
    obx_trouble_end(link->context, link->trouble);
}

void obx_link_started(struct obx_link *link)
{
    if (link->kind == OUTBOX_STORE) {
        link->context->stats.store_connects++;
        link->retry_at = link->context->now;
        move(link, OBX_LINK_ACQUIRING);
    } else {
        link->context->stats.broker_connects++;
        move(link, OBX_LINK_UP);
        mend(link, OBX_WORK_CONNECT); /* the pause stays as it is until an event was delivered */
    }
}

void obx_link_acquired(struct obx_link *link)
{
    move(link, OBX_LINK_UP);
}

void obx_link_stand_by(struct obx_link *link, const struct outbox_error *error, uint64_t pause_ms)
{
    mend(link, OBX_WORK_ALL);
    link->error = *error;
    link->retry_at = link->context->now + pause_ms * OBX_MS;
}

/* ---- stopping ---------------------------------------------------------------------------------------------------- */

/* A stop that did not reach the plugin, for want of memory, is tried again: a plugin that runs must not be started. */
static void on_stopped(void *stage, const struct outbox_error *error)
{
    struct obx_link *link = stage;
    struct obx_relay_context *context = link->context;
    (void)error;
    if (obx_call_refused(&link->stop.call)) {
        link->retry_at = context->now + STOP_AGAIN_NS;
        return;
    }
    move(link, OBX_LINK_DOWN);
    link->retry_at = context->now;
    if (link->failures)
        link->retry_at += obx_backoff_operation(context->loop, link->failures, PAUSE_MIN_MS, PAUSE_MAX_MS);
}

static void submit_stop(struct obx_link *link, uint32_t timeout_ms)
{
    obx_instance_stop(link->instance, obx_request_begin(&link->stop, link->context, link, on_stopped), timeout_ms);
}

void obx_link_stop(struct obx_link *link, uint32_t timeout_ms)
{
    move(link, OBX_LINK_STOPPING);
    submit_stop(link, timeout_ms);
}

void obx_link_step(struct obx_link *link)
{
    if (link->state == OBX_LINK_STOPPING && !obx_request_busy(&link->stop) && obx_due(link->context, link->retry_at))
        submit_stop(link, OBX_LINK_STOP_MS);
}

void obx_link_cancel(struct obx_link *link)
{
    obx_instance_cancel(link->instance);
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

void obx_link_works(struct obx_link *link, unsigned works)
{
    if (!link->broken && !link->failures)
        return;
    mend(link, works);
    if (!link->broken)
        link->failures = 0;
}

/* At most one line a minute for each cause; within one outage after a minute, then every 10 minutes. A server that goes
 * and comes back ends connections with many words, which are one cause. */
static bool is_log_due(struct obx_link *link, const struct outbox_error *error, const char *text)
{
    uint64_t now = link->context->now, due = 0;
    const char *words = error->code == OUTBOX_E_NOT_CONNECTED ? obx_error_text(error->code) : text;
    struct obx_cause *cause = obx_causes_get(&link->causes, words, now);
    if (!cause)
        return false;
    if (cause->logged)
        due = link->logged ? obx_next_reminder(link->broken_since, OBX_MAX(cause->logged_at, link->broken_since),
                                               OBX_REMIND_OUTAGE)
                           : cause->logged_at + OBX_LOG_EVERY_NS;
    if (now < due)
        return false;
    obx_cause_note(cause, now);
    return true;
}

static void log_failure(struct obx_link *link, const struct outbox_error *error)
{
    const char *text = error->text[0] ? error->text : obx_error_text(error->code);
    bool due = is_log_due(link, error, text);
    char lasts[80] = "";
    if (link->logged)
        snprintf(lasts, sizeof lasts, "; %u failures in %s", link->outage_failures,
                 obx_duration(link->context->now - link->broken_since).text);
    OBX_RELAY_LOG(link->context, due ? OUTBOX_LOG_WARN : OUTBOX_LOG_DEBUG, "%s: %s; trying again until it works%s",
                  link->name, text, lasts);
    link->logged = link->logged || due;
    link->error = *error;
    obx_trouble_begin(link->context, link->trouble);
    obx_trouble_show(link->context, link->name, error->text);
}

static void begin_outage(struct obx_link *link, enum obx_link_work work)
{
    if (!link->broken) {
        link->broken_since = link->context->now;
        link->outage_failures = 0;
        link->context->resent_before = link->context->stats.resent;
    }
    link->broken |= work;
    link->outage_failures++;
}

void obx_link_lost(struct obx_link *link, enum obx_link_work work, const struct outbox_error *error)
{
    if (link->state == OBX_LINK_DOWN || link->state == OBX_LINK_STOPPING)
        return;
    begin_outage(link, work);
    if (!(link->context->stopping && error->code == OUTBOX_E_CANCELED))
        log_failure(link, error);
    link->failures++;
    if (error->code == OUTBOX_E_FENCED)
        link->fenced_at = link->context->now;
    OBX_FAILPOINT(relay, connection_lost);
    obx_link_stop(link, OBX_LINK_STOP_MS);
    obx_tick_soon(link->context);
}

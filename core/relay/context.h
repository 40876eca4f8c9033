/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/context.h - what all stages of a relay share: time, ticks, settings, log, counters and the shown error
 *
 * Happy path: an operation completes, its stage notes the result, and obx_request requests a tick. The tick (relay.c)
 * runs the step of every stage. A step that waits for a moment calls obx_due(); the relay's timer starts the next tick
 * then. Loop thread only.
 */
#ifndef OBX_RELAY_CONTEXT_H
#define OBX_RELAY_CONTEXT_H

#include <outbox/outbox.h>

#include "plugin/instance.h"
#include "relay/settings.h"
#include "relay/skips.h"
#include "relay/timings.h"

/* What may keep an error in stats.last_error. */
enum obx_trouble { OBX_TROUBLE_STORE = 1, OBX_TROUBLE_BROKER = 2, OBX_TROUBLE_STALL = 4 };

struct obx_relay_context {
    struct obx_loop *loop;
    const struct obx_log *log;
    char *name; /* of the relay; owned by relay_new.c */
    struct obx_relay_settings settings;
    struct outbox_stats stats; /* each stage counts its own events */
    struct obx_timings timings;
    uint64_t resent_before; /* stats.resent when the last outage began */
    struct obx_task tick;   /* run by relay.c */
    uint64_t now;           /* nanoseconds, at the start of this tick or completion */
    uint64_t next_due;      /* earliest moment that a step of this tick waits for; UINT64_MAX: none */
    bool stopping;          /* obx_relay_stop() was called */
    bool halted;            /* on_reject: stop, and an event was rejected; halt_reason names it */
    struct outbox_error halt_reason;
    struct obx_skip culprit; /* the event that halted it; position zero: the reason is another one */
    bool paused;             /* by an operator: control.c */
    char paused_by[128];
    struct obx_skips skips;
    uint64_t given_up; /* by this stop: events that the broker has or may have, and that stay in the outbox */
    unsigned troubles; /* enum obx_trouble, or-ed */
    bool reads_log;    /* the store owns a log, not a table: OUTBOX_ACQUIRED_LOG */
    bool passing;      /* a settle or a spool is in flight: for a log there is one of them at a time */
    uint64_t to_spool; /* rows of the log that are to be copied to the spool, and are not being copied */
};

#define OBX_RELAY_LOG(context, level, ...) obx_log_write((context)->log, level, (context)->name, __VA_ARGS__)

/* Read the clock. At the start of a tick and of a completion, nowhere else. */
static inline void obx_relay_context_update_now(struct obx_relay_context *context)
{
    context->now = obx_loop_now(context->loop);
}

/* New rows may be claimed and published. */
static inline bool obx_relay_context_accepts_rows(const struct obx_relay_context *context)
{
    return !context->stopping && !context->halted && !context->paused;
}

/* The broker keeps a record of what it has published, so no event is published twice. */
static inline bool obx_relay_context_exactly_once(const struct obx_relay_context *context)
{
    return context->settings.delivery == OBX_EXACTLY_ONCE;
}

static inline uint32_t obx_relay_context_store_timeout(const struct obx_relay_context *context)
{
    return (uint32_t)context->settings.store_timeout_ms;
}

/* Run a tick after the current stack has unwound. Several calls before it give one tick. */
static inline void obx_tick_soon(struct obx_relay_context *context)
{
    context->loop->ops->defer(context->loop, &context->tick);
}

/* In a step: has the moment come? If not, a tick runs at that moment. */
static inline bool obx_due(struct obx_relay_context *context, uint64_t at)
{
    if (context->now >= at)
        return true;
    context->next_due = OBX_MIN(context->next_due, at);
    return false;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

/* One operation of a stage, one at a time. done() runs on the loop thread with context->now read; a tick follows. */
struct obx_request {
    struct obx_call call; /* what a function of plugin/instance.h takes */
    struct obx_relay_context *context;
    void (*done)(void *stage, const struct outbox_error *error); /* error is never NULL; code 0: success */
    void *stage;
    struct obx_histogram *timing; /* of such operations; set by the stage; NULL: they are not measured */
    uint64_t began_ns;
};

/* The request must not be in flight. It gives the call to submit. */
struct obx_call *obx_request_begin(struct obx_request *request, struct obx_relay_context *context, void *stage,
                                   void (*done)(void *stage, const struct outbox_error *error));

static inline bool obx_request_busy(const struct obx_request *request)
{
    return obx_call_busy(&request->call);
}

/* ---- the error that the status shows ----------------------------------------------------------------------------- */

/* Show "subject: text" as the last error. */
void obx_trouble_show(struct obx_relay_context *context, const char *subject, const char *text);
void obx_trouble_begin(struct obx_relay_context *context, enum obx_trouble trouble);
/* The shown error disappears when no trouble is left. trouble 0: ends none, only checks. */
void obx_trouble_end(struct obx_relay_context *context, unsigned trouble);

#endif

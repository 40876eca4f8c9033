/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/instance.h - a configured plugin, and calling it
 *
 * An instance is a plugin's memory with its options set, its host table, and the table of its ops in flight. The relay
 * and the verbs call plugins only through these functions. Each call takes a struct obx_call of the caller (zeroed,
 * done set), which must stay in place until done() has run. done() runs on the loop thread, once, never inside the call
 * that started it. All functions are for the loop thread.
 */
#ifndef OBX_PLUGIN_INSTANCE_H
#define OBX_PLUGIN_INSTANCE_H

#include <outbox/plugin.h>

#include "base/log.h"
#include "loop/loop.h"

struct obx_registry;
struct obx_section;
struct obx_instance;

struct obx_call {
    /* error is never NULL; error->code is 0 on success. Valid during the call only. */
    void (*done)(struct obx_call *call, const struct outbox_error *error);
    /* Of publish only; may run inside the submission, so it must start nothing. Indexes are in range. */
    void (*outcomes)(struct obx_call *call, const struct outbox_outcomes *outcomes);
    outbox_op_t op; /* private; 0 while nothing is in flight */
    struct {
        struct obx_task task;
        struct obx_instance *instance;
        const char *what;
        int code;
    } failed; /* private: a call that failed before it reached the plugin */
};

static inline bool obx_call_busy(const struct obx_call *call)
{
    return call->op != 0;
}

/* In done(): it failed before it reached the plugin. */
static inline bool obx_call_refused(const struct obx_call *call)
{
    return call->failed.code != 0;
}

struct obx_instance_events {
    void (*wake)(void *arg);                                   /* deferred, coalesced */
    void (*lost)(void *arg, const struct outbox_error *error); /* deferred */
    void *arg;
};

struct obx_instance_setup {
    struct obx_loop *loop;
    struct obx_registry *registry;
    const struct obx_log *log;
    const char *relay;                 /* its name; copied */
    bool exactly_once;                 /* the relay has delivery: exactly-once */
    const struct obx_section *section; /* `store:` or `broker:`, with plugin:, options and, for decorators, wraps: */
    struct obx_instance_events events;
};

/* Find the plugin, set its options, init(); the inner plugins of a decorator first. Errors: CONFIG, those of
 * obx_registry_find(), those of init(). */
int obx_instance_new(const struct obx_instance_setup *setup, enum outbox_kind kind, struct obx_instance **instance,
                     struct outbox_error *error);
/* Nothing may be in flight. NULL is fine. */
void obx_instance_free(struct obx_instance *instance);

uint64_t obx_instance_caps(const struct obx_instance *instance); /* of the whole stack */
const char *obx_instance_name(const struct obx_instance *instance);
const struct outbox_plugin *obx_instance_descriptor(const struct obx_instance *instance);
/* The plugin's own memory, the `self` of its functions. For tests that inspect a memory broker. */
void *obx_instance_self(const struct obx_instance *instance);
uint32_t obx_instance_in_flight(const struct obx_instance *instance);

/* Connections that came back by the client library's own work, so far. */
uint64_t obx_instance_reconnects(const struct obx_instance *instance);

/* Of a broker, so far; aborted: given up, perhaps with an unknown outcome. */
struct obx_transactions {
    uint64_t committed, aborted;
};
struct obx_transactions obx_instance_transactions(const struct obx_instance *instance);

/* Contract violations seen so far; all 0 with a correct plugin. */
struct obx_violations {
    uint64_t unknown_ops;  /* double, late or foreign completions and outcomes */
    uint64_t bad_outcomes; /* out of range, reported twice, or of an unknown kind */
    uint64_t early_stops;  /* stop completed before the ops in flight; its completion was delayed */
};
struct obx_violations obx_instance_violations(const struct obx_instance *instance);

/* timeout_ms 0: none. At the timeout the op is canceled; done() then gets OUTBOX_E_TIMEOUT unless it succeeded. */
void obx_store_start(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms,
                     const struct outbox_store_start *start);
void obx_store_acquire(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms,
                       struct outbox_acquire *acquire);
void obx_store_renew(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms);
bool obx_store_can_renew(const struct obx_instance *store);
void obx_store_claim(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms,
                     struct outbox_claim *claim);
void obx_store_release(struct obx_instance *store, struct outbox_batch *batch);
void obx_store_settle(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms,
                      const struct outbox_settle *settle);
void obx_store_dead_letter(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms,
                           const struct outbox_dead_letter_rows *rows);
void obx_store_setup(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms);
void obx_store_setup_inbox(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms);
int obx_store_print(struct obx_instance *store, enum outbox_print what, void (*line)(void *arg, const char *text),
                    void *arg, struct outbox_error *error);
void obx_store_check(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms,
                     const struct outbox_check *check);
void obx_store_status(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms,
                      struct outbox_store_status *status);
void obx_store_add(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms,
                   const struct outbox_add *add);
void obx_store_spool(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms,
                     const struct outbox_spool *spool);
void obx_store_survey(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms,
                      struct outbox_survey *survey);
bool obx_store_can_survey(const struct obx_instance *store);
/* Of a stack of decorators: the plugin that reaches the server. The instance itself without decorators. */
const struct obx_instance *obx_instance_innermost(const struct obx_instance *instance);
void obx_store_dead(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms, struct outbox_dead *dead);

void obx_broker_start(struct obx_instance *broker, struct obx_call *call, uint32_t timeout_ms,
                      const struct outbox_broker_start *start);
extern const struct outbox_broker_start obx_no_outbox; /* order by key; of no outbox: for verbs and tests */
/* Start for obx_broker_check() only: connects and changes nothing (OUTBOX_START_PROBE). */
void obx_broker_start_to_probe(struct obx_instance *broker, struct obx_call *call, uint32_t timeout_ms);
/* No timeout: an event in flight is never given up while its broker may still take it. */
void obx_broker_publish(struct obx_instance *broker, struct obx_call *call, const struct outbox_publish *publish);
int obx_broker_admit(struct obx_instance *broker, const struct outbox_message *message, struct outbox_error *error);
void obx_broker_check(struct obx_instance *broker, struct obx_call *call, uint32_t timeout_ms,
                      const struct outbox_check *check);

void obx_broker_record(struct obx_instance *broker, const struct outbox_record *record); /* if it has the function */

/* Worker threads. */
int obx_transform_apply(struct obx_instance *transform, const struct outbox_transform *event,
                        struct outbox_error *error);
void obx_transform_check(struct obx_instance *transform, struct obx_call *call, uint32_t timeout_ms,
                         const struct outbox_check *check);

/* Store or broker: finish the ops in flight, disconnect. After the timeout the ops in flight are canceled. */
void obx_instance_stop(struct obx_instance *instance, struct obx_call *call, uint32_t timeout_ms);
/* Cancel all ops in flight, as their timeout would. A stop in flight waits for their completions. */
void obx_instance_cancel(struct obx_instance *instance);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/harness.h - instances on a loop, called as if they answered at once
 *
 * A harness owns a loop, a registry of the built-in plugins and a configuration made of YAML text. The helpers call
 * an operation and turn the loop until it is done or the patience is over, by the loop's clock, which on the
 * fake loop costs no time. An operation that is not done by then gives OUTBOX_E_TIMEOUT and stays in flight.
 */
#ifndef OBX_TESTS_SUPPORT_HARNESS_H
#define OBX_TESTS_SUPPORT_HARNESS_H

#include "config/config.h"
#include "plugin/instance.h"
#include "plugin/registry.h"

#define HARNESS_PATIENCE_MS 20000u
/* Seconds until SIGALRM ends a forked child: one whose assertion fails waits for a word of Criterion that goes to its
 * parent. */
#define HARNESS_CHILD_S 90u

struct harness {
    struct obx_loop *loop;
    bool (*turn)(struct obx_loop *loop); /* one round; false: nothing left that could happen */
    int (*drop)(struct obx_loop *loop);  /* frees the loop; what uv_loop_close gave */
    struct obx_registry *registry;
    struct obx_config *config;
    struct obx_log log;
    bool verbose;         /* messages of plugins go to stderr */
    uint32_t patience_ms; /* with one operation; 0: HARNESS_PATIENCE_MS */
    uint32_t wakes, losses;
    struct outbox_error loss; /* the last */
};

/* directory: where modules are; NULL: built-in plugins only. */
int harness_open_uv(struct harness *harness, const char *directory, struct outbox_error *error);
int harness_open(struct harness *harness, struct obx_loop *loop, bool (*turn)(struct obx_loop *loop),
                 int (*drop)(struct obx_loop *loop), const char *directory, struct outbox_error *error);
/* Instances are freed before. Gives what closing the loop gave: 0 unless something was left open. */
int harness_close(struct harness *harness);

/* name: how errors call it. Replaces the configuration; the sections of the one before must not be in use. */
int harness_configure(struct harness *harness, const char *name, const char *yaml, struct outbox_error *error);
/* An instance from the section `key` at the root of the configuration. Its wakes and losses are counted above. */
int harness_instance(struct harness *harness, enum outbox_kind kind, const char *key, struct obx_instance **instance,
                     struct outbox_error *error);

/* Turn until the condition holds. False: the patience is over, or nothing can happen any more. */
bool harness_until(struct harness *harness, bool (*holds)(void *arg), void *arg);
/* The same for a condition that itself calls operations: it is looked at every few milliseconds. */
bool harness_poll(struct harness *harness, bool (*holds)(void *arg), void *arg);
bool harness_until_woken(struct harness *harness, uint32_t more_than);

/* A call and what came of it. Zero it, or harness_reset(), before each submission. */
struct harness_call {
    struct obx_call call;
    bool done;
    struct outbox_error error;
    struct outbox_error reason; /* of publish: why the first message was not delivered */
    uint8_t *outcomes;          /* of publish: one for each message, 0 while untold; caller's memory */
    uint32_t *told;             /* how often; caller's memory */
};
void harness_reset(struct harness_call *call);
int harness_wait(struct harness *harness, struct harness_call *call); /* gives error.code */

/* Each: submit, wait, error code; the whole error in *error, which may be NULL. */
int harness_store_start(struct harness *harness, struct obx_instance *store, const struct outbox_column *columns,
                        uint32_t count, struct outbox_error *error);
int harness_acquire(struct harness *harness, struct obx_instance *store, struct outbox_acquire *acquire,
                    struct outbox_error *error);
int harness_claim(struct harness *harness, struct obx_instance *store, struct outbox_claim *claim,
                  struct outbox_error *error);
int harness_settle(struct harness *harness, struct obx_instance *store, const struct outbox_span *spans, uint32_t count,
                   struct outbox_error *error);
int harness_add(struct harness *harness, struct obx_instance *store, const struct outbox_event *const *events,
                uint32_t count, struct outbox_error *error);
int harness_broker_start(struct harness *harness, struct obx_instance *broker, struct outbox_error *error);
int harness_stop(struct harness *harness, struct obx_instance *instance, struct outbox_error *error);

#endif

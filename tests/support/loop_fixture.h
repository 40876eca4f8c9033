/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/loop_fixture.h - plugin instances on an event loop, with blocking calls
 *
 * A fixture owns a loop, a registry of the built-in plugins and a configuration made of YAML text. The helpers call an
 * operation and run the loop until it is done, or until the timeout by the loop's clock (which costs no time on the
 * fake loop). An operation that is not done by then gives OUTBOX_E_TIMEOUT and stays in flight.
 */
#ifndef OBX_TESTS_SUPPORT_LOOP_FIXTURE_H
#define OBX_TESTS_SUPPORT_LOOP_FIXTURE_H

#include "config/config.h"
#include "plugin/instance.h"
#include "plugin/registry.h"

#define LOOP_FIXTURE_TIMEOUT_MS 60000u /* no operation takes so long, unless something is broken */
/* Seconds until SIGALRM ends a forked child: after a failed assertion a child waits for a message of Criterion that
 * only its parent gets. */
#define LOOP_FIXTURE_CHILD_S 240u

struct loop_fixture {
    struct obx_loop *loop;
    bool (*turn)(struct obx_loop *loop); /* one round; false: no event can follow */
    int (*drop)(struct obx_loop *loop);  /* frees the loop; returns the result of uv_loop_close() */
    struct obx_registry *registry;
    struct obx_config *config;
    struct obx_log log;
    bool verbose;        /* messages of plugins go to stderr */
    bool exactly_once;   /* brokers: the relay has delivery: exactly-once */
    uint32_t timeout_ms; /* of one operation; 0: LOOP_FIXTURE_TIMEOUT_MS */
    uint32_t wakes, losses;
    struct outbox_error loss; /* the last */
};

/* directory: where modules are; NULL: built-in plugins only. */
int loop_fixture_open_uv(struct loop_fixture *base, const char *directory, struct outbox_error *error);
int loop_fixture_open(struct loop_fixture *base, struct obx_loop *loop, bool (*turn)(struct obx_loop *loop),
                      int (*drop)(struct obx_loop *loop), const char *directory, struct outbox_error *error);
/* The caller has freed the instances. Returns the result of closing the loop: 0 unless a handle was left open. */
int loop_fixture_close(struct loop_fixture *base);

/* name: of the file, for errors. Replaces the configuration; sections of the former one must not be in use. */
int loop_fixture_configure(struct loop_fixture *base, const char *name, const char *yaml, struct outbox_error *error);
/* An instance from the section `key` at the root of the configuration. Its wakes and losses are counted above. */
int loop_fixture_instance(struct loop_fixture *base, enum outbox_kind kind, const char *key,
                          struct obx_instance **instance, struct outbox_error *error);

/* Run the loop until the condition holds. False: the timeout has passed, or no event can follow. */
bool loop_fixture_until(struct loop_fixture *base, bool (*holds)(void *arg), void *arg);
/* The same for a condition that itself calls operations: it is checked every few milliseconds. */
bool loop_fixture_poll(struct loop_fixture *base, bool (*holds)(void *arg), void *arg);
bool loop_fixture_until_woken(struct loop_fixture *base, uint32_t more_than);

/* A call and its result. Zero it, or loop_fixture_reset(), before each submission. */
struct loop_fixture_call {
    struct obx_call call;
    bool done;
    struct outbox_error error;
    struct outbox_error reason; /* of publish: why the first message was not delivered */
    uint8_t *outcomes;          /* of publish: one for each message, 0 while unreported; caller's memory */
    uint32_t *reports;          /* of publish: reports of each message; caller's memory */
};
void loop_fixture_reset(struct loop_fixture_call *call);
int loop_fixture_wait(struct loop_fixture *base, struct loop_fixture_call *call); /* gives error.code */

/* Each: submit, wait, error code; the whole error in *error, which may be NULL. */
int loop_fixture_store_start(struct loop_fixture *base, struct obx_instance *store, const struct outbox_column *columns,
                             uint32_t count, struct outbox_error *error);
int loop_fixture_acquire(struct loop_fixture *base, struct obx_instance *store, struct outbox_acquire *acquire,
                         struct outbox_error *error);
int loop_fixture_claim(struct loop_fixture *base, struct obx_instance *store, struct outbox_claim *claim,
                       struct outbox_error *error);
int loop_fixture_settle(struct loop_fixture *base, struct obx_instance *store, const struct outbox_span *spans,
                        uint32_t count, struct outbox_error *error);
int loop_fixture_add(struct loop_fixture *base, struct obx_instance *store, const struct outbox_event *const *events,
                     uint32_t count, struct outbox_error *error);
int loop_fixture_broker_start(struct loop_fixture *base, struct obx_instance *broker, struct outbox_error *error);
int loop_fixture_stop(struct loop_fixture *base, struct obx_instance *instance, struct outbox_error *error);

#endif

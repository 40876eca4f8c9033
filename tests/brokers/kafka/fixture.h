/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/fixture.h - a Kafka broker instance on a real loop, and batches of messages to publish through it
 *
 *     struct fixture t;
 *     cr_assert_eq(fixture_open(&t, "bootstrap.servers: ..."), OUTBOX_OK, "%s", t.error.text);
 *     fixture_must_start(&t);
 *     struct batch batch;
 *     batch_init(&batch, 100);  ... batch_set(&batch, i, "topic", "key", "value") ...
 *     fixture_publish(&t, &batch);
 *     cr_assert(fixture_wait(&t, &batch));
 *     cr_assert_eq(fixture_stop(&t), OUTBOX_OK);
 *     fixture_close(&t);
 */
#ifndef OBX_TESTS_BROKERS_KAFKA_FIXTURE_H
#define OBX_TESTS_BROKERS_KAFKA_FIXTURE_H

#include <outbox/plugin.h>

#include "config/config.h"
#include "loop/uv_loop.h"
#include "plugin/instance.h"
#include "plugin/registry.h"

#define FIXTURE_WAIT_MS 180000 /* no test waits that long, unless something is broken */

struct fixture {
    struct obx_loop *loop;
    struct obx_registry *registry;
    struct obx_config *config;
    struct obx_instance *instance;
    struct obx_log log;
    struct outbox_error error;      /* of the last call that failed */
    struct outbox_error lost_error; /* of the last host->lost() */
    uint32_t lost_count;
    char logged[65536]; /* every message above debug, a line each; the first ones when there are too many */
    size_t logged_size;
    const char *const *pending_topics; /* of fixture_check(); may be NULL */
    char command[480];                 /* of the last finding that had one */
    bool exactly_once;
    struct outbox_broker_start start; /* what the broker is started with */
};

int fixture_open(struct fixture *t, const char *yaml);              /* the broker's section without `plugin:` */
int fixture_open_exactly_once(struct fixture *t, const char *yaml); /* of a relay with delivery: exactly-once */
int fixture_start(struct fixture *t);
/* Again while no broker answers, as a relay does: a busy one takes its time. */
void fixture_must_start(struct fixture *t);
int fixture_start_within(struct fixture *t, uint32_t timeout_ms);
int fixture_stop(struct fixture *t);
int fixture_stop_within(struct fixture *t, uint32_t timeout_ms); /* canceling what is in flight after that */
int fixture_close(struct fixture *t);                            /* the result of uv_loop_close(); also frees */

/* Findings as lines "level finding; advice". */
int fixture_check(struct fixture *t, const char *const *topics, char *findings, size_t size);

/* Turn the loop until done(arg), for no longer than within_ms. */
bool fixture_run_until(struct fixture *t, bool (*done)(void *arg), void *arg, uint32_t within_ms);
void fixture_run_for(struct fixture *t, uint32_t ms); /* for faults that must last; not to wait for a condition */

struct batch_text {
    char key[16], value[24];
};

struct batch {
    struct obx_call call; /* first */
    struct outbox_publish publish;
    struct outbox_message *messages;
    uint32_t *outcomes; /* enum outbox_outcome of each; 0: not reported */
    struct outbox_error *errors;
    struct outbox_error error; /* of the op */
    struct batch_text *texts;  /* made by batch_fill() */
    uint32_t reported;
    uint32_t already; /* reported as delivered by an earlier start */
    uint32_t completed;
    uint64_t order; /* in which it completed, from 1 */
};

void batch_init(struct batch *batch, uint32_t count);
void batch_set(struct batch *batch, uint32_t index, const char *topic, const char *key, const char *value);
/* Message i: key "k<i % keys>", value "<first + i>". */
void batch_fill(struct batch *batch, const char *topic, uint32_t keys, uint64_t first);
void batch_free(struct batch *batch);
void fixture_publish(struct fixture *t, struct batch *batch);
bool fixture_wait(struct fixture *t, struct batch *batch);
uint32_t fixture_count(const struct batch *batch, enum outbox_outcome outcome);

#endif

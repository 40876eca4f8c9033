/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/harness.h - a Kafka broker instance on a real loop, and batches of messages to publish through it
 *
 *     struct kt t;
 *     cr_assert_eq(kt_open(&t, "bootstrap.servers: ..."), OUTBOX_OK, "%s", t.error.text);
 *     cr_assert_eq(kt_start(&t), OUTBOX_OK, "%s", t.error.text);
 *     struct kt_batch batch;
 *     kt_batch_init(&batch, 100);  ... kt_batch_set(&batch, i, "topic", "key", "value") ...
 *     kt_publish(&t, &batch);
 *     cr_assert(kt_wait(&t, &batch));
 *     cr_assert_eq(kt_stop(&t), OUTBOX_OK);
 *     kt_close(&t);
 */
#ifndef OBX_TESTS_BROKERS_KAFKA_HARNESS_H
#define OBX_TESTS_BROKERS_KAFKA_HARNESS_H

#include <outbox/plugin.h>

#include "config/config.h"
#include "loop/uv_loop.h"
#include "plugin/instance.h"
#include "plugin/registry.h"

#define KT_WAIT_MS 60000 /* no test waits that long, unless something is broken */

struct kt {
    struct obx_loop *loop;
    struct obx_registry *registry;
    struct obx_config *config;
    struct obx_instance *instance;
    struct obx_log log;
    struct outbox_error error;      /* of the last call that failed */
    struct outbox_error lost_error; /* of the last host->lost() */
    uint32_t losts;
    char logged[65536]; /* every message above debug, a line each; the first ones when there are too many */
    size_t logged_size;
};

int kt_open(struct kt *t, const char *yaml); /* the broker's section without `plugin:` */
int kt_start(struct kt *t);
int kt_start_within(struct kt *t, uint32_t timeout_ms);
int kt_stop(struct kt *t);
int kt_stop_within(struct kt *t, uint32_t timeout_ms); /* canceling what is in flight after that */
int kt_close(struct kt *t);                            /* what uv_loop_close said; also frees */

/* Findings as lines "level finding; advice". */
int kt_check(struct kt *t, const char *const *topics, char *findings, size_t size);

/* Turn the loop until done(arg), for no longer than within_ms. */
bool kt_run_until(struct kt *t, bool (*done)(void *arg), void *arg, uint32_t within_ms);
void kt_run_for(struct kt *t, uint32_t ms); /* for faults that must last; never to wait for something */

struct kt_text {
    char key[16], value[24];
};

struct kt_batch {
    struct obx_call call; /* first */
    struct outbox_publish publish;
    struct outbox_message *messages;
    uint32_t *outcomes; /* enum outbox_outcome of each; 0: not told */
    struct outbox_error *errors;
    struct outbox_error error; /* of the op */
    struct kt_text *texts;     /* made by kt_batch_fill() */
    uint32_t told;
    uint32_t dones;
    uint64_t order; /* in which it completed, from 1 */
};

void kt_batch_init(struct kt_batch *batch, uint32_t count);
void kt_batch_set(struct kt_batch *batch, uint32_t index, const char *topic, const char *key, const char *value);
/* Message i: key "k<i % keys>", value "<first + i>". */
void kt_batch_fill(struct kt_batch *batch, const char *topic, uint32_t keys, uint64_t first);
void kt_batch_free(struct kt_batch *batch);
void kt_publish(struct kt *t, struct kt_batch *batch);
bool kt_wait(struct kt *t, struct kt_batch *batch);
uint32_t kt_count(const struct kt_batch *batch, enum outbox_outcome outcome);

#endif

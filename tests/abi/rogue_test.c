/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/rogue_test.c - a module that breaks the completion contract, on a real loop: counted, and nothing breaks */
#include "abi.h"
#include "config/config.h"
#include "loop/uv_loop.h"
#include "plugin/instance.h"

struct rogue {
    struct abi abi;
    struct obx_loop *loop;
    struct obx_config *config;
    struct obx_instance *instance;
};

struct heard {
    struct obx_call call; /* first */
    uint32_t dones, delivered, unknown;
    int code;
};

static void done(struct obx_call *call, const struct outbox_error *error)
{
    struct heard *heard = (struct heard *)(void *)call;
    heard->dones++;
    heard->code = error->code;
}

static void outcomes(struct obx_call *call, const struct outbox_outcomes *told)
{
    struct heard *heard = (struct heard *)(void *)call;
    *(told->outcome == OUTBOX_DELIVERED ? &heard->delivered : &heard->unknown) += told->count;
}

static void open_rogue(struct rogue *r, const char *mode)
{
    char yaml[64];
    snprintf(yaml, sizeof yaml, "{plugin: rogue, mode: %s}", mode);
    abi_open(&r->abi, NULL, NULL);
    cr_assert_eq(obx_uv_loop_new(NULL, &r->loop, &r->abi.error), OUTBOX_OK);
    cr_assert_eq(obx_config_parse("rogue.yaml", yaml, strlen(yaml), &r->config, &r->abi.error), OUTBOX_OK);
    struct obx_instance_setup setup = {.loop = r->loop,
                                       .registry = r->abi.registry,
                                       .log = &r->abi.log,
                                       .relay = "orders",
                                       .section = obx_config_root(r->config)};
    int status = obx_instance_new(&setup, OUTBOX_BROKER, &r->instance, &r->abi.error);
    cr_assert_eq(status, OUTBOX_OK, "%s", r->abi.error.text);
}

static struct obx_violations close_rogue(struct rogue *r)
{
    struct obx_violations violations = obx_instance_violations(r->instance);
    obx_instance_free(r->instance);
    obx_config_free(r->config);
    cr_assert_eq(obx_uv_loop_free(r->loop, NULL, NULL), 0);
    abi_close(&r->abi);
    return violations;
}

static void publish(struct rogue *r, struct heard *heard)
{
    static const struct outbox_message messages[3];
    static const struct outbox_publish arguments = {
        .struct_size = sizeof arguments, .count = 3, .messages = messages, .stride = sizeof messages[0]};
    *heard = (struct heard){.call = {.done = done, .outcomes = outcomes}};
    obx_broker_publish(r->instance, &heard->call, &arguments);
    cr_assert_eq(heard->dones, 0, "not inside the submission");
}

static void publish_and_wait(struct rogue *r, struct heard *heard)
{
    publish(r, heard);
    while (!heard->dones)
        obx_uv_loop_turn(r->loop);
    cr_assert_eq(heard->dones, 1);
    cr_assert_eq(heard->delivered + heard->unknown, 3);
}

Test(rogue, second_completion_is_counted_and_ignored)
{
    struct rogue r;
    struct heard heard;
    open_rogue(&r, "twice");
    publish_and_wait(&r, &heard);
    publish_and_wait(&r, &heard);
    cr_assert_eq(heard.delivered, 3);
    cr_assert_eq(close_rogue(&r).unknown_ops, 2);
}

Test(rogue, late_completion_is_counted_and_ignored)
{
    struct rogue r;
    struct heard heard;
    open_rogue(&r, "late");
    publish_and_wait(&r, &heard);
    publish_and_wait(&r, &heard);
    cr_assert_eq(close_rogue(&r).unknown_ops, 1);
}

Test(rogue, completion_of_a_foreign_op_is_counted_and_ignored)
{
    struct rogue r;
    struct heard heard;
    open_rogue(&r, "foreign");
    publish_and_wait(&r, &heard);
    cr_assert_eq(close_rogue(&r).unknown_ops, 1);
}

Test(rogue, op_that_completes_only_when_canceled_times_out)
{
    struct rogue r;
    struct heard heard, stop = {.call = {.done = done}};
    open_rogue(&r, "cancel");
    publish(&r, &heard);
    obx_instance_stop(r.instance, &stop.call, 5);
    while (!heard.dones || !stop.dones)
        obx_uv_loop_turn(r.loop);
    cr_assert_eq(heard.unknown, 3);
    struct obx_violations violations = close_rogue(&r);
    cr_assert_eq(violations.unknown_ops, 0);
    cr_assert_eq(violations.early_stops, 1);
}

Test(rogue, impossible_outcomes_are_counted_and_ignored)
{
    struct rogue r;
    struct heard heard;
    open_rogue(&r, "wild");
    publish_and_wait(&r, &heard);
    cr_assert_eq(heard.delivered, 1);
    cr_assert_eq(heard.unknown, 2);
    cr_assert_eq(close_rogue(&r).bad_outcomes, 2);
}

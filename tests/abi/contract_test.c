/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/contract_test.c - a module that breaks the completion contract, on a real loop: violations are counted and
 * harmless
 */
#include "abi.h"
#include "config/config.h"
#include "loop/uv_loop.h"
#include "plugin/instance.h"

struct faulty {
    struct abi abi;
    struct obx_loop *loop;
    struct obx_config *config;
    struct obx_instance *instance;
};

struct publish_result {
    struct obx_call call; /* first */
    uint32_t dones, delivered, unknown;
    int code;
};

static void on_done(struct obx_call *call, const struct outbox_error *error)
{
    struct publish_result *result = (struct publish_result *)(void *)call;
    result->dones++;
    result->code = error->code;
}

static void on_outcomes(struct obx_call *call, const struct outbox_outcomes *outcomes)
{
    struct publish_result *result = (struct publish_result *)(void *)call;
    *(outcomes->outcome == OUTBOX_DELIVERED ? &result->delivered : &result->unknown) += outcomes->count;
}

static void open_faulty(struct faulty *r, const char *mode)
{
    char yaml[64];
    snprintf(yaml, sizeof yaml, "{plugin: faulty, mode: %s}", mode);
    abi_open(&r->abi, NULL, NULL);
    cr_assert_eq(obx_uv_loop_new(NULL, &r->loop, &r->abi.error), OUTBOX_OK);
    cr_assert_eq(obx_config_parse("faulty.yaml", yaml, strlen(yaml), &r->config, &r->abi.error), OUTBOX_OK);
    struct obx_instance_setup setup = {.loop = r->loop,
                                       .registry = r->abi.registry,
                                       .log = &r->abi.log,
                                       .relay = "orders",
                                       .section = obx_config_root(r->config)};
    int status = obx_instance_new(&setup, OUTBOX_BROKER, &r->instance, &r->abi.error);
    cr_assert_eq(status, OUTBOX_OK, "%s", r->abi.error.text);
}

static struct obx_violations close_faulty(struct faulty *r)
{
    struct obx_violations violations = obx_instance_violations(r->instance);
    obx_instance_free(r->instance);
    obx_config_free(r->config);
    cr_assert_eq(obx_uv_loop_free(r->loop, NULL, NULL), 0);
    abi_close(&r->abi);
    return violations;
}

static void publish(struct faulty *r, struct publish_result *result)
{
    static const struct outbox_message messages[3];
    static const struct outbox_publish arguments = {
        .struct_size = sizeof arguments, .count = 3, .messages = messages, .stride = sizeof messages[0]};
    *result = (struct publish_result){.call = {.done = on_done, .outcomes = on_outcomes}};
    obx_broker_publish(r->instance, &result->call, &arguments);
    cr_assert_eq(result->dones, 0, "not inside the submission");
}

static void publish_and_wait(struct faulty *r, struct publish_result *result)
{
    publish(r, result);
    while (!result->dones)
        obx_uv_loop_turn(r->loop);
    cr_assert_eq(result->dones, 1);
    cr_assert_eq(result->delivered + result->unknown, 3);
}

Test(contract, second_completion_is_counted_and_ignored)
{
    struct faulty r;
    struct publish_result result;
    open_faulty(&r, "twice");
    publish_and_wait(&r, &result);
    publish_and_wait(&r, &result);
    cr_assert_eq(result.delivered, 3);
    cr_assert_eq(close_faulty(&r).unknown_ops, 2);
}

Test(contract, late_completion_is_counted_and_ignored)
{
    struct faulty r;
    struct publish_result result;
    open_faulty(&r, "late");
    publish_and_wait(&r, &result);
    publish_and_wait(&r, &result);
    cr_assert_eq(close_faulty(&r).unknown_ops, 1);
}

Test(contract, completion_of_a_foreign_op_is_counted_and_ignored)
{
    struct faulty r;
    struct publish_result result;
    open_faulty(&r, "foreign");
    publish_and_wait(&r, &result);
    cr_assert_eq(close_faulty(&r).unknown_ops, 1);
}

Test(contract, op_that_completes_only_when_canceled_times_out)
{
    struct faulty r;
    struct publish_result result, stop = {.call = {.done = on_done}};
    open_faulty(&r, "cancel");
    publish(&r, &result);
    obx_instance_stop(r.instance, &stop.call, 5);
    while (!result.dones || !stop.dones)
        obx_uv_loop_turn(r.loop);
    cr_assert_eq(result.unknown, 3);
    struct obx_violations violations = close_faulty(&r);
    cr_assert_eq(violations.unknown_ops, 0);
    cr_assert_eq(violations.early_stops, 1);
}

Test(contract, impossible_outcomes_are_counted_and_ignored)
{
    struct faulty r;
    struct publish_result result;
    open_faulty(&r, "impossible");
    publish_and_wait(&r, &result);
    cr_assert_eq(result.delivered, 1);
    cr_assert_eq(result.unknown, 2);
    cr_assert_eq(close_faulty(&r).bad_outcomes, 2);
}

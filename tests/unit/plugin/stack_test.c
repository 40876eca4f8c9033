/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plugin/stack_test.c - decorators: what they lack goes straight down, what they forward comes back up */
#include "fixture.h"

#define THREE "{plugin: over, wraps: {plugin: pass, wraps: {plugin: over, wraps: {plugin: stub, hold: true}}}}"

static struct outbox_message messages[4];
static const struct outbox_publish arguments = {
    .struct_size = sizeof arguments, .count = 4, .messages = messages, .stride = sizeof messages[0]};

static struct stub *bottom(struct fixture *f)
{
    struct stub *stub = fixture_stub(f);
    while (stub->inner)
        stub = stub_under(stub);
    return stub;
}

Test(stack, what_a_decorator_lacks_goes_straight_down)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "{plugin: pass, note: above, wraps: {plugin: stub, note: below}}");
    cr_assert_eq(f.status, 0, "%s", f.error.text);
    struct stub *above = fixture_stub(&f), *below = bottom(&f);
    cr_assert_str_eq(above->note, "above");
    cr_assert_str_eq(below->note, "below");
    cr_assert_str_eq(above->inner->name, "stub");
    cr_assert_eq(above->inner->caps, stub_store.caps);
    cr_assert_eq(obx_instance_caps(f.instance), stub_store.caps | OUTBOX_CAP_DECORATOR);
    cr_assert(obx_store_can_renew(f.instance));
    struct heard heard;
    heard_init(&heard);
    obx_store_renew(f.instance, &heard.call, 10);
    cr_assert_eq(obx_instance_in_flight(f.instance), 1);
    fake_loop_settle(&f.loop);
    cr_assert_eq(heard.dones, 1);
    obx_store_release(f.instance, NULL);
    obx_instance_stop(f.instance, &heard.call, 10);
    fake_loop_settle(&f.loop);
    cr_assert_str_eq(above->trace, "");
    cr_assert_str_eq(below->trace, "renew release stop");
    fixture_close(&f);
    cr_assert_eq(stub_alive, 0);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, under_has_only_what_somebody_below_has)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "{plugin: pass, wraps: {plugin: pass, wraps: {plugin: bare}}}");
    cr_assert_eq(f.status, 0, "%s", f.error.text);
    const struct outbox_store_ops *ops = fixture_stub(&f)->inner->ops;
    cr_assert_not_null(ops->claim);
    cr_assert_not_null(ops->release);
    cr_assert_null(ops->renew);
    cr_assert_null(ops->dead_letter);
    cr_assert_null(ops->print);
    cr_assert_null(ops->init);
    cr_assert_eq(obx_instance_caps(f.instance), OUTBOX_CAP_DECORATOR);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, outcomes_and_completions_come_up_through_all)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, THREE);
    cr_assert_eq(f.status, 0, "%s", f.error.text);
    struct stub *stub = bottom(&f);
    struct heard heard;
    heard_init(&heard);
    obx_broker_publish(f.instance, &heard.call, &arguments);
    cr_assert_eq(stub->publish_count, 4);
    cr_assert_eq(obx_instance_in_flight(f.instance), 4);
    struct outbox_outcomes told = {.struct_size = sizeof told, .outcome = OUTBOX_DELIVERED, .count = 3};
    stub->host->outcomes(stub->host, stub->held[0], &told);
    cr_assert_str_eq(heard.outcomes, "D0-2");
    stub->host->op_done(stub->host, stub->held[0], NULL);
    fake_loop_settle(&f.loop);
    cr_assert_str_eq(heard.outcomes, "D0-2 U3");
    cr_assert_eq(heard.dones, 1);
    cr_assert_eq(obx_instance_in_flight(f.instance), 0);
    cr_assert_eq(obx_instance_violations(f.instance).bad_outcomes, 0);
    cr_assert_eq(obx_instance_violations(f.instance).unknown_ops, 0);
    fixture_close(&f);
    cr_assert_eq(stub_alive, 0);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, a_failure_comes_up_whole)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, THREE);
    struct stub *stub = bottom(&f);
    struct heard heard;
    heard_init(&heard);
    obx_broker_start(f.instance, &heard.call, 0);
    struct outbox_error error = {.code = OUTBOX_E_NOT_CONNECTED, .native = 111, .text = "connect to b: refused"};
    stub->host->op_done(stub->host, stub->held[0], &error);
    fake_loop_settle(&f.loop);
    cr_assert_eq(heard.error.code, OUTBOX_E_NOT_CONNECTED);
    cr_assert_eq(heard.error.native, 111);
    cr_assert_str_eq(heard.error.text, "connect to b: refused");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, cancel_finds_the_bottom)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, THREE);
    struct stub *stub = bottom(&f);
    struct heard heard;
    heard_init(&heard);
    obx_broker_start(f.instance, &heard.call, 50);
    fake_loop_run_for(&f.loop, 100 * OBX_MS);
    cr_assert_eq(stub->canceled_count, 1);
    cr_assert_eq(stub->canceled[0], stub->held[0]);
    struct outbox_error error = {.code = OUTBOX_E_CANCELED, .text = "canceled"};
    stub->host->op_done(stub->host, stub->held[0], &error);
    fake_loop_settle(&f.loop);
    cr_assert_eq(heard.error.code, OUTBOX_E_TIMEOUT);
    cr_assert_str_eq(heard.error.text, "broker over: start: no answer within 50 ms");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, a_stop_that_times_out_cancels_each_op_once)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, THREE);
    struct stub *stub = bottom(&f);
    struct heard publish, stop;
    heard_init(&publish);
    heard_init(&stop);
    obx_broker_publish(f.instance, &publish.call, &arguments);
    obx_instance_stop(f.instance, &stop.call, 50);
    fake_loop_run_for(&f.loop, 1000 * OBX_MS);
    cr_assert_str_eq(stub->trace, "publish stop cancel cancel");
    for (uint32_t i = 0; i < 2; i++)
        stub->host->op_done(stub->host, stub->held[i], NULL);
    fake_loop_settle(&f.loop);
    cr_assert_eq(publish.dones, 1);
    cr_assert_eq(stop.dones, 1);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, a_decorator_cannot_complete_a_child_as_its_own)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, "{plugin: over, wraps: {plugin: stub, hold: true}}");
    struct stub *above = fixture_stub(&f), *stub = bottom(&f);
    struct heard heard;
    heard_init(&heard);
    obx_broker_publish(f.instance, &heard.call, &arguments);
    above->host->op_done(above->host, stub->held[0], NULL);
    cr_assert_eq(above->host->op_child(above->host, stub->held[0], NULL), 0);
    cr_assert_eq(stub->host->op_child(stub->host, stub->held[0], NULL), 0, "nothing is underneath");
    cr_assert_eq(obx_instance_violations(f.instance).unknown_ops, 2);
    const struct outbox_broker_ops *ops = above->inner->ops;
    ops->publish(above->inner->self, stub->held[0], &arguments); /* submitted twice */
    cr_assert_eq(obx_instance_violations(f.instance).unknown_ops, 3);
    stub->host->op_done(stub->host, stub->held[0], NULL);
    fake_loop_settle(&f.loop);
    cr_assert_eq(heard.dones, 1);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, no_memory_on_the_way_down_means_not_sent)
{
    for (size_t n = 1; n <= 12; n++) {
        struct fixture f;
        fixture_open(&f, OUTBOX_BROKER,
                     "{plugin: pass, wraps: {plugin: over, wraps: {plugin: pass, wraps: {plugin: stub}}}}");
        cr_assert_eq(f.status, 0, "%s", f.error.text);
        struct heard heard;
        heard_init(&heard);
        mem_fail_at(n, true);
        obx_broker_publish(f.instance, &heard.call, &arguments);
        bool failed = mem_failed();
        mem_fail_at(0, false);
        fake_loop_settle(&f.loop);
        cr_assert_eq(heard.dones, 1);
        cr_assert_eq(heard.told, 4);
        if (bottom(&f)->publish_count)
            cr_assert_str_eq(heard.outcomes, "U0-3");
        else if (heard.error.code)
            cr_assert(failed);
        fixture_close(&f);
        cr_assert_eq(mem_live(), 0);
    }
}

Test(stack, over_is_required_of_a_decorator_and_refused_of_others)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, "plugin: over");
    cr_assert_eq(f.status, OUTBOX_E_CONFIG);
    cr_assert_str_eq(f.error.text, "test.yaml:1:1: broker over wraps another broker: name it in 'wraps:'");
    fixture_close(&f);
    fixture_open(&f, OUTBOX_BROKER, "{plugin: stub, wraps: {plugin: stub}}");
    cr_assert_str_eq(f.error.text, "test.yaml:1:16: broker stub wraps no other plugin: remove 'wraps'");
    fixture_close(&f);
    fixture_open(&f, OUTBOX_BROKER, "{plugin: over, wraps: {plugin: nix}}");
    cr_assert_eq(f.status, OUTBOX_E_NOT_FOUND);
    cr_assert_str_eq(f.error.text, "test.yaml:1:24: no broker is called 'nix'; available: stub, pass, over; searched a "
                                   "plugin directory (none is set)");
    fixture_close(&f);
    cr_assert_eq(stub_alive, 0);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, there_is_an_end_to_stacking)
{
    char yaml[512] = "";
    for (int i = 0; i < 9; i++)
        strcat(yaml, "{plugin: pass, wraps: ");
    strcat(yaml, "{plugin: stub}}}}}}}}}}");
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, yaml);
    cr_assert_eq(f.status, OUTBOX_E_CONFIG);
    cr_assert_str_eq(f.error.text, "test.yaml:1:170: more than 8 plugins wrap each other: remove some");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

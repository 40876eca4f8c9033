/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plugin/stack_test.c - decorators: missing functions go to the inner plugin, forwarded calls complete
 * through the decorator */
#include "fixture.h"

#define THREE "{plugin: wrap, wraps: {plugin: pass, wraps: {plugin: wrap, wraps: {plugin: test, hold: true}}}}"

static struct outbox_message messages[4];
static const struct outbox_publish arguments = {
    .struct_size = sizeof arguments, .count = 4, .messages = messages, .stride = sizeof messages[0]};

static struct plugin_fixture *bottom(struct fixture *f)
{
    struct plugin_fixture *plugin = fixture_plugin(f);
    while (plugin->inner)
        plugin = plugin_fixture_inner(plugin);
    return plugin;
}

Test(stack, function_that_a_decorator_lacks_goes_to_the_inner_plugin)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "{plugin: pass, note: above, wraps: {plugin: test, note: below}}");
    cr_assert_eq(f.status, 0, "%s", f.error.text);
    struct plugin_fixture *above = fixture_plugin(&f), *below = bottom(&f);
    cr_assert_str_eq(above->note, "above");
    cr_assert_str_eq(below->note, "below");
    cr_assert_str_eq(above->inner->name, "test");
    cr_assert_eq(above->inner->caps, plugin_fixture_store.caps);
    cr_assert_eq(obx_instance_caps(f.instance), plugin_fixture_store.caps | OUTBOX_CAP_DECORATOR);
    cr_assert(obx_store_can_renew(f.instance));
    struct recorded_call call;
    recorded_call_init(&call);
    obx_store_renew(f.instance, &call.call, 10);
    cr_assert_eq(obx_instance_in_flight(f.instance), 1);
    fake_loop_settle(&f.loop);
    cr_assert_eq(call.dones, 1);
    obx_store_release(f.instance, NULL);
    obx_instance_stop(f.instance, &call.call, 10);
    fake_loop_settle(&f.loop);
    cr_assert_str_eq(above->trace, "");
    cr_assert_str_eq(below->trace, "renew release stop");
    fixture_close(&f);
    cr_assert_eq(plugin_fixture_alive, 0);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, inner_table_has_only_functions_of_plugins_inside)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "{plugin: pass, wraps: {plugin: pass, wraps: {plugin: bare}}}");
    cr_assert_eq(f.status, 0, "%s", f.error.text);
    const struct outbox_store_ops *ops = fixture_plugin(&f)->inner->ops;
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

Test(stack, outcomes_and_completions_pass_through_every_decorator)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, THREE);
    cr_assert_eq(f.status, 0, "%s", f.error.text);
    struct plugin_fixture *plugin = bottom(&f);
    struct recorded_call call;
    recorded_call_init(&call);
    obx_broker_publish(f.instance, &call.call, &arguments);
    cr_assert_eq(plugin->publish_count, 4);
    cr_assert_eq(obx_instance_in_flight(f.instance), 4);
    struct outbox_outcomes outcomes = {.struct_size = sizeof outcomes, .outcome = OUTBOX_DELIVERED, .count = 3};
    plugin->host->outcomes(plugin->host, plugin->held[0], &outcomes);
    cr_assert_str_eq(call.outcomes, "D0-2");
    plugin->host->op_done(plugin->host, plugin->held[0], NULL);
    fake_loop_settle(&f.loop);
    cr_assert_str_eq(call.outcomes, "D0-2 U3");
    cr_assert_eq(call.dones, 1);
    cr_assert_eq(obx_instance_in_flight(f.instance), 0);
    cr_assert_eq(obx_instance_violations(f.instance).bad_outcomes, 0);
    cr_assert_eq(obx_instance_violations(f.instance).unknown_ops, 0);
    fixture_close(&f);
    cr_assert_eq(plugin_fixture_alive, 0);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, failure_keeps_its_code_and_text)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, THREE);
    struct plugin_fixture *plugin = bottom(&f);
    struct recorded_call call;
    recorded_call_init(&call);
    obx_broker_start(f.instance, &call.call, 0, &obx_no_outbox);
    struct outbox_error error = {.code = OUTBOX_E_NOT_CONNECTED, .native = 111, .text = "connect to b: refused"};
    plugin->host->op_done(plugin->host, plugin->held[0], &error);
    fake_loop_settle(&f.loop);
    cr_assert_eq(call.error.code, OUTBOX_E_NOT_CONNECTED);
    cr_assert_eq(call.error.native, 111);
    cr_assert_str_eq(call.error.text, "connect to b: refused");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, cancel_reaches_the_innermost_plugin)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, THREE);
    struct plugin_fixture *plugin = bottom(&f);
    struct recorded_call call;
    recorded_call_init(&call);
    obx_broker_start(f.instance, &call.call, 50, &obx_no_outbox);
    fake_loop_run_for(&f.loop, 100 * OBX_MS);
    cr_assert_eq(plugin->canceled_count, 1);
    cr_assert_eq(plugin->canceled[0], plugin->held[0]);
    struct outbox_error error = {.code = OUTBOX_E_CANCELED, .text = "canceled"};
    plugin->host->op_done(plugin->host, plugin->held[0], &error);
    fake_loop_settle(&f.loop);
    cr_assert_eq(call.error.code, OUTBOX_E_TIMEOUT);
    cr_assert_str_eq(call.error.text, "broker wrap: start: no answer within 50 ms");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, stop_that_times_out_cancels_each_op_once)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, THREE);
    struct plugin_fixture *plugin = bottom(&f);
    struct recorded_call publish, stop;
    recorded_call_init(&publish);
    recorded_call_init(&stop);
    obx_broker_publish(f.instance, &publish.call, &arguments);
    obx_instance_stop(f.instance, &stop.call, 50);
    fake_loop_run_for(&f.loop, 1000 * OBX_MS);
    cr_assert_str_eq(plugin->trace, "publish stop cancel cancel");
    for (uint32_t i = 0; i < 2; i++)
        plugin->host->op_done(plugin->host, plugin->held[i], NULL);
    fake_loop_settle(&f.loop);
    cr_assert_eq(publish.dones, 1);
    cr_assert_eq(stop.dones, 1);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, decorator_cannot_complete_an_inner_op_as_its_own)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, "{plugin: wrap, wraps: {plugin: test, hold: true}}");
    struct plugin_fixture *above = fixture_plugin(&f), *plugin = bottom(&f);
    struct recorded_call call;
    recorded_call_init(&call);
    obx_broker_publish(f.instance, &call.call, &arguments);
    above->host->op_done(above->host, plugin->held[0], NULL);
    cr_assert_eq(above->host->op_child(above->host, plugin->held[0], NULL), 0);
    cr_assert_eq(plugin->host->op_child(plugin->host, plugin->held[0], NULL), 0, "nothing is underneath");
    cr_assert_eq(obx_instance_violations(f.instance).unknown_ops, 2);
    const struct outbox_broker_ops *ops = above->inner->ops;
    ops->publish(above->inner->self, plugin->held[0], &arguments); /* submitted twice */
    cr_assert_eq(obx_instance_violations(f.instance).unknown_ops, 3);
    plugin->host->op_done(plugin->host, plugin->held[0], NULL);
    fake_loop_settle(&f.loop);
    cr_assert_eq(call.dones, 1);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, publish_without_memory_for_inner_ops_is_not_sent)
{
    for (size_t n = 1; n <= 12; n++) {
        struct fixture f;
        fixture_open(&f, OUTBOX_BROKER,
                     "{plugin: pass, wraps: {plugin: wrap, wraps: {plugin: pass, wraps: {plugin: test}}}}");
        cr_assert_eq(f.status, 0, "%s", f.error.text);
        struct recorded_call call;
        recorded_call_init(&call);
        mem_fail_at(n, true);
        obx_broker_publish(f.instance, &call.call, &arguments);
        bool failed = mem_failed();
        mem_fail_at(0, false);
        fake_loop_settle(&f.loop);
        cr_assert_eq(call.dones, 1);
        cr_assert_eq(call.reported, 4);
        if (bottom(&f)->publish_count)
            cr_assert_str_eq(call.outcomes, "U0-3");
        else if (call.error.code)
            cr_assert(failed);
        fixture_close(&f);
        cr_assert_eq(mem_live(), 0);
    }
}

Test(stack, wraps_is_required_of_decorators_and_refused_of_others)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, "plugin: wrap");
    cr_assert_eq(f.status, OUTBOX_E_CONFIG);
    cr_assert_str_eq(f.error.text, "test.yaml:1:1: broker wrap wraps another broker: name it in 'wraps:'");
    fixture_close(&f);
    fixture_open(&f, OUTBOX_BROKER, "{plugin: test, wraps: {plugin: test}}");
    cr_assert_str_eq(f.error.text, "test.yaml:1:16: broker test wraps no other plugin: remove 'wraps'");
    fixture_close(&f);
    fixture_open(&f, OUTBOX_BROKER, "{plugin: wrap, wraps: {plugin: nix}}");
    cr_assert_eq(f.status, OUTBOX_E_NOT_FOUND);
    cr_assert_str_eq(f.error.text, "test.yaml:1:24: no broker is called 'nix'; available: test, pass, wrap; searched a "
                                   "plugin directory (none is set)");
    fixture_close(&f);
    cr_assert_eq(plugin_fixture_alive, 0);
    cr_assert_eq(mem_live(), 0);
}

Test(stack, stacks_of_more_than_eight_are_refused)
{
    char yaml[512] = "";
    for (int i = 0; i < 9; i++)
        strcat(yaml, "{plugin: pass, wraps: ");
    strcat(yaml, "{plugin: test}}}}}}}}}}");
    struct fixture f;
    fixture_open(&f, OUTBOX_BROKER, yaml);
    cr_assert_eq(f.status, OUTBOX_E_CONFIG);
    cr_assert_str_eq(f.error.text, "test.yaml:1:170: more than 8 plugins wrap each other: remove some");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

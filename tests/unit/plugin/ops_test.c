/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plugin/ops_test.c - operations: one done() for each, deferred; invalid completions; timeouts; stopping */
#include "fixture.h"

#define HOLD "{plugin: test, hold: true}"

static void complete(struct plugin_fixture *plugin, uint32_t index, int code, const char *text)
{
    struct outbox_error error = {.code = code};
    snprintf(error.text, sizeof error.text, "%s", text);
    plugin->host->op_done(plugin->host, plugin->held[index], &error);
}

Test(ops, completion_inside_the_submission_is_delivered_later)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "plugin: test");
    cr_assert_eq(f.status, 0, "%s", f.error.text);
    struct recorded_call call;
    recorded_call_init(&call);
    obx_store_renew(f.instance, &call.call, 1000);
    cr_assert_str_eq(fixture_plugin(&f)->trace, "renew");
    cr_assert_eq(call.dones, 0);
    cr_assert(obx_call_busy(&call.call));
    cr_assert_eq(obx_instance_in_flight(f.instance), 1);
    fake_loop_settle(&f.loop);
    cr_assert_eq(call.dones, 1);
    cr_assert_eq(call.error.code, 0);
    cr_assert(!obx_call_busy(&call.call));
    cr_assert_eq(obx_instance_in_flight(f.instance), 0);
    cr_assert(fake_loop_idle(&f.loop));
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, failure_keeps_its_code_and_text)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct recorded_call call;
    recorded_call_init(&call);
    obx_store_renew(f.instance, &call.call, 0);
    complete(fixture_plugin(&f), 0, OUTBOX_E_FENCED, "renew the lease: somebody else owns it");
    fake_loop_settle(&f.loop);
    cr_assert_eq(call.error.code, OUTBOX_E_FENCED);
    cr_assert_str_eq(call.error.text, "renew the lease: somebody else owns it");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, failure_without_text_gets_one)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct recorded_call call;
    recorded_call_init(&call);
    obx_store_renew(f.instance, &call.call, 0);
    complete(fixture_plugin(&f), 0, OUTBOX_E_IO, "");
    fake_loop_settle(&f.loop);
    cr_assert_str_eq(call.error.text, "store test: renew: input or output failed");
    fixture_close(&f);
}

Test(ops, double_late_and_foreign_completions_are_counted_and_logged_once)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct plugin_fixture *plugin = fixture_plugin(&f);
    struct recorded_call call;
    recorded_call_init(&call);
    obx_store_renew(f.instance, &call.call, 0);
    complete(plugin, 0, 0, "");
    complete(plugin, 0, 0, ""); /* twice */
    fake_loop_settle(&f.loop);
    complete(plugin, 0, 0, ""); /* late */
    obx_store_renew(f.instance, &call.call, 0);
    complete(plugin, 0, 0, "");                                                /* late: the slot is in use again */
    plugin->host->op_done(plugin->host, plugin->held[1] ^ (1ull << 60), NULL); /* of another instance */
    plugin->host->op_done(plugin->host, 0, NULL);
    cr_assert_null(plugin->host->op_scratch(plugin->host, plugin->held[0]));
    fake_loop_settle(&f.loop);
    cr_assert_eq(call.dones, 1);
    cr_assert_eq(obx_instance_violations(f.instance).unknown_ops, 5);
    cr_assert_eq(f.logs, 1);
    cr_assert_not_null(
        strstr(f.logged, "1 orders store test: the plugin broke the completion contract: op_done for op "));
    complete(plugin, 1, 0, "");
    fake_loop_settle(&f.loop);
    cr_assert_eq(call.dones, 2);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, scratch_is_zeroed_for_each_op)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct plugin_fixture *plugin = fixture_plugin(&f);
    struct recorded_call call;
    recorded_call_init(&call);
    for (uint32_t i = 0; i < 2; i++) {
        obx_store_renew(f.instance, &call.call, 0);
        char *scratch = plugin->host->op_scratch(plugin->host, plugin->held[i]);
        for (int b = 0; b < 40; b++)
            cr_assert_eq(scratch[b], 0);
        memset(scratch, 1, 40);
        complete(plugin, i, 0, "");
        cr_assert_null(plugin->host->op_scratch(plugin->host, plugin->held[i]));
        fake_loop_settle(&f.loop);
    }
    fixture_close(&f);
}

Test(ops, timeout_cancels_once_and_waits_for_the_plugin)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct plugin_fixture *plugin = fixture_plugin(&f);
    struct recorded_call call;
    recorded_call_init(&call);
    obx_store_renew(f.instance, &call.call, 250);
    fake_loop_run_for(&f.loop, 249 * OBX_MS);
    cr_assert_eq(plugin->canceled_count, 0);
    fake_loop_run_for(&f.loop, 10 * 1000 * OBX_MS);
    cr_assert_eq(plugin->canceled_count, 1);
    cr_assert_eq(plugin->canceled[0], plugin->held[0]);
    cr_assert_eq(call.dones, 0);
    complete(plugin, 0, OUTBOX_E_CANCELED, "canceled");
    fake_loop_settle(&f.loop);
    cr_assert_eq(call.error.code, OUTBOX_E_TIMEOUT);
    cr_assert_str_eq(call.error.text, "store test: renew: no answer within 250 ms");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, after_a_timeout_success_is_success_and_a_reason_is_kept)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct plugin_fixture *plugin = fixture_plugin(&f);
    struct recorded_call call;
    recorded_call_init(&call);
    obx_store_renew(f.instance, &call.call, 10);
    fake_loop_run_for(&f.loop, 20 * OBX_MS);
    complete(plugin, 0, 0, "");
    fake_loop_settle(&f.loop);
    cr_assert_eq(call.error.code, 0);
    obx_store_renew(f.instance, &call.call, 10);
    fake_loop_run_for(&f.loop, 20 * OBX_MS);
    complete(plugin, 1, OUTBOX_E_NOT_CONNECTED, "connection refused");
    fake_loop_settle(&f.loop);
    cr_assert_eq(call.error.code, OUTBOX_E_TIMEOUT);
    cr_assert_str_eq(call.error.text, "store test: renew: no answer within 10 ms: connection refused");
    fixture_close(&f);
}

Test(ops, stop_that_times_out_cancels_the_ops_in_flight)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct plugin_fixture *plugin = fixture_plugin(&f);
    struct recorded_call claim, stop, late;
    recorded_call_init(&claim);
    recorded_call_init(&stop);
    recorded_call_init(&late);
    struct outbox_claim arguments = {.struct_size = sizeof arguments};
    obx_store_claim(f.instance, &claim.call, 0, &arguments);
    obx_instance_stop(f.instance, &stop.call, 100);
    obx_store_renew(f.instance, &late.call, 0);
    fake_loop_run_for(&f.loop, 200 * OBX_MS);
    cr_assert_str_eq(plugin->trace, "claim stop cancel cancel");
    cr_assert_eq(late.error.code, OUTBOX_E_CANCELED);
    cr_assert_str_eq(late.error.text, "store test: renew: canceled");
    complete(plugin, 0, OUTBOX_E_CANCELED, "canceled");
    complete(plugin, 1, 0, "");
    fake_loop_settle(&f.loop);
    cr_assert_eq(claim.error.code, OUTBOX_E_CANCELED);
    cr_assert_eq(stop.error.code, 0);
    obx_store_renew(f.instance, &late.call, 0);
    complete(plugin, 2, 0, "");
    fake_loop_settle(&f.loop);
    cr_assert_eq(late.error.code, 0);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, missing_function_is_not_supported)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "plugin: bare");
    struct recorded_call call;
    recorded_call_init(&call);
    cr_assert(!obx_store_can_renew(f.instance));
    obx_store_renew(f.instance, &call.call, 10);
    cr_assert(obx_call_busy(&call.call));
    cr_assert_eq(call.dones, 0);
    fake_loop_settle(&f.loop);
    cr_assert_eq(call.dones, 1);
    cr_assert_eq(call.error.code, OUTBOX_E_UNSUPPORTED);
    cr_assert_str_eq(call.error.text, "store bare: renew: not supported");
    cr_assert_eq(obx_store_print(f.instance, OUTBOX_PRINT_SQL, NULL, NULL, &f.error), OUTBOX_E_UNSUPPORTED);
    cr_assert_str_eq(f.error.text, "store bare: print: not supported");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, many_ops_in_flight_complete_independently)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct plugin_fixture *plugin = fixture_plugin(&f);
    static struct recorded_call call[PLUGIN_FIXTURE_HELD];
    for (uint32_t i = 0; i < PLUGIN_FIXTURE_HELD; i++) {
        recorded_call_init(&call[i]);
        obx_store_renew(f.instance, &call[i].call, 0);
    }
    size_t live = mem_live();
    for (uint32_t i = 0; i < PLUGIN_FIXTURE_HELD; i += 2)
        complete(plugin, i, 0, "");
    fake_loop_settle(&f.loop);
    for (uint32_t i = 0; i < PLUGIN_FIXTURE_HELD; i++)
        cr_assert_eq(call[i].dones, !(i % 2));
    for (uint32_t i = 0; i < PLUGIN_FIXTURE_HELD; i += 2)
        obx_store_renew(f.instance, &call[i].call, 0);
    cr_assert_eq(mem_live(), live, "slots are used again");
    cr_assert_eq(obx_instance_in_flight(f.instance), PLUGIN_FIXTURE_HELD);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, early_stop_is_delivered_last)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct plugin_fixture *plugin = fixture_plugin(&f);
    struct recorded_call renew, stop;
    recorded_call_init(&renew);
    recorded_call_init(&stop);
    obx_store_renew(f.instance, &renew.call, 0);
    obx_instance_stop(f.instance, &stop.call, 100);
    complete(plugin, 1, 0, "");
    fake_loop_run_for(&f.loop, 50 * OBX_MS);
    cr_assert_eq(stop.dones, 0);
    cr_assert_eq(obx_instance_violations(f.instance).early_stops, 1);
    fake_loop_run_for(&f.loop, 100 * OBX_MS);
    cr_assert_eq(plugin->canceled_count, 1);
    cr_assert_eq(plugin->canceled[0], plugin->held[0]);
    complete(plugin, 0, OUTBOX_E_CANCELED, "canceled");
    fake_loop_settle(&f.loop);
    cr_assert_eq(renew.dones, 1);
    cr_assert_eq(stop.dones, 1);
    cr_assert_eq(stop.error.code, 0);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

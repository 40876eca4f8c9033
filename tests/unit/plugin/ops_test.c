/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plugin/ops_test.c - operations: one done for each, deferred; rogue completions; timeouts; stopping */
#include "fixture.h"

#define HOLD "{plugin: stub, hold: true}"

static void complete(struct stub *stub, uint32_t index, int code, const char *text)
{
    struct outbox_error error = {.code = code};
    snprintf(error.text, sizeof error.text, "%s", text);
    stub->host->op_done(stub->host, stub->held[index], &error);
}

Test(ops, a_completion_inside_the_submission_is_delivered_later)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "plugin: stub");
    cr_assert_eq(f.status, 0, "%s", f.error.text);
    struct heard heard;
    heard_init(&heard);
    obx_store_renew(f.instance, &heard.call, 1000);
    cr_assert_str_eq(fixture_stub(&f)->trace, "renew");
    cr_assert_eq(heard.dones, 0);
    cr_assert(obx_call_busy(&heard.call));
    cr_assert_eq(obx_instance_in_flight(f.instance), 1);
    fake_loop_settle(&f.loop);
    cr_assert_eq(heard.dones, 1);
    cr_assert_eq(heard.error.code, 0);
    cr_assert(!obx_call_busy(&heard.call));
    cr_assert_eq(obx_instance_in_flight(f.instance), 0);
    cr_assert(fake_loop_idle(&f.loop));
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, a_failure_is_passed_on_whole)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct heard heard;
    heard_init(&heard);
    obx_store_renew(f.instance, &heard.call, 0);
    complete(fixture_stub(&f), 0, OUTBOX_E_FENCED, "renew the lease: somebody else owns it");
    fake_loop_settle(&f.loop);
    cr_assert_eq(heard.error.code, OUTBOX_E_FENCED);
    cr_assert_str_eq(heard.error.text, "renew the lease: somebody else owns it");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, a_failure_without_text_gets_one)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct heard heard;
    heard_init(&heard);
    obx_store_renew(f.instance, &heard.call, 0);
    complete(fixture_stub(&f), 0, OUTBOX_E_IO, "");
    fake_loop_settle(&f.loop);
    cr_assert_str_eq(heard.error.text, "store stub: renew: input or output failed");
    fixture_close(&f);
}

Test(ops, double_late_and_foreign_completions_are_counted_and_told_once)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct stub *stub = fixture_stub(&f);
    struct heard heard;
    heard_init(&heard);
    obx_store_renew(f.instance, &heard.call, 0);
    complete(stub, 0, 0, "");
    complete(stub, 0, 0, ""); /* twice */
    fake_loop_settle(&f.loop);
    complete(stub, 0, 0, ""); /* late */
    obx_store_renew(f.instance, &heard.call, 0);
    complete(stub, 0, 0, "");                                            /* late: the slot is in use again */
    stub->host->op_done(stub->host, stub->held[1] ^ (1ull << 60), NULL); /* of another instance */
    stub->host->op_done(stub->host, 0, NULL);
    cr_assert_null(stub->host->op_scratch(stub->host, stub->held[0]));
    fake_loop_settle(&f.loop);
    cr_assert_eq(heard.dones, 1);
    cr_assert_eq(obx_instance_violations(f.instance).unknown_ops, 5);
    cr_assert_eq(f.logs, 1);
    cr_assert_not_null(
        strstr(f.logged, "1 orders store stub: the plugin broke the completion contract: op_done for op "));
    complete(stub, 1, 0, "");
    fake_loop_settle(&f.loop);
    cr_assert_eq(heard.dones, 2);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, scratch_is_zeroed_for_each_op)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct stub *stub = fixture_stub(&f);
    struct heard heard;
    heard_init(&heard);
    for (uint32_t i = 0; i < 2; i++) {
        obx_store_renew(f.instance, &heard.call, 0);
        char *scratch = stub->host->op_scratch(stub->host, stub->held[i]);
        for (int b = 0; b < 40; b++)
            cr_assert_eq(scratch[b], 0);
        memset(scratch, 1, 40);
        complete(stub, i, 0, "");
        cr_assert_null(stub->host->op_scratch(stub->host, stub->held[i]));
        fake_loop_settle(&f.loop);
    }
    fixture_close(&f);
}

Test(ops, a_timeout_cancels_once_and_waits_for_the_plugin)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct stub *stub = fixture_stub(&f);
    struct heard heard;
    heard_init(&heard);
    obx_store_renew(f.instance, &heard.call, 250);
    fake_loop_run_for(&f.loop, 249 * OBX_MS);
    cr_assert_eq(stub->canceled_count, 0);
    fake_loop_run_for(&f.loop, 10 * 1000 * OBX_MS);
    cr_assert_eq(stub->canceled_count, 1);
    cr_assert_eq(stub->canceled[0], stub->held[0]);
    cr_assert_eq(heard.dones, 0);
    complete(stub, 0, OUTBOX_E_CANCELED, "canceled");
    fake_loop_settle(&f.loop);
    cr_assert_eq(heard.error.code, OUTBOX_E_TIMEOUT);
    cr_assert_str_eq(heard.error.text, "store stub: renew: no answer within 250 ms");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, after_a_timeout_success_is_success_and_a_reason_is_kept)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct stub *stub = fixture_stub(&f);
    struct heard heard;
    heard_init(&heard);
    obx_store_renew(f.instance, &heard.call, 10);
    fake_loop_run_for(&f.loop, 20 * OBX_MS);
    complete(stub, 0, 0, "");
    fake_loop_settle(&f.loop);
    cr_assert_eq(heard.error.code, 0);
    obx_store_renew(f.instance, &heard.call, 10);
    fake_loop_run_for(&f.loop, 20 * OBX_MS);
    complete(stub, 1, OUTBOX_E_NOT_CONNECTED, "connection refused");
    fake_loop_settle(&f.loop);
    cr_assert_eq(heard.error.code, OUTBOX_E_TIMEOUT);
    cr_assert_str_eq(heard.error.text, "store stub: renew: no answer within 10 ms: connection refused");
    fixture_close(&f);
}

Test(ops, a_stop_that_times_out_cancels_what_is_in_flight)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct stub *stub = fixture_stub(&f);
    struct heard claim, stop, late;
    heard_init(&claim);
    heard_init(&stop);
    heard_init(&late);
    struct outbox_claim arguments = {.struct_size = sizeof arguments};
    obx_store_claim(f.instance, &claim.call, 0, &arguments);
    obx_instance_stop(f.instance, &stop.call, 100);
    obx_store_renew(f.instance, &late.call, 0);
    fake_loop_run_for(&f.loop, 200 * OBX_MS);
    cr_assert_str_eq(stub->trace, "claim stop cancel cancel");
    cr_assert_eq(late.error.code, OUTBOX_E_CANCELED);
    cr_assert_str_eq(late.error.text, "store stub: renew: canceled");
    complete(stub, 0, OUTBOX_E_CANCELED, "canceled");
    complete(stub, 1, 0, "");
    fake_loop_settle(&f.loop);
    cr_assert_eq(claim.error.code, OUTBOX_E_CANCELED);
    cr_assert_eq(stop.error.code, 0);
    obx_store_renew(f.instance, &late.call, 0);
    complete(stub, 2, 0, "");
    fake_loop_settle(&f.loop);
    cr_assert_eq(late.error.code, 0);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, what_a_plugin_lacks_is_not_supported)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "plugin: bare");
    struct heard heard;
    heard_init(&heard);
    cr_assert(!obx_store_can_renew(f.instance));
    obx_store_renew(f.instance, &heard.call, 10);
    cr_assert(obx_call_busy(&heard.call));
    cr_assert_eq(heard.dones, 0);
    fake_loop_settle(&f.loop);
    cr_assert_eq(heard.dones, 1);
    cr_assert_eq(heard.error.code, OUTBOX_E_UNSUPPORTED);
    cr_assert_str_eq(heard.error.text, "store bare: renew: not supported");
    cr_assert_eq(obx_store_print(f.instance, OUTBOX_PRINT_SQL, NULL, NULL, &f.error), OUTBOX_E_UNSUPPORTED);
    cr_assert_str_eq(f.error.text, "store bare: print: not supported");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, many_at_once_each_complete_on_their_own)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct stub *stub = fixture_stub(&f);
    static struct heard heard[STUB_HELD];
    for (uint32_t i = 0; i < STUB_HELD; i++) {
        heard_init(&heard[i]);
        obx_store_renew(f.instance, &heard[i].call, 0);
    }
    size_t live = mem_live();
    for (uint32_t i = 0; i < STUB_HELD; i += 2)
        complete(stub, i, 0, "");
    fake_loop_settle(&f.loop);
    for (uint32_t i = 0; i < STUB_HELD; i++)
        cr_assert_eq(heard[i].dones, !(i % 2));
    for (uint32_t i = 0; i < STUB_HELD; i += 2)
        obx_store_renew(f.instance, &heard[i].call, 0);
    cr_assert_eq(mem_live(), live, "slots are used again");
    cr_assert_eq(obx_instance_in_flight(f.instance), STUB_HELD);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(ops, a_stop_that_overtakes_is_heard_last)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, HOLD);
    struct stub *stub = fixture_stub(&f);
    struct heard renew, stop;
    heard_init(&renew);
    heard_init(&stop);
    obx_store_renew(f.instance, &renew.call, 0);
    obx_instance_stop(f.instance, &stop.call, 100);
    complete(stub, 1, 0, "");
    fake_loop_run_for(&f.loop, 50 * OBX_MS);
    cr_assert_eq(stop.dones, 0);
    cr_assert_eq(obx_instance_violations(f.instance).early_stops, 1);
    fake_loop_run_for(&f.loop, 100 * OBX_MS);
    cr_assert_eq(stub->canceled_count, 1);
    cr_assert_eq(stub->canceled[0], stub->held[0]);
    complete(stub, 0, OUTBOX_E_CANCELED, "canceled");
    fake_loop_settle(&f.loop);
    cr_assert_eq(renew.dones, 1);
    cr_assert_eq(stop.dones, 1);
    cr_assert_eq(stop.error.code, 0);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

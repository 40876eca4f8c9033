/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plugin/outcomes_test.c - each message of a publish gets exactly one outcome, whatever the plugin
 * reports */
#include "fixture.h"

static struct outbox_message messages[200];

static void publish(struct fixture *f, struct recorded_call *call, uint32_t count)
{
    static struct outbox_publish arguments;
    arguments = (struct outbox_publish){
        .struct_size = sizeof arguments, .count = count, .messages = messages, .stride = sizeof messages[0]};
    recorded_call_init(call);
    obx_broker_publish(f->instance, &call->call, &arguments);
}

static void report(struct fixture *f, struct outbox_outcomes outcomes)
{
    struct plugin_fixture *plugin = fixture_plugin(f);
    outcomes.struct_size = sizeof outcomes;
    plugin->host->outcomes(plugin->host, plugin->held[plugin->held_count - 1], &outcomes);
}

static void finish(struct fixture *f)
{
    struct plugin_fixture *plugin = fixture_plugin(f);
    plugin->host->op_done(plugin->host, plugin->held[plugin->held_count - 1], NULL);
    fake_loop_settle(&f->loop);
}

static void open_broker(struct fixture *f)
{
    fixture_open(f, OUTBOX_BROKER, "{plugin: test, hold: true}");
    cr_assert_eq(f->status, 0, "%s", f->error.text);
}

static void close_broker(struct fixture *f, uint64_t bad, uint64_t unknown)
{
    struct obx_violations violations = obx_instance_violations(f->instance);
    fixture_close(f);
    cr_assert_eq(violations.bad_outcomes, bad);
    cr_assert_eq(violations.unknown_ops, unknown);
    cr_assert_eq(mem_live(), 0);
}

Test(outcomes, range_of_all_messages_is_forwarded_unchanged)
{
    struct fixture f;
    struct recorded_call call;
    open_broker(&f);
    publish(&f, &call, 200);
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_DELIVERED, .count = 200});
    cr_assert_str_eq(call.outcomes, "D0-199");
    finish(&f);
    cr_assert_eq(call.reported, 200);
    cr_assert_eq(call.dones, 1);
    close_broker(&f, 0, 0);
}

Test(outcomes, ranges_and_lists_may_cross_words)
{
    struct fixture f;
    struct recorded_call call;
    open_broker(&f);
    publish(&f, &call, 130);
    struct outbox_error why = {.code = OUTBOX_E_REJECTED, .text = "too large"};
    uint32_t odd[] = {129, 63, 64};
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_DELIVERED, .first = 0, .count = 63});
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_REJECTED, .indexes = odd, .count = 3, .error = &why});
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_DELIVERED, .first = 65, .count = 64});
    cr_assert_str_eq(call.outcomes, "D0-62 J129 J63 J64 D65-128");
    cr_assert_str_eq(call.why, "too large");
    finish(&f);
    cr_assert_eq(call.reported, 130);
    close_broker(&f, 0, 0);
}

Test(outcomes, messages_without_a_report_are_unknown)
{
    struct fixture f;
    struct recorded_call call;
    open_broker(&f);
    publish(&f, &call, 10);
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_DELIVERED, .first = 3, .count = 2});
    finish(&f);
    cr_assert_str_eq(call.outcomes, "D3-4 U0-2 U5-9");
    cr_assert_str_eq(call.why, "broker test: publish: the plugin reported no outcome of this event");
    cr_assert_eq(call.error.code, 0);
    close_broker(&f, 0, 0);
}

Test(outcomes, unreported_messages_of_a_failed_publish_have_its_error)
{
    struct fixture f;
    struct recorded_call call;
    open_broker(&f);
    publish(&f, &call, 2);
    struct plugin_fixture *plugin = fixture_plugin(&f);
    struct outbox_error error = {.code = OUTBOX_E_IO, .text = "write to the log: input or output failed"};
    plugin->host->op_done(plugin->host, plugin->held[0], &error);
    fake_loop_settle(&f.loop);
    cr_assert_str_eq(call.outcomes, "U0-1");
    cr_assert_str_eq(call.why, error.text);
    cr_assert_eq(call.error.code, OUTBOX_E_IO);
    close_broker(&f, 0, 0);
}

Test(outcomes, repeated_report_is_counted_and_its_new_part_forwarded)
{
    struct fixture f;
    struct recorded_call call;
    open_broker(&f);
    publish(&f, &call, 8);
    uint32_t list[] = {6, 2, 7, 7};
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_DELIVERED, .first = 2, .count = 2});
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_RETRY, .first = 0, .count = 6});
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_REJECTED, .indexes = list, .count = 4});
    cr_assert_str_eq(call.outcomes, "D2-3 R0-1 R4-5 J6 J7");
    finish(&f);
    cr_assert_eq(call.reported, 8);
    cr_assert_eq(f.logs, 1);
    close_broker(&f, 3, 0);
}

Test(outcomes, report_out_of_range_is_refused)
{
    struct fixture f;
    struct recorded_call call;
    open_broker(&f);
    publish(&f, &call, 4);
    uint32_t list[] = {1, 4, UINT32_MAX, 3};
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_DELIVERED, .first = 1, .count = 4});
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_DELIVERED, .first = 5, .count = UINT32_MAX});
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_DELIVERED, .indexes = list, .count = 4});
    cr_assert_str_eq(call.outcomes, "D1 D3");
    finish(&f);
    cr_assert_str_eq(call.outcomes, "D1 D3 U0 U2");
    close_broker(&f, 4, 0);
}

Test(outcomes, unknown_outcomes_are_refused)
{
    struct fixture f;
    struct recorded_call call;
    open_broker(&f);
    publish(&f, &call, 1);
    report(&f, (struct outbox_outcomes){.outcome = 0, .count = 1});
    report(&f, (struct outbox_outcomes){.outcome = 7, .count = 1});
    finish(&f);
    cr_assert_str_eq(call.outcomes, "U0");
    close_broker(&f, 2, 0);
}

Test(outcomes, late_reports_and_reports_of_other_operations_are_refused)
{
    struct fixture f;
    struct recorded_call call, check;
    open_broker(&f);
    publish(&f, &call, 1);
    finish(&f);
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_DELIVERED, .count = 1}); /* late */
    recorded_call_init(&check);
    struct outbox_check arguments = {.struct_size = sizeof arguments};
    obx_broker_check(f.instance, &check.call, 0, &arguments);
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_DELIVERED, .count = 1}); /* not a publish */
    cr_assert_str_eq(call.outcomes, "U0");
    cr_assert_eq(check.reported, 0);
    finish(&f);
    close_broker(&f, 1, 1);
}

Test(outcomes, failed_outcome_without_a_reason_gets_one)
{
    struct fixture f;
    struct recorded_call call;
    open_broker(&f);
    publish(&f, &call, 1);
    report(&f, (struct outbox_outcomes){.outcome = OUTBOX_RETRY, .count = 1});
    cr_assert_str_eq(call.why, "the broker plugin gave no reason");
    finish(&f);
    close_broker(&f, 0, 0);
}

Test(outcomes, publish_without_memory_is_not_sent)
{
    for (size_t n = 1; n <= 3; n++) {
        struct fixture f;
        struct recorded_call call;
        open_broker(&f);
        mem_fail_at(n, true);
        publish(&f, &call, 100);
        mem_fail_at(0, false);
        cr_assert_eq(call.dones, 0);
        cr_assert_str_eq(call.outcomes, "N0-99");
        cr_assert_str_eq(fixture_plugin(&f)->trace, "");
        fake_loop_settle(&f.loop);
        cr_assert_eq(call.dones, 1);
        cr_assert_eq(call.error.code, OUTBOX_E_NO_MEMORY);
        close_broker(&f, 0, 0);
    }
}

Test(outcomes, empty_publish_completes)
{
    struct fixture f;
    struct recorded_call call;
    open_broker(&f);
    publish(&f, &call, 0);
    finish(&f);
    cr_assert_eq(call.reported, 0);
    cr_assert_eq(call.dones, 1);
    close_broker(&f, 0, 0);
}

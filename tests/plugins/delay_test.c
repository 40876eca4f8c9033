/* SPDX-License-Identifier: Apache-2.0 */
/* tests/plugins/delay_test.c - calls and answers arrive at their time, in order, and none is lost */
#include <criterion/criterion.h>
#include <string.h>

#include "mem_fault.h"
#include "stack_fixture.h"

#define DELAY(options) "it: { plugin: delay, calls: publish, " options ", wraps: { plugin: memory } }\n"

static void begin(struct stack *stack, const char *yaml)
{
    stack_open(stack, OUTBOX_BROKER, yaml);
    stack_start(stack);
    stack->fake.step_ns = 0;
}

static void pass(struct stack *stack, uint64_t ms)
{
    fake_loop_run_for(&stack->fake, ms * OBX_MS);
}

Test(delay, waits_before)
{
    struct stack stack;
    begin(&stack, DELAY("before: 100ms"));
    stack_submit(&stack, 0, "a1 b1");
    pass(&stack, 99);
    cr_assert_str_eq(stack_there(&stack), "");
    pass(&stack, 2);
    cr_assert_str_eq(stack_there(&stack), "a1 b1");
    cr_assert_str_eq(stack_finish(&stack, 0), "DD");
    stack_close(&stack);
}

Test(delay, waits_after_with_the_outcomes)
{
    struct stack stack;
    begin(&stack, "it: { plugin: delay, calls: publish, after: 100ms, wraps: { plugin: fault, calls: publish, key: b,\n"
                  "      kind: rejected, wraps: { plugin: memory } } }\n");
    stack_submit(&stack, 0, "a1 b1 b2 c1");
    pass(&stack, 99);
    cr_assert_str_eq(stack_there(&stack), "a1 c1");
    cr_assert_str_eq(stack_outcomes(&stack, 0), "....");
    pass(&stack, 2);
    cr_assert_str_eq(stack_outcomes(&stack, 0), "DRRD");
    cr_assert(stack.slots[0].call.done);
    stack_close(&stack);
}

Test(delay, never_changes_the_order)
{
    struct stack stack;
    begin(&stack, DELAY("before: 10ms, after: 5ms, jitter: 80ms"));
    for (int round = 0; round < 20; round++) {
        static const char *const events[] = {"a1", "a2", "a3", "a4", "a5", "a6"};
        for (int i = 0; i < 6; i++)
            stack_submit(&stack, i, events[i]);
        for (int i = 5; i >= 0; i--) {
            cr_assert_str_eq(stack_finish(&stack, i), "D");
            cr_assert(i == 5 || stack.slots[i].call.done, "an answer overtook");
        }
    }
    const char *there = stack_there(&stack);
    cr_assert_eq(strncmp(there, "a1 a2 a3 a4 a5 a6 a1 a2 a3 a4 a5 a6 ", 36), 0, "%s", there);
    stack_close(&stack);
}

Test(delay, other_calls_do_not_wait)
{
    struct stack stack;
    begin(&stack, "it: { plugin: delay, calls: check, before: 1h, wraps: { plugin: memory } }\n");
    uint64_t before = stack.fake.now_ns;
    cr_assert_str_eq(stack_send(&stack, "a1"), "D");
    cr_assert_eq(stack.fake.now_ns, before);
    stack_close(&stack);
}

/* The inner plugin knows neither the requests that wait nor that its answers wait. */
Test(delay, fails_publishes_submitted_before_the_host_knew_of_a_failure)
{
    struct stack stack;
    begin(&stack,
          "it: { plugin: delay, calls: publish, before: 10ms, after: 10ms, wraps: { plugin: fault, calls: publish,\n"
          "      key: a, count: 1, kind: retry, wraps: { plugin: memory } } }\n");
    stack_submit(&stack, 0, "a1 b1");
    pass(&stack, 5);
    stack_submit(&stack, 1, "a2 b2"); /* waits while a1 fails */
    pass(&stack, 10);
    stack_submit(&stack, 2, "c1"); /* before the host knows */
    cr_assert_str_eq(stack_finish(&stack, 0), "TD");
    cr_assert_str_eq(stack_finish(&stack, 1), "TT");
    cr_assert_str_eq(stack_finish(&stack, 2), "T");
    cr_assert_str_eq(stack_send(&stack, "a1 a2 b2 c1"), "DDDD");
    cr_assert_str_eq(stack_there(&stack), "b1 a1 a2 b2 c1");
    stack_close(&stack);
}

Test(delay, fails_later_publishes_as_not_connected_after_an_outage)
{
    struct stack stack;
    begin(&stack, "it: { plugin: delay, calls: publish, before: 10ms, wraps: { plugin: fault, calls: publish, key: a,\n"
                  "      count: 1, kind: unknown, wraps: { plugin: memory } } }\n");
    stack_submit(&stack, 0, "a1 b1");
    pass(&stack, 5);
    stack_submit(&stack, 1, "c1");
    cr_assert_str_eq(stack_finish(&stack, 0), "UD");
    cr_assert_str_eq(stack_finish(&stack, 1), "N");
    cr_assert_str_eq(stack_send(&stack, "a1 c1"), "DD");
    stack_close(&stack);
}

Test(delay, stop_completes_last)
{
    struct stack stack;
    struct loop_fixture_call stop = {0};
    begin(&stack, DELAY("before: 50ms, after: 50ms"));
    stack_submit(&stack, 0, "a1");
    loop_fixture_reset(&stop);
    obx_instance_stop(stack.top, &stop.call, 0);
    cr_assert_eq(loop_fixture_wait(&stack.base, &stop), 0);
    cr_assert(stack.slots[0].call.done);
    cr_assert_str_eq(stack_outcomes(&stack, 0), "D");
    stack_close(&stack);
}

Test(delay, cancels_the_queue_when_a_call_is_canceled)
{
    struct stack stack;
    struct loop_fixture_call stop = {0};
    begin(&stack, DELAY("before: 1h"));
    stack_submit(&stack, 0, "a1");
    stack_submit(&stack, 1, "a2");
    loop_fixture_reset(&stop);
    obx_instance_stop(stack.top, &stop.call, 20);
    cr_assert_eq(loop_fixture_wait(&stack.base, &stop), 0, "%s", stop.error.text);
    cr_assert_str_eq(stack_outcomes(&stack, 0), "N");
    cr_assert_str_eq(stack_outcomes(&stack, 1), "N");
    cr_assert_str_eq(stack.slots[0].call.error.text, "publish: canceled while it waited in the delay plugin");
    cr_assert_str_eq(stack_there(&stack), "");
    stack_close(&stack);
}

Test(delay, answer_is_reported_at_once_when_it_is_canceled)
{
    struct stack stack;
    struct loop_fixture_call stop = {0};
    begin(&stack, DELAY("after: 1h"));
    stack_submit(&stack, 0, "a1");
    loop_fixture_reset(&stop);
    obx_instance_stop(stack.top, &stop.call, 20);
    cr_assert_eq(loop_fixture_wait(&stack.base, &stop), 0);
    cr_assert_str_eq(stack_outcomes(&stack, 0), "D");
    stack_close(&stack);
}

Test(delay, survives_the_failure_of_every_allocation)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct stack stack;
        begin(&stack, DELAY("before: 10ms, after: 10ms"));
        mem_fail_at(n, false);
        stack_submit(&stack, 0, "a1 b1");
        stack_finish(&stack, 0);
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert(strspn(stack_outcomes(&stack, 0), "DN") == 2, "%s", stack_outcomes(&stack, 0));
        stack_close(&stack);
        cr_assert_lt(n, 50);
    }
}

Test(delay, cannot_be_made_without_memory)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct stack stack;
        struct outbox_error error = {0};
        struct obx_instance *second = NULL;
        stack_open(&stack, OUTBOX_BROKER, DELAY("before: 1ms"));
        mem_fail_at(n, false);
        int code = loop_fixture_instance(&stack.base, OUTBOX_BROKER, "it", &second, &error);
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert_eq(code, failed ? OUTBOX_E_NO_MEMORY : OUTBOX_OK, "%s", error.text);
        obx_instance_free(second);
        stack_close(&stack);
    }
}

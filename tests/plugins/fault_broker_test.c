/* SPDX-License-Identifier: Apache-2.0 */
/* tests/plugins/fault_broker_test.c - every effect on a broker, and order within keys under all of them */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem_fault.h"
#include "stack_fixture.h"

#define FAULT(options) "it: { plugin: fault, calls: publish, " options ", wraps: { plugin: memory } }\n"

static void begin(struct stack *stack, const char *yaml)
{
    stack_open(stack, OUTBOX_BROKER, yaml);
    stack_start(stack);
}

Test(fault_broker, fails_only_the_nth_publish)
{
    struct stack stack;
    begin(&stack, FAULT("nth: 2, count: 1"));
    cr_assert_str_eq(stack_send(&stack, "a1 b1"), "DD");
    cr_assert_str_eq(stack_send(&stack, "a2 b2"), "NN");
    cr_assert_eq(stack.slots[0].call.error.code, 0);
    cr_assert_str_eq(stack_send(&stack, "a2 b2"), "DD");
    cr_assert_str_eq(stack_there(&stack), "a1 b1 a2 b2");
    stack_close(&stack);
}

Test(fault_broker, fails_each_third_from_the_second_on)
{
    struct stack stack;
    begin(&stack, FAULT("nth: 2, every: 3, kind: rejected"));
    static const char *const wanted[] = {"D", "R", "D", "D", "R", "D", "D", "R"};
    for (int i = 0; i < 8; i++)
        cr_assert_str_eq(stack_send(&stack, "a1"), wanted[i], "%d", i);
    stack_close(&stack);
}

Test(fault_broker, reports_each_kind_as_its_outcome)
{
    static const char *const kinds[] = {"retry", "rejected", "unknown", "full", "fenced"};
    static const char *const wanted[] = {"T", "R", "U", "N", "N"};
    for (int i = 0; i < 5; i++) {
        struct stack stack;
        char yaml[200];
        snprintf(yaml, sizeof yaml, "it: { plugin: fault, calls: publish, kind: %s, wraps: { plugin: memory } }\n",
                 kinds[i]);
        begin(&stack, yaml);
        cr_assert_str_eq(stack_send(&stack, "a1"), wanted[i]);
        stack_close(&stack);
    }
}

Test(fault_broker, fails_one_key_and_keeps_its_order)
{
    struct stack stack;
    begin(&stack, FAULT("key: a, kind: retry, count: 1"));
    cr_assert_str_eq(stack_send(&stack, "a1 b1 a2 -1"), "TDTD");
    cr_assert_str_eq(stack_send(&stack, "a3"), "T", "a1 and a2 must go first");
    cr_assert_str_eq(stack_send(&stack, "a1 a2 a3 b2"), "DDDD");
    cr_assert_str_eq(stack_there(&stack), "b1 -1 a1 a2 a3 b2");
    stack_close(&stack);
}

/* Several publishes are in flight before the host knows of the failure. */
Test(fault_broker, keeps_the_order_of_a_key_over_publishes_in_flight)
{
    struct stack stack;
    begin(&stack, FAULT("nth: 1, count: 1, kind: retry"));
    stack_submit(&stack, 0, "a1 b1");
    stack_submit(&stack, 1, "a2 c1");
    stack_submit(&stack, 2, "b2 c2");
    cr_assert_str_eq(stack_finish(&stack, 0), "TT");
    cr_assert_str_eq(stack_finish(&stack, 1), "TD");
    cr_assert_str_eq(stack_finish(&stack, 2), "TD");
    cr_assert_str_eq(stack_send(&stack, "a1 b1 a2 b2"), "DDDD");
    cr_assert_str_eq(stack_there(&stack), "c1 c2 a1 b1 a2 b2");
    stack_close(&stack);
}

Test(fault_broker, appends_and_drops_the_answer)
{
    struct stack stack;
    begin(&stack, FAULT("effect: drop_ack, key: a, count: 1"));
    cr_assert_str_eq(stack_send(&stack, "b1 a1 a2 b2"), "DUND");
    cr_assert_str_eq(stack_there(&stack), "b1 a1 b2");
    cr_assert_str_eq(stack_send(&stack, "a1 a2"), "DD");
    cr_assert_str_eq(stack_there(&stack), "b1 a1 b2 a1 a2", "twice, but first occurrences are in order");
    stack_close(&stack);
}

Test(fault_broker, draws_single_events_the_same_for_a_seed)
{
    char first[STACK_EVENTS + 1] = "";
    for (int i = 0; i < 2; i++) {
        struct stack stack;
        begin(&stack, FAULT("rate: 50, seed: 11, kind: rejected"));
        const char *outcomes = stack_send(&stack, "a1 b1 c1 d1 e1 f1 g1 h1 i1 j1 k1 l1 m1 n1 o1 p1");
        cr_assert(strchr(outcomes, 'D') && strchr(outcomes, 'R'), "%s", outcomes);
        if (!i)
            strcpy(first, outcomes);
        cr_assert_str_eq(outcomes, first);
        stack_close(&stack);
    }
}

Test(fault_broker, loses_the_connection_and_does_the_work)
{
    struct stack stack;
    begin(&stack, FAULT("effect: lost, count: 1"));
    cr_assert_str_eq(stack_send(&stack, "a1"), "D");
    fake_loop_settle(&stack.fake);
    cr_assert_eq(stack.base.losses, 1);
    cr_assert_str_eq(stack.base.loss.text, "publish: failed on purpose by the fault plugin: not_connected");
    stack_close(&stack);
}

Test(fault_broker, hung_publish_is_not_overtaken)
{
    struct stack stack;
    struct loop_fixture_call stop = {0};
    begin(&stack, FAULT("effect: hang, nth: 2, count: 1"));
    cr_assert_str_eq(stack_send(&stack, "a1"), "D");
    stack_submit(&stack, 0, "a2");
    stack_submit(&stack, 1, "a3");
    fake_loop_run_for(&stack.fake, 3600ull * 1000 * OBX_MS);
    cr_assert(!stack.slots[0].call.done && !stack.slots[1].call.done);
    loop_fixture_reset(&stop);
    obx_instance_stop(stack.top, &stop.call, 100);
    cr_assert_eq(loop_fixture_wait(&stack.base, &stop), 0, "%s", stop.error.text);
    cr_assert_str_eq(stack_outcomes(&stack, 0), "N");
    cr_assert_str_eq(stack_outcomes(&stack, 1), "N");
    cr_assert_eq(stack.slots[0].call.error.code, OUTBOX_E_CANCELED);
    stack_start(&stack);
    cr_assert_str_eq(stack_send(&stack, "a2 a3"), "DD");
    cr_assert_str_eq(stack_there(&stack), "a1 a2 a3");
    stack_close(&stack);
}

Test(fault_broker, fails_calls_while_the_trigger_file_exists)
{
    struct stack stack;
    char path[] = "/tmp/outbox-fault-XXXXXX", yaml[200];
    int fd = mkstemp(path);
    close(fd);
    snprintf(yaml, sizeof yaml, "it: { plugin: fault, calls: publish, trigger: %s, wraps: { plugin: memory } }\n",
             path);
    begin(&stack, yaml);
    cr_assert_str_eq(stack_send(&stack, "a1"), "N");
    unlink(path);
    cr_assert_str_eq(stack_send(&stack, "a1"), "D");
    stack_close(&stack);
}

Test(fault_broker, fails_start_and_undoes_a_start_without_answer)
{
    struct stack stack;
    struct outbox_error error;
    stack_open(
        &stack, OUTBOX_BROKER,
        "it: { plugin: fault, calls: start, count: 1, effect: drop_ack, kind: timeout,\n"
        "      wraps: { plugin: fault, calls: start, count: 1, kind: permission, wraps: { plugin: memory } } }\n");
    cr_assert_eq(loop_fixture_broker_start(&stack.base, stack.top, &error), OUTBOX_E_TIMEOUT);
    cr_assert_str_eq(error.text, "start: failed on purpose by the fault plugin: timeout");
    cr_assert_eq(loop_fixture_broker_start(&stack.base, stack.top, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_str_eq(stack_send(&stack, "a1"), "D");
    stack_close(&stack);
}

Test(fault_broker, stops_a_start_whose_answer_was_dropped)
{
    struct stack stack;
    struct outbox_error error;
    stack_open(&stack, OUTBOX_BROKER,
               "it: { plugin: fault, calls: start, count: 1, effect: drop_ack, wraps: { plugin: memory } }\n");
    cr_assert_eq(loop_fixture_broker_start(&stack.base, stack.top, &error), OUTBOX_E_NOT_CONNECTED);
    cr_assert_str_eq(stack_send(&stack, "a1"), "N", "the memory broker is stopped");
    stack_start(&stack);
    cr_assert_str_eq(stack_send(&stack, "a1"), "D");
    stack_close(&stack);
}

Test(fault_broker, reports_a_failed_allocation_of_an_operation)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct stack stack;
        begin(&stack, "it: { plugin: fault, calls: check, wraps: { plugin: memory } }\n");
        mem_fail_at(n, false);
        const char *outcomes = stack_send(&stack, "a1 b1");
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert(strspn(outcomes, failed ? "DN" : "D") == 2, "%s", outcomes);
        stack_close(&stack);
    }
}

Test(fault_broker, always_stops_the_inner_plugin)
{
    struct stack stack;
    struct outbox_error error;
    begin(&stack, "it: { plugin: fault, calls: stop, count: 1, wraps: { plugin: memory } }\n");
    cr_assert_eq(loop_fixture_stop(&stack.base, stack.top, &error), OUTBOX_E_NOT_CONNECTED);
    cr_assert_str_eq(stack_send(&stack, "a1"), "N", "the memory broker is stopped");
    stack_close(&stack);
}

Test(fault_broker, refuses_unknown_calls)
{
    struct stack stack;
    struct outbox_error error;
    cr_assert_eq(stack_try(&stack, OUTBOX_BROKER,
                           "it: { plugin: fault, calls: 'publish, claim', wraps: { plugin: memory } }\n", &error),
                 OUTBOX_E_CONFIG);
    cr_assert_str_eq(error.text,
                     "stack.yaml:1:1: unknown call 'claim' in calls; possible are start, stop, check, publish");
    stack_close(&stack);
    cr_assert_eq(
        stack_try(&stack, OUTBOX_BROKER, "it: { plugin: fault, calls: ' ', wraps: { plugin: memory } }\n", &error),
        OUTBOX_E_CONFIG);
    stack_close(&stack);
}

static void crash_in_publish(const char *yaml)
{
    struct stack stack;
    begin(&stack, yaml);
    stack_send(&stack, "a1");
    cr_assert_fail("still alive");
}

Test(fault_broker, kills_the_process_before, .signal = SIGKILL)
{
    crash_in_publish(FAULT("effect: crash_before"));
}

Test(fault_broker, kills_the_process_after, .signal = SIGKILL)
{
    crash_in_publish(FAULT("effect: crash_after"));
}

/* After any failed allocation no event overtakes, none is reported twice, and a restart heals it. */
Test(fault_broker, survives_the_failure_of_every_allocation)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct stack stack;
        struct outbox_error error;
        begin(&stack, FAULT("key: a, kind: retry, count: 1"));
        stack_send(&stack, "x1");
        mem_fail_at(n, false);
        stack_submit(&stack, 0, "a1 b1 a2");
        stack_submit(&stack, 1, "a3 b2");
        stack_finish(&stack, 0);
        stack_finish(&stack, 1);
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert_null(strstr(stack_there(&stack), "a"), "a1 has not gone, so no other may: %s", stack_there(&stack));
        cr_assert_eq(loop_fixture_stop(&stack.base, stack.top, &error), 0);
        stack_start(&stack);
        const char *outcomes = stack_send(&stack, "a1 a2 a3"); /* the failure may still come */
        cr_assert_str_eq(outcomes[0] == 'D' ? outcomes : stack_send(&stack, "a1 a2 a3"), "DDD");
        stack_close(&stack);
        cr_assert_lt(n, 100);
    }
}

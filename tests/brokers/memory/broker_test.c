/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/memory/broker_test.c - the reference broker: properties that the conformance suite does not test */
#include <criterion/criterion.h>
#include <string.h>

#include "../../../brokers/memory/memory.h"
#include "mem_fault.h"
#include "../../plugins/stack_fixture.h"

#define MEMORY(options) "it: { plugin: memory" options " }\n"

Test(memory_broker, delivered_events_are_kept_in_order)
{
    struct stack stack;
    stack_open(&stack, OUTBOX_BROKER, MEMORY(""));
    stack_start(&stack);
    cr_assert_str_eq(stack_send(&stack, "a1 b1 -1 a2"), "DDDD");
    cr_assert_str_eq(stack_send(&stack, ""), "");
    cr_assert_str_eq(stack_there(&stack), "a1 b1 -1 a2");
    stack_close(&stack);
}

Test(memory_broker, no_event_is_accepted_after_the_limit)
{
    struct stack stack;
    struct outbox_error error;
    stack_open(&stack, OUTBOX_BROKER, MEMORY(", limit: 2"));
    stack_start(&stack);
    cr_assert_str_eq(stack_send(&stack, "a1 a2 a3 b1"), "DDNN");
    cr_assert_str_eq(stack.slots[0].call.error.text, "");
    fake_loop_settle(&stack.fake);
    cr_assert_eq(stack.base.losses, 1);
    cr_assert_str_eq(stack.base.loss.text, "append to memory: 2 events are kept, which is the limit; raise 'limit'");
    cr_assert_str_eq(stack_send(&stack, "c1"), "N");
    cr_assert_eq(loop_fixture_stop(&stack.base, stack.top, &error), 0);
    cr_assert_eq(loop_fixture_broker_start(&stack.base, stack.top, &error), OUTBOX_E_FULL);
    cr_assert_str_eq(stack_there(&stack), "a1 a2");
    stack_close(&stack);
}

Test(memory_broker, rejects_a_payload_that_is_too_large_and_continues)
{
    struct stack stack;
    stack_open(&stack, OUTBOX_BROKER, MEMORY(", max_bytes: 2"));
    stack_start(&stack);
    cr_assert_str_eq(stack_send(&stack, "a1 a2xx b1"), "DRD");
    cr_assert_str_eq(stack_there(&stack), "a1 b1");
    cr_assert_eq(outbox_memory_broker_delivered(stack_bottom(&stack)), 2);
    struct outbox_error error;
    cr_assert_eq(obx_broker_admit(stack.top, &stack.slots[0].messages[1], &error), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text, "append to memory: the payload has 4 bytes, 'max_bytes' allows 2");
    cr_assert_eq(obx_broker_admit(stack.top, &(struct outbox_message){.id = {"x", 1}}, &error), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text, "append to memory: the event has no topic");
    stack_close(&stack);
}

Test(memory_broker, discard_counts_and_drops_events)
{
    struct stack stack;
    stack_open(&stack, OUTBOX_BROKER, MEMORY(", discard: true, limit: 1"));
    stack_start(&stack);
    cr_assert_str_eq(stack_send(&stack, "a1 a2 a3"), "DDD");
    cr_assert_str_eq(stack_there(&stack), "");
    stack_close(&stack);
}

Test(memory_broker, survives_the_failure_of_every_allocation)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct stack stack;
        struct outbox_error error;
        stack_open(&stack, OUTBOX_BROKER, MEMORY(""));
        stack_start(&stack);
        stack_send(&stack, "x1"); /* what the core allocates for a publish, it has now */
        mem_fail_at(n, false);
        bool refused = strchr(stack_send(&stack, "a1 a2 a3"), 'N') != NULL;
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert_eq(refused, failed);
        if (failed) {
            fake_loop_settle(&stack.fake);
            cr_assert_eq(stack.base.loss.code, OUTBOX_E_NO_MEMORY);
            cr_assert_eq(loop_fixture_stop(&stack.base, stack.top, &error), 0);
            stack_start(&stack);
        }
        stack_close(&stack);
    }
}

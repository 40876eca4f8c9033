/* SPDX-License-Identifier: Apache-2.0 */
/* tests/plugins/fault_store_test.c - the fault plugin over the memory store */
#include <criterion/criterion.h>
#include <stdio.h>

#include "mem_fault.h"
#include "stack_fixture.h"

static const struct outbox_column columns[] = {{"payload", 0}};

static void begin(struct stack *stack, const char *options)
{
    char yaml[300];
    struct outbox_error error;
    struct outbox_acquire acquire = {.struct_size = sizeof acquire, .lease_ms = 10000};
    snprintf(yaml, sizeof yaml, "it: { plugin: fault, %s, wraps: { plugin: memory, events: 3 } }\n", options);
    stack_open(stack, OUTBOX_STORE, yaml);
    cr_assert_eq(loop_fixture_store_start(&stack->base, stack->top, columns, 1, &error), 0, "%s", error.text);
    cr_assert_eq(loop_fixture_acquire(&stack->base, stack->top, &acquire, &error), 0, "%s", error.text);
}

static struct outbox_claim claim_all(void)
{
    return (struct outbox_claim){.struct_size = sizeof(struct outbox_claim),
                                 .max_rows = 100,
                                 .max_bytes = 1 << 20,
                                 .flags = OUTBOX_CLAIM_REWIND};
}

Test(fault_store, fails_a_claim_without_doing_it)
{
    struct stack stack;
    struct outbox_error error;
    struct outbox_claim claim = claim_all();
    begin(&stack, "calls: claim, count: 1, kind: again");
    cr_assert_eq(loop_fixture_claim(&stack.base, stack.top, &claim, &error), OUTBOX_E_AGAIN);
    cr_assert_str_eq(error.text, "claim: failed on purpose by the fault plugin: again");
    cr_assert_eq(loop_fixture_claim(&stack.base, stack.top, &claim, &error), OUTBOX_OK);
    cr_assert_eq(claim.batch->rows, 3);
    obx_store_release(stack.top, claim.batch);
    stack_close(&stack);
}

Test(fault_store, releases_the_rows_of_a_claim_whose_answer_is_dropped)
{
    struct stack stack;
    struct outbox_error error;
    struct outbox_claim claim = claim_all();
    begin(&stack, "calls: claim, count: 1, effect: drop_ack, kind: timeout");
    cr_assert_eq(loop_fixture_claim(&stack.base, stack.top, &claim, &error), OUTBOX_E_TIMEOUT);
    cr_assert_null(claim.batch);
    stack_close(&stack);
}

Test(fault_store, settles_and_reports_a_failure)
{
    struct stack stack;
    struct outbox_error error;
    struct outbox_claim claim = claim_all();
    begin(&stack, "calls: settle, effect: drop_ack, kind: unknown");
    loop_fixture_claim(&stack.base, stack.top, &claim, &error);
    struct outbox_span span = {claim.batch, 0, 3};
    cr_assert_eq(loop_fixture_settle(&stack.base, stack.top, &span, 1, &error), OUTBOX_E_UNKNOWN_OUTCOME);
    obx_store_release(stack.top, claim.batch);
    claim = claim_all();
    cr_assert_eq(loop_fixture_claim(&stack.base, stack.top, &claim, &error), OUTBOX_OK);
    cr_assert_null(claim.batch, "they are gone");
    stack_close(&stack);
}

Test(fault_store, passes_other_calls_on)
{
    struct stack stack;
    struct loop_fixture_call call = {0};
    struct outbox_store_status status = {.struct_size = sizeof status};
    begin(&stack, "calls: 'settle, dead_letter'");
    loop_fixture_reset(&call);
    obx_store_status(stack.top, &call.call, 0, &status);
    cr_assert_eq(loop_fixture_wait(&stack.base, &call), OUTBOX_OK);
    cr_assert_eq(status.pending, 3);
    loop_fixture_reset(&call);
    obx_store_renew(stack.top, &call.call, 0);
    cr_assert_eq(loop_fixture_wait(&stack.base, &call), OUTBOX_OK, "renew is optional");
    stack_close(&stack);
}

Test(fault_store, hangs_until_the_timeout)
{
    struct stack stack;
    struct loop_fixture_call call = {0};
    struct outbox_claim claim = claim_all();
    begin(&stack, "calls: claim, effect: hang, count: 1");
    loop_fixture_reset(&call);
    obx_store_claim(stack.top, &call.call, 500, &claim);
    cr_assert_eq(loop_fixture_wait(&stack.base, &call), OUTBOX_E_TIMEOUT);
    cr_assert_str_eq(call.error.text, "store fault: claim: no answer within 500 ms");
    stack_close(&stack);
}

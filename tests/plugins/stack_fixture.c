/* SPDX-License-Identifier: Apache-2.0 */
/* tests/plugins/stack_fixture.c - see stack_fixture.h */
#include "stack_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../../brokers/memory/memory.h"
#include "mem_fault.h"
#include "plugin/internal.h"

static bool turn(struct obx_loop *loop)
{
    return fake_loop_step((struct fake_loop *)loop);
}

static int drop(struct obx_loop *loop)
{
    return fake_loop_idle((struct fake_loop *)loop) ? 0 : -1;
}

int stack_try(struct stack *stack, enum outbox_kind kind, const char *yaml, struct outbox_error *error)
{
    memset(stack, 0, sizeof *stack);
    fake_loop_init(&stack->fake, 7);
    cr_assert_eq(loop_fixture_open(&stack->base, &stack->fake.base, turn, drop, NULL, error), 0, "%s", error->text);
    cr_assert_eq(loop_fixture_configure(&stack->base, "stack.yaml", yaml, error), 0, "%s", error->text);
    return loop_fixture_instance(&stack->base, kind, "it", &stack->top, error);
}

void stack_open(struct stack *stack, enum outbox_kind kind, const char *yaml)
{
    struct outbox_error error = {0};
    cr_assert_eq(stack_try(stack, kind, yaml, &error), 0, "%s", error.text);
}

void stack_start(struct stack *stack)
{
    struct outbox_error error = {0};
    cr_assert_eq(loop_fixture_broker_start(&stack->base, stack->top, &error), 0, "%s", error.text);
}

void stack_close(struct stack *stack)
{
    struct outbox_error error = {0};
    if (stack->top) {
        cr_assert_eq(loop_fixture_stop(&stack->base, stack->top, &error), 0, "%s", error.text);
        cr_assert_eq(obx_instance_violations(stack->top).unknown_ops, 0);
        cr_assert_eq(obx_instance_violations(stack->top).bad_outcomes, 0);
        cr_assert_eq(obx_instance_in_flight(stack->top), 0);
    }
    obx_instance_free(stack->top);
    cr_assert_eq(loop_fixture_close(&stack->base), 0, "timers or tasks are left");
    cr_assert_eq(mem_live(), 0);
}

/* ---- publishing -------------------------------------------------------------------------------------------------- */

static void take_word(struct stack_publish *publish, const char *word, size_t size)
{
    uint32_t i = publish->publish.count++;
    cr_assert(i < STACK_EVENTS && size < sizeof publish->text[i]);
    char *text = publish->text[i];
    memcpy(text, word, size);
    publish->messages[i] = (struct outbox_message){
        .topic = {"t", 1}, .value = {text, size}, .id = {text, size}, .created_us = INT64_MIN, .partition = -1};
    if (*text != '-')
        publish->messages[i].key = (struct outbox_bytes){text, 1};
}

void stack_submit(struct stack *stack, int slot, const char *events)
{
    struct stack_publish *publish = &stack->slots[slot];
    memset(publish, 0, sizeof *publish);
    publish->publish.struct_size = sizeof publish->publish;
    publish->publish.messages = publish->messages;
    publish->publish.stride = sizeof publish->messages[0];
    for (size_t size; *events; events += size + (events[size] == ' ')) {
        size = strcspn(events, " ");
        take_word(publish, events, size);
    }
    loop_fixture_reset(&publish->call);
    publish->call.outcomes = publish->outcomes;
    publish->call.reports = publish->reports;
    obx_broker_publish(stack->top, &publish->call.call, &publish->publish);
}

const char *stack_outcomes(struct stack *stack, int slot)
{
    static char text[STACK_EVENTS + 1];
    struct stack_publish *publish = &stack->slots[slot];
    uint32_t i = 0;
    for (; i < publish->publish.count; i++) {
        text[i] = ".DTRUN"[publish->outcomes[i]];
        cr_assert_leq(publish->reports[i], 1, "event %u was reported twice", i);
    }
    text[i] = 0;
    return text;
}

const char *stack_finish(struct stack *stack, int slot)
{
    loop_fixture_wait(&stack->base, &stack->slots[slot].call);
    cr_assert(stack->slots[slot].call.done);
    return stack_outcomes(stack, slot);
}

const char *stack_send(struct stack *stack, const char *events)
{
    stack_submit(stack, 0, events);
    return stack_finish(stack, 0);
}

void *stack_bottom(struct stack *stack)
{
    struct obx_instance *bottom = stack->top;
    while (bottom->inner)
        bottom = bottom->inner;
    return obx_instance_self(bottom);
}

const char *stack_there(struct stack *stack)
{
    static char text[1024];
    void *broker = stack_bottom(stack);
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < outbox_memory_broker_count(broker); i++) {
        const struct outbox_message *message = outbox_memory_broker_at(broker, i);
        used += (size_t)snprintf(text + used, sizeof text - used, i ? " %.*s" : "%.*s", (int)message->value.size,
                                 (const char *)message->value.data);
    }
    return text;
}

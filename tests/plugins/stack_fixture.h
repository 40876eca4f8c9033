/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/plugins/stack_fixture.h - decorators stacked on the memory broker or store, on the fake loop
 *
 * Events are written as words: "a1 b1 a2" are three events, the letter is the key, the word is id and payload ("-1" has
 * no key). Outcomes come back as one letter for each: D delivered, T retry, R rejected, U unknown, N not connected.
 */
#ifndef OBX_TESTS_PLUGINS_PILE_H
#define OBX_TESTS_PLUGINS_PILE_H

#include "fake_loop.h"
#include "loop_fixture.h"

#define STACK_SLOTS 8
#define STACK_EVENTS 32

struct stack_publish {
    struct loop_fixture_call call;
    char text[STACK_EVENTS][8];
    struct outbox_message messages[STACK_EVENTS];
    struct outbox_publish publish;
    uint8_t outcomes[STACK_EVENTS];
    uint32_t reports[STACK_EVENTS];
};

struct stack {
    struct fake_loop fake; /* first */
    struct loop_fixture base;
    struct obx_instance *top;
    struct stack_publish slots[STACK_SLOTS];
};

/* The whole configuration, in which `it:` is the stack. */
void stack_open(struct stack *stack, enum outbox_kind kind, const char *yaml);
int stack_try(struct stack *stack, enum outbox_kind kind, const char *yaml, struct outbox_error *error);
/* Stops and frees it, and checks that nothing is left and the contract was kept. */
void stack_close(struct stack *stack);

void stack_start(struct stack *stack); /* must succeed */
void stack_submit(struct stack *stack, int slot, const char *events);
const char *stack_finish(struct stack *stack, int slot);         /* waits; the outcomes */
const char *stack_outcomes(struct stack *stack, int slot);       /* as they are now; '.' not reported */
const char *stack_send(struct stack *stack, const char *events); /* submit and finish */
const char *stack_there(struct stack *stack);                    /* what the memory broker has: "a1 b1" */
void *stack_bottom(struct stack *stack);                         /* the memory of the undermost plugin */

#endif

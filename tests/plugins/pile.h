/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/plugins/pile.h - decorators piled over the memory broker or store, on the fake loop
 *
 * Events are written as words: "a1 b1 a2" are three events, the letter is the key, the word is id and payload ("-1" has
 * no key). Outcomes come back as one letter for each: D delivered, T retry, R rejected, U unknown, N not connected.
 */
#ifndef OBX_TESTS_PLUGINS_PILE_H
#define OBX_TESTS_PLUGINS_PILE_H

#include "fake_loop.h"
#include "harness.h"

#define PILE_SLOTS 8
#define PILE_EVENTS 32

struct pile_publish {
    struct harness_call call;
    char text[PILE_EVENTS][8];
    struct outbox_message messages[PILE_EVENTS];
    struct outbox_publish publish;
    uint8_t outcomes[PILE_EVENTS];
    uint32_t told[PILE_EVENTS];
};

struct pile {
    struct fake_loop fake; /* first */
    struct harness harness;
    struct obx_instance *top;
    struct pile_publish slots[PILE_SLOTS];
};

/* The whole configuration, in which `it:` is the pile. */
void pile_open(struct pile *pile, enum outbox_kind kind, const char *yaml);
int pile_try(struct pile *pile, enum outbox_kind kind, const char *yaml, struct outbox_error *error);
/* Stops it, frees it, and looks that nothing is left and the contract was kept. */
void pile_close(struct pile *pile);

void pile_start(struct pile *pile); /* must succeed */
void pile_submit(struct pile *pile, int slot, const char *events);
const char *pile_finish(struct pile *pile, int slot);         /* waits; the outcomes */
const char *pile_outcomes(struct pile *pile, int slot);       /* as they are now; '.' not told */
const char *pile_send(struct pile *pile, const char *events); /* submit and finish */
const char *pile_there(struct pile *pile);                    /* what the memory broker has: "a1 b1" */
void *pile_bottom(struct pile *pile);                         /* the memory of the undermost plugin */

#endif

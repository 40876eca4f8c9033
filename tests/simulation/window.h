/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/window.h - a consumer that keeps a window by the header of route.position, as docs/INBOX.md has it
 *
 * It reads what is appended, and decides by the header and the event id alone whether an event is a duplicate. The run
 * fails when it drops the first occurrence of an event, or applies an event twice. It has one window for all
 * partitions, which forgets more than one for each of them.
 * Not judged: events of commits that a failover lost, and events that have been dead letters.
 */
#ifndef OBX_TESTS_SIMULATION_WINDOW_H
#define OBX_TESTS_SIMULATION_WINDOW_H

#include <outbox/plugin.h>

/* The header of one message; major numbers only, as all positions of the simulation. epoch 0: there is none. */
struct window_mark {
    uint64_t epoch, position, low;
    uint32_t nonce;
};

void window_init(void);
void window_read_header(const struct outbox_message *message, struct window_mark *mark);
void window_appended(uint32_t event, const struct window_mark *mark);

#endif

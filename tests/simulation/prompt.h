/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/prompt.h - "one key's trouble never delays another", checked by time
 *
 * While a key is blocked (on_reject: block-key) by an event that was refused for a reason of its own, what is committed
 * of other keys, and what stands before that event in its own, must be published within a bound that is far below what
 * oracle_drained allows, and that does not know of the blocked key's pauses. In seeds with peace this holds all the
 * time, in the others from the moment when all has healed.
 */
#ifndef OBX_TESTS_SIMULATION_PROMPT_H
#define OBX_TESTS_SIMULATION_PROMPT_H

#include "db.h"

void prompt_init(void);
void prompt_healed(void);
void prompt_stopped(void); /* a relay is asked to stop: the next one needs its time */
/* The broker, or what stands before it, did not take this event for a reason of its own. */
void prompt_refused(struct sim_event *event);
void prompt_appended(const struct sim_event *event); /* for the first time, just now */
void prompt_look(void);                              /* now and then: what is not appended may be late, too */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/prompt.h - checks by time that one key's failure never delays another key
 *
 * While an event that was refused by itself blocks its key (on_reject: block-key), all events of other keys, and the
 * earlier events of its key, must be published within a bound. The bound is far below that of oracle_drained and
 * independent of the blocked key's pauses. In seeds with peace it holds all the time, in the others after everything
 * has healed.
 */
#ifndef OBX_TESTS_SIMULATION_PROMPT_H
#define OBX_TESTS_SIMULATION_PROMPT_H

#include "db.h"

void prompt_init(void);
void prompt_healed(void);
void prompt_stopped(void); /* a relay is stopped: the next one needs time to start */
/* The broker, or a check before it, refused this event because of the event itself. */
void prompt_refused(struct sim_event *event);
void prompt_appended(const struct sim_event *event); /* for the first time, just now */
void prompt_check(void);                             /* periodically: an event that is not appended may be late, too */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/writers.h - the application: transactions that insert events, each at its own pace */
#ifndef OBX_TESTS_SIMULATION_WRITERS_H
#define OBX_TESTS_SIMULATION_WRITERS_H

#include <stdint.h>

void sim_writers_start(void);
/* Commits so many events at once, at the start. */
void sim_writers_backlog(uint32_t events);

#endif

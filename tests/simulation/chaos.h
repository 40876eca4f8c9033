/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/chaos.h - the faults of the relays, the database and the broker until everything heals */
#ifndef OBX_TESTS_SIMULATION_CHAOS_H
#define OBX_TESTS_SIMULATION_CHAOS_H

void sim_chaos_start(void);
void sim_chaos_heal(void);

#endif

/* tests/simulation/chaos.h - what happens to the relays, the database and the broker until everything heals */
#ifndef SIM_CHAOS_H
#define SIM_CHAOS_H

void sim_chaos_start(void);
void sim_chaos_heal(void);

#endif

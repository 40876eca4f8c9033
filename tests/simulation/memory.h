/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/memory.h - memory with an owner; replaces core/base/mem.c
 *
 * Every block belongs to the owner that was current when it was made: the world, or one life of one relay. When a relay
 * crashes, its memory is freed at once, so the sanitizer detects later accesses; after an orderly stop it must own no
 * memory. Allocations can be made to fail at random.
 */
#ifndef OBX_TESTS_SIMULATION_MEMORY_H
#define OBX_TESTS_SIMULATION_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct sim_block;

struct sim_owner {
    struct sim_block *first;
    size_t live;
    uint32_t fail_one_in; /* 0: never */
    uint64_t random;
};

/* Returns the former owner. */
struct sim_owner *sim_own(struct sim_owner *owner);
void sim_owner_drop(struct sim_owner *owner); /* free all of it */

#endif

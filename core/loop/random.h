/* SPDX-License-Identifier: Apache-2.0 */
/* core/loop/random.h - SplitMix64: a counter whose bits are mixed; every state is valid */
#ifndef OBX_LOOP_RANDOM_H
#define OBX_LOOP_RANDOM_H

#include <stdint.h>

#define OBX_RANDOM_STEP 0x9e3779b97f4a7c15ull

static inline uint64_t obx_random_stir(uint64_t counter)
{
    counter = (counter ^ (counter >> 30)) * 0xbf58476d1ce4e5b9ull;
    counter = (counter ^ (counter >> 27)) * 0x94d049bb133111ebull;
    return counter ^ (counter >> 31);
}

#endif

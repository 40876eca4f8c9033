/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/kafka/pause.c - see pause.h */
#include "pause.h"

enum { PRODUCE = 0, ADD_PARTITIONS_TO_TXN = 24 }; /* types of requests */

#define REFUSED_NS 20000000u
#define STEP_NS 2000000u
#define DECAY 64u /* a pause shrinks by this part of itself */

void kafka_pause_note(struct kafka_pause *pause, int16_t api_key, uint64_t now_ns)
{
    unsigned long long none = 0;
    if (api_key == ADD_PARTITIONS_TO_TXN)
        atomic_compare_exchange_strong(&pause->requested_ns, &none, now_ns);
    else if (api_key == PRODUCE)
        atomic_compare_exchange_strong(&pause->sent_ns, &none, now_ns);
}

uint64_t kafka_pause_next(struct kafka_pause *pause)
{
    uint64_t requested = atomic_exchange(&pause->requested_ns, 0), sent = atomic_exchange(&pause->sent_ns, 0);
    uint64_t length = pause->length_ns;
    if (!requested || sent < requested + REFUSED_NS)
        length -= length / DECAY;
    else
        length = length + STEP_NS < KAFKA_PAUSE_MAX_NS ? length + STEP_NS : KAFKA_PAUSE_MAX_NS;
    return pause->length_ns = length;
}

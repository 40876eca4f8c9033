/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/pause.h - delivery: exactly-once: how long a transaction waits after the commit of the one before
 *
 * The coordinator answers a commit before it has completed it. Until then it refuses the partitions of the next
 * transaction, and librdkafka requests them again 20 ms later. A pause of some milliseconds before the first message is
 * shorter.
 *
 * Happy path: the time from the first request for partitions to the first messages is taken. With 20 ms or more they
 * were refused, and the next pause is longer; else it is a little shorter. So it stays near what the cluster needs.
 * Failure mode: a busy machine takes 20 ms without a refusal. Then pauses grow to KAFKA_PAUSE_MAX_NS, and no further.
 */
#ifndef OBX_BROKERS_KAFKA_PAUSE_H
#define OBX_BROKERS_KAFKA_PAUSE_H

#include <stdatomic.h>
#include <stdint.h>

#define KAFKA_PAUSE_MAX_NS 16000000u

struct kafka_pause {
    atomic_ullong requested_ns, sent_ns; /* of the open transaction: its first requests; 0: none yet */
    uint64_t length_ns;                  /* of the last pause */
};

/* Any thread: a request was sent. api_key: its type in Kafka's protocol. now_ns: of any monotonic clock, not 0. */
void kafka_pause_note(struct kafka_pause *pause, int16_t api_key, uint64_t now_ns);
/* A transaction was committed, and no request of the next one is sent yet. Gives the length of the pause in ns. */
uint64_t kafka_pause_next(struct kafka_pause *pause);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/blocked_keys.h - keys of events that failed, in publishes that the host submitted before it knew
 *
 * The set is empty unless something fails. Loop thread; memory comes from the host.
 */
#ifndef OBX_BROKERS_KAFKA_BLOCKED_KEYS_H
#define OBX_BROKERS_KAFKA_BLOCKED_KEYS_H

#include <outbox/plugin.h>

struct kafka_blocked_key {
    uint64_t hash;         /* of topic and key; 0: free */
    uint64_t last_publish; /* the last one in which an event of it failed */
};

struct kafka_failed_publish {
    uint64_t number;
    uint64_t last_unaware; /* the last publish that was submitted before the host knew; 0: it does not know yet */
    uint32_t turns_left;   /* of the loop until the host knows; 0: not completed */
};

struct kafka_blocked_keys {
    const struct outbox_host *host;
    struct kafka_blocked_key *keys;
    uint32_t room, used;
    struct kafka_failed_publish *failed;
    uint32_t failed_count, failed_room;
};

/* Call this before kafka_block_key() for the first failed event of a publish. Fails without memory. */
int kafka_block_publish(struct kafka_blocked_keys *blocked, uint64_t publish_number);
/* A null key blocks nothing. Fails without memory. */
int kafka_block_key(struct kafka_blocked_keys *blocked, uint64_t topic_hash, struct outbox_bytes key,
                    uint64_t publish_number);
bool kafka_key_is_blocked(const struct kafka_blocked_keys *blocked, uint64_t topic_hash, struct outbox_bytes key,
                          uint64_t publish_number);
/* A failed publish was completed: call kafka_blocked_keys_turn() in each of the next turns until it gives false. */
void kafka_blocked_publish_completed(struct kafka_blocked_keys *blocked, uint64_t publish_number);
/* submitted: number of the last publish. oldest: of those that are not sent yet; UINT64_MAX: none. */
bool kafka_blocked_keys_turn(struct kafka_blocked_keys *blocked, uint64_t submitted, uint64_t oldest);
/* Forget what concerns no publish from `oldest` on. */
void kafka_blocked_keys_trim(struct kafka_blocked_keys *blocked, uint64_t oldest);
void kafka_blocked_keys_free(struct kafka_blocked_keys *blocked);

#endif

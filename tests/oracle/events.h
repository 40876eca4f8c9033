/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/oracle/events.h - the data of the oracle: events by the hash of their id, keys, transactions
 *
 * Ids are represented by a 128-bit hash; collisions among millions are practically impossible. Indexes have 32 bits and
 * stay valid; an insertion invalidates pointers.
 */
#ifndef OBX_TESTS_ORACLE_EVENTS_H
#define OBX_TESTS_ORACLE_EVENTS_H

#include <xxhash.h>

#include "oracle.h"

#define ORACLE_NONE UINT32_MAX

struct oracle_event {
    XXH128_hash_t id;
    uint64_t payload; /* XXH3-64 of the committed payload */
    uint64_t content; /* hash of the first occurrence, all fields */
    uint32_t key;     /* ORACLE_NONE: without one */
    uint32_t sequence;
    uint32_t transaction;
    uint32_t last; /* line of the last occurrence */
    bool published, left, dead;
    bool excused; /* its order is not checked */
};

struct oracle_key {
    XXH128_hash_t name;
    uint32_t reached; /* highest sequence published */
};

struct oracle_transaction {
    uint32_t events;
    uint32_t seen;
    enum oracle_outcome outcome;
};

struct oracle_index { /* open addressing over an array whose elements begin with their hash */
    uint32_t *slots;
    uint64_t room; /* a power of two */
};

struct oracle {
    struct oracle_rules rules;
    struct oracle_event *events;
    struct oracle_key *keys;
    struct oracle_transaction *transactions;
    size_t event_count, event_room, key_count, key_room, transaction_count, transaction_room;
    struct oracle_index by_id, by_key;
    struct oracle_verdict verdict;
    uint64_t line; /* published lines so far, over all files */
    uint32_t reported;
};

/* ORACLE_NONE if absent or without memory. */
uint32_t oracle_event_add(struct oracle *oracle, const void *id, size_t size); /* NONE also if it exists */
uint32_t oracle_event_find(const struct oracle *oracle, const void *id, size_t size);
uint32_t oracle_key_add(struct oracle *oracle, const void *name, size_t size);
uint32_t oracle_key_find(const struct oracle *oracle, const void *name, size_t size);
uint32_t oracle_transaction_add(struct oracle *oracle);

/* Count a violation, and describe the first ones. */
void oracle_fault(struct oracle *oracle, uint64_t *counter, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/keys.h - blocked keys, and the events that wait for them
 *
 * An event that could not be published is not kept in memory: its key keeps only the position. Its batch can then be
 * released, so a blocked event costs 24 bytes and nothing of the memory budget. When the pause of a key is over, the
 * positions are claimed again.
 *
 *   WAITING --pause over--> RETRYING --all of its events removed--> (the key is removed)
 *      ^                        |
 *      +-------- failed --------+
 *
 * With `order: none`, and for events without a key, each event has a key of its own and blocks nothing else.
 */
#ifndef OBX_RELAY_KEYS_H
#define OBX_RELAY_KEYS_H

#include <outbox/plugin.h>

#include "base/list.h"
#include "loop/heap.h"
#include "relay/causes.h"
#include "relay/position.h"

#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) obx_alloc(size)
#define uthash_free(memory, size) obx_free(memory)
#include <uthash.h>

struct obx_blocked_event {
    struct outbox_position position;
    uint32_t attempts; /* that failed through a fault of the event */
};

/* Why a key is blocked, for people. Kept for the first 1,000 blocked keys. */
struct obx_last_failure {
    struct outbox_position position; /* of the event that failed */
    int64_t created_us;              /* created_at of its row; INT64_MIN: unknown */
    uint64_t id_hash;                /* obx_skip_hash() */
    char topic[64], key[64], event_id[40], reason[160];
};

struct obx_key {
    uint64_t hash; /* of topic and key; two keys of one hash block each other, which is harmless */
    UT_hash_handle hh;
    struct obx_timer due;   /* WAITING: in keys->waiting; never fires, is only compared */
    struct obx_list link;   /* RETRYING: in keys->retrying, or in keys->sending */
    struct obx_list failed; /* in keys->failed: an event came back and the pause is not set yet */
    bool retrying;
    bool behind_lane;        /* WAITING, until its event in flight has an outcome (lane_publish.c) */
    uint64_t retry_seq;      /* RETRYING: the batch with its rows, when that has joined the lanes; 0: none */
    bool draining;           /* its last retry succeeded: retry many events at once */
    bool exhausted;          /* its first event will not go unless somebody acts: see obx_keys_set_exhausted() */
    bool reject_logged;      /* that its first event was rejected */
    int failed_code;         /* why an event came back */
    uint32_t retry_after_ms; /* the pause that the server requested then; 0: none */
    uint32_t failures;       /* in a row, for the pause; set by obx_keys_set_failures() */
    uint32_t claimed;        /* RETRYING: so many of its first events are being claimed or published */
    uint64_t since_ns;
    struct obx_blocked_event *events;      /* owned; ascending by position */
    uint32_t first, count, room;           /* events[first .. first + count - 1]; room: entries of `events` */
    struct obx_last_failure *last_failure; /* owned; may be NULL */
};

struct obx_keys {
    struct obx_key *table;
    struct obx_heap waiting;
    struct obx_list retrying, sending, failed;
    uint64_t events; /* of all keys */
    uint64_t exhausted_events;
    uint64_t failing; /* keys with failures that are not exhausted */
    uint32_t last_failures;
    struct obx_causes causes; /* of warnings about causes that are not an event's: key_pauses.c */
};

void obx_keys_init(struct obx_keys *keys);
void obx_keys_clear(struct obx_keys *keys);

uint64_t obx_key_hash(struct outbox_bytes topic, struct outbox_bytes key);

static inline bool obx_keys_any(const struct obx_keys *keys)
{
    return keys->table != NULL;
}

static inline uint64_t obx_keys_count(const struct obx_keys *keys)
{
    return HASH_COUNT(keys->table);
}

struct obx_key *obx_keys_find(const struct obx_keys *keys, uint64_t hash);

/* Add an event to its key. A new key is WAITING and due at once. An event that the key already has is unchanged. A new
 * first event does not inherit the failures of the later events. NULL: no memory. */
struct obx_key *obx_keys_block(struct obx_keys *keys, uint64_t hash, struct outbox_position position, uint64_t now);

static inline struct obx_blocked_event *obx_key_first(const struct obx_key *key)
{
    return &key->events[key->first];
}

static inline bool obx_key_is_first(const struct obx_key *key, struct outbox_position position)
{
    return obx_position_same(obx_key_first(key)->position, position);
}

/* The event of a key, or NULL. */
struct obx_blocked_event *obx_key_event(struct obx_key *key, struct outbox_position position);
/* The event was delivered, dead-lettered, or is no longer in the outbox. With its last event the key is removed, unless
 * it is RETRYING. */
void obx_keys_remove_event(struct obx_keys *keys, struct obx_key *key, struct outbox_position position);

/* Note why the key is blocked: the event at this position failed. */
void obx_keys_set_failure(struct obx_keys *keys, struct obx_key *key, const struct outbox_message *message,
                          struct outbox_position position, const char *reason);
/* Never NULL. */
const struct obx_last_failure *obx_key_last_failure(const struct obx_key *key);

/* An event of the key came back: the key stays in keys->failed until obx_keys_wait(). */
void obx_keys_mark_failed(struct obx_keys *keys, struct obx_key *key, int code);
static inline bool obx_key_failed(const struct obx_key *key)
{
    return obx_list_linked(&key->failed);
}

/* Exhausted: the first event was rejected, has no attempts left, or waits for 10 s already for something that only
 * people change, such as a missing topic. It is still tried again, with pauses. */
void obx_keys_set_exhausted(struct obx_keys *keys, struct obx_key *key, bool exhausted);
void obx_keys_set_failures(struct obx_keys *keys, struct obx_key *key, uint32_t failures);
/* The pause of a WAITING key is over, and the next ones are short. */
void obx_keys_end_pause(struct obx_keys *keys, struct obx_key *key, uint64_t now);
void obx_keys_end_pauses(struct obx_keys *keys, uint64_t now); /* of all keys */
void obx_keys_start_retry(struct obx_keys *keys, struct obx_key *key);
/* RETRYING: its rows are in the lanes now, as part of this batch, apart from the claim. */
void obx_keys_start_sending(struct obx_keys *keys, struct obx_key *key, uint64_t batch_seq);
/* WAITING until obx_keys_wait() is called: an event of the key is in flight. */
void obx_keys_wait_for_lane(struct obx_keys *keys, struct obx_key *key);
/* Back to WAITING until due_ns. A key without events is removed. */
void obx_keys_wait(struct obx_keys *keys, struct obx_key *key, uint64_t due_ns);

/* The WAITING key that is due first; NULL: none waits. */
struct obx_key *obx_keys_next(const struct obx_keys *keys);

#endif

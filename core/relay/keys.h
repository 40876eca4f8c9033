/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/keys.h - keys that wait, and the events behind them
 *
 * An event that could not be published is not kept in memory: only its position is, behind its key. Its batch can
 * then be released, so a poisoned key costs 24 bytes an event and never the memory budget. When its time comes the
 * positions are claimed again, exactly those rows.
 *
 *   WAITING --due--> SENDING --all of its events gone--> (forgotten)
 *      ^                |
 *      +---- failed ----+
 *
 * A key with the ordering `none` or a null key is one event's own: it blocks nothing else.
 */
#ifndef OBX_RELAY_KEYS_H
#define OBX_RELAY_KEYS_H

#include <outbox/plugin.h>

#include "base/list.h"
#include "loop/heap.h"

#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) obx_alloc(size)
#define uthash_free(memory, size) obx_free(memory)
#include <uthash.h>

struct obx_deferred {
    struct outbox_position position;
    uint32_t attempts; /* failed for a reason of its own */
};

/* Why a key waits, for people. Kept for the first thousand keys that wait. */
struct obx_story {
    char topic[64], key[64], event_id[40], reason[160];
};

struct obx_key {
    uint64_t hash; /* of topic and key; two keys of one hash block each other, which is harmless */
    UT_hash_handle hh;
    struct obx_timer due;   /* WAITING: in keys->waiting; never fires, is only looked at */
    struct obx_list link;   /* SENDING: in keys->sending */
    struct obx_list failed; /* in keys->failed: an event came back and the pause is not set yet */
    bool sending;
    bool flowing;      /* its last sending went well: send many at once */
    bool stuck;        /* its first event was rejected, or has no attempts left */
    int failed_code;   /* why an event came back */
    uint32_t failures; /* in a row, for the pause */
    uint32_t sent;     /* SENDING: that many of its first events are being claimed or published */
    uint64_t since_ns;
    struct obx_deferred *events; /* owned; ascending by position */
    uint32_t first, count, room; /* events[first .. first + count - 1] */
    struct obx_story *story;     /* owned; may be NULL */
};

static inline bool obx_position_before(struct outbox_position a, struct outbox_position b)
{
    return a.major != b.major ? a.major < b.major : a.minor < b.minor;
}

static inline bool obx_position_same(struct outbox_position a, struct outbox_position b)
{
    return a.major == b.major && a.minor == b.minor;
}

/* For qsort(). */
static inline int obx_position_compare(struct outbox_position a, struct outbox_position b)
{
    return obx_position_before(b, a) - obx_position_before(a, b);
}

struct obx_keys {
    struct obx_key *table;
    struct obx_heap waiting;
    struct obx_list sending, failed;
    uint64_t events; /* of all keys */
    uint64_t stuck_events;
    uint32_t stories;
};

void obx_keys_init(struct obx_keys *keys);
void obx_keys_clear(struct obx_keys *keys);

uint64_t obx_key_hash(struct outbox_bytes topic, struct outbox_bytes key);

static inline bool obx_keys_any(const struct obx_keys *keys)
{
    return keys->table != NULL;
}

struct obx_key *obx_keys_find(const struct obx_keys *keys, uint64_t hash);

/* Put an event behind its key; the key is made, WAITING and due at once, if it is new. An event that is there already
 * stays as it is. If it becomes the first one, why the key waited until now is not its trouble. NULL: no memory. */
struct obx_key *obx_keys_defer(struct obx_keys *keys, uint64_t hash, struct outbox_position position, uint64_t now);

/* The event of a key, or NULL. */
struct obx_deferred *obx_key_event(struct obx_key *key, struct outbox_position position);
/* It is gone: delivered, parked, or no longer in the outbox. With its last event goes the key, unless it is SENDING. */
void obx_keys_gone(struct obx_keys *keys, struct obx_key *key, struct outbox_position position);

/* Tell why it waits. */
void obx_keys_tell(struct obx_keys *keys, struct obx_key *key, const struct outbox_message *message,
                   const char *reason);
/* Its text, never NULL. */
const struct obx_story *obx_key_story(const struct obx_key *key);

/* An event of it came back: remembered in keys->failed until obx_keys_wait(). */
void obx_keys_fail(struct obx_keys *keys, struct obx_key *key, int code);
static inline bool obx_key_failed(const struct obx_key *key)
{
    return obx_list_linked(&key->failed);
}

void obx_keys_set_stuck(struct obx_keys *keys, struct obx_key *key, bool stuck);
void obx_keys_send(struct obx_keys *keys, struct obx_key *key);
/* Back to WAITING until due_ns; forgotten if it has no events left. */
void obx_keys_wait(struct obx_keys *keys, struct obx_key *key, uint64_t due_ns);

/* The key that is due first; NULL: none waits. */
struct obx_key *obx_keys_next(const struct obx_keys *keys);

#endif

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

#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) obx_alloc(size)
#define uthash_free(memory, size) obx_free(memory)
#include <uthash.h>

struct obx_deferred {
    struct outbox_position position;
    uint32_t attempts; /* failed for a reason of its own */
};

struct obx_key {
    uint64_t hash; /* of topic and key; two keys of one hash block each other, which is harmless */
    UT_hash_handle hh;
    struct obx_list link; /* in keys->waiting, by due_ns, or in keys->sending */
    bool sending;
    bool flowing;         /* its last sending went well: send many at once */
    bool failed;          /* an event came back from the sending under way; failed_code says why */
    int failed_code;
    bool stuck;           /* its first event was rejected, or has no attempts left */
    uint32_t failures;    /* in a row, for the pause */
    uint32_t sent;        /* SENDING: that many of its first events are being claimed or published */
    uint64_t due_ns, since_ns;
    struct obx_deferred *events; /* owned; ascending by position */
    uint32_t first, count, room; /* events[first .. first + count - 1] */
    char topic[64], text[64], event_id[40], reason[160];
};

struct obx_keys {
    struct obx_key *table;
    struct obx_list waiting, sending;
    uint64_t events; /* of all keys */
    uint64_t stuck_events;
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
 * stays as it is. NULL: no memory. */
struct obx_key *obx_keys_defer(struct obx_keys *keys, uint64_t hash, struct outbox_position position, uint64_t now);

/* The event of a key, or NULL. */
struct obx_deferred *obx_key_event(struct obx_key *key, struct outbox_position position);
/* It is gone: delivered, parked, or no longer in the outbox. The key is freed with its last event, if it is not
 * SENDING. */
void obx_keys_gone(struct obx_keys *keys, struct obx_key *key, struct outbox_position position);

void obx_keys_set_stuck(struct obx_keys *keys, struct obx_key *key, bool stuck);
void obx_keys_send(struct obx_keys *keys, struct obx_key *key);
/* Back to WAITING until due_ns; forgotten if it has no events left. */
void obx_keys_wait(struct obx_keys *keys, struct obx_key *key, uint64_t due_ns);

/* The key that is due first; NULL: none waits. */
struct obx_key *obx_keys_next(const struct obx_keys *keys);

#endif

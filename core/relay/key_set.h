/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/key_set.h - a set of keys, by hash; with on_reject: park-key, the keys that have dead letters */
#ifndef OBX_RELAY_KEY_SET_H
#define OBX_RELAY_KEY_SET_H

#include "relay/keys.h"

struct obx_key_set_entry {
    uint64_t hash;
    UT_hash_handle hh;
};

/* Zeroed: empty. */
struct obx_key_set {
    struct obx_key_set_entry *table; /* owned */
};

static inline bool obx_key_set_any(const struct obx_key_set *set)
{
    return set->table != NULL;
}

bool obx_key_set_has(const struct obx_key_set *set, uint64_t hash);
bool obx_key_set_add(struct obx_key_set *set, uint64_t hash); /* false: no memory */
void obx_key_set_clear(struct obx_key_set *set);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/key_set.c - a set of keys, by hash */
#include "relay/key_set.h"

bool obx_key_set_has(const struct obx_key_set *set, uint64_t hash)
{
    struct obx_key_set_entry *entry = NULL;
    if (set->table)
        HASH_FIND(hh, set->table, &hash, sizeof hash, entry);
    return entry != NULL;
}

bool obx_key_set_add(struct obx_key_set *set, uint64_t hash)
{
    if (obx_key_set_has(set, hash))
        return true;
    struct obx_key_set_entry *entry = obx_alloc(sizeof *entry);
    if (!entry)
        return false; /* not covered: no memory just here */
    entry->hash = hash;
    HASH_ADD(hh, set->table, hash, sizeof entry->hash, entry);
    if (entry->hh.tbl)
        return true;
    obx_free(entry); /* not covered: no memory just here */
    return false;    /* not covered: no memory just here */
}

void obx_key_set_clear(struct obx_key_set *set)
{
    struct obx_key_set_entry *entry, *next;
    HASH_ITER(hh, set->table, entry, next)
    {
        HASH_DEL(set->table, entry);
        obx_free(entry);
    }
}

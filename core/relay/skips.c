/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/skips.c - see skips.h */
#include "relay/skips.h"

#include <outbox/plugin_util.h>
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/mem.h"
#include "relay/position.h"

uint64_t obx_skip_hash(struct outbox_bytes event_id)
{
    return XXH3_64bits(event_id.data, event_id.data ? event_id.size : 0);
}

void obx_skip_set(struct obx_skip *skip, struct outbox_position position, struct outbox_bytes event_id,
                  const char *reason)
{
    int id_size = event_id.data ? outbox_cut_bytes(event_id, sizeof skip->event_id - 1) : 0;
    skip->position = position;
    skip->id_hash = obx_skip_hash(event_id);
    snprintf(skip->event_id, sizeof skip->event_id, "%.*s", id_size, id_size ? (const char *)event_id.data : "");
    snprintf(skip->reason, sizeof skip->reason, "%.*s", OUTBOX_CUT(reason, sizeof skip->reason - 1));
}

void obx_skips_add(struct obx_skips *skips, const struct obx_skip *skip)
{
    uint32_t place = skips->count < OBX_SKIPS_MAX ? skips->count++ : skips->next++ % OBX_SKIPS_MAX;
    skips->list[place] = *skip;
}

const struct obx_skip *obx_skips_find(const struct obx_skips *skips, const struct outbox_message *message,
                                      struct outbox_position position)
{
    for (uint32_t i = 0; i < skips->count; i++)
        if (obx_position_same(skips->list[i].position, position) &&
            skips->list[i].id_hash == obx_skip_hash(message->id))
            return &skips->list[i];
    return NULL;
}

void obx_skips_remove(struct obx_skips *skips, const struct obx_skip *skip)
{
    skips->list[skip - skips->list] = skips->list[--skips->count];
    skips->next = 0;
}

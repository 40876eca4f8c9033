/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/skips.c - see skips.h */
#include "relay/skips.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "relay/position.h"

void obx_skip_set(struct obx_skip *skip, struct outbox_position position, struct outbox_bytes event_id,
                  const char *reason)
{
    int id_size = event_id.data ? (int)OBX_MIN(event_id.size, sizeof skip->event_id) : 0;
    skip->position = position;
    snprintf(skip->event_id, sizeof skip->event_id, "%.*s", id_size, id_size ? (const char *)event_id.data : "");
    snprintf(skip->reason, sizeof skip->reason, "%.*s", (int)sizeof skip->reason - 1, reason);
}

void obx_skips_add(struct obx_skips *skips, const struct obx_skip *skip)
{
    uint32_t place = skips->count < OBX_SKIPS_MAX ? skips->count++ : skips->next++ % OBX_SKIPS_MAX;
    skips->list[place] = *skip;
}

static bool is_event(const struct obx_skip *skip, const struct outbox_message *message)
{
    size_t known = strlen(skip->event_id); /* cut, perhaps */
    bool whole = known + 1 < sizeof skip->event_id;
    return message->id.size >= known && (!whole || message->id.size == known) &&
           !memcmp(skip->event_id, known ? message->id.data : "", known);
}

const struct obx_skip *obx_skips_find(const struct obx_skips *skips, const struct outbox_message *message,
                                      struct outbox_position position)
{
    for (uint32_t i = 0; i < skips->count; i++)
        if (obx_position_same(skips->list[i].position, position) && is_event(&skips->list[i], message))
            return &skips->list[i];
    return NULL;
}

void obx_skips_remove(struct obx_skips *skips, const struct obx_skip *skip)
{
    skips->list[skip - skips->list] = skips->list[--skips->count];
    skips->next = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/skips.h - events that an operator wants out of the way
 *
 * A blocked event is only a position in memory. So a skip is noted here, and takes effect when the event is read again
 * and prepared: it is rejected with the reason of the skip, and becomes a dead letter whatever on_reject is. An event
 * that is never read again leaves its entry behind, until a later skip takes its place. A position alone could be
 * another event after the table was emptied, so a hash of the event id is compared, too. Loop thread only.
 */
#ifndef OBX_RELAY_SKIPS_H
#define OBX_RELAY_SKIPS_H

#include <outbox/plugin.h>

#define OBX_SKIPS_MAX 16u /* of one relay */

struct obx_skip {
    struct outbox_position position;
    uint64_t id_hash;  /* of the whole id, which may be long, and any bytes */
    char event_id[40]; /* for people */
    char reason[200];
};

struct obx_skips {
    uint32_t count, next; /* entries; the one that is replaced when all are used */
    struct obx_skip list[OBX_SKIPS_MAX];
};

uint64_t obx_skip_hash(struct outbox_bytes event_id);
/* The texts of id and reason are cut. */
void obx_skip_set(struct obx_skip *skip, struct outbox_position position, struct outbox_bytes event_id,
                  const char *reason);
void obx_skips_add(struct obx_skips *skips, const struct obx_skip *skip);
/* NULL: this event is not to be skipped. Cheap when there is no skip. */
const struct obx_skip *obx_skips_find(const struct obx_skips *skips, const struct outbox_message *message,
                                      struct outbox_position position);
void obx_skips_remove(struct obx_skips *skips, const struct obx_skip *skip);
static inline void obx_skips_clear(struct obx_skips *skips) /* the positions are no longer valid */
{
    skips->count = skips->next = 0;
}

#endif

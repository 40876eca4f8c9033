/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/dead_letter_rows.h - the rows that wait to become dead letters; for the files dead_letter*.c only
 *
 * A row keeps the position, topic, key and event id of an event, so that its batch can be released:
 *
 *   rejected ------------------------> waiting --move--> gone
 *   follows a dead letter -> followers ---^ |
 *                                          +--> kept: the store could not move it; it is tried again
 *
 * Loop thread only.
 */
#ifndef OBX_RELAY_DEAD_LETTER_ROWS_H
#define OBX_RELAY_DEAD_LETTER_ROWS_H

#include "base/list.h"
#include "relay/failures.h"
#include "relay/key_set.h"
#include "relay/stages.h"

#define OBX_DEAD_LETTER_MOVE_ROWS 100 /* of one operation */

struct obx_dead_letter_row {
    struct obx_list link;
    struct outbox_position position;
    uint64_t key; /* obx_order_key() */
    uint32_t attempts;
    uint32_t topic_size, key_size, id_size;
    bool key_is_null;
    bool is_follower;
    uint64_t reading; /* of a follower: the number of the first reading of keys that begins after it was claimed */
    char reason[200];
    char bytes[]; /* topic, then key, then the event id */
};

struct obx_dead_letters {
    struct obx_stages *stages;
    struct obx_list waiting;   /* of struct obx_dead_letter_row, owned */
    struct obx_list kept;      /* likewise: rows that the store could not move, while it moved others */
    uint32_t count;            /* of both */
    struct obx_list followers; /* likewise: rows whose keys must be read first */
    uint32_t follower_count;
    struct obx_request move_request;
    struct obx_list *source; /* of the move in flight: waiting or kept */
    struct outbox_dead_letter_rows move;
    struct outbox_dead_row move_rows[OBX_DEAD_LETTER_MOVE_ROWS];
    uint8_t move_kept[OBX_DEAD_LETTER_MOVE_ROWS];
    struct outbox_refused refused;
    uint64_t move_at, kept_at;                   /* after failures */
    struct obx_failures failures, kept_failures; /* of moves; of rows */
    char why[OUTBOX_ERROR_TEXT_SIZE];            /* of the last of these failures */
    struct obx_request keys_request;
    struct outbox_dead keys;
    struct obx_key_set read; /* the keys, as far as they are read */
    uint64_t read_keys_at;
    uint64_t readings, reading_began; /* how many have begun; when the last one did */
    uint64_t read_for_followers_at;   /* not earlier */
    struct obx_failures keys_failures;
    bool keys_known, keys_incomplete;
};

/* Owned by the caller, in no list; reason is cut. NULL: no memory. */
struct obx_dead_letter_row *obx_dead_letter_row_new(const struct obx_dead_letters *letters,
                                                    const struct outbox_message *message,
                                                    struct outbox_position position, const char *reason);
void obx_dead_letter_rows_drop(struct obx_list *list, uint32_t *count); /* free all rows of a list */

#endif

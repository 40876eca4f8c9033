/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/position_text.h - the value of the header of `route.position`: SOURCE.OWNERSHIP.POSITION.LOW
 *
 *   9f3c2a7be01d4455.1f-5a3c77e0.3a7c1.3a102
 *
 * SOURCE     16 hexadecimal digits, a hash of the outbox's identity
 * OWNERSHIP  hexadecimal epoch of the ownership, `-`, 8 digits at random: a failover may give an epoch twice
 * POSITION   hexadecimal major, and `-` with the minor unless that is 0
 * LOW        likewise; in this ownership no event before it is published any more. 0: nothing is known. An event with
 *            POSITION before its own LOW is a stray: somebody has chosen its id
 *
 * All but POSITION is written when it changes, so a message costs one copy. No failure modes. Loop thread only.
 */
#ifndef OBX_RELAY_POSITION_TEXT_H
#define OBX_RELAY_POSITION_TEXT_H

#include <stdbool.h>

#include <outbox/plugin.h>

#define OBX_POSITION_HEADER "outbox-position"
#define OBX_POSITION_TEXT_MAX 128 /* bytes */

struct obx_position_text {
    bool on;    /* route.position */
    bool known; /* the store gives an identity and an epoch; if not, there is no header */
    struct outbox_position low;
    char owner[48]; /* "SOURCE.OWNERSHIP." */
    char end[40];   /* ".LOW" */
};

/* A new ownership: nothing is known of it. */
void obx_position_text_set_owner(struct obx_position_text *text, uint64_t source, uint64_t epoch, uint64_t random);
void obx_position_text_set_low(struct obx_position_text *text, struct outbox_position low);
/* to: room for OBX_POSITION_TEXT_MAX bytes. Returns the size; there is no NUL. */
size_t obx_position_text_write(const struct obx_position_text *text, struct outbox_position position, char *to);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/dead_letter.h - moves rejected rows to the dead letters, and tracks which keys have any
 *
 * Happy path: obx_dead_letters_add() keeps the position, topic and key of a row, so that its batch can be released; a
 * step moves up to 100 rows in one operation of the store. A move that fails is repeated after a pause that grows. Rows
 * that the store cannot move stay in a list of their own, which is tried again, and hold no others up. When the
 * connection is lost the list is cleared: the rows are still in the outbox, and are read and rejected again.
 *
 * With on_reject: park-key the keys that have dead letters are read from the store when ownership begins. From then on
 * the set has every key that has dead letters, for only the owner adds some; it may have more, for operators replay and
 * drop them. So a row that follows is moved only after a reading of the keys that began after the row was claimed. If
 * its key has no dead letters any more, the row goes behind its key, and is published. Loop thread only.
 */
#ifndef OBX_RELAY_DEAD_LETTER_H
#define OBX_RELAY_DEAD_LETTER_H

#include "relay/stages.h"

struct obx_dead_letters *obx_dead_letters_new(struct obx_stages *stages); /* NULL: no memory */
void obx_dead_letters_free(struct obx_dead_letters *letters);             /* cleared; NULL is fine */

/* False: no memory. reason is cut at 199 bytes. */
bool obx_dead_letters_add(struct obx_dead_letters *letters, const struct outbox_message *message,
                          struct outbox_position position, uint32_t attempts, const char *reason);
/* The same for a row whose key is in the set of keys that have dead letters. */
bool obx_dead_letters_add_follower(struct obx_dead_letters *letters, const struct outbox_message *message,
                                   struct outbox_position position);
void obx_dead_letters_step(struct obx_dead_letters *letters);
void obx_dead_letters_clear(struct obx_dead_letters *letters); /* forgets rows and keys */
void obx_dead_letters_reset(struct obx_dead_letters *letters); /* ownership is new: clear, and read the keys now */

/* So many rows wait that no more are claimed, until some were moved. */
bool obx_dead_letters_full(const struct obx_dead_letters *letters);
/* So many rows wait, and moving them fails: take no more. */
bool obx_dead_letters_stuck(const struct obx_dead_letters *letters);
/* How many rows wait that cannot be moved; and why. */
uint32_t obx_dead_letters_failing(const struct obx_dead_letters *letters);
const char *obx_dead_letters_why(const struct obx_dead_letters *letters);
/* Rows that cannot be moved are forgotten: they are in the outbox. False: others wait, or are being moved. */
bool obx_dead_letters_give_up(struct obx_dead_letters *letters);
bool obx_dead_letters_waiting(const struct obx_dead_letters *letters); /* rows will be handed to the store soon */
bool obx_dead_letters_idle(const struct obx_dead_letters *letters);    /* no row waits, none is being moved */
/* The keys that have dead letters are known, if on_reject needs them. Without them nothing may be published. */
bool obx_dead_letters_keys_known(const struct obx_dead_letters *letters);

#endif

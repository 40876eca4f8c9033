/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/dead_letter_move.h - moves rows that wait to the dead letters, in operations of the store
 *
 * Happy path: new rows go first, up to 100 in one operation. A move that fails is repeated after a pause that grows;
 * rows that the store could not move stay in a list of their own, which is tried again. Loop thread only.
 */
#ifndef OBX_RELAY_DEAD_LETTER_MOVE_H
#define OBX_RELAY_DEAD_LETTER_MOVE_H

#include "relay/dead_letter_rows.h"

/* Submit a move if one is due. */
bool obx_dead_letter_move(struct obx_dead_letters *letters);
/* Moves fail, or the rows that wait are those that cannot be moved. */
bool obx_dead_letter_move_fails(const struct obx_dead_letters *letters);

#endif

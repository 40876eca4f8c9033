/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/dead_letter_keys.h - which keys have dead letters, and the rows that follow these (on_reject: park-key)
 *
 * Happy path: the keys are read from the store when ownership begins, every 5 s while there are any, and when a row
 * follows a dead letter. A follower joins the rows to move if the reading proves that its key has dead letters; else it
 * goes behind its key and is published. A reading that fails is repeated; the keys that were read before stay.
 * Loop thread only.
 */
#ifndef OBX_RELAY_DEAD_LETTER_KEYS_H
#define OBX_RELAY_DEAD_LETTER_KEYS_H

#include "relay/dead_letter_rows.h"

#define OBX_DEAD_LETTER_FOLLOWS "it follows a dead letter of its key"

/* Submit a reading if one is due. No move may be in flight. */
void obx_dead_letter_keys_step(struct obx_dead_letters *letters);

#endif

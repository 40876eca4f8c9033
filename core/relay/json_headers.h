/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/json_headers.h - the headers column: one flat JSON object becomes headers */
#ifndef OBX_RELAY_JSON_HEADERS_H
#define OBX_RELAY_JSON_HEADERS_H

#include <outbox/plugin.h>

#include "base/arena.h"

/* Strings give their text, null a null value, everything else its JSON text. No text, null and [] are no headers.
 * *count grows by what was added to headers[*count..room). OUTBOX_OK; NO_MEMORY; or REJECTED with why. Strings without
 * escapes are borrowed. */
int obx_json_headers(struct outbox_bytes json, struct outbox_header *headers, uint32_t room, uint32_t *count,
                     struct obx_arena *arena, struct outbox_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/render.h - a snapshot as text: JSON for /status, lines for /readyz */
#ifndef OBX_PROGRAM_HTTP_RENDER_H
#define OBX_PROGRAM_HTTP_RENDER_H

#include <jansson.h>

#include "base/buf.h"
#include "daemon/snapshot.h"

/* {"relays": {NAME: {...}}}. The caller owns it; NULL: no memory. */
json_t *obx_render_json(const struct obx_snapshot *snapshot);

/* True if every relay, or the one of this name, is relaying or standby (then another relay is active). Else text gets a
 * line for each other relay. relay: NULL: all. */
bool obx_render_readiness(const struct obx_snapshot *snapshot, const char *relay, struct obx_buf *text);

#endif

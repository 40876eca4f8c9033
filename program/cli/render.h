/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/render.h - a snapshot as text for machines: JSON for /status, Prometheus for /metrics */
#ifndef OBX_PROGRAM_CLI_RENDER_H
#define OBX_PROGRAM_CLI_RENDER_H

#include <jansson.h>

#include "base/buf.h"
#include "daemon/snapshot.h"

/* {"relays": {NAME: {...}}}; NULL: no memory. The caller's. */
json_t *obx_report_json(const struct obx_snapshot *snapshot);
void obx_report_metrics(const struct obx_snapshot *snapshot, struct obx_buf *text);

/* Does everything work that should? Standing by is fine: another relay works. Else why, one line for each relay. */
bool obx_report_ready(const struct obx_snapshot *snapshot, struct obx_buf *text);

#endif

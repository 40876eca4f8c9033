/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/http/metrics.h - the metrics: one table makes /metrics, the numbers of /status, and docs/METRICS.md
 *
 * Pure but for process_*: the formats are tested without a server.
 */
#ifndef OBX_PROGRAM_HTTP_METRICS_H
#define OBX_PROGRAM_HTTP_METRICS_H

#include <jansson.h>

#include "base/buf.h"
#include "daemon/snapshot.h"

/* In the text format of Prometheus, or as OpenMetrics 1.0. */
void obx_metrics_render(const struct obx_snapshot *snapshot, bool open_metrics, struct obx_buf *text);
/* The counters and gauges of a relay, by their names without "outbox_". */
void obx_metrics_add_numbers(const struct obx_relay_view *view, json_t *object);
void obx_metrics_reference(struct obx_buf *text); /* docs/METRICS.md */

#endif

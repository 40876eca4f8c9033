/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/backlog.c - see backlog.h */
#include "relay/backlog.h"

#include "relay/link.h"

#define MEASURE_NS (10000 * OBX_MS)

void obx_backlog_note_behind(struct obx_backlog *backlog, const struct obx_relay_context *context, bool behind)
{
    if (!behind)
        backlog->behind_since = backlog->rows = 0;
    else if (!backlog->behind_since)
        backlog->behind_since = context->now;
}

void obx_backlog_note_claimed(struct obx_backlog *backlog, uint32_t rows)
{
    backlog->rows -= OBX_MIN(backlog->rows, rows);
}

void obx_backlog_note_measured(struct obx_backlog *backlog, uint64_t rows)
{
    backlog->rows = rows;
}

bool obx_backlog_measure_due(struct obx_backlog *backlog, struct obx_stages *stages)
{
    struct obx_relay_context *context = &stages->context;
    if (context->reads_log || !(obx_instance_caps(obx_link_instance(stages->store)) & OUTBOX_CAP_AHEAD) ||
        !obx_due(context, backlog->due_at))
        return false;
    backlog->due_at = context->now + MEASURE_NS;
    return true;
}

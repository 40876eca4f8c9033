/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/prepare.c - route, order, admit */
#include "relay/prepare.h"

#include <string.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "relay/link.h"
#include "relay/order.h"
#include "relay/outcome.h"
#include "relay/reject.h"
#include "relay/route.h"

void obx_prepare_begin(struct obx_stages *stages, struct obx_batch *batch)
{
    obx_arena_reset(&batch->arena);
    obx_route_forget(stages->route);
    batch->reasons = NULL;
    batch->message_count = 0;
}

static enum obx_prepared skipped(bool noted)
{
    return noted ? OBX_PREPARED_SKIPPED : OBX_PREPARED_NO_MEMORY;
}

enum obx_prepared obx_prepare_again(struct obx_stages *stages, const struct obx_batch *batch, uint32_t row,
                                    const struct outbox_message *message, uint64_t key)
{
    struct outbox_position position = batch->rows->positions[row];
    switch (obx_order_step(obx_order_facts(stages, key, batch))) {
    case OBX_STEP_BLOCK:
        return skipped(obx_order_block(stages, key, position));
    case OBX_STEP_DEAD_LETTER:
        return skipped(obx_reject_follower(stages, key, message, position));
    default:
        return OBX_PREPARED_GO;
    }
}

/* OUTBOX_OK, or why the event can never go. code: the result of routing. */
static int admit(const struct obx_stages *stages, const struct outbox_message *message, struct outbox_position position,
                 int code, struct outbox_error *error)
{
    const struct obx_skip *skip = obx_skips_find(&stages->context.skips, message, position);
    if (skip)
        return obx_error_set(error, OUTBOX_E_REJECTED, "%s", skip->reason);
    if (!code)
        code = obx_broker_admit(obx_link_instance(stages->broker), message, error);
    if (!code)
        code = OBX_FAILPOINT_ERROR(relay, admit, error);
    return code;
}

/* The result of transform_jobs.c. failed: set when the event may go later. */
static int take_transformed(const struct obx_batch *batch, uint32_t row, struct outbox_message *message,
                            struct outbox_error *error, const struct obx_reason **failed)
{
    const struct obx_transformed *transformed = batch->transformed;
    const struct obx_reason *reason = transformed->reasons[row];
    *message = transformed->messages[row];
    *failed = reason && reason->error.code != OUTBOX_E_REJECTED ? reason : NULL;
    if (!reason || *failed)
        return OUTBOX_OK;
    *error = reason->error;
    return OUTBOX_E_REJECTED;
}

static int route_row(const struct obx_stages *stages, struct obx_batch *batch, uint32_t row,
                     struct outbox_message *message, struct outbox_error *error)
{
    memset(message, 0, sizeof *message);
    return obx_route_claimed(stages->route, batch->rows, row, &batch->arena, message, error);
}

enum obx_prepared obx_prepare_row(struct obx_stages *stages, struct obx_batch *batch, uint32_t row,
                                  struct outbox_message *message, bool wants_key, uint64_t *key)
{
    struct outbox_position position = batch->rows->positions[row];
    bool any_blocked = obx_order_any(stages);
    struct outbox_error error;
    const struct obx_reason *failed = NULL;
    int code = batch->transformed ? take_transformed(batch, row, message, &error, &failed)
                                  : route_row(stages, batch, row, message, &error);
    if (code == OUTBOX_E_NO_MEMORY)
        return OBX_PREPARED_NO_MEMORY;
    if (any_blocked || wants_key)
        *key = obx_order_key(stages->context.settings.order, message, position);
    enum obx_prepared result = any_blocked ? obx_prepare_again(stages, batch, row, message, *key) : OBX_PREPARED_GO;
    if (result != OBX_PREPARED_GO)
        return result;
    if (failed && !obx_skips_find(&stages->context.skips, message, position))
        return skipped(obx_outcome_not_now(stages, message, position, failed));
    if (admit(stages, message, position, code, &error))
        return skipped(obx_reject(stages, message, position, &error));
    return OBX_PREPARED_GO;
}

/* ---- in steps ---------------------------------------------------------------------------------------------------- */

static const struct obx_reason *keep_reason(struct obx_batch *batch, const struct outbox_error *error)
{
    struct obx_reason *reason = obx_arena_alloc(&batch->arena, sizeof *reason);
    if (!reason)
        return NULL; /* not covered: no memory just here */
    *reason = (struct obx_reason){.error = *error};
    reason->error.code = OUTBOX_E_REJECTED;
    return reason;
}

bool obx_prepare_route(struct obx_stages *stages, struct obx_batch *batch, uint32_t row, struct outbox_message *message,
                       const struct obx_reason **reason)
{
    struct outbox_error error;
    if (batch->transformed) {
        *message = batch->transformed->messages[row];
        *reason = batch->transformed->reasons[row];
        return true;
    }
    int code = route_row(stages, batch, row, message, &error);
    if (code == OUTBOX_E_NO_MEMORY)
        return false; /* not covered: no memory just here */
    *reason = code ? keep_reason(batch, &error) : NULL;
    return !code || *reason;
}

enum obx_prepared obx_prepare_admit(struct obx_stages *stages, const struct obx_batch *batch, uint32_t row,
                                    const struct outbox_message *message, const struct obx_reason *reason)
{
    struct outbox_position position = batch->rows->positions[row];
    struct outbox_error error;
    bool skips = obx_skips_find(&stages->context.skips, message, position);
    if (reason && reason->error.code != OUTBOX_E_REJECTED && !skips)
        /* not covered: a transform that fails for a moment, before a concurrent broker */
        return skipped(obx_outcome_not_now(stages, message, position, reason));
    if (reason && !skips)
        return skipped(obx_reject(stages, message, position, &reason->error));
    if (admit(stages, message, position, OUTBOX_OK, &error))
        return skipped(obx_reject(stages, message, position, &error));
    return OBX_PREPARED_GO;
}

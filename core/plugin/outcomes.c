/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/outcomes.c - the outcomes of the messages of a publish, each reported once
 *
 * Happy path: a bitmap for each publish in flight has a bit for each message with an outcome. A correct report is
 * forwarded unchanged. Wrong parts of a report are counted, and the rest is forwarded in pieces. A message without an
 * outcome is UNKNOWN when the op completes. This runs once or more for every event: no allocation, no copies.
 */
#include <assert.h>

#include <outbox/plugin_util.h>

#include "base/error.h"
#include "base/mem.h"
#include "plugin/internal.h"

#define WORD_BITS 64u

static const struct outbox_error no_reason = {
    .code = OUTBOX_E_UNKNOWN_OUTCOME,
    .text = "the broker plugin gave no reason",
};

static_assert(OUTBOX_MESSAGE_ALIGN % alignof(max_align_t) == 0, "the memory of a message is aligned for every type");

void *obx_op_messages(struct obx_op *op)
{
    return op->publishes && op->messages_size ? op->messages : NULL;
}

static bool has_message_memory(struct obx_op *op, uint32_t count)
{
    size_t size = outbox_message_stride(op->instance->plugin->descriptor.message_size) * count;
    if (!size)
        return true;
    if (size > op->messages_size) {
        unsigned char *messages = obx_resize(op->messages, size);
        if (!messages)
            return false;
        op->messages = messages;
        op->messages_size = size;
    }
    memset(op->messages, 0, size);
    return true;
}

bool obx_op_publishes(struct obx_op *op, uint32_t count)
{
    if (!has_message_memory(op, count))
        return false;
    size_t words = ((size_t)count + WORD_BITS - 1) / WORD_BITS;
    if (words > op->reported_words) {
        uint64_t *reported = obx_resize(op->reported, words * sizeof *reported);
        if (!reported)
            return false;
        op->reported = reported;
        op->reported_words = words;
    }
    if (words)
        memset(op->reported, 0, words * sizeof *op->reported);
    op->publishes = true;
    op->count = count;
    return true;
}

static bool is_reported(const struct obx_op *op, uint32_t index)
{
    return op->reported[index / WORD_BITS] >> (index % WORD_BITS) & 1;
}

static void mark_reported(struct obx_op *op, uint32_t index)
{
    op->reported[index / WORD_BITS] |= 1ull << (index % WORD_BITS);
    op->reported_count++;
}

static void forward(struct obx_op *op, const struct outbox_outcomes *outcomes)
{
    if (op->call) {
        if (op->call->outcomes)
            op->call->outcomes(op->call, outcomes);
    } else if (op->child.outcomes) {
        op->child.outcomes(op->child.arg, op->token, outcomes);
    } else {
        obx_op_outcomes(op->instance->outer, op->parent, outcomes);
    }
}

static void violate(struct obx_op *op, const char *what)
{
    obx_instance_violation(op->instance, &op->instance->violations.bad_outcomes, what, op->token);
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

/* The bits of the word at `index` that belong to the range index .. end - 1. */
static uint64_t mask_at(uint32_t index, uint32_t end)
{
    uint32_t from = index % WORD_BITS, size = OBX_MIN(end - index, WORD_BITS - from);
    uint64_t ones = size == WORD_BITS ? ~0ull : (1ull << size) - 1;
    return ones << from;
}

static uint32_t next_word(uint32_t index)
{
    return (index / WORD_BITS + 1) * WORD_BITS;
}

static bool range_is_new(const struct obx_op *op, uint32_t first, uint32_t end)
{
    if (!op->reported_count)
        return true;
    for (uint32_t i = first; i < end; i = next_word(i))
        if (op->reported[i / WORD_BITS] & mask_at(i, end))
            return false;
    return true;
}

static void mark_range(struct obx_op *op, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i = next_word(i))
        op->reported[i / WORD_BITS] |= mask_at(i, end);
    op->reported_count += end - first;
}

/* Forward the messages of the range that have no outcome yet, run by run. Returns how many had one. */
static uint32_t forward_missing(struct obx_op *op, const struct outbox_outcomes *like, uint32_t first, uint32_t end)
{
    uint32_t repeated = 0;
    for (uint32_t i = first; i < end;) {
        uint32_t start = i;
        while (i < end && !is_reported(op, i))
            mark_reported(op, i++);
        if (i > start) {
            struct outbox_outcomes run = *like;
            run.indexes = NULL;
            run.first = start;
            run.count = i - start;
            forward(op, &run);
        }
        for (; i < end && is_reported(op, i); i++)
            repeated++;
    }
    return repeated;
}

static void report_range(struct obx_op *op, const struct outbox_outcomes *outcomes)
{
    uint32_t first = outcomes->first, count = outcomes->count;
    if (first > op->count || count > op->count - first) {
        violate(op, "outcomes out of range");
    } else if (range_is_new(op, first, first + count)) {
        mark_range(op, first, first + count);
        forward(op, outcomes);
    } else {
        forward_missing(op, outcomes, first, first + count);
        violate(op, "outcomes reported twice");
    }
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static void forward_list(struct obx_op *op, const struct outbox_outcomes *like, uint32_t first, uint32_t end)
{
    if (first == end)
        return;
    struct outbox_outcomes run = *like;
    run.indexes = like->indexes + first;
    run.first = 0;
    run.count = end - first;
    forward(op, &run);
}

static void report_list(struct obx_op *op, const struct outbox_outcomes *outcomes)
{
    uint32_t start = 0;
    for (uint32_t i = 0; i < outcomes->count; i++) {
        uint32_t index = outcomes->indexes[i];
        if (index < op->count && !is_reported(op, index)) {
            mark_reported(op, index);
            continue;
        }
        forward_list(op, outcomes, start, i);
        start = i + 1;
        violate(op, index < op->count ? "outcomes reported twice" : "outcomes out of range");
    }
    forward_list(op, outcomes, start, outcomes->count);
}

/* ---- from the plugin --------------------------------------------------------------------------------------------- */

void obx_op_outcomes(struct obx_instance *instance, outbox_op_t token, const struct outbox_outcomes *outcomes)
{
    struct obx_op *op = obx_op_find(instance, token);
    if (!op) {
        obx_instance_violation(instance, &instance->violations.unknown_ops, "outcomes", token);
        return;
    }
    struct outbox_outcomes copy = {0};
    if (outcomes->struct_size >= sizeof copy)
        copy = *outcomes; /* the usual case: a size that the compiler knows */
    else
        memcpy(&copy, outcomes, outcomes->struct_size);
    copy.struct_size = sizeof copy;
    if (copy.outcome == OUTBOX_DELIVERED)
        copy.error = NULL;
    else if (!copy.error || !copy.error->code)
        copy.error = &no_reason;
    if (!op->publishes)
        violate(op, "outcomes of an operation that is not a publish");
    else if (copy.outcome < OUTBOX_DELIVERED || copy.outcome > OUTBOX_RETRY_UNKNOWN)
        violate(op, "outcomes of an unknown kind");
    else if (copy.indexes)
        report_list(op, &copy);
    else
        report_range(op, &copy);
}

void obx_op_report_rest(struct obx_op *op, const struct outbox_error *error)
{
    if (op->reported_count == op->count)
        return;
    struct outbox_error missing;
    if (!error) {
        obx_error_set(&missing, OUTBOX_E_UNKNOWN_OUTCOME, "%s: publish: the plugin reported no outcome of this event",
                      op->instance->label);
        error = &missing;
    }
    struct outbox_outcomes rest = {.struct_size = sizeof rest, .outcome = OUTBOX_UNKNOWN, .error = error};
    forward_missing(op, &rest, 0, op->count);
}

void obx_op_fail_publish(struct obx_op *op, uint32_t count)
{
    struct outbox_error error;
    obx_error_no_memory(&error);
    forward(op, &(struct outbox_outcomes){.struct_size = sizeof(struct outbox_outcomes),
                                          .outcome = OUTBOX_NOT_CONNECTED,
                                          .count = count,
                                          .error = &error});
    obx_op_done(op->instance, op->token, &error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/outcomes.c - reports what became of the events of a publish
 *
 * The worker counts: the first `durable` messages of a job are synced, the first `started` ones may be in the file in
 * part. Neighbours with the same outcome are reported in one call. A rejected event has a reason of its own, so it is
 * reported alone.
 */
#include "broker.h"

/* index: among all messages of the job */
static uint32_t outcome_of(const struct file_result *result, const struct outbox_message *message, uint64_t index,
                           struct outbox_error *refusal)
{
    if (result->rejected && file_validate(message, refusal))
        return OUTBOX_REJECTED;
    if (index < result->durable)
        return OUTBOX_DELIVERED;
    return index < result->started ? result->outcome : (uint32_t)OUTBOX_NOT_CONNECTED;
}

void file_report_outcomes(struct file_broker *broker, const struct file_op *op, uint64_t base)
{
    const struct file_result *result = &broker->result;
    struct outbox_error refusal;
    uint32_t first = 0, common = 0;
    for (uint32_t i = 0; i < op->publish->count; i++) {
        uint32_t outcome = outcome_of(result, outbox_message_at(op->publish, i), base + i, &refusal);
        if (outcome == OUTBOX_REJECTED || outcome != common) {
            outbox_report_outcomes(broker->host, op->op, first, i - first, common, &result->error);
            first = i;
            common = outcome;
        }
        if (outcome == OUTBOX_REJECTED) {
            outbox_report_outcomes(broker->host, op->op, i, 1, OUTBOX_REJECTED, &refusal);
            first = i + 1;
        }
    }
    outbox_report_outcomes(broker->host, op->op, first, op->publish->count - first, common, &result->error);
}

void file_fail_publish(struct file_broker *broker, const struct file_op *op, const struct outbox_error *error)
{
    outbox_report_outcomes(broker->host, op->op, 0, op->publish->count, OUTBOX_NOT_CONNECTED, error);
    broker->host->op_done(broker->host, op->op, NULL);
}

void file_fail_queue(struct file_broker *broker, const struct outbox_error *error)
{
    for (struct file_op *op = broker->queue, *next; op; op = next) {
        next = op->next;
        file_fail_publish(broker, op, error);
    }
    broker->queue = NULL;
    broker->queue_end = &broker->queue;
}

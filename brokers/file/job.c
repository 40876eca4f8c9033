/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/job.c - one job of the worker: many publishes, one sync
 *
 * Each message becomes a line. Full buffers are written, and written back while the next is formatted. One sync at the
 * end makes all lines durable. A file that reaches its size is synced and rotated in between.
 *
 * Failure modes, all of which end the job:
 *
 *   no space        what was appended since the last sync is cut off again and reported as not connected
 *   any other       what was appended since the last sync is unknown, the rest is not connected
 */
#include "broker.h"

static int write_out(void *arg, const char *data, size_t size)
{
    struct file_broker *broker = arg;
    int code = file_sink_append(&broker->sink, data, size, &broker->result.error);
    if (!code && !broker->out.last)
        file_sink_start_writeback(&broker->sink);
    return code;
}

int file_validate(const struct outbox_message *message, struct outbox_error *error)
{
    if (!message->topic.size)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "write an event: it has no topic");
    for (uint32_t i = 0; i < message->header_count; i++)
        if (!file_is_utf8(message->headers[i].name.data, message->headers[i].name.size))
            return outbox_error_set(error, OUTBOX_E_REJECTED, "write an event: the name of header %u is not UTF-8",
                                    i + 1);
    return OUTBOX_OK;
}

static int make_durable(struct file_broker *broker, uint64_t messages)
{
    broker->out.last = true;
    int code = file_flush(&broker->out);
    broker->out.last = false;
    if (!code && broker->sink.size > broker->sink.durable)
        code = file_sink_sync(&broker->sink, &broker->result.error);
    if (!code)
        broker->result.durable = messages;
    return code;
}

static int write_message(struct file_broker *broker, const struct outbox_message *message, uint64_t before)
{
    struct outbox_error refusal;
    if (file_validate(message, &refusal)) {
        broker->result.rejected++;
        return OUTBOX_OK;
    }
    if (file_sink_is_full(&broker->sink, broker->out.size)) {
        int code = make_durable(broker, before);
        if (!code)
            code = file_sink_rotate(&broker->sink, &broker->result.error);
        if (code)
            return code;
    }
    broker->result.started = before + 1;
    file_encode(&broker->out, message);
    return broker->out.failed;
}

static int write_all(struct file_broker *broker)
{
    uint64_t count = 0;
    int code = file_sink_check(&broker->sink, &broker->result.error);
    for (struct file_op *op = broker->job; op && !code; op = op->next)
        for (uint32_t i = 0; i < op->publish->count && !code; i++)
            code = write_message(broker, outbox_message_at(op->publish, i), count++);
    return code ? code : make_durable(broker, count);
}

void file_write_job(struct file_broker *broker)
{
    struct file_result *result = &broker->result;
    *result = (struct file_result){0};
    broker->out.size = 0;
    broker->out.failed = 0;
    broker->out.flush = write_out;
    broker->out.arg = broker;
    int code = write_all(broker);
    if (!code)
        return;
    bool clean = !broker->sink.has_unsynced || (code == OUTBOX_E_FULL && file_sink_cut(&broker->sink) == OUTBOX_OK);
    result->outcome = clean ? OUTBOX_NOT_CONNECTED : OUTBOX_UNKNOWN;
    file_sink_close(&broker->sink);
}

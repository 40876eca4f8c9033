/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/plugin.c - a file as a broker: one JSON object a line, durable before it is told as delivered
 *
 * Publishes queue up while the worker is busy; when it is free it takes all of them at once (job.c), so that one
 * fdatasync serves many. In order: there is one queue, one job, one file.
 *
 * Failure modes: a job that fails closes the file. Its events, and those that queue behind it, are told as not
 * connected or unknown, the instance reports itself lost and takes nothing more until the host has stopped and
 * started it - which opens the file anew and cuts off what was not confirmed. So nothing overtakes what failed.
 */
#include "file.h"

#include <string.h>

#include <outbox/version.h>

#define BUFFER_SIZE (1024 * 1024)

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

/* index: among all messages of the job. */
static uint32_t outcome_of(const struct file_result *result, const struct outbox_message *message, uint64_t index,
                           struct outbox_error *refusal)
{
    if (result->rejected && file_judge(message, refusal))
        return OUTBOX_REJECTED;
    if (index < result->durable)
        return OUTBOX_DELIVERED;
    return index < result->touched ? result->outcome : (uint32_t)OUTBOX_NOT_CONNECTED;
}

/* Tell the outcomes of one publish in runs; a rejected message has an error of its own and is a run of its own. */
static void tell_all(struct file_broker *broker, const struct file_op *op, uint64_t base)
{
    const struct file_result *result = &broker->result;
    struct outbox_error refusal;
    uint32_t first = 0, run = 0;
    for (uint32_t i = 0; i < op->publish->count; i++) {
        uint32_t outcome = outcome_of(result, outbox_message_at(op->publish, i), base + i, &refusal);
        if (outcome == OUTBOX_REJECTED || outcome != run) {
            outbox_report_outcomes(broker->host, op->op, first, i - first, run, &result->error);
            first = i;
            run = outcome;
        }
        if (outcome == OUTBOX_REJECTED) {
            outbox_report_outcomes(broker->host, op->op, i, 1, OUTBOX_REJECTED, &refusal);
            first = i + 1;
        }
    }
    outbox_report_outcomes(broker->host, op->op, first, op->publish->count - first, run, &result->error);
}

static void refuse(struct file_broker *broker, const struct file_op *op, const struct outbox_error *error)
{
    outbox_report_outcomes(broker->host, op->op, 0, op->publish->count, OUTBOX_NOT_CONNECTED, error);
    broker->host->op_done(broker->host, op->op, NULL);
}

static void refuse_queue(struct file_broker *broker, const struct outbox_error *error)
{
    for (struct file_op *op = broker->queue, *next; op; op = next) {
        next = op->next;
        refuse(broker, op, error);
    }
    broker->queue = NULL;
    broker->queue_end = &broker->queue;
}

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

static int submit(struct file_broker *broker, void (*work)(struct outbox_work *), void (*done)(struct outbox_work *))
{
    memset(&broker->work, 0, sizeof broker->work);
    broker->work.work = work;
    broker->work.done = done;
    broker->work.arg = broker;
    int code = broker->host->offload(broker->host, &broker->work);
    broker->busy = code == OUTBOX_OK;
    return code;
}

static void work_write(struct outbox_work *work)
{
    file_write_job(work->arg);
}

static void done_write(struct outbox_work *work)
{
    struct file_broker *broker = work->arg;
    struct outbox_error error = broker->result.error;
    uint64_t base = 0;
    broker->busy = false;
    for (struct file_op *op = broker->job, *next; op; op = next) {
        next = op->next;
        uint32_t count = op->publish->count;
        tell_all(broker, op, base);
        broker->host->op_done(broker->host, op->op, NULL);
        base += count;
    }
    broker->job = NULL;
    if (error.code) {
        broker->state = FILE_BROKEN;
        refuse_queue(broker, &error);
        broker->host->lost(broker->host, &error);
    }
    file_advance(broker);
}

static void write_queue(struct file_broker *broker)
{
    broker->job = broker->queue;
    broker->queue = NULL;
    broker->queue_end = &broker->queue;
    if (submit(broker, work_write, done_write) == OUTBOX_OK)
        return;
    broker->queue = broker->job;
    broker->job = NULL;
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "write %s: no worker thread can be had", broker->path);
    broker->state = FILE_BROKEN;
    refuse_queue(broker, &error);
    broker->host->lost(broker->host, &error);
}

static void work_open(struct outbox_work *work)
{
    struct file_broker *broker = work->arg;
    broker->result = (struct file_result){0};
    if (!broker->out.data)
        broker->out.data = broker->host->alloc(broker->host, broker->out.room);
    if (broker->out.data)
        file_sink_open(&broker->sink, &broker->result.error);
    else
        outbox_error_set(&broker->result.error, OUTBOX_E_NO_MEMORY, "open %s: no memory for the buffer", broker->path);
}

static void work_look(struct outbox_work *work)
{
    struct file_broker *broker = work->arg;
    broker->result = (struct file_result){0};
    file_sink_look(&broker->sink, &broker->sight, &broker->result.error);
}

static void done_open(struct outbox_work *work)
{
    struct file_broker *broker = work->arg;
    outbox_op_t op = broker->start;
    broker->busy = false;
    broker->start = 0;
    broker->state = broker->result.error.code || broker->looks ? FILE_CLOSED : FILE_OPEN;
    broker->host->op_done(broker->host, op, &broker->result.error);
    file_advance(broker);
}

static void work_close(struct outbox_work *work)
{
    struct file_broker *broker = work->arg;
    OUTBOX_FAILPOINT(broker->host, file, before_close);
    file_sink_close(&broker->sink);
}

static void done_close(struct outbox_work *work)
{
    struct file_broker *broker = work->arg;
    outbox_op_t op = broker->stop;
    broker->busy = false;
    broker->stop = 0;
    broker->state = FILE_CLOSED;
    broker->host->op_done(broker->host, op, NULL);
}

void file_advance(struct file_broker *broker)
{
    if (!broker->busy && broker->queue)
        write_queue(broker);
    if (broker->busy || broker->checks || !broker->stop)
        return;
    if (submit(broker, work_close, done_close)) { /* closing may block, but there is no other thread to do it */
        work_close(&broker->work);
        done_close(&broker->work);
    }
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static int file_init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct file_broker *broker = self;
    broker->host = init->host;
    broker->queue_end = &broker->queue;
    broker->out.room = BUFFER_SIZE;
    broker->sink.host = init->host;
    broker->sink.sys = &file_kernel;
    broker->sink.path = broker->path;
    broker->sink.max_size = broker->max_size;
    return file_sink_init(&broker->sink, error);
}

static void file_fini(void *self)
{
    struct file_broker *broker = self;
    file_sink_close(&broker->sink);
    if (broker->out.data)
        broker->host->release(broker->host, broker->out.data);
}

static void file_start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct file_broker *broker = self;
    struct outbox_error error;
    broker->start = op;
    broker->looks = outbox_broker_start_probes(start);
    if (submit(broker, broker->looks ? work_look : work_open, done_open) == OUTBOX_OK)
        return;
    broker->start = 0;
    outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "open %s: no worker thread can be had", broker->path);
    broker->host->op_done(broker->host, op, &error);
}

static void file_stop(void *self, outbox_op_t op)
{
    struct file_broker *broker = self;
    broker->stop = op;
    file_advance(broker);
}

static void file_publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    struct file_broker *broker = self;
    struct file_op *entry = broker->host->op_scratch(broker->host, op);
    entry->op = op;
    entry->publish = publish;
    if (broker->state != FILE_OPEN) {
        struct outbox_error error;
        outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "write %s: the file is not open", broker->path);
        refuse(broker, entry, &error);
        return;
    }
    *broker->queue_end = entry;
    broker->queue_end = &entry->next;
    file_advance(broker);
}

/* What the worker has begun cannot be taken back. What waits is given up all together: one alone would be overtaken
 * by those behind it. */
static void file_cancel(void *self, outbox_op_t op)
{
    struct file_broker *broker = self;
    bool waits = false;
    for (struct file_op *entry = broker->queue; entry; entry = entry->next)
        waits |= entry->op == op;
    if (!waits)
        return;
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_CANCELED, "write %s: canceled before it began", broker->path);
    broker->state = FILE_BROKEN;
    refuse_queue(broker, &error);
}

static int file_admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    (void)self;
    return file_judge(message, error);
}

void file_use(void *self, const struct file_sys *sys, size_t buffer)
{
    struct file_broker *broker = self;
    broker->sink.sys = sys;
    broker->out.room = buffer;
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static const struct outbox_option options[] = {
    {.name = "path",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_REQUIRED | OUTBOX_OPT_IDENTITY,
     .offset = offsetof(struct file_broker, path),
     .help = "the file that events are appended to; its directory must exist, a symbolic link is refused"},
    {.name = "max_size",
     .type = OUTBOX_OPT_SIZE,
     .offset = offsetof(struct file_broker, max_size),
     .default_value = "0",
     .max = INT64_MAX,
     .help = "at this size the file is renamed to PATH.000001 and so on, and a new one begun; 0: never"},
};

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof(struct outbox_broker_ops),
    .init = file_init,
    .fini = file_fini,
    .start = file_start,
    .stop = file_stop,
    .cancel = file_cancel,
    .publish = file_publish,
    .admit = file_admit,
    .check = file_check,
};

OUTBOX_PLUGIN(broker, file) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ORDERED | OUTBOX_CAP_ADMIT,
    .name = "file",
    .version = OUTBOX_VERSION_STRING,
    .description = "appends events to a file, one json object a line",
    .instance_size = sizeof(struct file_broker),
    .op_size = sizeof(union file_scratch),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
};

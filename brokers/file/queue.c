/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/queue.c - the jobs of the worker: open, write all queued publishes, close; one at a time
 *
 *     CLOSED --start--> OPEN --failure--> BROKEN --stop--> CLOSED
 *
 * Publishes queue up while the worker is busy. When it is free it takes all of them at once, so that one fdatasync
 * serves many. Order holds: there is one queue, one job and one file.
 *
 * Failure modes: a job that fails closes the file. Its events, and those in the queue, are reported as not connected or
 * unknown. The instance reports itself lost and is BROKEN until the host has stopped and started it: opening the file
 * again cuts off what was not confirmed. So no event overtakes one that failed.
 */
#include "broker.h"

#include <string.h>

#define LOG_NS 60000000000u /* the line about the file at most once a minute */

static int run_job(struct file_broker *broker, void (*work)(struct outbox_work *), void (*done)(struct outbox_work *))
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
        file_report_outcomes(broker, op, base);
        broker->host->op_done(broker->host, op->op, NULL);
        base += count;
    }
    broker->job = NULL;
    if (error.code) {
        broker->state = FILE_BROKEN;
        file_fail_queue(broker, &error);
        broker->host->lost(broker->host, &error);
    }
    file_advance(broker);
}

static void write_queue(struct file_broker *broker)
{
    broker->job = broker->queue;
    broker->queue = NULL;
    broker->queue_end = &broker->queue;
    if (run_job(broker, work_write, done_write) == OUTBOX_OK)
        return;
    broker->queue = broker->job;
    broker->job = NULL;
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "write %s: no worker thread is available", broker->path);
    broker->state = FILE_BROKEN;
    file_fail_queue(broker, &error);
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

static void work_probe(struct outbox_work *work)
{
    struct file_broker *broker = work->arg;
    broker->result = (struct file_result){0};
    file_sink_probe(&broker->sink, &broker->probe, &broker->result.error);
}

/* At most once a minute, at this level. */
static void log_opened(struct file_broker *broker)
{
    uint64_t now = broker->host->now(broker->host);
    bool known = broker->opened_logged_ns && now - broker->opened_logged_ns < LOG_NS;
    broker->host->log(broker->host, known ? OUTBOX_LOG_DEBUG : OUTBOX_LOG_INFO, "opened %s", broker->path);
    if (!known)
        broker->opened_logged_ns = now;
}

static void done_open(struct outbox_work *work)
{
    struct file_broker *broker = work->arg;
    outbox_op_t op = broker->start;
    broker->busy = false;
    broker->start = 0;
    broker->state = broker->result.error.code || broker->probing ? FILE_CLOSED : FILE_OPEN;
    if (broker->state == FILE_OPEN)
        log_opened(broker);
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
    if (run_job(broker, work_close, done_close)) { /* closing may block, but there is no other thread to do it */
        work_close(&broker->work);
        done_close(&broker->work);
    }
}

void file_start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct file_broker *broker = self;
    struct outbox_error error;
    broker->start = op;
    broker->probing = outbox_broker_start_probes(start);
    if (run_job(broker, broker->probing ? work_probe : work_open, done_open) == OUTBOX_OK)
        return;
    broker->start = 0;
    outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "open %s: no worker thread is available", broker->path);
    broker->host->op_done(broker->host, op, &error);
}

void file_stop(void *self, outbox_op_t op)
{
    struct file_broker *broker = self;
    broker->stop = op;
    file_advance(broker);
}

void file_publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    struct file_broker *broker = self;
    struct file_op *entry = broker->host->op_scratch(broker->host, op);
    entry->op = op;
    entry->publish = publish;
    if (broker->state != FILE_OPEN) {
        struct outbox_error error;
        outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "write %s: the file is not open", broker->path);
        file_fail_publish(broker, entry, &error);
        return;
    }
    *broker->queue_end = entry;
    broker->queue_end = &entry->next;
    file_advance(broker);
}

/* A job that runs cannot be canceled. Of the queue all publishes are canceled: later ones would overtake a single one.
 */
void file_cancel(void *self, outbox_op_t op)
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
    file_fail_queue(broker, &error);
}

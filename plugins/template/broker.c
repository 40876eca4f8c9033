/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/template/broker.c - a broker to copy: writes each event into a separate file, like a maildir
 *
 * event_file.h has the format of the files. When all files of a publish are there the directory is synced, and then the
 * events are reported as delivered. An event that is sent twice has the same id, so it replaces its own file.
 *
 * Each publish is one job on a worker thread; the op's scratch memory is its state. This broker claims no
 * capability about order, so the host has one publish in flight, with one event of each key.
 *
 * Failure modes:
 *   a topic or id that cannot be a file name     admit() rejects the event
 *   an event that cannot be written              not connected, with the reason: the host stops and starts the broker,
 *                                                pauses longer each time, and sends the event again
 *   a directory that cannot be synced            unknown: the files are there, but may not survive a crash; the same
 *                                                follows, and the host knows that these events may be there twice
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "event_file.h"

struct maildir {
    const char *path; /* option */
    const struct outbox_host *host;
    int dir;          /* -1: not started */
    uint64_t number;  /* of the last event; used by one worker at a time */
    uint32_t jobs;    /* submitted and not completed */
    outbox_op_t stop; /* completes after the jobs; 0: none */
};

/* The scratch memory of every op. */
struct job {
    struct outbox_work work;
    struct maildir *maildir;
    outbox_op_t op;
    const struct outbox_publish *publish; /* NULL: start */
    uint32_t written;                     /* so many of the first events are done, rejected ones included */
    bool unsynced;                        /* they may be lost in a crash */
    struct outbox_error error;
};

static void fail_errno(struct job *job, const char *what)
{
    int number = errno;
    outbox_error_set(&job->error, number == ENOSPC ? OUTBOX_E_FULL : OUTBOX_E_NOT_CONNECTED, "%s %s: %s", what,
                     job->maildir->path, strerror(number));
    job->error.native = number;
}

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

static void work_publish(struct outbox_work *work)
{
    struct job *job = work->arg;
    struct outbox_error refused;
    for (; job->written < job->publish->count; job->written++) {
        const struct outbox_message *message = outbox_message_at(job->publish, job->written);
        if (event_file_admit(message, &refused))
            continue;
        errno = event_file_write(job->maildir->dir, &job->maildir->number, message);
        if (errno) {
            fail_errno(job, "write to");
            break;
        }
    }
    if (fsync(job->maildir->dir)) {
        fail_errno(job, "sync");
        job->unsynced = true;
    }
}

static void work_start(struct outbox_work *work)
{
    struct job *job = work->arg;
    job->maildir->dir = open(job->maildir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (job->maildir->dir < 0)
        fail_errno(job, "open");
}

static void report_outcomes(const struct job *job)
{
    const struct outbox_host *host = job->maildir->host;
    struct outbox_error refused;
    for (uint32_t i = 0; i < job->publish->count; i++) {
        if (event_file_admit(outbox_message_at(job->publish, i), &refused))
            outbox_report_outcomes(host, job->op, i, 1, OUTBOX_REJECTED, &refused);
        else if (i < job->written && !job->unsynced)
            outbox_report_outcomes(host, job->op, i, 1, OUTBOX_DELIVERED, NULL);
        else if (i < job->written)
            outbox_report_outcomes(host, job->op, i, 1, OUTBOX_UNKNOWN, &job->error);
        else
            outbox_report_outcomes(host, job->op, i, 1, OUTBOX_NOT_CONNECTED, &job->error);
    }
}

static void complete_stop(struct maildir *maildir)
{
    outbox_op_t op = maildir->stop;
    if (!op || maildir->jobs)
        return;
    maildir->stop = 0;
    if (maildir->dir >= 0)
        close(maildir->dir);
    maildir->dir = -1;
    maildir->host->op_done(maildir->host, op, NULL);
}

/* Each event has its outcome; the publish itself succeeds. */
static void done(struct outbox_work *work)
{
    struct job *job = work->arg;
    struct maildir *maildir = job->maildir;
    maildir->jobs--;
    if (job->publish)
        report_outcomes(job);
    maildir->host->op_done(maildir->host, job->op, job->publish ? NULL : &job->error);
    complete_stop(maildir);
}

static void submit(struct maildir *maildir, outbox_op_t op, void (*work)(struct outbox_work *work),
                   const struct outbox_publish *publish)
{
    struct job *job = maildir->host->op_scratch(maildir->host, op);
    job->work = (struct outbox_work){.work = work, .done = done, .arg = job};
    job->maildir = maildir;
    job->op = op;
    job->publish = publish;
    maildir->jobs++;
    if (maildir->host->offload(maildir->host, &job->work)) {
        outbox_error_set(&job->error, OUTBOX_E_NO_MEMORY, "no worker thread is available");
        done(&job->work);
    }
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct maildir *maildir = self;
    maildir->host = init->host;
    maildir->dir = -1;
    if (!maildir->path[0])
        return outbox_error_set(error, OUTBOX_E_CONFIG, "path is empty; give a directory");
    return OUTBOX_OK;
}

static void fini(void *self)
{
    struct maildir *maildir = self;
    if (maildir->host && maildir->dir >= 0)
        close(maildir->dir);
}

static void start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    (void)start;
    submit(self, op, work_start, NULL);
}

static void stop(void *self, outbox_op_t op)
{
    struct maildir *maildir = self;
    maildir->stop = op;
    complete_stop(maildir);
}

static int admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    (void)self;
    return event_file_admit(message, error);
}

static void publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    submit(self, op, work_publish, publish);
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static const struct outbox_option options[] = {
    {.name = "path",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_REQUIRED,
     .offset = offsetof(struct maildir, path),
     .help = "directory that gets a file for each event"},
};

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof(struct outbox_broker_ops),
    .init = init,
    .fini = fini,
    .start = start,
    .stop = stop,
    .publish = publish,
    .admit = admit,
};

OUTBOX_PLUGIN(broker, maildir) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ADMIT,
    .name = "maildir",
    .version = "0.1.0",
    .description = "writes every event into a file of its own",
    .instance_size = sizeof(struct maildir),
    .op_size = sizeof(struct job),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
};

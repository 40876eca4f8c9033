/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/broker.h - the instance, and what its files offer to each other
 *
 * The loop thread owns everything but `sink` and `out`, which belong to the worker while a job runs. There is one job
 * at a time: it opens, closes, or writes all publishes that were in the queue when it began.
 *
 * Layers, lowest first; a file calls only files of lower layers:
 *
 *     sys error utf8 time encode          system calls, errno as an error, one event as one line
 *     sink recover rotate probe           the file: open, append, sync, repair, rotate
 *     job outcomes                        worker: write a job; loop: report its outcomes
 *     queue                               start, stop, publish, cancel
 *     plugin check                        the descriptor; `outbox check`
 */
#ifndef OBX_BROKERS_FILE_BROKER_H
#define OBX_BROKERS_FILE_BROKER_H

#include "encode.h"
#include "sink.h"

/* The scratch memory of a publish. */
struct file_op {
    outbox_op_t op;
    const struct outbox_publish *publish; /* borrowed until the op completes */
    struct file_op *next;
};

/* The scratch memory of a check. */
struct file_check {
    struct outbox_work work;
    struct file_broker *broker;
    outbox_op_t op;
    const struct outbox_check *check; /* borrowed until the op completes */
    /* found by the worker */
    int number; /* errno; 0: the rest is known */
    bool network, directory_read_only;
    int64_t free; /* bytes */
};

union file_scratch {
    struct file_op publish;
    struct file_check check;
};

enum file_state {
    FILE_CLOSED,
    FILE_OPEN,
    FILE_BROKEN /* a write failed: nothing is accepted until the host has stopped and started the broker */
};

/* The result of a job; written by the worker, read on the loop when it has ended. */
struct file_result {
    uint64_t durable;          /* messages that are synced: the first ones of the job, over all its ops */
    uint64_t started;          /* messages of which bytes may be in the file: the first ones */
    uint64_t rejected;         /* messages that admit() refuses */
    uint32_t outcome;          /* of those started and not durable; the rest is NOT_CONNECTED */
    struct outbox_error error; /* code 0: all are durable */
};

struct file_broker {
    /* options */
    const char *path;
    const char *mode_text;
    int64_t max_size;

    const struct outbox_host *host;
    enum file_state state;
    struct file_op *queue, **queue_end; /* submitted, no job yet */
    struct file_op *job;                /* the publishes of the running job */
    outbox_op_t start, stop;            /* 0: none */
    bool busy;
    uint32_t checks; /* running now, each on its own worker */
    struct outbox_work work;
    struct file_sink sink;
    struct file_out out;
    struct file_result result;
    struct file_probe probe; /* result of a start that only probes */
    bool probing;
    uint64_t opened_logged_ns; /* 0: never */
};

/* Worker: appends and syncs everything in broker->job; fills broker->result. */
void file_write_job(struct file_broker *broker);
/* Could the event ever be written? Any thread. */
int file_validate(const struct outbox_message *message, struct outbox_error *error);

/* Loop: reports the outcomes of one publish of a job. base: number of its first message in the job. */
void file_report_outcomes(struct file_broker *broker, const struct file_op *op, uint64_t base);
/* Loop: not connected, and complete. */
void file_fail_publish(struct file_broker *broker, const struct file_op *op, const struct outbox_error *error);
void file_fail_queue(struct file_broker *broker, const struct outbox_error *error);

void file_start(void *self, outbox_op_t op, const struct outbox_broker_start *start);
void file_stop(void *self, outbox_op_t op);
void file_publish(void *self, outbox_op_t op, const struct outbox_publish *publish);
void file_cancel(void *self, outbox_op_t op);
/* Loop: starts the next job, if there is one and the worker is free. */
void file_advance(struct file_broker *broker);
void file_check(void *self, outbox_op_t op, const struct outbox_check *check);

/* For tests, before start(): other system calls, a smaller buffer. */
void file_replace_system(void *self, const struct file_sys *sys, size_t buffer);

#endif

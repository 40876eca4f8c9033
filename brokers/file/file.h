/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/file.h - the instance of the file broker, and what tests may do to it
 *
 * The loop thread owns everything but `sink` and `out`, which belong to the worker while a job runs. One job at a
 * time: it opens, closes, or writes all the publishes that had queued up when it began.
 */
#ifndef OBX_BROKERS_FILE_FILE_H
#define OBX_BROKERS_FILE_FILE_H

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
    int number; /* errno; 0: all else is known */
    bool network, stuck;
    int64_t free;
};

union file_scratch {
    struct file_op publish;
    struct file_check check;
};

enum file_state {
    FILE_CLOSED,
    FILE_OPEN,
    FILE_BROKEN /* takes nothing until it was stopped and started: nothing may overtake what failed */
};

/* What a job found out; written by the worker, read on the loop when it has ended. */
struct file_result {
    uint64_t durable;          /* messages of the job, counted over all its ops, that are synced; the first ones */
    uint64_t touched;          /* messages of which bytes may have been written */
    uint64_t rejected;         /* messages that admit() refuses, durable ones or not */
    uint32_t outcome;          /* of those touched and not durable; of those not touched it is NOT_CONNECTED */
    struct outbox_error error; /* code 0: all are durable */
};

struct file_broker {
    /* options */
    const char *path;
    int64_t max_size;

    const struct outbox_host *host;
    enum file_state state;
    struct file_op *queue, **queue_end; /* submitted, no job yet */
    struct file_op *job;                /* the publishes of the running job */
    outbox_op_t start, stop;            /* 0: none */
    bool busy;
    uint32_t checks; /* beside the job */
    struct outbox_work work;
    struct file_sink sink;
    struct file_out out;
    struct file_result result;
    struct file_sight sight; /* of a start that was only to look */
    bool looks;
};

/* Worker: append and sync everything in broker->job; fills broker->result. */
void file_write_job(struct file_broker *broker);
int file_judge(const struct outbox_message *message, struct outbox_error *error);

/* Loop: start what comes next, if anything can. */
void file_advance(struct file_broker *broker);
void file_check(void *self, outbox_op_t op, const struct outbox_check *check);

/* For tests, before start(): other system calls, a smaller buffer. */
void file_use(void *self, const struct file_sys *sys, size_t buffer);

#endif

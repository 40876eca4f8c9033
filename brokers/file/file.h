/*
 * brokers/file/file.h - the instance of the file broker, and what tests may do to it
 *
 * The loop thread owns everything but `sink` and `out`, which belong to the worker while a job runs. One job at a
 * time: it opens, closes, or writes all the publishes that had queued up when it began.
 */
#ifndef OBX_FILE_FILE_H
#define OBX_FILE_FILE_H

#include "encode.h"
#include "sink.h"

/* The scratch memory of a publish. */
struct obx_file_op {
    outbox_op_t op;
    const struct outbox_publish *publish; /* borrowed until the op completes */
    struct obx_file_op *next;
};

/* The scratch memory of a check. */
struct obx_file_check {
    struct outbox_work work;
    struct obx_file_broker *broker;
    outbox_op_t op;
    const struct outbox_check *check; /* borrowed until the op completes */
    /* found by the worker */
    int number; /* errno; 0: all else is known */
    bool network, stuck;
    int64_t free;
};

union obx_file_scratch {
    struct obx_file_op publish;
    struct obx_file_check check;
};

enum obx_file_state {
    OBX_FILE_CLOSED,
    OBX_FILE_OPEN,
    OBX_FILE_BROKEN /* takes nothing until it was stopped and started: nothing may overtake what failed */
};

/* What a job found out; written by the worker, read on the loop when it has ended. */
struct obx_file_result {
    uint64_t durable;          /* messages of the job, counted over all its ops, that are synced; the first ones */
    uint64_t touched;          /* messages of which bytes may have been written */
    uint64_t rejected;         /* messages that admit() refuses, durable ones or not */
    uint32_t outcome;          /* of those touched and not durable; of those not touched it is NOT_CONNECTED */
    struct outbox_error error; /* code 0: all are durable */
};

struct obx_file_broker {
    /* options */
    const char *path;
    int64_t max_size;

    const struct outbox_host *host;
    enum obx_file_state state;
    struct obx_file_op *queue, **queue_end; /* submitted, no job yet */
    struct obx_file_op *job;                /* the publishes of the running job */
    outbox_op_t start, stop;                /* 0: none */
    bool busy;
    uint32_t checks; /* beside the job */
    struct outbox_work work;
    struct obx_file_sink sink;
    struct obx_file_out out;
    struct obx_file_result result;
    struct obx_file_sight sight; /* of a start that was only to look */
    bool looks;
};

/* Worker: append and sync everything in broker->job; fills broker->result. */
void obx_file_write_job(struct obx_file_broker *broker);
int obx_file_admit(const struct outbox_message *message, struct outbox_error *error);

/* Loop: start what comes next, if anything can. */
void obx_file_advance(struct obx_file_broker *broker);
void obx_file_check(void *self, outbox_op_t op, const struct outbox_check *check);

/* For tests, before start(): other system calls, a smaller buffer. */
void obx_file_use(void *self, const struct obx_file_sys *sys, size_t buffer);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/template/store.h - what the files of the store share
 *
 * store.c    life, ownership, settling, and the plugin itself
 * claim.c    rows for the host
 * admin.c    what makes `outbox init`, `add`, `check` and `status` work
 * spool.c    the files
 *
 * The loop thread owns the instance. All disk access is a job on a worker thread; the op's scratch memory is its state.
 * A job writes only to itself, with two exceptions: claims write `outstanding`, and there is one claim at a time;
 * start, acquire and setup write `dir` and `owner`, which no other op uses while they run.
 */
#ifndef OBX_PLUGINS_TEMPLATE_STORE_H
#define OBX_PLUGINS_TEMPLATE_STORE_H

#include "spool.h"

#define COLUMNS_MAX 64

struct spool {
    const char *path; /* option */
    const struct outbox_host *host;
    int dir;   /* -1: not started */
    int owner; /* the lock; -1: not the owner */
    uint32_t columns;
    uint8_t fields[COLUMNS_MAX];   /* enum spool_field; SPOOL_FIELDS: a missing column */
    struct spool_list outstanding; /* claimed positions whose files are still there */
    uint32_t jobs;                 /* submitted and not completed */
    outbox_op_t stop;              /* completes after the jobs; 0: none */
};

/* The scratch memory of every op. */
struct job {
    struct outbox_work work;
    struct spool *spool;
    outbox_op_t op;
    void (*run)(struct job *job);   /* worker */
    void (*after)(struct job *job); /* loop thread, before the op completes; may be NULL */
    void *argument;                 /* the op's own; borrowed until it completes */
    int missing;                    /* of check: errno of the failure; 0: none */
    struct outbox_error error;
};

/* Makes an error of errno. what: the verb, as in "open". */
int spool_fail_errno(const struct spool *spool, struct outbox_error *error, const char *what);
/* Runs a job on a worker and completes the op. argument: borrowed until then. */
void spool_submit(struct spool *spool, outbox_op_t op, void (*run)(struct job *job), const void *argument);

void spool_claim(void *self, outbox_op_t op, struct outbox_claim *claim);
void spool_release(void *self, struct outbox_batch *batch);
struct outbox_value spool_value(const struct spool_event *event, uint8_t field, uint64_t position);

void spool_setup(void *self, outbox_op_t op);
int spool_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
                struct outbox_error *error);
void spool_check(void *self, outbox_op_t op, const struct outbox_check *check);
void spool_status(void *self, outbox_op_t op, struct outbox_store_status *status);
void spool_add(void *self, outbox_op_t op, const struct outbox_add *add);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/op.h - one operation of the host, which may take several requests
 *
 * It lives in the host's scratch memory of the operation, from sql_op_begin() to sql_op_complete(), which frees what it
 * holds. Its memory is gone after that.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_OP_H
#define OBX_BACKENDS_SQL_SERVER_OP_H

#include "sql/server/store.h"

struct sql_op;

/* Rows that are being removed: removal.h. */
struct sql_removal {
    struct obx_sql_ranges *ranges; /* borrowed; the range `first` and those after it are left */
    uint32_t first;
    unsigned failures, failures_max; /* statements that failed */
    struct obx_sql_range rest;       /* of the last range of the chunk in flight; lo > hi: nothing */
    int64_t rows, limit;             /* of a chunk, at most: now, and ever */
    bool verified;                   /* the statement works where there are no rows */
    bool timed_out;                  /* a statement has; there may be no time for more of them */
    enum sql_locked_mode mode;       /* of the statement in flight */
    uint64_t sent_ns;                /* when it was sent */
    void (*then)(struct sql_op *op);
    struct outbox_error error; /* the last failure that may be a row's */
    void (*done)(struct sql_op *op, const struct outbox_error *error);
};

struct sql_op {
    struct sql_request request;
    struct sql_store *store;
    outbox_op_t id;
    const void *in;
    void *out;
    struct obx_sql_text sql;         /* of its requests; claims and settles use buffers of the store */
    void (*then)(struct sql_op *op); /* the next step after the request in flight: sql_op_continue() */
    void *result;                    /* owned */
    const struct sql_probe *probe;
    uint64_t cursor;                    /* the last number of the page before */
    uint64_t session;                   /* of another relay, at the server */
    uint64_t removed;                   /* rows, as the server counts them */
    const struct obx_sql_range *ranges; /* of rows that are deleted, or may still be there */
    uint32_t range_count;
    struct sql_removal removal;
    bool witness_used, full_proof;       /* of the server's fence: how this operation proves the ownership */
    uint32_t first, count, window, kept; /* of the rows of a move: dead_letter.c; or of a survey */
    unsigned tries;
    /* of a claim that searches the row that makes it fail: unreadable.c */
    bool found;
    int64_t row_id;
    uint32_t column; /* that is tried */
    char reason[240];
    void (*recorded)(struct sql_op *op, const struct outbox_error *error); /* of sql_capture_record() */
    int64_t sequence;                                                      /* that it records */
    bool probing_server;                                                   /* of check: the table comes after it */
    bool removal_suspect; /* of check: something may keep rows from being removed */
};

struct sql_op *sql_op_begin(struct sql_store *store, outbox_op_t id);
void sql_op_complete(struct sql_op *op, const struct outbox_error *error); /* NULL: success */
void sql_op_fail(struct sql_op *op, int code, const char *format, ...) OUTBOX_PRINTF(3, 4);
/* Submits op->request with this. `transaction`, `first`, `fires_triggers`, `sql` and, for put == NULL, `text` of the
 * request are kept. */
void sql_op_submit(struct sql_op *op, struct sql_lane *lane, const char *what, bool (*put)(struct sql_request *request),
                   void (*result)(struct sql_request *request, void *result),
                   void (*done)(struct sql_request *request, const struct outbox_error *error));
void sql_op_drop_result(struct sql_op *op);

/* A cell of a result, which has no NUL at its end, as a string; cut to the size. NULL is "". */
void sql_copy_cell(char *to, size_t size, struct outbox_bytes cell);

/* An empty text in the server's dialect, for driver->put_text(). */
struct obx_sql_text sql_text(const struct sql_store *store);

/* result(): keep it in op->result. */
void sql_op_store_result(struct sql_request *request, void *result);
/* done(): the operation ends as the request did. */
void sql_op_end(struct sql_request *request, const struct outbox_error *error);
/* done(): go on with op->then, or end with the error. */
void sql_op_continue(struct sql_request *request, const struct outbox_error *error);

static inline struct sql_op *sql_op_of(const struct sql_request *request)
{
    return request->arg;
}

#endif

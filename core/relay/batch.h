/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/batch.h - a claimed batch on its way through the pipeline, and the state of each of its rows
 *
 * The store owns the rows; the batch borrows them until it releases them. Everything that routing makes of the rows
 * lives in the batch's arena. Batches are recycled with their first block of memory.
 */
#ifndef OBX_RELAY_BATCH_H
#define OBX_RELAY_BATCH_H

#include "base/arena.h"
#include "base/list.h"
#include "relay/context.h"

struct obx_stages;
struct obx_lane_row;

/* The state of one row. Legal moves:
 *
 *   WAITING   -> IN_FLIGHT, SKIPPED
 *   IN_FLIGHT -> DELIVERED, RETRY, REJECTED, NOT_SENT     its outcome
 *   DELIVERED -> SETTLED, SKIPPED                         SKIPPED: its position is no longer valid
 *   RETRY     -> SKIPPED, NOT_SENT                        NOT_SENT: no memory to note it
 *   REJECTED  -> SKIPPED, NOT_SENT                        likewise
 *   NOT_SENT  -> WAITING, SKIPPED
 *
 * RETRY, REJECTED and NOT_SENT exist only between the outcomes of a publish and its completion. A batch is finished
 * when all rows are SETTLED or SKIPPED, and none waits for the spool. */
enum obx_row_state {
    OBX_ROW_WAITING,   /* to be published */
    OBX_ROW_IN_FLIGHT, /* part of a publish in flight */
    OBX_ROW_DELIVERED, /* confirmed by the broker, to be settled */
    OBX_ROW_SETTLED,
    OBX_ROW_SKIPPED,  /* stays in the outbox: its key is blocked, or it is to be dead-lettered or read again later */
    OBX_ROW_RETRY,    /* this event failed and may go later */
    OBX_ROW_REJECTED, /* this event can never go */
    OBX_ROW_NOT_SENT, /* NOT_CONNECTED or UNKNOWN: the batch sends it again */
    OBX_ROW_STATES
};

/* Of a row of a log: is it copied to the spool? Apart from its state: a row in flight may be in the spool, too.
 *
 *   NONE -> WANTED -> COPYING -> DONE      back to WANTED, or to NONE without the ownership, when a copy failed
 *   WANTED -> NONE                         the row was settled before its turn */
enum obx_spool_mark { OBX_SPOOL_NONE, OBX_SPOOL_WANTED, OBX_SPOOL_COPYING, OBX_SPOOL_DONE };

/* Where the batch is; pipeline.c has the legal moves. */
enum obx_batch_stage {
    OBX_BATCH_NEW, /* in no list */
    OBX_BATCH_READY,
    OBX_BATCH_IN_FLIGHT,
    OBX_BATCH_DONE,
    OBX_BATCH_SETTLING,
    OBX_BATCH_STAGES
};

/* Why an event was not delivered. */
struct obx_reason {
    struct outbox_error error;
    uint32_t retry_after_ms; /* the pause that the server requests; 0: none */
};

/* The messages of all rows of a batch after the transforms (transform_jobs.c); kept until the batch is released. */
#define OBX_TRANSFORM_JOBS 4
#define OBX_TRANSFORM_ROWS 32u /* of one job, at least */
struct obx_transform_job {
    struct obx_work work;
    struct obx_transformed *transformed;
    uint32_t first, end;    /* rows */
    struct obx_arena arena; /* of its worker */
};
struct obx_transformed {
    struct obx_stages *stages;
    struct obx_batch *batch;
    struct obx_arena arena;            /* routed messages, like the next three */
    struct outbox_message *messages;   /* by row */
    const struct obx_reason **reasons; /* by row; NULL: none. REJECTED: never; else: not now */
    struct outbox_bytes *values;       /* rendered templates, row by row */
    uint32_t running;                  /* jobs; a batch with running jobs stays in READY; 0: transformed */
    struct obx_transform_job jobs[OBX_TRANSFORM_JOBS];
};

struct obx_batch {
    struct obx_list link; /* in the pipeline's list of its stage */
    struct obx_stages *stages;
    enum obx_batch_stage stage;
    uint64_t seq;              /* order of claiming, which is the order of publishing */
    uint64_t epoch;            /* of the ownership under which it was claimed */
    bool is_retry;             /* claimed by position, for keys that are being retried */
    bool holds_retry_slot;     /* no other retry may be claimed; until it is released, or joins the lanes */
    bool holds_order;          /* in flight, and no later batch may be published before it has completed */
    struct outbox_batch *rows; /* the store's */
    uint8_t *row_states;       /* enum obx_row_state, one for each row; owned, like the next two */
    struct outbox_message *messages;
    uint32_t *row_of;   /* row of each message */
    uint32_t row_limit; /* for so many rows these three have room */
    uint32_t message_count;
    uint32_t state_count[OBX_ROW_STATES];
    uint8_t *uncertain;                /* by row: an attempt may have reached the broker; owned; NULL: none */
    const struct obx_reason **reasons; /* by row, in the arena; NULL until an outcome is not DELIVERED */
    struct obx_arena arena;
    struct obx_transformed *transformed; /* owned; NULL: no transforms, or not begun */
    uint64_t transformed_bytes;          /* in stats.in_flight_bytes: reserved, then those of `transformed` */
    struct outbox_publish publish;       /* with the next one, of publish.c */
    struct obx_request request;

    /* of low_mark.c and spool.c: rows of a log, while the ownership lasts in which they were claimed */
    bool in_log;
    struct obx_list log_link;
    struct outbox_position log_end; /* all rows between its last one and this position are passed */
    uint64_t claimed_at;
    uint8_t *spool_marks; /* enum obx_spool_mark, by row; owned; valid in_log */
    uint32_t passed_rows; /* of its first rows */
    uint32_t unspooled;   /* rows that are WANTED or COPYING */

    /* of lane_publish.c: row_of[row] is row, messages[row] the message of each row that joined */
    struct obx_lane_row *lane_rows; /* by row, in the arena */
    struct obx_list sendable;       /* its rows whose turn it is */
    struct obx_list to_send, touched;
    uint32_t publishes; /* in flight */
};

/* Recycled batches. */
struct obx_batch_pool {
    struct obx_list idle;
    uint32_t count;
};

#define OBX_ROW_OVERHEAD 192 /* bytes of memory: message, header and state of one row */

void obx_batch_pool_init(struct obx_batch_pool *pool);
void obx_batch_pool_free(struct obx_batch_pool *pool);
/* A batch with room for the rows, all of them WAITING; takes over rows. NULL: no memory; rows stay the caller's. */
struct obx_batch *obx_batch_get(struct obx_batch_pool *pool, struct outbox_batch *rows);
void obx_batch_recycle(struct obx_batch_pool *pool, struct obx_batch *batch); /* its rows are released already */

/* The outcome of this row is unknown: with delivery: at-least-once it may be published twice. */
void obx_batch_set_uncertain(struct obx_batch *batch, uint32_t row);
/* Of the messages of its next publish: how many may be in the broker already. */
uint32_t obx_batch_count_repeated(const struct obx_batch *batch);
/* The row stays in the outbox. If the broker has it, or may have it, it will be published again: that is counted. */
void obx_batch_note_skipped(const struct obx_batch *batch, uint32_t row);

static inline void obx_batch_set_row_state(struct obx_batch *batch, uint32_t row, enum obx_row_state state)
{
    if (state == OBX_ROW_SKIPPED)
        obx_batch_note_skipped(batch, row);
    batch->state_count[batch->row_states[row]]--;
    batch->row_states[row] = (uint8_t)state;
    batch->state_count[state]++;
}

/* ---- rows of a log ---- */

void obx_batch_begin_log(struct obx_batch *batch, uint64_t now); /* no row is passed */
void obx_batch_want_spool(struct obx_batch *batch,
                          uint32_t row);                /* no effect on a row that is in the spool, or wanted */
void obx_batch_forget_spool(struct obx_batch *batch);   /* no row is WANTED any more */
void obx_batch_unwant_settled(struct obx_batch *batch); /* no SETTLED row is: a copy would be published again */
void obx_batch_set_spool_mark(struct obx_batch *batch, uint32_t row, enum obx_spool_mark mark);
void obx_batch_pass_rows(struct obx_batch *batch); /* advance passed_rows */
static inline bool obx_batch_is_passed(const struct obx_batch *batch, uint32_t row)
{
    return batch->row_states[row] == OBX_ROW_SETTLED || batch->spool_marks[row] == OBX_SPOOL_DONE;
}

/* The row waits for its key, or for its move to the dead letters: SKIPPED. */
static inline void obx_batch_leave_row(struct obx_batch *batch, uint32_t row)
{
    obx_batch_set_row_state(batch, row, OBX_ROW_SKIPPED);
    if (batch->in_log)
        obx_batch_want_spool(batch, row);
}

void obx_batch_free_transformed(struct obx_batch *batch); /* no job is running */
static inline bool obx_batch_is_transforming(const struct obx_batch *batch)
{
    return batch->transformed && batch->transformed->running;
}

/* All rows in one state get another. */
void obx_batch_change(struct obx_batch *batch, enum obx_row_state from, enum obx_row_state to);

static inline bool obx_batch_finished(const struct obx_batch *batch)
{
    return batch->state_count[OBX_ROW_SETTLED] + batch->state_count[OBX_ROW_SKIPPED] == batch->rows->rows &&
           !batch->unspooled;
}

#endif

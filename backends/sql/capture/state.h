/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/capture/state.h - of a store that reads the server's log: its state, and what the server adds
 *
 * capture.h describes the whole. Functions run on the loop thread and must not block.
 */
#ifndef OBX_BACKENDS_SQL_CAPTURE_STATE_H
#define OBX_BACKENDS_SQL_CAPTURE_STATE_H

#include "sql/capture/queue.h"
#include "sql/server/lane.h"

struct sql_op;
struct sql_row;

/* What the server adds. A request's arg is the operation where a line has "of the operation", else the store. */
struct sql_capture_source {
    /* One statement, or several: raises the epoch of the position row, and gives the row: identity, position, index,
     * sequence, epoch. Its result is read by sql_capture_on_row(). Of the operation, on the owner's lane. */
    bool (*put_take_over)(struct sql_request *request);
    /* capture.row was read from the database: pass() goes on from it, and begin() reads from it. Not OUTBOX_OK: it is
     * not a position of this server. */
    int (*read_position)(struct sql_store *store, struct outbox_error *error);

    /* Read the log from the position on: into sql_capture_commit(). Ends with end(), or a call of sql_capture_fail().
     */
    void (*begin)(struct sql_store *store);
    void (*end)(struct sql_store *store);   /* at once, and calls nothing back. Also when it does not read */
    void (*go_on)(struct sql_store *store); /* sql_capture_is_full() was true, and there is room now */

    /* All events of a transaction are passed; in the order of the commits. Or, with the marks of
     * sql_capture_advance(): all that was read is. The source keeps the newest marks, or adds them to a set. */
    void (*pass)(void *store, const uint64_t marks[SQL_CAPTURE_MARKS]);
    /* The columns of what was passed: "identity", "position". */
    void (*put_position)(const struct sql_store *store, struct obx_sql_text *identity, struct obx_sql_text *position);
    void (*recorded)(struct sql_store *store); /* the row is committed: a slot may be told */
    /* Is what was read, with nothing open, so far from what was recorded that it should be recorded? Each record is log
     * as well. */
    bool (*worth_recording)(const struct sql_store *store);
    /* What the source remembers of transactions that are not passed: it counts as the events of the queue do, and only
     * passing them frees it. NULL: nothing that can grow. */
    uint64_t (*bytes)(const struct sql_store *store);

    /* One statement: which transactions other sessions see, and where the log ends now. Of the operation, on the
     * reader's lane. NULL: each commit that is read is visible, and nothing is known of the end. */
    bool (*put_horizon)(struct sql_request *request);
    /* Owns the result. False: it has another form. */
    bool (*horizon_result)(struct sql_store *store, void *result);
    bool (*is_visible)(const struct sql_store *store, const struct sql_capture_commit *commit);
    bool (*has_reached)(const struct sql_store *store); /* has the reader come to that end of the log? */

    /* The values of the selected columns, which point into the event. NULL, or why they cannot be read: static. */
    const char *(*decode)(const struct sql_store *store, const struct sql_capture_event *event,
                          struct outbox_value *values);
    /* INSERT of the rows of op->in (struct outbox_spool) that are events, their numbers as ids; a row that is there
     * stays. Of the operation, on the owner's lane. sql_capture_event_of() has the event of a row. */
    bool (*put_spool)(struct sql_request *request);
    /* The spool refused the one row of op->in: INSERT of a dead letter with op->reason, unless the event has one. Of
     * the operation, on the owner's lane. NULL: such a row fails the spool. */
    bool (*put_dead)(struct sql_request *request);
    /* The event's id, and why it was refused: for a log and the dead letter. With put_dead(). */
    void (*name_event)(const struct sql_store *store, const struct sql_capture_event *event,
                       const struct outbox_error *why, char *text, size_t size);

    /* One statement: how many bytes of log are kept, and how many may be. Sets capture.log_bytes and log_limit. On the
     * reader's lane. NULL: unknown. */
    bool (*put_distance)(struct sql_request *request);
    void (*distance_result)(struct sql_request *request, void *result);
    /* Too much log is kept: would less be kept if all events were in the table? NULL: yes. May log why not. */
    bool (*can_relieve)(struct sql_store *store);
};

/* The position row, as it is in the database. */
struct sql_capture_row {
    char identity[200];           /* of the log */
    struct obx_sql_text position; /* the source's text */
    uint64_t index;               /* events of the transaction after it that are passed */
    int64_t sequence;             /* of the last event that is passed; SQL_CAPTURE_BASE at first */
    int64_t epoch;
};

/* Ids above `after`, up to `last`. */
struct sql_capture_window {
    int64_t after, last;
};

enum sql_capture_phase { SQL_CAPTURE_TABLE = 0, SQL_CAPTURE_SPOOL, SQL_CAPTURE_LOG };

struct sql_capture {
    const struct sql_capture_source *source; /* NULL: this store polls */
    char position_name[80];                  /* of the table, which is in the outbox's schema */
    struct sql_capture_row row;
    struct sql_capture_queue queue;

    /* the reader */
    bool reading;                /* begin() was called */
    bool paused;                 /* go_on() is due when there is room */
    struct outbox_error failure; /* the reading ended: claims fail with it until the next rewind */

    /* claims */
    bool table_in_log; /* its rows are events of the log: of the table only copies are read. Set at the start */
    enum sql_capture_phase phase;
    int64_t spool_cursor;                   /* the last spooled row that was claimed since the rewind, or left out */
    struct sql_capture_window spool_window; /* of the claim in flight */
    uint64_t table_polled_ns;               /* when the table was read last */
    struct sql_op *waiting;                 /* the claim in flight waits for the reader, */
    struct outbox_timer *patience;          /* so long at most; NULL: not needed yet */
    bool hungry;                            /* the last claim gave nothing: new events wake the host */

    /* the position row */
    uint64_t passed_index; /* of the transaction after the last that was passed */
    bool unrecorded;       /* the position has moved since the last record that is known to be committed */
    /* Settled copies above the recorded position. The last copy proves that the events before it are settled or copied
     * (capture.h): a crash after its removal would publish these again. So they are removed after the position has
     * passed them, and count as locked rows until then. A rewind does not return them: this owner has published them.
     */
    struct obx_sql_ranges proofs;

    /* the spool in flight */
    const struct outbox_spool *spool;
    struct outbox_spool part;       /* the rows of it that are being inserted */
    struct outbox_span *part_spans; /* owned */
    uint32_t part_room;

    /* the safety valve */
    struct sql_request measurer;
    struct obx_sql_text measure_sql;
    bool measuring, relieving;
    int64_t log_bytes, log_limit; /* -1: unknown */
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/capture.h - `capture: wal`: the store reads messages of pg_logical_emit_message() from the
 * WAL; and `capture: logical`, which is in logical.h
 *
 *   stream.c  a connection with the log        pages.c, crc32c.c  bytes -> records        records.c  what they mean
 *   open.c, spilled.c  transactions that have not ended   reader.c  the above -> sql/capture   again.c  large ones
 *   horizon.c visible transactions, the slot   envelope.c, values.c  an event            spool.c    INSERT of events
 *   emit.c    the SQL of init                  findings.c  check and status    position.c the position row
 *
 * A position is where reading begins (the first event of the oldest open transaction, with its timeline), and up to
 * where commits are passed. All on the loop thread.
 */
#ifndef OBX_BACKENDS_POSTGRES_CAPTURE_CAPTURE_H
#define OBX_BACKENDS_POSTGRES_CAPTURE_CAPTURE_H

#include "envelope.h"
#include "logical.h"
#include "open.h"
#include "sql/capture/capture.h"
#include "stream.h"

struct pg_store;

enum pg_capture_mode { PG_CAPTURE_OFF = 0, PG_CAPTURE_WAL, PG_CAPTURE_LOGICAL };

/* Marks of a commit, in sql_capture_commit. */
enum { PG_MARK_PASSED = 0, PG_MARK_RESTART, PG_MARK_TIMELINE_XID };

struct pg_position {
    uint64_t restart; /* reading begins here */
    uint32_t timeline;
    uint64_t passed; /* commits whose record begins before it are passed */
};

struct pg_capture {
    struct pg_position position; /* that was passed; recorded with the next record */
    struct pg_position recorded;
    char system[32]; /* the identity of the log */
    char prefix[2 * SQL_NAME + 16], slot[64];
    const char *publication; /* of `logical`: it has the name of the prefix */
    uint32_t published;      /* of captured rows: the OID of the table's entry in it; 0: not known */
    uint32_t database;       /* oid */

    /* the reader */
    struct pg_log_stream stream;
    struct pg_wal_pages pages;
    struct pg_open open;
    uint64_t skip;         /* events of the next transaction that are passed */
    uint64_t begun_passed; /* `passed` when reading began */

    unsigned char *rest; /* of the input, behind a commit whose transaction is read again; owned */
    uint32_t rest_at, rest_size, rest_room;

    struct pg_logical logical;

    /* a spilled transaction that is read again; of `logical`: the transaction that is read */
    struct pg_log_stream again;
    struct pg_wal_pages again_pages;
    struct sql_capture_list again_events;
    uint32_t *again_xids; /* owned; ascending */
    uint32_t again_count, again_room;
    uint64_t again_from, again_end; /* its first event, its commit record */
    uint32_t again_timeline;
    uint64_t again_index, again_marks[SQL_CAPTURE_MARKS];
    bool reading_again, again_finished;
    struct outbox_task again_done;

    /* the horizon */
    uint64_t xmin, xmax; /* of the last snapshot; 64 bits */
    uint64_t *running;   /* between them; owned, ascending */
    uint32_t running_count, running_room;
    uint64_t log_end;

    /* the slot */
    struct sql_request slot_request;
    struct obx_sql_text slot_sql;
    bool moving_slot;
    uint64_t slot_moved_to, slot_moved_ns;
    bool slot_gone;    /* it is missing or lost, which was logged */
    uint32_t held_xid; /* the open transaction that the log is kept for, which was logged; 0: none */

    /* of each selected column: the part of the envelope, PG_PARTS if it has none */
    uint8_t *parts; /* owned */
};

extern const struct sql_capture_source pg_capture_wal, pg_capture_logical;

/* emit.c: statements of init, by index from 0; false: no more. And in which transaction each is, from 0. */
enum { PG_CAPTURE_STEPS = 3 }; /* of `logical` */
bool pg_capture_statement(const struct sql_store *store, struct obx_sql_text *sql, int index);
int pg_capture_step_of(const struct sql_store *store, int index);

/* position.c */
void pg_capture_name(struct pg_store *store);      /* the prefix of its messages */
void pg_capture_name_slot(struct pg_store *store); /* once the OIDs are known */
const char *pg_capture_slot_suffix(const struct pg_store *store);
int pg_capture_init(struct pg_store *store, struct outbox_error *error);
void pg_capture_free(struct pg_store *store);
bool pg_capture_put_take_over(struct sql_request *request);
int pg_capture_read_position(struct sql_store *store, struct outbox_error *error);
void pg_capture_pass(void *store, const uint64_t marks[SQL_CAPTURE_MARKS]);
void pg_capture_put_position(const struct sql_store *store, struct obx_sql_text *identity,
                             struct obx_sql_text *position);
bool pg_capture_worth_recording(const struct sql_store *store);

/* reader.c, again.c */
void pg_capture_begin(struct sql_store *store);
void pg_capture_end(struct sql_store *store);
void pg_capture_go_on(struct sql_store *store);
void pg_capture_fail(struct pg_store *store, const struct outbox_error *error);
bool pg_capture_no_memory(struct pg_store *store); /* fails; false */
void pg_capture_begin_at_position(struct pg_store *store);
/* Is the server that of the position? */
int pg_capture_server_fits(const struct pg_store *store, struct outbox_error *error);
void pg_capture_drained(void *store); /* of a stream */
void pg_capture_failed(void *store, const struct outbox_error *error);
bool pg_capture_is_ours(const struct pg_capture *capture, const struct pg_wal_message *message);
struct sql_capture_event *pg_capture_event(struct pg_store *store, const struct pg_wal_message *message, uint64_t lsn);
/* Gives the events of a transaction to the queue. False: the reading has failed. */
bool pg_capture_commit(struct pg_store *store, struct sql_capture_list *events, const uint64_t marks[SQL_CAPTURE_MARKS],
                       uint64_t index, bool whole);
/* Reads the events of a transaction again, from its first event to its commit record; then goes on with the stream. */
void pg_again_begin(struct pg_store *store, const struct pg_open_ended *ended, const struct pg_wal_end *end,
                    const struct pg_wal_record *record, const uint64_t marks[SQL_CAPTURE_MARKS]);
void pg_again_end(struct pg_store *store);
/* Gives the part that was read. whole: it is the last one. */
bool pg_again_give(struct pg_store *store, bool whole);
void pg_again_go_on(struct pg_store *store);
void pg_capture_after_again(struct pg_store *store); /* its events are in the queue */

/* horizon.c */
bool pg_capture_put_horizon(struct sql_request *request);
bool pg_capture_horizon_result(struct sql_store *store, void *result);
bool pg_capture_is_visible(const struct sql_store *store, const struct sql_capture_commit *commit);
bool pg_capture_has_reached(const struct sql_store *store);
void pg_capture_recorded(struct sql_store *store);
/* "bytes kept, bytes that may be kept, wal_status" of pg_replication_slots */
void pg_capture_append_distance(struct obx_sql_text *sql);
bool pg_capture_put_distance(struct sql_request *request);
void pg_capture_distance_result(struct sql_request *request, void *result);
/* Of a result of these columns: the slot has a row, and its log is not lost. */
bool pg_capture_keeps_log(const PGresult *result);
void pg_capture_warn_of_slot(const struct pg_store *store);
bool pg_capture_can_relieve(struct sql_store *store);

/* findings.c */
bool pg_put_capture_findings(struct sql_request *request);
bool pg_put_logical_findings(struct sql_request *request);
bool pg_put_log_status(struct sql_request *request);
void pg_report_log_status(struct sql_op *op);

/* values.c, spool.c */
bool pg_capture_choose_parts(struct pg_store *store);
const char *pg_capture_decode(const struct sql_store *store, const struct sql_capture_event *event,
                              struct outbox_value *values);
bool pg_capture_put_spool(struct sql_request *request);
bool pg_capture_put_dead(struct sql_request *request); /* of the one event that the spool refused */
void pg_capture_name_event(const struct sql_store *store, const struct sql_capture_event *event,
                           const struct outbox_error *why, char *text, size_t size);

#endif

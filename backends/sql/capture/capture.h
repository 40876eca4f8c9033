/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/capture/capture.h - a store that reads the server's log: what all such stores share
 *
 *   acquire  position.c: raise the epoch of the position row, and read it
 *   claim    claim.c: rewind -> rows of the table -> spooled rows of the table -> the log; later the table now and then
 *   settle   settle.c: DELETE of rows of the table, then UPDATE of the position row; then the server's slot is moved
 *   spool    spool.c: INSERT of events into the table, then UPDATE of the position row
 *   renew    idle.c: the position of a quiet outbox; the safety valve
 *
 * The table is an outbox as polling reads it. In it are rows from before the switch, rows that an application inserts,
 * and spooled events, whose ids are their sequence numbers (queue.h). So claims by position, removals, dead letters and
 * the verbs are those of backends/sql/server.
 *
 * The position row (table NAME_position, one row) has the log's identity, the position as the source's text, how many
 * events of the transaction after it are passed, the sequence number at that place, and the epoch. Only the owner's
 * session writes it, `WHERE epoch = N`. It is the only truth: a slot of the server is moved afterwards, never beyond
 * it.
 *
 * An event is inserted into the table before the position passes it. The host copies only events that directly follow
 * settled or copied ones (store.h). So the last copy above the position proves that all events up to it are settled or
 * copied: they are known by their numbers, and dropped when the log is read again. Without this an event that was
 * settled before the copies of a later one of its key would come again after it.
 *
 * Failure modes: a source fails with sql_capture_fail(): the claim that waits fails, or the host is informed that the
 * connection is lost. A position that the log does not have is OUTBOX_E_SCHEMA; nothing is ever skipped.
 */
#ifndef OBX_BACKENDS_SQL_CAPTURE_CAPTURE_H
#define OBX_BACKENDS_SQL_CAPTURE_CAPTURE_H

#include "sql/server/op.h"

static inline bool sql_captures(const struct sql_store *store)
{
    return store->capture.source != NULL;
}

/* ---- for the source ---------------------------------------------------------------------------------------------- */

/* As sql_capture_queue_commit(). False: no memory, and the reading has failed. */
bool sql_capture_commit(struct sql_store *store, struct sql_capture_list *events,
                        const uint64_t marks[SQL_CAPTURE_MARKS], uint64_t index, bool whole);
/* The log was read up to here, and no transaction with events is open. */
void sql_capture_advance(struct sql_store *store, const uint64_t marks[SQL_CAPTURE_MARKS]);
/* After a step of reading: claims that wait, and a host that sleeps, learn of it. The reading may be ended in it. */
void sql_capture_progress(struct sql_store *store);
/* The queue is full: read no more until go_on(). */
bool sql_capture_is_full(struct sql_store *store);
/* The reading has ended by itself. */
void sql_capture_fail(struct sql_store *store, const struct outbox_error *error);
/* Are the rows of a batch events of the log? And the event of a row: found by counting from the first. */
bool sql_capture_is_event(const struct outbox_batch *batch);
const struct sql_capture_event *sql_capture_event_at(const struct outbox_batch *batch, uint32_t row);

/* ---- position.c -------------------------------------------------------------------------------------------------- */

enum {
    SQL_CAPTURE_ID,
    SQL_CAPTURE_IDENTITY,
    SQL_CAPTURE_POSITION,
    SQL_CAPTURE_INDEX,
    SQL_CAPTURE_SEQUENCE,
    SQL_CAPTURE_EPOCH,
    SQL_CAPTURE_WRITES,
    SQL_CAPTURE_COLUMNS
};
extern const char *const sql_capture_columns[SQL_CAPTURE_COLUMNS];

int sql_capture_init(struct sql_store *store, const struct sql_capture_source *source, struct outbox_error *error);
void sql_capture_free(struct sql_store *store);
void sql_capture_append_table(const struct sql_store *store, struct obx_sql_text *sql); /* NAME_position, quoted */
/* CREATE TABLE IF NOT EXISTS of it; the types of a text of any length and of a bigint; `end` comes last. */
void sql_capture_append_create(const struct sql_store *store, struct obx_sql_text *sql, const char *text,
                               const char *bigint, const char *end);
/* "log_identity, log_position, ..." of the position row: what sql_capture_on_row() reads. */
void sql_capture_append_row_columns(struct obx_sql_text *sql);
/* This session has become the owner: read the position, then complete the operation. */
void sql_capture_take_over(struct sql_op *op);
/* Up to this event all are settled or in the table: no claim of the log returns them. False: no memory. */
bool sql_capture_note_copied(struct sql_store *store, int64_t last);
/* "UPDATE ... WHERE epoch = N", with all that was passed. */
void sql_capture_append_record(const struct sql_store *store, struct obx_sql_text *sql);
/* The UPDATE is committed, of so many rows. Fails with FENCED if it was none. */
int sql_capture_recorded(struct sql_store *store, int64_t sequence, uint64_t rows, struct outbox_error *error);

/* ---- claim.c ----------------------------------------------------------------------------------------------------- */

void sql_capture_rewind(struct sql_store *store); /* a claim begins with the first row */
void sql_capture_claim(struct sql_op *op);        /* not by position */
/* A claim of the table gave these rows; or nothing: go on. */
void sql_capture_table_rows(struct sql_op *op, struct obx_sql_batch *batch);
void sql_capture_table_end(struct sql_op *op);
/* Ids of the rows that the claim in flight may return, if it is one of the table. */
struct sql_capture_window sql_capture_window(const struct sql_store *store);
bool sql_capture_is_spool_claim(const struct sql_op *op); /* its rows are no business of the gaps */

/* ---- log_claim.c ------------------------------------------------------------------------------------------------- */

void sql_capture_begin_reading(struct sql_store *store); /* unless it has begun, or failed since the last rewind */
void sql_capture_claim_log(struct sql_op *op);
void sql_capture_report_log(struct sql_store *store, struct outbox_claim *claim); /* its length, and relief */
void sql_capture_resume(struct sql_store *store); /* reading that paused goes on, if there is room */
void sql_capture_release(struct sql_store *store, struct obx_sql_batch *batch);
void sql_capture_cancel(struct sql_store *store); /* ends a claim that waits */
void sql_capture_stop(struct sql_store *store);   /* reads no more; a claim that waits ends */

/* ---- settle.c, spool.c, idle.c ----------------------------------------------------------------------------------- */

/* store->ranges: the rows of the settle that are in the table, and copies that the position has passed since. False: no
 * memory. */
bool sql_capture_ranges(struct sql_op *op);
void sql_capture_removed(struct sql_op *op); /* all of store->ranges are removed, refused or locked */
/* Records the position if it has moved, then calls done(). low: as in a settle. */
void sql_capture_record(struct sql_op *op, struct outbox_position low,
                        void (*done)(struct sql_op *op, const struct outbox_error *error));
void sql_spool(void *self, outbox_op_t id, const struct outbox_spool *spool);
/* The ownership was renewed: measures the log. */
void sql_capture_renewed(struct sql_store *store);
/* Nothing is unsettled, and the log was read far enough: passes it. */
bool sql_capture_pass_idle(struct sql_store *store);
uint32_t sql_capture_percent(const struct sql_store *store); /* of the log that may be kept; 0: unknown */

#endif

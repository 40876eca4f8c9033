/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/stream.h - a connection on which the server sends its log, from a position on
 *
 * 1. connect
 * 2. IDENTIFY_SYSTEM
 * 3. physical: SHOW wal_segment_size; logical: a statement about the slot, and slot_result()
 * 4. opened(), in or after which the owner sends START_REPLICATION
 * 5. data() again and again; logical: reached(), too
 * 6. failed(), from any step
 *
 * Physical: data() gets bytes of the log. At the end of an old timeline the stream goes on with the next one. What was
 * received is reported as written and never as flushed: so no commit waits for the relay, whatever
 * synchronous_standby_names is. The slot is not used by the stream: it is moved by a statement (horizon.c), and another
 * owner can begin at once.
 *
 * Logical: data() gets one message of the output plugin. The slot belongs to the stream. It is moved by the reports, to
 * what was recorded before the last report: so a standby that takes over has the position row and the slot most likely.
 * While another session has the slot, START_REPLICATION is tried again.
 *
 * All on the loop thread. Failure modes: the connection, the right of a replica, a position that the server does not
 * have (OUTBOX_E_SCHEMA), silence of the server, a slot that stays in use.
 */
#ifndef OBX_BACKENDS_POSTGRES_CAPTURE_STREAM_H
#define OBX_BACKENDS_POSTGRES_CAPTURE_STREAM_H

#include "../conn.h"

struct pg_store;

enum pg_log_state {
    PG_LOG_CLOSED = 0,
    PG_LOG_CONNECTING,
    PG_LOG_IDENTIFYING, /* IDENTIFY_SYSTEM was sent */
    PG_LOG_MEASURING,   /* SHOW wal_segment_size, or the statement about the slot, was sent */
    PG_LOG_OPENED,
    PG_LOG_STARTING, /* START_REPLICATION was sent */
    PG_LOG_STREAMING,
    PG_LOG_TURNING /* the timeline has ended: the next one is to come */
};

struct pg_log_server {
    char system[32]; /* its identifier */
    uint32_t timeline, segment;
    unsigned major;
    char end[24]; /* of its log, when the stream was opened */
};

/* Each may end the stream. */
struct pg_log_events {
    /* Logical: a statement about the slot, and its result. NULL: physical. */
    bool (*put_slot)(void *arg, struct obx_sql_text *sql);
    void (*slot_result)(void *arg, const PGresult *result);
    void (*reached)(void *arg, uint64_t lsn); /* logical: all commits that begin before it were given */
    void (*opened)(void *arg);
    void (*data)(void *arg, const unsigned char *bytes, size_t size);
    void (*drained)(void *arg);                                  /* all that has arrived was given */
    void (*failed)(void *arg, const struct outbox_error *error); /* it has ended */
};

struct pg_log_stream {
    struct pg_conn conn; /* first */
    const struct pg_log_events *events;
    void *arg;
    enum pg_log_state state;
    struct pg_log_server server;
    struct outbox_timer *timer; /* reports, and looks for silence; NULL: not needed yet */
    uint64_t next;              /* place of the next byte */
    uint32_t timeline;
    bool paused;
    bool answer_due; /* of the server */
    bool slot_busy;  /* another session has the slot: the statement about it is sent again soon */
    uint64_t heard_ns;
    uint64_t recorded, confirmed; /* logical: passed commits, as recorded now, and at the last report */
    char warning[160];            /* of the server: it ends the stream; "": none */
};

void pg_log_open(struct pg_log_stream *stream, struct pg_store *store, const struct pg_log_events *events, void *arg);
/* After opened(): from `lsn` on, which is on this timeline. */
void pg_log_start(struct pg_log_stream *stream, uint64_t lsn, uint32_t timeline);
/* Logical. The text is START_REPLICATION. */
void pg_log_start_slot(struct pg_log_stream *stream, uint64_t lsn, const char *command);
void pg_log_close(struct pg_log_stream *stream); /* calls nothing back; closed already: nothing happens */
/* Why a position is not in the log, and which events that may concern. */
void pg_log_lost(const struct pg_log_stream *stream, uint64_t from, const char *why, struct outbox_error *error);
/* Read no more, for now; and again: data() may be called at once. */
void pg_log_pause(struct pg_log_stream *stream);
void pg_log_resume(struct pg_log_stream *stream);

#endif

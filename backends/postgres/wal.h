/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/wal.h - wake-up by the server's log (WAL), which an idle relay receives as a stream
 *
 * wal.c is the policy, wal_stream.c the third connection, to the same server as the other two. All on the loop thread.
 */
#ifndef OBX_BACKENDS_POSTGRES_WAL_H
#define OBX_BACKENDS_POSTGRES_WAL_H

#include "conn.h"

struct pg_store;

/* What the stream reports. Each may end it. */
struct pg_wal_events {
    void (*begun)(struct pg_store *store);
    void (*grown)(struct pg_store *store);                                  /* log has come */
    void (*failed)(struct pg_store *store, const struct outbox_error *why); /* it has ended */
};

struct pg_wal {
    /* the stream */
    struct pg_conn conn;
    const struct pg_wal_events *events;
    bool streaming;    /* it has begun: no later log is missed */
    bool answer_due;   /* of the server: the stream, or a keepalive */
    uint64_t received; /* the end of the log that was sent to the relay */
    uint64_t begun_ns, ping_ns, received_ns;

    /* the policy */
    uint64_t end;        /* of the log on the server's disk, as the last claim saw it; 0: unknown */
    uint64_t grew_ns;    /* when it was last seen to grow */
    bool sleeping;       /* the host may sleep: wake it */
    bool useless;        /* the last wake-up came soon after the sleep began, and has brought no rows so far */
    uint64_t slept_ns;   /* when the host went to sleep last, or the stream began; */
    unsigned messages;   /* and how many messages have come since */
    uint64_t asleep_ns;  /* start of the present sleep, if no wake-up came since; 0: not asleep */
    unsigned doublings;  /* doublings of the quiet time */
    uint64_t doubled_ns; /* when that changed */
    uint64_t pause_ns, retry_ns;
    void (*tried)(void *arg, const struct outbox_error *error); /* only a trial stream, for check */
    void *tried_arg;
};

struct sql_wakeup;
struct sql_store;
extern const struct sql_wakeup pg_wal_wakeup;

/* wal.c, for the store */
uint64_t pg_wal_position(const char *text); /* "16/B374D848"; 0: not a position */
/* Try a stream at `end`: then() is called once, with code 0 if the stream works. */
void pg_wal_try(struct pg_store *store, uint64_t end, void (*then)(void *arg, const struct outbox_error *error),
                void *arg);
void pg_wal_close(struct sql_store *sql, const struct outbox_error *why);

/* wal_stream.c */
void pg_wal_begin(struct pg_store *store, const struct pg_wal_events *events); /* from `end` on */
void pg_wal_end(struct pg_wal *wal);                                           /* calls nothing back */
void pg_wal_keep_alive(struct pg_store *store);

#endif

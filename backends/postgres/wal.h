/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/wal.h - the doorbell that is the server's own log (WAL), of which an idle relay is sent a copy
 *
 * wal.c decides when, wal_stream.c is the third connection, to the same server as the other two. All on the loop
 * thread.
 */
#ifndef OBX_BACKENDS_POSTGRES_WAL_H
#define OBX_BACKENDS_POSTGRES_WAL_H

#include "conn.h"

struct pg_store;

enum pg_wal_told { PG_WAL_NEW = 0, PG_WAL_HEARS, PG_WAL_DEAF };

struct pg_wal {
    /* the stream */
    struct pg_conn conn;
    bool hears;        /* it has begun: nothing that is logged from here on is missed */
    bool asked;        /* for a word of the server: the stream, or whether it is there */
    uint64_t received; /* the end of what was sent to us */
    uint64_t begun_ns, asked_ns, came_ns;

    /* when there is one */
    uint64_t end;        /* of the log on the server's disk, as the last claim saw it; 0: none did */
    uint64_t grew_ns;    /* when it was last seen to grow */
    bool dozing;         /* the host was told that it may sleep: ring */
    bool in_vain;        /* the last ring came soon, and has brought no rows so far */
    uint64_t parked_ns;  /* when the host was parked last, or the stream began, */
    unsigned unparked;   /* and how often the log was heard since */
    uint64_t since_ns;   /* since when it is, without a ring; 0: it is not */
    unsigned doublings;  /* of the quiet that is asked for */
    uint64_t doubled_ns; /* when that changed */
    uint64_t pause_ns, retry_ns;
    enum pg_wal_told told;                                      /* to the log */
    void (*tried)(void *arg, const struct outbox_error *error); /* it is only tried, for check */
    void *tried_arg;
};

/* wal.c, for the store */
void pg_wal_claim(struct pg_store *store, const struct outbox_claim *claim); /* one begins */
void pg_wal_saw(struct pg_store *store, const char *end);                    /* where the log ends, in its result */
/* And it ends. Is the host parked now? */
bool pg_wal_parks(struct pg_store *store, const struct outbox_claim *claim, bool gave_rows);
/* Begin a stream at `end` only to see whether it works: then() is called once, with code 0 if it does. */
void pg_wal_try(struct pg_store *store, const char *end, void (*then)(void *arg, const struct outbox_error *error),
                void *arg);
void pg_wal_close(struct pg_store *store, const struct outbox_error *why);

/* wal.c, for the stream. Each may end it. */
void pg_wal_hears(struct pg_store *store);
void pg_wal_grew(struct pg_store *store);
void pg_wal_broke(struct pg_store *store, const struct outbox_error *why); /* it has ended */

/* wal_stream.c */
void pg_wal_begin(struct pg_store *store); /* from `end` on */
void pg_wal_end(struct pg_wal *wal);       /* nothing is told */
void pg_wal_look_after(struct pg_store *store);

#endif

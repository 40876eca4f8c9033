/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/store.h - a part of plugin.h, which includes it: rows, the functions of a store, and their arguments
 *
 * The contract at the beginning of plugin.h applies.
 *
 * STORES THAT READ A LOG (OUTBOX_CAP_LOG, and OUTBOX_ACQUIRED_LOG with the ownership). Claims return committed events
 * from the log of the server, in its order, from a stored position on. An event that cannot go now must not hold the
 * log: the host has it copied to the spool, a table of the store. At every moment, also after a crash:
 *
 *     positions of copies in the spool  <=  stored position  <  positions that a rewind returns from the log
 *
 *  - `low` of a settle and of a spool() is a position that the store may store: all events up to it are settled,
 *    spooled or dead letters. The store passes the events directly after it, too, that are settled: by this settle, or
 *    before, as it remembers (below); from the stored position on, if low is zero. A low at or before the stored
 *    position changes nothing. low of a spool() is at or after its last row. The copies are committed with the position
 *    or before it; a store that commits them before it drops, after a crash, the events of the log that have a copy.
 *    A settle and a spool() are never in flight together.
 *  - spool() copies whole rows, also columns that no claim requested, under their positions; at most 4 MiB of the
 *    values that were claimed, unless one row has more. Then they are rows like any other: claims by position, settle()
 *    and dead_letter() reach them; the host names no others there. In a settle, rows at or before the stored position
 *    are in the spool, later ones are of the log.
 *  - OUTBOX_CLAIM_REWIND: first all rows of the spool, in batches with OUTBOX_BATCH_SPOOLED, then the log after the
 *    stored position. So order within a key holds. Rows that others put into that table may come at any later claim.
 *    The store remembers what this instance settled after the stored position, and does not return it again while the
 *    ownership is the same (OUTBOX_ACQUIRED_SAME). After a restart it may come again.
 *  - A settle without spans comes every 5 s. When nothing is unsettled (low is the last position that a claim returned;
 *    or zero, and the log returned nothing since the rewind) the store may store the end of what it has read. So a log
 *    without events of this outbox is not kept.
 *  - The end of the log: OUTBOX_CLAIMED_BEHIND. Its limit: log_percent, OUTBOX_CLAIMED_RELIEVE.
 *  - A position that the log no longer has: a claim ends with OUTBOX_E_SCHEMA, and names what is lost and what to do.
 *    The host halts the relay. A log store never skips. When people let the relay go on, a claim with REWIND follows.
 */
#ifndef OUTBOX_STORE_H
#define OUTBOX_STORE_H

#include <outbox/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

enum outbox_type {
    OUTBOX_NULL = 0,
    OUTBOX_TEXT,  /* data, size: UTF-8 as the database returned it */
    OUTBOX_BYTES, /* data, size */
    OUTBOX_INT,   /* integer */
    OUTBOX_FLOAT, /* real; size OUTBOX_FLOAT_SINGLE: it was a float, else 0. As text: the shortest digits that read back
                   */
    OUTBOX_BOOL,  /* integer, 0 or 1 */
    OUTBOX_UUID,  /* data: 16 bytes in network order, size 16 */
    OUTBOX_TIME   /* integer: microseconds since 1970-01-01 UTC */
};

#define OUTBOX_FLOAT_SINGLE 4u

struct outbox_value {
    union {
        const void *data;
        int64_t integer;
        double real;
    } as;
    uint32_t size;
    uint32_t type; /* enum outbox_type */
};

/* A column that the routes need. name is the logical name (event_id, aggregatetype, aggregateid, type, payload,
 * headers, created_at); any other column has its own name. */
#define OUTBOX_COLUMN_OPTIONAL 1u /* the table may lack it: its values are null */
struct outbox_column {
    const char *name;
    uint32_t flags;
};

/*
 * The rows of one claim, in position order. The store owns them; the host borrows them until it calls release(), which
 * may be after stop() and after another start(). Values point into the result of the client library; nothing is copied.
 */
struct outbox_batch {
    uint32_t struct_size;
    uint32_t rows;
    uint32_t columns;                        /* as many as the store was started with */
    uint32_t flags;                          /* OUTBOX_BATCH_* */
    const struct outbox_position *positions; /* one for each row, strictly ascending */
    const struct outbox_value *values;       /* rows x columns, row by row */
    uint64_t bytes;                          /* memory that this batch keeps alive */
    struct outbox_position floor; /* no row that was not returned yet has a smaller position; zero: unknown */
    /* NULL, or for each row: NULL, or why values of it cannot be read. Those are null; the host rejects the row. */
    const char *const *unreadable;
};
#define OUTBOX_BATCH_MORE 1u    /* a limit was reached: there are probably more rows to claim */
#define OUTBOX_BATCH_SPOOLED 2u /* OUTBOX_CAP_LOG: the rows are of the spool; a batch has rows of one place only */

struct outbox_store_start {
    uint32_t struct_size;
    uint32_t column_count;
    const struct outbox_column *columns; /* the columns that claims return, in this order */
};

struct outbox_acquire {
    uint32_t struct_size;
    uint32_t lease_ms; /* milliseconds; a standby may take over from an owner that has not renewed for so long */
    /* out */
    uint32_t flags; /* OUTBOX_ACQUIRED_* */
    char owner[96]; /* with OUTBOX_E_STANDBY: the owner, for people; "": unknown */
    uint64_t epoch; /* raised by each acquire by another session, durable in the database; 0: unknown */
    /* Identifies the outbox: server or file, and table. Another text, another outbox. It changes whenever positions may
     * mean other rows: another server, a restored backup, a table made anew. What a store cannot see: a counter of ids
     * that was set back, a server that lost its last commits, a copy of all its files. So who keeps positions also
     * keeps the epoch, which is then not higher than before, and compares event ids. "": unknown */
    char identity[96];
    int64_t since_us; /* when the ownership began, of the owner in any case; microseconds since 1970; 0: unknown */
};
#define OUTBOX_ACQUIRED_SAME                                                                     \
    1u /* the same database as before, and no committed data was lost since: rows claimed before \
          the loss of the connection may still be settled by their positions */
#define OUTBOX_ACQUIRED_LOG \
    2u /* this instance reads a log, as at the head of this file; without it a store with OUTBOX_CAP_LOG is a table */

struct outbox_claim {
    uint32_t struct_size;
    uint32_t flags; /* OUTBOX_CLAIM_* */
    uint32_t max_rows;
    uint64_t max_bytes;                      /* soft limit; a larger single row is returned alone */
    const struct outbox_position *positions; /* not NULL: only these rows, ascending, if they are still there */
    uint32_t position_count;
    /* out */
    struct outbox_batch *batch; /* NULL: no rows. The host calls release() once for each */
    uint32_t result;            /* OUTBOX_CLAIMED_* */
    uint64_t unusable;          /* rows that no claim returns, for an id that is no position; 0: none are known */
    /* OUTBOX_CAP_LOG, out, with every claim that succeeds: bytes of log kept for this outbox; and what part of that
     * which may be kept, by bytes or by age, whichever is more. The host warns from 50 % on. 0: unknown */
    uint64_t log_bytes;
    uint32_t log_percent;
    /* OUTBOX_CAP_AHEAD, out, with OUTBOX_CLAIM_MEASURE: about how many rows no claim has returned yet, by their ids. It
     * must cost the database as little as reading two rows. */
    uint64_t ahead;
};
#define OUTBOX_CLAIM_REWIND 1u /* begin with the first row of the outbox */
#define OUTBOX_CLAIM_ARM_WAKEUP                                                                       \
    2u /* if this claim returns nothing, the host sleeps until a wake-up: arm the wake-up, then read; \
          a store that cannot arm it clears this flag in `flags` */
/* Return no rows (max_rows is 0), and the results: with OUTBOX_CAP_LOG as below, once a second while the host has no
 * room for rows; with OUTBOX_CAP_AHEAD `ahead`, every 10 s while rows are left in the outbox. */
#define OUTBOX_CLAIM_MEASURE 4u
/* OUTBOX_CAP_LOG: no rows of the spool, also if a rewind has not returned all of them: the next rewind does. */
#define OUTBOX_CLAIM_LOG_ONLY 8u

/* OUTBOX_CAP_LOG: too much log is kept. Set from 75 % of what may be kept until less than 70 % is. Until it is clear
 * the host spools everything that is not settled, and what claims return then; it rewinds afterwards. */
#define OUTBOX_CLAIMED_RELIEVE 1u
/* OUTBOX_CAP_LOG, with no rows: the store has not yet read to where the log ended when the last rewind was claimed, or
 * later. Without it, a claim without rows means that every event that was committed before that was returned. */
#define OUTBOX_CLAIMED_BEHIND 2u

/* Rows first .. first + count - 1 of a batch. */
struct outbox_span {
    const struct outbox_batch *batch;
    uint32_t first;
    uint32_t count;
};
/* Published rows that the database refuses to remove, each by itself: a trigger or a constraint. The store has removed
 * the others, does not claim these again, and tries to remove them from time to time. */
struct outbox_refused {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t rows;    /* that are in the table now, of all settles of this ownership; 0: none */
    char reason[200]; /* names one of them, and why; "": there is none */
    uint64_t locked;  /* rows that another session has locked: not removed yet, and not in `rows` unless that lasts */
    /* Of a settle: all rows that `rows` and `locked` count, ascending; the store's, until its next settle. Fewer: the
     * store does not know them, and a relay with delivery: exactly-once remembers what it settles until the next start.
     */
    const struct outbox_position *positions;
    uint32_t position_count;
    uint32_t reserved2;
};
struct outbox_settle {
    uint32_t struct_size;
    uint32_t span_count;
    const struct outbox_span *spans; /* ascending by position; rows not listed must stay in the table */
    struct outbox_refused *refused;  /* out: filled if the settle succeeds; NULL: a refused row is an AGAIN */
    struct outbox_position low; /* OUTBOX_CAP_LOG: with this settle all events up to it are settled, spooled or dead
                                   letters; it never goes back in an ownership; zero: nothing is known */
};

struct outbox_dead_row {
    struct outbox_position position;
    uint32_t attempts;
    struct outbox_bytes topic;
    struct outbox_bytes key;
    const char *reason;
};
struct outbox_dead_letter_rows {
    uint32_t struct_size;
    uint32_t count;
    const struct outbox_dead_row *rows; /* each is inserted into the dead-letter table and removed here, or neither */
    uint8_t *kept; /* out, zeros at first: not 0 for each row that could not be moved, though others were, if the
                      operation succeeds. NULL: one such row makes it an AGAIN, after the others were moved */
    struct outbox_refused *refused; /* out: their number, and why; not NULL with `kept` */
};

/* OUTBOX_CAP_LOG: claimed rows of the log to copy to the spool, committed with the position `low` or before it. Some
 * may be in flight to the broker. A row that is there already stays as it is. */
struct outbox_spool {
    uint32_t struct_size;
    uint32_t span_count;
    const struct outbox_span *spans; /* ascending by position */
    struct outbox_position low;      /* as in a settle, with these rows spooled; at or after the last of them */
    uint64_t *refused; /* out: rows that the spool refuses, each by itself: dead letters now, and logged; or NULL */
};

struct outbox_add {
    uint32_t struct_size;
    uint32_t count;
    const struct outbox_event *const *events; /* added in one transaction */
};

struct outbox_store_status {
    uint32_t struct_size;
    /* out; -1: unknown */
    int64_t pending;   /* committed rows in the outbox */
    int64_t oldest_us; /* created_at of the first of them, microseconds since 1970 */
    int64_t dead;      /* rows in the dead-letter table */
    char owner[96];    /* the relay that owns the outbox; "": none or unknown */
    char server[96];   /* name and version of the database */
    int64_t log_bytes; /* OUTBOX_CAP_LOG: kept for this outbox; and how much may be kept */
    int64_t log_limit;
    char identity[160];     /* which table it is, on which server: equal for all names that reach it; "": unknown */
    int64_t owner_since_us; /* when the ownership began, microseconds since 1970 */
};

enum outbox_dead_action {
    OUTBOX_DEAD_LIST = 0,
    OUTBOX_DEAD_SHOW,
    OUTBOX_DEAD_REPLAY,
    OUTBOX_DEAD_DROP,
    OUTBOX_DEAD_KEYS
};
/* One dead letter, for list and show. Borrowed during the call. */
struct outbox_dead_letter {
    uint32_t struct_size;
    uint64_t number; /* identifies it for show, replay and drop */
    struct outbox_event event;
    struct outbox_bytes topic;
    struct outbox_bytes key;
    struct outbox_bytes reason;
    int64_t attempts;
    int64_t died_us;
};
struct outbox_dead {
    uint32_t struct_size;
    uint32_t action;         /* enum outbox_dead_action; KEYS: each distinct topic and key */
    const uint64_t *numbers; /* of the dead letters; count 0: all */
    uint32_t count;
    uint32_t limit;                                                  /* of list; 0: no limit */
    void (*row)(void *arg, const struct outbox_dead_letter *letter); /* for list, show and keys */
    void *arg;
    /* out */
    uint64_t affected;
    /* OUTBOX_CAP_DEAD_SET, of replay: this column of the outbox gets this text, in place of the letter's value. A
     * column that is not there or is generated is an error (NOT_FOUND), and nothing is replayed. NULL: none */
    const char *set_column; /* its logical name, or its own */
    const char *set_text;
};

/* One outbox of a survey. */
struct outbox_surveyed {
    uint32_t flags;    /* OUTBOX_SURVEY_WISH or 0 */
    uint32_t lease_ms; /* as in an acquire */
    const void
        *store; /* which outbox: `self` of a store of the same plugin, not necessarily started, whose options that
                   identify it are equal, but for `table` and `database`; borrowed until the survey completes */
    /* out */
    uint32_t result;  /* OUTBOX_SURVEYED_* */
    uint32_t since_s; /* when that ownership began, seconds since 1970 by the server's clock; 0: unknown */
    uint64_t owner_session, wisher_session; /* as their server numbers sessions; 0: unknown */
    char owner[96]; /* "RELAY on HOST, process PID", perhaps with more at the end; "": nobody, or unknown */
    char wisher[96];
};
/* This session holds the wish for the outbox from now on, unless another session does. Without the flag it gives its
 * wish up. A wish is part of the session, as the ownership is, and changes nothing for the owner. A session that holds
 * a wish and was silent for the lease may be ended by others. */
#define OUTBOX_SURVEY_WISH 1u
#define OUTBOX_SURVEYED_OWNED 1u  /* a session owns it */
#define OUTBOX_SURVEYED_SILENT 2u /* and was silent for the lease: an acquire may end that session */
#define OUTBOX_SURVEYED_WISHED 4u /* a session holds the wish; */
#define OUTBOX_SURVEYED_OURS 8u   /* this one does */
struct outbox_survey {
    uint32_t struct_size;
    uint32_t count;
    struct outbox_surveyed *outboxes;
};

/* Of the outbox; or of the inbox, which is for consumers: only with OUTBOX_CAP_INBOX. */
enum outbox_print { OUTBOX_PRINT_SQL = 0, OUTBOX_PRINT_GRANTS, OUTBOX_PRINT_INBOX_SQL, OUTBOX_PRINT_INBOX_GRANTS };

struct outbox_store_ops {
    uint32_t struct_size;

    /* Check the options beyond the table's checks. No I/O. fini() follows also after a failure. */
    int (*init)(void *self, const struct outbox_init *init, struct outbox_error *error);
    void (*fini)(void *self); /* nothing is in flight; must not block */

    /* Connect, and check that the table has what the relay needs. Without columns only administration follows: the
     * table need not exist. */
    void (*start)(void *self, outbox_op_t op, const struct outbox_store_start *start);
    void (*stop)(void *self, outbox_op_t op);   /* releases the ownership */
    void (*cancel)(void *self, outbox_op_t op); /* optional */

    /* Become the owner, without waiting: OUTBOX_E_STANDBY when another relay is the owner; the host tries again. The
     * ownership must be part of the session that settles, so that a former owner cannot settle. */
    void (*acquire)(void *self, outbox_op_t op, struct outbox_acquire *acquire);
    /* Optional: renew the lease; called four times in a lease. OUTBOX_E_FENCED: no longer the owner. */
    void (*renew)(void *self, outbox_op_t op);

    /* Return rows that were not returned yet, in position order, without waiting for rows. One claim at a time. */
    void (*claim)(void *self, outbox_op_t op, struct outbox_claim *claim);
    void (*release)(void *self, struct outbox_batch *batch); /* the host needs its rows no more */

    /* Remove rows durably. Succeeds also for rows that do not exist. Batches are not released before it completes. One
     * settle at a time, concurrent with claims. OUTBOX_E_FENCED: no longer the owner, and nothing was removed. */
    void (*settle)(void *self, outbox_op_t op, const struct outbox_settle *settle);
    void (*dead_letter)(void *self, outbox_op_t op,
                        const struct outbox_dead_letter_rows *rows); /* OUTBOX_CAP_DEAD_LETTERS */

    /* Administration; on a started store that is not the owner. */
    void (*setup)(void *self, outbox_op_t op); /* create or migrate the tables */
    int (*print)(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
                 struct outbox_error *error); /* the statements of setup, or the minimal grants; no I/O */
    void (*check)(void *self, outbox_op_t op, const struct outbox_check *check);
    void (*status)(void *self, outbox_op_t op, struct outbox_store_status *status);
    void (*add)(void *self, outbox_op_t op, const struct outbox_add *add);
    void (*dead)(void *self, outbox_op_t op, struct outbox_dead *dead); /* OUTBOX_CAP_DEAD_LETTERS */
    /* Create the inbox of consumers, which needs no outbox in the same database; may be repeated. OUTBOX_CAP_INBOX */
    void (*setup_inbox)(void *self, outbox_op_t op);

    /* OUTBOX_CAP_LOG: copy rows to the spool durably. One at a time, concurrent with claims and with dead_letter().
     * Their batches are not released before it completes. OUTBOX_E_FENCED: no longer the owner, and nothing was copied.
     */
    void (*spool)(void *self, outbox_op_t op, const struct outbox_spool *spool);

    /* Optional: who owns each of these outboxes, and who wishes to; for processes that share outboxes evenly. On a
     * store that was started without columns, and is not the owner. One at a time. An outbox that cannot be read counts
     * as not owned: its own relay finds the reason. */
    void (*survey)(void *self, outbox_op_t op, struct outbox_survey *survey);
};

#ifdef __cplusplus
}
#endif
#endif

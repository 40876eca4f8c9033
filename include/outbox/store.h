/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/store.h - a part of plugin.h, which includes it: the functions of a store, and their arguments
 *
 * The contract at the beginning of plugin.h applies.
 */
#ifndef OUTBOX_STORE_H
#define OUTBOX_STORE_H

#include <outbox/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

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
};
#define OUTBOX_ACQUIRED_SAME                                                                     \
    1u /* the same database as before, and no committed data was lost since: rows claimed before \
          the loss of the connection may still be settled by their positions */

struct outbox_claim {
    uint32_t struct_size;
    uint32_t flags; /* OUTBOX_CLAIM_* */
    uint32_t max_rows;
    uint64_t max_bytes;                      /* soft limit; a larger single row is returned alone */
    const struct outbox_position *positions; /* not NULL: only these rows, ascending, if they are still there */
    uint32_t position_count;
    /* out */
    struct outbox_batch *batch; /* NULL: no rows. The host calls release() once for each */
};
#define OUTBOX_CLAIM_REWIND 1u /* begin with the first row of the outbox */
#define OUTBOX_CLAIM_ARM_WAKEUP                                                                       \
    2u /* if this claim returns nothing, the host sleeps until a wake-up: arm the wake-up, then read; \
          a store that cannot arm it clears this flag in `flags` */

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
    char reason[200]; /* names one of them, and why */
};
struct outbox_settle {
    uint32_t struct_size;
    uint32_t span_count;
    const struct outbox_span *spans; /* ascending by position; rows not listed must stay in the table */
    struct outbox_refused *refused;  /* out: filled if the settle succeeds; NULL: a refused row is an AGAIN */
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
    const struct outbox_dead_row *rows; /* moved, in one transaction, from the outbox to the dead-letter table */
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
};

#ifdef __cplusplus
}
#endif
#endif

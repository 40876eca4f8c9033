/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/driver.h - the functions that a server's store adds to the skeleton
 *
 * The skeleton holds the life cycle, the start, ownership, claims, settles, dead letters and the verbs. A server brings
 * its connections, its SQL, and the reading of its results. Functions run on the loop thread and must not block.
 * `request->arg` is the operation (struct sql_op) or, where a line has "of the store", the store.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_DRIVER_H
#define OBX_BACKENDS_SQL_SERVER_DRIVER_H

#include "sql/gaps/batches.h"
#include "sql/gaps/gaps.h"
#include "sql/server/lane.h"

struct sql_column;
struct sql_op;
struct sql_reading;
struct sql_table_name;

/* One step of a start, on a fresh connection. The table ends with what == NULL. */
enum sql_lane_role { SQL_OWNER, SQL_READER };
struct sql_step {
    const char *what;
    enum sql_lane_role lane;                  /* the reader is connected before the first step that needs it */
    bool relaying;                            /* skipped when the start is for administration */
    bool (*put)(struct sql_request *request); /* of the store; NULL: text */
    const char *text;
    void (*result)(struct sql_request *request, void *result); /* of the store; NULL: results are dropped */
    /* Sets error->code to fail the start, or clears it to go on. Called also when the request failed. May be NULL. */
    void (*validate)(struct sql_store *store, struct outbox_error *error);
};

/* One query of a verb. The table ends with what == NULL. */
struct sql_probe {
    const char *what;
    bool (*put)(struct sql_request *request); /* NULL: text */
    const char *text;
    void (*report)(struct sql_op *op); /* op->result; may be NULL */
    /* The server refused. True: the verb goes on. NULL: it fails. */
    bool (*refused)(struct sql_op *op, const struct outbox_error *error);
    unsigned columns; /* of the result that report() reads; another number fails the verb. 0: it looks itself */
};

/* A source of wake-up notifications. */
struct sql_wakeup {
    void (*before)(struct sql_store *store, const struct outbox_claim *claim); /* a claim begins */
    /* The claim has succeeded. Returns whether the host may sleep until it is notified. */
    bool (*after)(struct sql_store *store, const struct outbox_claim *claim, const struct sql_reading *reading);
    void (*stop)(struct sql_store *store); /* NULL: there is nothing to be stopped */
};

/* How values of a type are encoded, and whether their size counts toward a claim's bytes. */
struct sql_column_type {
    const char *base;     /* the server's name for the type, or the whole type */
    int encoding;         /* not 0, which means that the table has no such column */
    bool counts;          /* may be large */
    const char *only_for; /* this logical column; NULL: all */
};

/* A row of a result that a verb reads; not used for events. */
struct sql_row {
    void *result; /* set by the caller; all other fields are the server's, initially zero */
    int index;
    char **values;
    const unsigned long *sizes;
    unsigned columns;
};

/* How a statement that removes rows treats those that another session has locked. */
enum sql_locked_mode {
    SQL_LOCKED_WAIT = 0, /* waits for the lock, up to the time that a server allows */
    SQL_LOCKED_SKIP,     /* leaves out what is locked, or may be */
    SQL_LOCKED_HURRY     /* waits for a moment only: of one row */
};

struct sql_driver {
    const char *name; /* of failpoints */

    /* texts that differ */
    const char *schema, *SCHEMA;  /* what the server calls a schema */
    const char *id_type, *add_id; /* what an id must be, and the type of a column to add */
    const char *stray_causes, *duplicate_advice;
    const char *id_base;    /* of sql_column_type: the type that an id must have */
    int64_t before_first;   /* below every id that a table may hold */
    uint64_t cold_after_ns; /* of gaps: see sql/gaps/gaps.h */

    /* connections */
    bool (*is_open)(const struct sql_lane *lane);
    int (*open)(struct sql_store *store, struct sql_lane *lane, struct outbox_error *error); /* store->candidate */
    void (*close)(struct sql_lane *lane, const struct outbox_error *why);
    void (*submit)(struct sql_lane *lane, struct sql_request *request);
    void (*resolve)(struct sql_store *store); /* begins to resolve addresses; ends with sql_start_resolved() */
    uint32_t (*candidates)(const struct sql_store *store);
    bool (*is_busy)(const struct sql_store *store); /* workers or threads have not ended: call store->when_idle() at
                                                     * their end */
    void (*close_others)(struct sql_store *store,
                         const struct outbox_error *why); /* connections other than the lanes */
    void (*begin_session)(struct sql_store *store);       /* the owner's lane is connected */
    /* After a start: the server, its address, database and user, for people. */
    void (*describe)(const struct sql_store *store, char *text, size_t size);
    const struct sql_step *steps;

    /* A statement that is the same for every server: sends or appends it, and frees the text. False: it could not. */
    bool (*put_text)(struct sql_request *request, struct obx_sql_text *text);

    /* results */
    void (*free_result)(void *result);            /* NULL is fine */
    unsigned (*column_count)(const void *result); /* NULL: 0 */
    bool (*next_row)(struct sql_row *row);
    struct outbox_bytes (*cell)(const struct sql_row *row, unsigned column); /* as text; data NULL: null */
    int64_t (*number)(const struct sql_row *row, unsigned column, int64_t default_value);
    bool (*read_ids)(struct sql_store *store, void *result, uint32_t *count); /* the first column, to store->ids */
    const struct sql_column_type *types;                                      /* ends with base == NULL */
    int default_encoding; /* of all other types, whose values are sent as text */
    const char *as_text;  /* appended to a column of those types; NULL: nothing */

    /* claims */
    bool (*inspection_due)(const struct sql_store *store); /* inspects the writers, before the claim */
    void (*inspect_writers)(struct sql_op *op, void (*then)(struct sql_op *op));
    bool (*put_claim)(struct sql_request *request);
    int (*read_claim)(struct sql_op *op, struct sql_reading *reading, struct outbox_error *error);
    /* Adapts the next claims to the sizes that this one met. */
    void (*learn)(struct sql_op *op, const struct sql_reading *reading);
    uint64_t (*fill)(const struct sql_store *store, struct obx_sql_batch *batch, const struct sql_reading *reading);
    void (*after_claim)(struct sql_store *store); /* may be NULL */
    void (*rewind)(struct sql_store *store);      /* may be NULL */

    /* settles, dead letters */
    bool (*put_settle)(struct sql_request *request);                   /* op->ranges; of none it only fences */
    void (*removal_result)(struct sql_request *request, void *result); /* adds to op->removed */
    /* Both statements above follow op->removal.mode. */
    enum sql_locked_mode retry_mode;                        /* for rows that were locked */
    bool (*is_lock_wait)(const struct outbox_error *error); /* it has waited for a lock of another session in vain */
    /* The settle failed. True: the same chunk is sent again, with a proof of ownership that costs more. May be NULL. */
    bool (*send_again)(const struct sql_request *request, const struct outbox_error *error);
    /* A SELECT of the ids of these ranges that are in the table, ascending. */
    bool (*put_remaining)(struct sql_request *request, const struct obx_sql_range *ranges, uint32_t count);
    bool (*is_fenced)(const struct sql_request *request, struct outbox_error *error); /* another owns it; may be NULL */
    uint32_t settle_ranges;                                                           /* of one transaction, at most */
    uint64_t settle_bytes;
    bool (*put_dead_letters)(struct sql_request *request);
    unsigned dead_letter_effects; /* rows that the server counts for one moved row */
    void (*replay)(struct sql_op *op);
    /* Expressions: the columns of a letter after its key, see sql/dead.h; a column without a logical name as a JSON
     * value, and its value extracted from the letter's `rest`. */
    void (*append_letter)(const struct sql_store *store, struct obx_sql_text *sql);
    void (*append_json_value)(struct obx_sql_text *sql, const struct sql_column *column);
    void (*append_kept_value)(const struct sql_store *store, struct obx_sql_text *sql, const struct sql_column *column);
    const char *object_begin;    /* of an expression: names and values that become one value of JSON */
    const char *object_end;      /* a format; %n is the id column */
    const char *insert_as_given; /* after the columns of an INSERT: takes values of identity columns as they are */
    /* "number > 1 AND number IN (2, 3)", in SQL that is safe with every search path. */
    const char *greater, *begin_number_list, *end_number_list;

    /* ownership */
    void (*acquire)(struct sql_op *op); /* ends with sql_become_owner(), sql_stand_by() or a failure */
    /* Is this the database that was owned last, with no commit lost since? Records the database that is owned now. */
    bool (*same_database)(struct sql_store *store);
    /* A small statement that shows that the owner is alive, and checks that the table is the owned one. */
    bool (*put_renew)(struct sql_request *request);
    void (*renew_result)(struct sql_request *request, void *result); /* may be NULL */
    bool (*put_release)(struct sql_request *request);                /* of the store */
    void (*survey)(struct sql_op *op); /* op->out: struct outbox_survey, with empty results */

    /* verbs */
    bool (*statement)(const struct sql_store *store, struct obx_sql_text *sql,
                      int index); /* of setup; false: no more */
    void (*put_grants)(const struct sql_store *store, struct obx_sql_text *sql);
    bool (*put_setup)(struct sql_request *request);
    bool (*setup_goes_on)(struct sql_op *op); /* to another transaction; NULL: there is one */
    /* SELECT how many of the tables are missing; SELECT the name of a table whose name differs in case and underscores
     * only from the outbox's, which does not exist. */
    void (*append_missing)(const struct sql_store *store, struct obx_sql_text *sql);
    void (*append_alike)(const struct sql_store *store, struct obx_sql_text *sql);
    void (*setup_result)(struct sql_request *request, void *result);
    bool (*put_inbox)(struct sql_request *request);
    bool (*put_add)(struct sql_request *request);
    const struct sql_probe *status_probes;
    void (*append_estimate)(const struct sql_store *store, struct obx_sql_text *sql); /* of the outbox's rows */
    void (*append_owner)(const struct sql_store *store, struct obx_sql_text *sql);    /* who holds the lock */
    const char *epoch_us;                                 /* a format: of a column of time, microseconds since 1970 */
    const struct sql_probe *server_probes, *table_probes; /* of check */
    const struct sql_probe *row_probes;                   /* of check with OUTBOX_CHECK_ROWS */
    /* The columns of a table, in the form of sql_columns_read(). */
    bool (*put_columns)(struct sql_request *request, const struct sql_table_name *table);
    /* Of check: a transaction that removes the rows of sql_append_trial_rows() and ends without effect; and what its
     * end shows: why rows stay, NULL if they go or nothing is known. The text may be in `error`. */
    bool (*put_removal_trial)(struct sql_request *request);
    const char *(*removal_refusal)(const struct outbox_error *error);
    const char *(*place_of)(const struct sql_store *store); /* where an outbox was looked for: a database */
    void (*check_end)(struct sql_op *op);                   /* may be NULL; ends the operation */

    /* Which lock does the lane `request->arg` wait for, and who holds it? One row with one text, or none. NULL ends. */
    bool (*const *lock_questions)(struct sql_request *request);

    const struct sql_wakeup *const *wakeups; /* by the option's value; NULL: none */
    enum obx_sql_dialect dialect;
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/store.h - the SQLite store: its state, its threads, and what its files share
 *
 * THREADS. SQLite blocks, so every call of it is made on a worker. An op becomes a job; a job runs in one of four
 * lanes, each of which has a connection of its own and runs one job at a time: claims in READ, what must own the
 * outbox in WRITE, administration in ADMIN, and in LOG, for no op, the checkpoints that need not be waited for. So a
 * claim, a settle, a checkpoint and a status overlap, and no connection is ever used by two threads. Jobs that open or
 * close connections (start, stop, setup) are ALONE: they wait until the lanes are empty, and hold up the others.
 *
 * A job's run() is called on a worker and may use its lane's connection and the job; a job's finish() is called on
 * the loop thread, where the rest of the state lives. What a worker reads of that state changes only while no job of
 * its lane is running. Functions that are shared between the files of this folder begin with lite_.
 */
#ifndef OBX_BACKENDS_SQLITE_STORE_H
#define OBX_BACKENDS_SQLITE_STORE_H

#include <stdatomic.h>
#include <sys/types.h>

#include <sqlite3.h>

#include <outbox/failpoint.h>

#include "error.h"
#include "insert.h"
#include "sql/gaps/id_ranges.h"

/* The columns that have a meaning. The `columns` option gives them other names in the table. */
enum lite_name {
    NAME_ID,
    NAME_EVENT_ID,
    NAME_AGGREGATE_TYPE,
    NAME_AGGREGATE_ID,
    NAME_TYPE,
    NAME_PAYLOAD,
    NAME_HEADERS,
    NAME_CREATED_AT,
    NAME_COUNT
};
extern const char *const lite_names[NAME_COUNT];

struct lite_store;
struct lite_job;
struct lite_batch;
struct lite_finding;
struct lite_letter;

/* In the order in which connections are closed: the last one checkpoints, and that of LOG may have failed to flush. */
enum lite_lane_name { LANE_READ, LANE_LOG, LANE_WRITE, LANE_ADMIN, LANE_COUNT, LANE_ALONE = LANE_COUNT };

enum lite_statement {
    STATEMENT_NEXT,  /* READ: rows with ids from ?1 to ?2 */
    STATEMENT_EXACT, /* READ: the row with id ?1 */
    STATEMENT_BEGIN, /* WRITE, like the ones that follow */
    STATEMENT_COMMIT,
    STATEMENT_EPOCH,
    STATEMENT_DELETE_RANGE,
    STATEMENT_WARM,
    STATEMENT_BURY,
    STATEMENT_COUNT
};

struct lite_conn {
    sqlite3 *db;
    struct lite_store *store;
    struct lite_job *job; /* the one that runs; for the busy and the progress handler */
    uint64_t busy_until;  /* when the handler gives up */
    uint64_t patience_ms; /* how long it waits for others' locks */
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

struct lite_lane {
    struct lite_conn conn;
    struct lite_job *first, *last; /* waiting */
    struct lite_job *running;
};

/* Lives in the scratch memory of its op, which the host has zeroed. */
struct lite_job {
    struct outbox_work work;
    struct lite_store *store;
    struct lite_job *next;
    outbox_op_t op; /* 0: a job for no op; it lives in the store */
    enum lite_lane_name lane;
    void (*run)(struct lite_job *job, struct lite_conn *conn); /* worker; conn is NULL in LANE_ALONE */
    void (*finish)(struct lite_job *job);                      /* loop thread, before the op completes; may be NULL */
    atomic_bool canceled;
    bool again; /* finish() wants run() once more before the op completes */
    struct outbox_error error;

    union {
        const struct outbox_store_start *start;
        struct {
            struct outbox_acquire *args;
            uint32_t flags;
            int64_t highest;
            char owner[96];
        } acquire;
        struct {
            struct outbox_claim *args;
            struct lite_batch *batch;
            struct obx_sql_ranges sweep; /* a copy, owned; NULL: no sweep this time */
            int64_t from;                /* the last id that was given */
            bool more;
        } claim;
        const struct outbox_settle *settle;
        const struct outbox_dead_letter_rows *park;
        struct {
            const struct outbox_check *args;
            struct lite_finding *findings; /* owned */
            uint32_t count;
        } check;
        struct {
            struct outbox_store_status *args;
            int64_t pending, oldest_us, dead;
            char owner[96];
        } status;
        const struct outbox_add *add;
        struct {
            struct outbox_dead *args;
            struct lite_letter *letters; /* owned: one page */
            struct lite_letter **end;
            uint64_t after; /* the number of the last letter that was read */
            uint32_t index; /* the next of the numbers asked for */
            uint64_t affected;
            bool finished;
        } dead;
    } as;
};

/* How a value of the table becomes a value of the row. */
enum lite_kind { KIND_PLAIN, KIND_UUID, KIND_TIME };

/* What is known of the file, to notice that another one has taken its place. */
struct lite_file {
    dev_t device;
    ino_t inode;
};

struct lite_store {
    const struct outbox_host *host;
    /* options */
    const char *path;
    const char *table;
    const char *dead_table;
    struct outbox_map columns;
    int64_t busy_timeout;

    const char *physical[NAME_COUNT]; /* names in the table */
    char *dead_name;                  /* owned: the default of dead_table */
    char *relay_name;                 /* owned: the table that holds the epoch */
    char *lock_path;                  /* owned: set by acquire */

    struct lite_lane lanes[LANE_COUNT];
    struct lite_job *alone_first, *alone_last;
    struct lite_job *alone; /* running */

    /* set by start, which runs alone */
    char *real;                       /* owned by the C library: the path without links */
    struct lite_file file, beside[2]; /* the database, its log and the log's index */
    atomic_bool torn;                 /* these belong together no more: closing must touch none of them */
    bool utf16;
    enum lite_kind *kinds; /* owned; of the columns that claims return */
    uint32_t column_count;

    atomic_bool claiming;    /* a claim reads */
    atomic_bool claims_wait; /* for the log to begin anew */

    /* claim.c; loop thread */
    int64_t highest;             /* of all ids that this ownership gave */
    int64_t high;                /* the last id that was given */
    struct obx_sql_ranges given; /* ids up to `high` that were given and not settled */
    uint64_t sweep_at;           /* when to look for rows below `high` next */
    struct lite_batch *spare;    /* released batches, to be used again */
    size_t spare_bytes;

    /* settle.c; WRITE lane */
    struct obx_sql_ranges runs; /* what the settle that runs removes */
    uint32_t chunk;             /* rows of one write transaction */
    uint64_t held_since;        /* the last write transaction's begin */
    uint64_t write_after;       /* no write transaction begins before: other writers' turn */

    /* log.c; WRITE lane */
    int wal_pages;            /* in the write-ahead log after the last commit of ours */
    int wal_seen;             /* wal_pages when it was last looked at */
    int checkpointed;         /* wal_pages when the last checkpoint began; 0: none in this log */
    int ahead_from;           /* wal_pages when one was last asked for ahead */
    int long_log;             /* pages; with more, the log is made to begin anew */
    uint64_t others_until;    /* somebody else was seen to write a while before that */
    int ahead_wanted;         /* pages; for the job that was asked for */
    atomic_bool ahead;        /* one was asked for, or runs */
    atomic_bool ahead_failed; /* no more of them */
    struct outbox_task ahead_task;
    /* loop thread */
    struct lite_job ahead_job;
    bool ahead_runs;

    /* owner.c; WRITE lane, and jobs that run alone */
    int lock_fd;        /* -1: not the owner */
    int64_t epoch;      /* 0: not the owner */
    int64_t last_epoch; /* of the last ownership, to know it again */
    struct lite_file last_file;
    uint64_t beats; /* heartbeats written */
    char seen[192]; /* what a standby saw of the owner, and since when it has not changed */
    uint64_t seen_at;

    /* bell.c; loop thread */
    int notify_fd; /* -1: none */
    struct outbox_watch *watch;
    struct outbox_timer *timer; /* rings once more, or instead where the kernel cannot watch files */
};

/* jobs.c */
struct lite_job *lite_job_new(struct lite_store *store, outbox_op_t op, enum lite_lane_name lane,
                              void (*run)(struct lite_job *job, struct lite_conn *conn));
void lite_job_submit(struct lite_job *job);
void lite_job_cancel(struct lite_store *store, outbox_op_t op);
static inline bool lite_ok(const struct lite_job *job)
{
    return job->error.code == OUTBOX_OK;
}
/* Worker: wait, but not for a canceled job. False: it was canceled. */
bool lite_job_sleep(struct lite_job *job, uint64_t until_ns);
uint64_t lite_now(const struct lite_store *store);

/* conn.c. Where an SQL text is asked for it comes of sqlite3_mprintf; NULL: out of memory. */
int lite_open(struct lite_store *store, struct lite_conn *conn, struct lite_job *job, bool create, const char *what);
void lite_close(struct lite_conn *conn);
void lite_admin_conn(struct lite_job *job, struct lite_conn *conn, const char *what); /* opens it when first needed */
int lite_fail(const struct lite_conn *conn, int code, const char *what, struct outbox_error *error);
int lite_prepare(struct lite_conn *conn, enum lite_statement which, const char *sql, const char *what,
                 struct outbox_error *error);
int lite_step(struct lite_conn *conn, enum lite_statement which, const char *what, struct outbox_error *error);
int lite_exec(struct lite_conn *conn, char *sql, const char *what, struct outbox_error *error); /* frees sql */
/* The number that a query gives; -1 when it gives none. sql as in lite_prepare. */
int64_t lite_ask(struct lite_job *job, struct lite_conn *conn, char *sql, const char *what);
void lite_rollback(struct lite_conn *conn);

/* start.c */
void lite_start(void *self, outbox_op_t op, const struct outbox_store_start *start);
void lite_stop(void *self, outbox_op_t op);
/* Is the file that is open still the one under its name? */
int lite_same_file(struct lite_store *store, const char *what, struct outbox_error *error);

/* schema.c */
int lite_schema_names(struct lite_store *store, struct outbox_error *error);
char *lite_schema_sql(const struct lite_store *store, int index); /* NULL: no more, or out of memory */
int lite_schema_check(struct lite_store *store, struct lite_conn *conn, const char *what, struct outbox_error *error);
bool lite_has_table(struct lite_conn *conn, const char *table);
bool lite_has_column(struct lite_conn *conn, const char *table, const char *column);

/* The columns of the outbox that the dead letters keep: of the one table or of the other, comma first. */
void lite_schema_columns(const struct lite_store *store, struct lite_conn *conn, sqlite3_str *sql, bool of_outbox);

/* rows.c */
struct lite_batch *lite_batch_get(struct lite_store *store);             /* loop thread */
void lite_batch_put(struct lite_store *store, struct lite_batch *batch); /* loop thread */
void lite_batches_free(struct lite_store *store);
void lite_release(void *self, struct outbox_batch *batch);
/* Worker: copy the row that the statement stands on. AGAIN: max_bytes is reached, and the row was not taken. */
int lite_batch_add(const struct lite_store *store, struct lite_batch *batch, sqlite3_stmt *statement,
                   uint64_t max_bytes);
struct outbox_batch *lite_batch_rows(struct lite_batch *batch);

/* time.c */
int64_t lite_time(sqlite3_stmt *statement, int column); /* microseconds since 1970; INT64_MIN: is no time */

/* claim.c */
void lite_claim(void *self, outbox_op_t op, struct outbox_claim *claim);
void lite_claim_rewind(struct lite_store *store);

/* settle.c */
void lite_settle(void *self, outbox_op_t op, const struct outbox_settle *settle);
void lite_begin_fresh(const struct lite_store *store); /* what takes the write lock */
/* The lock, which was ours since then, is others' for a while. */
void lite_write_leave(struct lite_store *store, uint64_t since_ns);
void lite_park(void *self, outbox_op_t op, const struct outbox_dead_letter_rows *park);

/* log.c */
void lite_log_init(struct lite_store *store);
/* WRITE lane: after a commit; and a checkpoint, if the log has grown by so many pages. */
void lite_log_tend(struct lite_job *job, struct lite_conn *conn);
bool lite_others_write(const struct lite_store *store); /* of late */
void lite_checkpoint(struct lite_job *job, struct lite_conn *conn, int pages);

/* owner.c */
void lite_acquire(void *self, outbox_op_t op, struct outbox_acquire *acquire);
void lite_renew(void *self, outbox_op_t op);
int lite_check_epoch(struct lite_job *job, struct lite_conn *conn, const char *what);
void lite_give_up(struct lite_store *store, struct lite_conn *conn);    /* in stop */
void lite_read_owner(struct lite_conn *conn, char *owner, size_t size); /* for people; left alone where there is none */

/* lock.c. Those that give a descriptor give -1 with an error, or without one when another relay has the lock. */
#define LITE_OWNING "own outbox"
int lite_lock_name(struct lite_store *store, struct outbox_error *error); /* sets lock_path */
int lite_lock_take(const struct lite_store *store, struct outbox_error *error);
int lite_lock_replace(const struct lite_store *store, struct outbox_error *error);
bool lite_lock_is_named(const struct lite_store *store, int fd); /* is this the file that lock_path names? */
int lite_lock_beat(struct lite_store *store, struct outbox_error *error);
void lite_lock_read(const struct lite_store *store, char *text, size_t room); /* the last heartbeat, or "" */

/* bell.c */
int lite_wake_start(struct lite_store *store, struct outbox_error *error);
void lite_wake_arm(struct lite_store *store);
void lite_wake_stop(struct lite_store *store);

/* setup.c, check.c, status.c, add.c, dead.c */
void lite_setup(void *self, outbox_op_t op);
int lite_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
               struct outbox_error *error);
void lite_check(void *self, outbox_op_t op, const struct outbox_check *check);
void lite_status(void *self, outbox_op_t op, struct outbox_store_status *status);
void lite_add(void *self, outbox_op_t op, const struct outbox_add *add);
void lite_dead(void *self, outbox_op_t op, struct outbox_dead *dead);

#endif

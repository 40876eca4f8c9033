/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/store.h - the SQLite store: its parts, who owns which, and the layers of its files
 *
 * A file calls only files that stand before it in this list:
 *
 *     1  common/error common/insert created_at pace  SQLite's results, values, arithmetic
 *     2  conn file schema                              a connection, the files of a database, the tables
 *     3  op lane                                       ops on workers
 *     4  rows lock epoch refused                       claimed rows, the lock file, who owns, rows that stay
 *     5  write checkpoint unreadable claim_rows prepare wakeup identity    transactions, the log, reading
 *     6  stray_scan settle dead_letter claim owner add check dead setup status
 *     7  start plugin
 *
 * THREADS. The loop thread owns every part but those that are marked with a lane: the op that runs in that lane owns
 * them, on its worker. Ops that run alone own everything. What a worker reads of the loop thread's parts changes only
 * while no op of its lane runs. Any thread may use the atomic flags.
 *
 * Functions that files share begin with lite_.
 */
#ifndef OBX_BACKENDS_SQLITE_STORE_H
#define OBX_BACKENDS_SQLITE_STORE_H

#include <outbox/failpoint.h>

#include "epoch.h"
#include "lane.h"
#include "lock.h"
#include "pace.h"
#include "refused.h"
#include "rows.h"
#include "schema.h"
#include "sql/gaps/id_ranges.h"

/* How far the outbox was read; loop thread. */
struct lite_reader {
    int64_t highest_claimed;           /* since this relay became the owner */
    int64_t last_claimed;              /* the last id that was claimed since the last rewind */
    struct obx_sql_ranges outstanding; /* claimed up to last_claimed, and not settled */
    struct obx_sql_ranges refused;     /* a copy of the store's `refused`: claims leave these rows out */
    uint64_t stray_scan_at;            /* when the next scan for rows below last_claimed is due */
    int64_t unusable;                  /* rows with ids below 1, at the first claims; no claim returns them */
    bool unusable_reported;
    atomic_bool reading; /* READ lane: a claim reads */
};

/* The write-ahead log, in pages of the database; WRITE lane. See checkpoint.h. */
struct lite_log {
    int pages;                /* after the last commit of this relay */
    int seen_pages;           /* when the log was last inspected */
    int checkpointed_pages;   /* when the last checkpoint began; 0: none since the log began anew */
    int ahead_pages;          /* when a checkpoint ahead was last requested */
    int ahead_target_pages;   /* of the checkpoint ahead that was requested; unchanged until it ends */
    atomic_bool ahead;        /* one was requested, or runs */
    atomic_bool ahead_failed; /* no more of them until the next start */
    atomic_bool hold_claims;  /* claims wait for the log to begin anew */
    /* loop thread */
    struct outbox_task ahead_task;
    struct lite_op ahead_op;
    bool ahead_runs;
};

/* What a standby observed of the owner's heartbeat; WRITE lane. */
struct lite_observed {
    char heartbeat[LITE_HEARTBEAT_SIZE + 32]; /* the epoch and the heartbeat */
    uint64_t since_ns;                        /* it has not changed since */
};

struct lite_wakeup {
    int fd; /* owned: inotify; -1: none */
    struct outbox_watch *watch;
    struct outbox_timer *timer; /* repeats a wake-up, or replaces them where inotify has no watches left */
};

struct lite_store {
    const struct outbox_host *host;
    char relay[64];          /* its name */
    int64_t busy_timeout_ms; /* option */
    struct lite_schema schema;
    struct lite_file file;
    struct lite_lanes lanes;
    struct lite_rows rows;
    struct lite_reader reader;
    struct lite_pace pace;            /* WRITE lane */
    struct obx_sql_ranges settle_ids; /* WRITE lane: what the settle that runs removes */
    struct lite_refused refused;      /* WRITE lane */
    struct lite_log log;
    struct lite_lock lock;   /* WRITE lane */
    struct lite_epoch epoch; /* WRITE lane */
    struct lite_observed observed;
    struct lite_wakeup wakeup;
    uint64_t opened_logged_ns; /* 0: never */
};

static inline uint64_t lite_now(const struct lite_store *store)
{
    return store->host->now(store->host);
}

/* The operations, in the order of struct outbox_store_ops; the head of each file describes its operation. */
void lite_start(void *self, outbox_op_t id, const struct outbox_store_start *start);
void lite_stop(void *self, outbox_op_t id);
void lite_acquire(void *self, outbox_op_t id, struct outbox_acquire *acquire);
void lite_renew(void *self, outbox_op_t id);
void lite_claim(void *self, outbox_op_t id, struct outbox_claim *claim);
void lite_release(void *self, struct outbox_batch *batch);
void lite_settle(void *self, outbox_op_t id, const struct outbox_settle *settle);
void lite_dead_letter(void *self, outbox_op_t id, const struct outbox_dead_letter_rows *rows);
void lite_setup(void *self, outbox_op_t id);
void lite_setup_inbox(void *self, outbox_op_t id);
int lite_print_inbox(const struct lite_store *store, enum outbox_print what, void (*line)(void *arg, const char *text),
                     void *arg, struct outbox_error *error);
int lite_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
               struct outbox_error *error);
void lite_check(void *self, outbox_op_t id, const struct outbox_check *check);
void lite_status(void *self, outbox_op_t id, struct outbox_store_status *status);
void lite_add(void *self, outbox_op_t id, const struct outbox_add *add);
void lite_dead(void *self, outbox_op_t id, struct outbox_dead *dead);

/* What start and stop need of the operations */
void lite_claim_rewind(struct lite_store *store);                            /* claim.c */
void lite_owner_release(struct lite_store *store, struct lite_conn *conn);   /* owner.c; alone */
int lite_wakeup_start(struct lite_store *store, struct outbox_error *error); /* wakeup.c */
void lite_wakeup_arm(struct lite_store *store);
void lite_wakeup_stop(struct lite_store *store);

#endif

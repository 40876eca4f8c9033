/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/owner.c - one relay owns the outbox: acquire, renew, release
 *
 * An owner has two things. The lock file (lock.h) shows that it is alive: the kernel frees the lock with the process,
 * so a standby takes over at once. The epoch (epoch.h) identifies the owner: each new owner raises it, and each write
 * transaction begins by reading it.
 *
 * An owner that is alive and hangs keeps its lock. Therefore it writes heartbeats, into the lock file and not into the
 * database, where they would cost writers and cause wake-ups. A standby that sees the same heartbeat for the length of
 * the lease, by its own clock, raises the epoch and replaces the lock file.
 *
 * Failure modes: STANDBY, another relay is the owner, or was faster to become it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "checkpoint.h"
#include "claim_rows.h"
#include "identity.h"
#include "write.h"

#define RELEASE_WAIT_MS 200 /* for a writer that holds the lock, at the end of the relay */

struct acquire_op {
    struct lite_op op;
    struct outbox_acquire *args;
    int64_t highest_claimed; /* by the last ownership */
    uint32_t flags;
    int64_t epoch, since_us;
    char owner[sizeof(((struct outbox_acquire *)0)->owner)];
    char identity[sizeof(((struct outbox_acquire *)0)->identity)];
};
LITE_OP_FITS(struct acquire_op);

/* ---- take over ----------------------------------------------------------------------------------------------- */

/* The last id that the table ever assigned. A lower one than before: an older copy of the database was restored. */
static int64_t last_id(struct lite_store *store, struct lite_conn *conn)
{
    struct outbox_error ignored;
    return lite_query_int64(
        conn, sqlite3_mprintf("SELECT seq FROM sqlite_sequence WHERE name = %Q COLLATE NOCASE", store->schema.table),
        LITE_OWNING, &ignored);
}

/* True: no other relay has owned this file since, and no older copy was restored. */
static bool is_same_outbox(struct acquire_op *acquire, struct lite_conn *conn, int64_t from)
{
    struct lite_store *store = acquire->op.store;
    return from == store->epoch.last && lite_file_same(&store->file.database, &store->epoch.last_file) &&
           last_id(store, conn) >= acquire->highest_claimed;
}

/* Raise the epoch from what it was when the decision was made: fails if another standby was faster. */
static int take_over(struct acquire_op *acquire, struct lite_conn *conn, int64_t from)
{
    struct lite_store *store = acquire->op.store;
    struct lite_epoch *epoch = &store->epoch;
    struct outbox_error *error = &acquire->op.error;
    char me[96];
    outbox_describe_process(me, sizeof me, store->relay);
    char *sql = sqlite3_mprintf("UPDATE \"%w\" SET epoch = epoch + 1, owner = %Q WHERE singleton = 1 AND epoch = %lld",
                                store->schema.relay_name, me, (long long)from);
    if (lite_exec(conn, sql, LITE_OWNING, error))
        return error->code;
    if (sqlite3_changes(conn->db) != 1)
        return outbox_error_set(error, OUTBOX_E_STANDBY, LITE_OWNING " %s: another relay was faster", conn->path);
    acquire->flags = is_same_outbox(acquire, conn, from) ? OUTBOX_ACQUIRED_SAME : 0;
    epoch->current = epoch->last = from + 1;
    epoch->last_file = store->file.database;
    return OUTBOX_OK;
}

/* ---- acquire ------------------------------------------------------------------------------------------------- */

/* Has the owner, which holds the lock, written no heartbeat for the lease? */
static bool lease_is_over(struct acquire_op *acquire, int64_t epoch)
{
    struct lite_store *store = acquire->op.store;
    struct lite_observed *observed = &store->observed;
    char heartbeat[LITE_HEARTBEAT_SIZE], now_observed[sizeof observed->heartbeat];
    lite_lock_read_heartbeat(&store->lock, heartbeat);
    snprintf(now_observed, sizeof now_observed, "%lld %s", (long long)epoch, heartbeat);
    uint64_t now = lite_now(store);
    if (strcmp(now_observed, observed->heartbeat) != 0) {
        memcpy(observed->heartbeat, now_observed, sizeof now_observed);
        observed->since_ns = now;
        return false;
    }
    return now - observed->since_ns >= acquire->args->lease_ms * 1000000ull;
}

static void fail_standby(struct acquire_op *acquire, struct lite_conn *conn)
{
    lite_epoch_read_owner(&acquire->op.store->schema, conn, acquire->owner, sizeof acquire->owner);
    acquire->since_us = lite_lock_read_since(&acquire->op.store->lock);
    outbox_error_set(&acquire->op.error, OUTBOX_E_STANDBY, LITE_OWNING " %s: owned by %s", conn->path,
                     acquire->owner[0] ? acquire->owner : "another relay");
}

/* The lock file has seen a later owner: an older copy of the database was restored, and ids mean other rows. */
static bool is_restored(const struct lite_lock *lock, int64_t epoch)
{
    static const char word[] = "epoch ";
    char heartbeat[LITE_HEARTBEAT_SIZE];
    lite_lock_read_heartbeat(lock, heartbeat);
    return !strncmp(heartbeat, word, sizeof word - 1) && strtoll(heartbeat + sizeof word - 1, NULL, 10) > epoch;
}

static int name_outbox(struct acquire_op *acquire, struct lite_conn *conn, bool anew)
{
    return lite_identity(acquire->op.store, conn, anew, acquire->identity, sizeof acquire->identity,
                         &acquire->op.error);
}

/* The lock, then the epoch; for an owner that hangs the epoch, then a new lock. The descriptor, or -1. */
static int take_lock_and_epoch(struct acquire_op *acquire, struct lite_conn *conn, int64_t epoch)
{
    struct lite_store *store = acquire->op.store;
    struct lite_op *op = &acquire->op;
    int fd = lite_lock_take(&store->lock, &op->error);
    bool expired = fd < 0 && lite_op_ok(op) && lease_is_over(acquire, epoch);
    if (fd < 0 && lite_op_ok(op) && !expired)
        fail_standby(acquire, conn);
    if (lite_op_ok(op) && !name_outbox(acquire, conn, is_restored(&store->lock, epoch)) &&
        !take_over(acquire, conn, epoch) && expired)
        fd = lite_lock_replace(&store->lock, &op->error);
    return fd;
}

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void become_owner(struct acquire_op *acquire, struct lite_conn *conn, int64_t epoch)
{
    struct lite_store *store = acquire->op.store;
    struct lite_op *op = &acquire->op;
    int fd = take_lock_and_epoch(acquire, conn, epoch);
    if (lite_op_ok(op) && !OUTBOX_FAILPOINT_ERROR(store->host, sqlite, epoch_raised, &op->error)) {
        store->lock.fd = fd;
        store->lock.since_us = acquire->since_us = wall_us();
        lite_lock_write_heartbeat(&store->lock, store->epoch.current, &op->error);
    }
    if (lite_op_ok(op))
        return;
    store->epoch.current = 0;
    store->lock.fd = -1;
    if (fd >= 0)
        close(fd);
}

static void acquire_run(struct lite_op *op, struct lite_conn *conn)
{
    struct acquire_op *acquire = (struct acquire_op *)op;
    struct lite_store *store = op->store;
    int64_t epoch;
    if (lite_file_verify(&store->file, LITE_OWNING, &op->error) ||
        OUTBOX_FAILPOINT_ERROR(store->host, sqlite, before_acquire, &op->error) ||
        lite_epoch_read(conn, LITE_OWNING, &epoch, &op->error))
        return;
    if (store->lock.fd >= 0 && store->epoch.current == epoch) { /* the owner already */
        acquire->flags = OUTBOX_ACQUIRED_SAME;
        acquire->since_us = store->lock.since_us;
        name_outbox(acquire, conn, false);
    } else if (!lite_lock_name(&store->lock, store->schema.table, &op->error)) {
        become_owner(acquire, conn, epoch);
    }
    acquire->epoch = store->epoch.current;
}

static void acquire_finish(struct lite_op *op)
{
    const struct acquire_op *acquire = (struct acquire_op *)op;
    struct outbox_acquire *args = acquire->args;
    args->flags = lite_op_ok(op) ? acquire->flags : 0;
    if (lite_op_ok(op) && !(args->flags & OUTBOX_ACQUIRED_SAME))
        op->store->reader.highest_claimed = 0;
    args->epoch = lite_op_ok(op) ? (uint64_t)acquire->epoch : 0;
    OUTBOX_SET_MEMBER(args, since_us, acquire->since_us);
    memcpy(args->owner, acquire->owner, sizeof args->owner);
    memcpy(args->identity, acquire->identity, sizeof args->identity);
}

void lite_acquire(void *self, outbox_op_t id, struct outbox_acquire *args)
{
    struct lite_store *store = self;
    struct acquire_op *acquire = lite_op_begin(&store->lanes, id, LANE_WRITE, acquire_run);
    acquire->args = args;
    acquire->highest_claimed = store->reader.highest_claimed;
    acquire->op.finish = acquire_finish;
    lite_op_submit(&acquire->op);
}

/* ---- renew, release ------------------------------------------------------------------------------------------ */

/* The lock file was removed: a lock on a file without a name excludes no other relay. */
static int restore_lock_file(struct lite_lock *lock, struct outbox_error *error)
{
    if (lite_lock_is_named(lock, lock->fd))
        return OUTBOX_OK;
    int fd = lite_lock_replace(lock, error);
    if (fd < 0)
        return error->code;
    close(lock->fd);
    lock->fd = fd;
    return OUTBOX_OK;
}

/* Rows that the database refused to remove, once more. A failure of the transaction is not one of the ownership. */
static void retry_refused(struct lite_op *op, struct lite_conn *conn)
{
    struct lite_store *store = op->store;
    if (lite_write_begin(op, conn, LITE_OWNING))
        return;
    if (lite_refused_retry(&store->refused, conn) == LITE_REMOVED) {
        if (!lite_write_commit(op, conn, LITE_OWNING))
            lite_refused_retried(&store->refused, store->host);
    } else {
        lite_rollback(conn);
        lite_pace_end(&store->pace, lite_now(store));
    }
    lite_refused_log(&store->refused, conn);
}

/* The checkpoint makes what was settled durable every few seconds. */
static void renew_run(struct lite_op *op, struct lite_conn *conn)
{
    struct lite_store *store = op->store;
    if (!lite_file_verify(&store->file, LITE_OWNING, &op->error) &&
        !lite_epoch_verify(&store->epoch, conn, LITE_OWNING, &op->error) &&
        !restore_lock_file(&store->lock, &op->error) &&
        !lite_lock_write_heartbeat(&store->lock, store->epoch.current, &op->error))
        lite_log_checkpoint(op, conn, 1);
    if (lite_op_ok(op) && lite_refused_is_due(&store->refused, lite_now(store)))
        retry_refused(op, conn);
}

static void renew_finish(struct lite_op *op)
{
    lite_claim_leave_out_refused(op->store);
}

void lite_renew(void *self, outbox_op_t id)
{
    struct lite_store *store = self;
    struct lite_op *op = lite_op_begin(&store->lanes, id, LANE_WRITE, renew_run);
    op->finish = renew_finish;
    lite_op_submit(op);
}

/* Best effort: a writer that holds the lock for long must not delay the end of the relay. Nothing is written to a log
 * file that was replaced. */
void lite_owner_release(struct lite_store *store, struct lite_conn *conn)
{
    struct outbox_error ignored;
    OUTBOX_FAILPOINT(store->host, sqlite, before_give_up);
    conn->busy_timeout_ms = RELEASE_WAIT_MS;
    if (store->epoch.current && conn->db && !lite_file_verify(&store->file, LITE_OWNING, &ignored))
        lite_exec(conn,
                  sqlite3_mprintf("UPDATE \"%w\" SET owner = '' WHERE singleton = 1 AND epoch = %lld",
                                  store->schema.relay_name, (long long)store->epoch.current),
                  LITE_OWNING, &ignored);
    conn->busy_timeout_ms = (uint64_t)store->busy_timeout_ms;
    lite_lock_release(&store->lock);
    store->epoch.current = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/wakeup.c - wake-up by commits that the binlog shows
 *
 * A claim that is to arm the wake-up starts a thread (listen.c) that reads the binlog from its end on. The host may
 * sleep while that thread reads: a commit to the table wakes it. A busy relay needs no stream: after BUSY_NS without
 * such a claim the thread closes it, since the stream carries the writes to all tables.
 *
 * No wake-up is lost: the thread records a commit, then checks whether the host sleeps; the loop records that the host
 * sleeps, then checks for recorded commits. But the server writes its binlog before a commit can be seen: so the host
 * may sleep only QUIET_NS after the last commit. Until then it polls with pauses that double: a few polls for each
 * wake-up, and none while there are no commits.
 *
 * The thread reopens a stream that breaks or cannot be opened. Meanwhile the relay polls, which is logged once.
 */
#include "wakeup.h"

#include <signal.h>
#include <sys/socket.h>

#include "store.h"

#define QUIET_NS UINT64_C(200000000)
#define BUSY_NS UINT64_C(5000000000)
enum { STALL_TIMEOUT_S = 6 }; /* of a stream, which has a heartbeat: then it is dead */

/* ---- reports of the thread --------------------------------------------------------------------------------------- */

static void report(struct mys_store *store, bool armed, const struct outbox_error *error)
{
    bool forbidden = error->code == OUTBOX_E_PERMISSION;
    if (armed)
        sql_wakeup_works(&store->sql, "each commit in the binlog");
    else if (error->code)
        sql_wakeup_fails(&store->sql, error,
                         forbidden ? "; grant what 'outbox init --print-grants' prints, or set wakeup: off" : "");
}

static void on_end(struct mys_store *store)
{
    pthread_join(store->wakeup.thread, NULL); /* its post was the last thing that it did */
    store->wakeup.running = false;
    store->sql.when_idle(&store->sql);
}

static void on_news(struct outbox_task *task)
{
    struct mys_store *store = task->arg;
    struct mys_wakeup *wakeup = &store->wakeup;
    pthread_mutex_lock(&wakeup->lock);
    bool armed = wakeup->armed, ended = wakeup->ended, wake = wakeup->pending_wakeup;
    struct outbox_error error = wakeup->error;
    wakeup->pending_wakeup = false;
    pthread_mutex_unlock(&wakeup->lock);
    if (!wakeup->running) /* a post from before its end */
        return;
    if (ended) {
        on_end(store);
        return;
    }
    report(store, armed, &error);
    if (wake && !store->sql.stop_op)
        store->sql.host->wake(store->sql.host);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

void mys_wakeup_init(struct mys_store *store)
{
    struct mys_wakeup *wakeup = &store->wakeup;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&wakeup->lock, NULL);
    pthread_cond_init(&wakeup->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    wakeup->host = store->sql.host;
    wakeup->news = (struct outbox_task){.run = on_news, .arg = store};
    wakeup->fd = -1;
}

void mys_wakeup_fini(struct mys_store *store)
{
    pthread_cond_destroy(&store->wakeup.changed);
    pthread_mutex_destroy(&store->wakeup.lock);
}

static void begin(struct mys_store *store)
{
    struct mys_wakeup *wakeup = &store->wakeup;
    sigset_t all, before;
    wakeup->target = mys_target(store, false);
    wakeup->target.timeout_s = STALL_TIMEOUT_S;
    wakeup->target.waits = true;
    wakeup->timeout_ms = (uint64_t)store->sql.connect_ms;
    wakeup->schema = store->sql.table.schema;
    wakeup->table = store->sql.outbox.name;
    wakeup->stop = wakeup->ended = wakeup->pending_wakeup = false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* that thread handles no signals */
    wakeup->running = !pthread_create(&wakeup->thread, NULL, mys_listen, wakeup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Under the lock. */
static void close_stream(struct mys_wakeup *wakeup)
{
    wakeup->wanted = false;
    atomic_store(&wakeup->attempt.abandoned, true);
    if (wakeup->fd >= 0)
        shutdown(wakeup->fd, SHUT_RDWR);
    pthread_cond_signal(&wakeup->changed);
}

/* ---- around a claim ---------------------------------------------------------------------------------------------- */

static bool arm(struct mys_wakeup *wakeup, bool arms)
{
    uint64_t now = wakeup->host->now(wakeup->host);
    pthread_mutex_lock(&wakeup->lock);
    wakeup->sleeping = arms;
    bool may_sleep = arms && wakeup->armed && now - wakeup->seen_ns > QUIET_NS;
    if (arms) {
        wakeup->arm_requested_ns = now;
        wakeup->wanted = true;
        pthread_cond_signal(&wakeup->changed);
    } else if (wakeup->wanted && now - wakeup->arm_requested_ns > BUSY_NS) {
        close_stream(wakeup);
    }
    pthread_mutex_unlock(&wakeup->lock);
    return may_sleep;
}

static void before(struct sql_store *sql, const struct outbox_claim *claim)
{
    struct mys_store *store = mys_store_of(sql);
    struct mys_wakeup *wakeup = &store->wakeup;
    bool arms = claim->flags & OUTBOX_CLAIM_ARM_WAKEUP;
    if (arms && !wakeup->running)
        begin(store);
    wakeup->may_sleep = wakeup->running && arm(wakeup, arms);
}

static bool after(struct sql_store *sql, const struct outbox_claim *claim, const struct sql_reading *reading)
{
    (void)claim;
    (void)reading;
    return mys_store_of(sql)->wakeup.may_sleep;
}

static void stop(struct sql_store *sql)
{
    struct mys_wakeup *wakeup = &mys_store_of(sql)->wakeup;
    if (!wakeup->running)
        return;
    pthread_mutex_lock(&wakeup->lock);
    wakeup->stop = true;
    wakeup->sleeping = false;
    close_stream(wakeup);
    pthread_mutex_unlock(&wakeup->lock);
}

const struct sql_wakeup mys_binlog_wakeup = {before, after, stop};

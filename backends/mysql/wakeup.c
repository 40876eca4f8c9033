/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/wakeup.c - the wakeup: commits that the binlog tells of wake an idle relay
 *
 * Whoever is asked to park has a thread (listen.c) that reads the binlog from its end on, and keeps the flag if that
 * thread is reading. Then a commit to the table rings. A relay that is busy does not need it: after BUSY_NS without a
 * wish to park the thread hangs up, since it would be sent all that anybody writes.
 *
 * No ring is lost: the thread notes what it has heard, then looks whether the host dozes; the loop notes that the host
 * dozes, then looks at what was heard. But a row may be heard of before it can be seen, as the server writes its binlog
 * first: so nobody is parked until QUIET_NS after a commit was heard. Until then the host looks with pauses that
 * double: a few looks for each ring, and none while nobody commits.
 *
 * A stream that cannot be had or breaks is tried again by the thread. Meanwhile the flag is taken out, which means
 * polling; it is said once.
 */
#include "wakeup.h"

#include <signal.h>
#include <sys/socket.h>

#include "store.h"

#define QUIET_NS UINT64_C(200000000)
#define BUSY_NS UINT64_C(5000000000)
enum { SILENCE_S = 6 }; /* of a stream, which has a heartbeat: then it is dead */

/* ---- what the thread has told ------------------------------------------------------------------------------------ */

static void tell(struct mys_bell *bell, bool armed, const struct outbox_error *error)
{
    if (armed && bell->told != MYS_BELL_HEARS) {
        bell->told = MYS_BELL_HEARS;
        bell->host->log(bell->host, OUTBOX_LOG_INFO,
                        "the doorbell works: commits that the binlog tells of wake the relay");
    } else if (error->code && bell->told != MYS_BELL_DEAF) {
        bell->told = MYS_BELL_DEAF;
        bell->host->log(bell->host, OUTBOX_LOG_WARN,
                        "the doorbell does not work, and the outbox is polled until it does: %s%s", error->text,
                        error->code == OUTBOX_E_PERMISSION
                            ? "; grant what 'outbox init --print-grants' tells, or set wakeup: off"
                            : "");
    }
}

static void ended(struct mys_store *store)
{
    pthread_join(store->bell.thread, NULL); /* posting was the last that it did */
    store->bell.running = false;
    mys_stop_if_idle(store);
}

static void hear_news(struct outbox_task *task)
{
    struct mys_store *store = task->arg;
    struct mys_bell *bell = &store->bell;
    pthread_mutex_lock(&bell->lock);
    bool armed = bell->armed, is_end = bell->ended;
    bool wake = bell->rung;
    struct outbox_error error = bell->error;
    bell->rung = false;
    pthread_mutex_unlock(&bell->lock);
    if (!bell->running) /* a post from before its end */
        return;
    if (is_end) {
        ended(store);
        return;
    }
    tell(bell, armed, &error);
    if (wake && !store->stop_op)
        store->host->wake(store->host);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

void mys_bell_init(struct mys_store *store)
{
    struct mys_bell *bell = &store->bell;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&bell->lock, NULL);
    pthread_cond_init(&bell->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    bell->host = store->host;
    bell->news = (struct outbox_task){.run = hear_news, .arg = store};
    bell->fd = -1;
}

void mys_bell_fini(struct mys_store *store)
{
    pthread_cond_destroy(&store->bell.changed);
    pthread_mutex_destroy(&store->bell.lock);
}

/* ---- what the loop tells ----------------------------------------------------------------------------------------- */

static void begin(struct mys_store *store)
{
    struct mys_bell *bell = &store->bell;
    sigset_t all, before;
    bell->target = mys_target(store, false);
    bell->target.timeout_s = SILENCE_S;
    bell->target.waits = true;
    bell->timeout_ms = (uint64_t)store->connect_ms;
    bell->schema = store->table.schema;
    bell->table = store->name;
    bell->stop = bell->ended = bell->rung = false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are not that thread's business */
    bell->running = !pthread_create(&bell->thread, NULL, mys_listen, bell);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Under the lock. */
static void hang_up(struct mys_bell *bell)
{
    bell->wanted = false;
    atomic_store(&bell->attempt.abandoned, true);
    if (bell->fd >= 0)
        shutdown(bell->fd, SHUT_RDWR);
    pthread_cond_signal(&bell->changed);
}

static bool may_park(struct mys_bell *bell, bool asked)
{
    uint64_t now = bell->host->now(bell->host);
    pthread_mutex_lock(&bell->lock);
    bell->dozing = asked;
    bool may = asked && bell->armed && now - bell->heard_ns > QUIET_NS;
    if (asked) {
        bell->asked_ns = now;
        bell->wanted = true;
        pthread_cond_signal(&bell->changed);
    } else if (bell->wanted && now - bell->asked_ns > BUSY_NS) {
        hang_up(bell);
    }
    pthread_mutex_unlock(&bell->lock);
    return may;
}

void mys_bell_claim(struct mys_store *store, struct outbox_claim *claim)
{
    bool asked = claim->flags & OUTBOX_CLAIM_ARM_WAKEUP;
    if (claim->positions)
        return;
    if (store->doorbell == MYS_DOORBELL_BINLOG && asked && !store->bell.running)
        begin(store);
    if (!store->bell.running || !may_park(&store->bell, asked))
        claim->flags &= ~OUTBOX_CLAIM_ARM_WAKEUP;
}

void mys_bell_stop(struct mys_store *store)
{
    struct mys_bell *bell = &store->bell;
    if (!bell->running)
        return;
    pthread_mutex_lock(&bell->lock);
    bell->stop = true;
    bell->dozing = false;
    hang_up(bell);
    pthread_mutex_unlock(&bell->lock);
}

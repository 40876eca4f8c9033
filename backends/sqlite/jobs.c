/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/jobs.c - ops as jobs on worker threads, one at a time in each lane
 *
 * submit -> wait in the lane -> run() on a worker -> finish() and completion on the loop. A job that the host cancels
 * while it waits completes at once; one that runs is told through its flag, which the handlers of its connection and
 * its own waits look at.
 */
#include "store.h"

#include <time.h>

static void pump(struct lite_store *store);

uint64_t lite_now(const struct lite_store *store)
{
    return store->host->now(store->host);
}

static struct lite_job **waiting(struct lite_store *store, enum lite_lane_name lane, struct lite_job ***last)
{
    *last = lane == LANE_ALONE ? &store->alone_last : &store->lanes[lane].last;
    return lane == LANE_ALONE ? &store->alone_first : &store->lanes[lane].first;
}

static struct lite_job *pop(struct lite_store *store, enum lite_lane_name lane)
{
    struct lite_job **last, **first = waiting(store, lane, &last), *job = *first;
    if (job) {
        *first = job->next;
        if (!*first)
            *last = NULL;
        job->next = NULL;
    }
    return job;
}

/* True: it was waiting, and does so no more. */
static bool unlink_job(struct lite_store *store, struct lite_job *job)
{
    struct lite_job **last, **at = waiting(store, job->lane, &last), *before = NULL;
    for (; *at && *at != job; at = &(*at)->next)
        before = *at;
    if (!*at)
        return false;
    *at = job->next;
    if (*last == job)
        *last = before;
    job->next = NULL;
    return true;
}

static void complete(struct lite_job *job)
{
    struct lite_store *store = job->store;
    if (job->finish)
        job->finish(job);
    if (job->again) {
        job->again = false;
        lite_job_submit(job);
    } else if (job->op) {
        store->host->op_done(store->host, job->op, lite_ok(job) ? NULL : &job->error);
    }
}

static void work(struct outbox_work *work)
{
    struct lite_job *job = work->arg;
    struct lite_conn *conn = job->lane == LANE_ALONE ? NULL : &job->store->lanes[job->lane].conn;
    if (conn && !conn->db && job->lane != LANE_ADMIN) {
        outbox_error_set(&job->error, OUTBOX_E_NOT_CONNECTED,
                         "use outbox database %s: it is not open; start the store first", job->store->path);
        return;
    }
    if (conn) {
        conn->job = job;
        conn->busy_until = 0;
    }
    job->run(job, conn);
    if (conn)
        conn->job = NULL;
}

static void done(struct outbox_work *work)
{
    struct lite_job *job = work->arg;
    struct lite_store *store = job->store;
    if (job->lane == LANE_ALONE)
        store->alone = NULL;
    else
        store->lanes[job->lane].running = NULL;
    complete(job);
    pump(store);
}

/* Without a worker the job fails as it would without memory. */
static bool begin(struct lite_store *store, struct lite_job *job)
{
    job->work.work = work;
    job->work.done = done;
    job->work.arg = job;
    int code = store->host->offload(store->host, &job->work);
    if (code == OUTBOX_OK)
        return true;
    outbox_error_set(&job->error, code, "work on %s: no worker thread could be had", store->path);
    complete(job);
    return false;
}

static void pump(struct lite_store *store)
{
    bool quiet = true;
    if (store->alone)
        return;
    for (int i = 0; i < LANE_COUNT; i++) {
        struct lite_lane *lane = &store->lanes[i];
        while (!lane->running && lane->first) {
            struct lite_job *job = pop(store, (enum lite_lane_name)i);
            lane->running = job;
            if (!begin(store, job))
                lane->running = NULL;
        }
        quiet = quiet && !lane->running;
    }
    while (quiet && !store->alone && store->alone_first) {
        store->alone = pop(store, LANE_ALONE);
        if (!begin(store, store->alone))
            store->alone = NULL;
    }
}

struct lite_job *lite_job_new(struct lite_store *store, outbox_op_t op, enum lite_lane_name lane,
                              void (*run)(struct lite_job *job, struct lite_conn *conn))
{
    struct lite_job *job = store->host->op_scratch(store->host, op);
    job->store = store;
    job->op = op;
    job->lane = lane;
    job->run = run;
    return job;
}

void lite_job_submit(struct lite_job *job)
{
    struct lite_store *store = job->store;
    struct lite_job **last, **first = waiting(store, job->lane, &last);
    if (*last)
        (*last)->next = job;
    else
        *first = job;
    *last = job;
    pump(store);
}

void lite_job_cancel(struct lite_store *store, outbox_op_t op)
{
    struct lite_job *job = store->host->op_scratch(store->host, op);
    if (!job || !job->store)
        return;
    job->canceled = true;
    if (!unlink_job(store, job))
        return;
    outbox_error_set(&job->error, OUTBOX_E_CANCELED, "work on %s: canceled before it began", store->path);
    complete(job);
}

bool lite_job_sleep(struct lite_job *job, uint64_t until_ns)
{
    const uint64_t slice = 5000000;
    for (uint64_t now; (now = lite_now(job->store)) < until_ns;) {
        if (job->canceled)
            return false;
        uint64_t pause = until_ns - now < slice ? until_ns - now : slice;
        nanosleep(&(struct timespec){.tv_nsec = (long)pause}, NULL);
    }
    return !job->canceled;
}

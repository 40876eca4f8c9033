/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/lock_watch.c - see lock_watch.h */
#include "sql/server/lock_watch.h"

#include <stdio.h>
#include <string.h>

#include "sql/server/op.h"

#define MS 1000000ull
#define WAIT_NS (2000 * MS)
#define EVERY_US 500000
#define LOG_EVERY_NS (60000 * MS)

static void send_question(struct sql_store *store, struct sql_lane *waiting, struct sql_lane *other);

static uint64_t now_of(const struct sql_store *store)
{
    return store->host->now(store->host);
}

static bool waits(const struct sql_store *store, const struct sql_lane *lane)
{
    return sql_lane_is_open(lane) && lane->head && now_of(store) - lane->head_since_ns >= WAIT_NS;
}

static void set_timer(struct sql_store *store)
{
    struct sql_lock_watch *watch = &store->lock_watch;
    watch->armed = watch->timer != NULL;
    if (watch->armed)
        store->host->timer_set(watch->timer, EVERY_US);
}

static void watch_lane(struct sql_store *store, struct sql_lane *waiting, struct sql_lane *other)
{
    if (waits(store, waiting) && sql_lane_is_open(other) && !other->head && !store->lock_watch.in_flight)
        send_question(store, waiting, other);
}

static void on_timer(void *arg)
{
    struct sql_store *store = arg;
    store->lock_watch.armed = false;
    watch_lane(store, store->owner, store->reader);
    watch_lane(store, store->reader, store->owner);
    if (store->owner->head || store->reader->head)
        set_timer(store);
}

/* ---- the question ------------------------------------------------------------------------------------------------ */

static void on_answer(struct sql_request *request, void *result)
{
    struct sql_store *store = request->store;
    struct sql_lock_watch *watch = &store->lock_watch;
    struct sql_row row = {.result = result};
    watch->answered = result && store->driver->next_row(&row);
    if (watch->answered) {
        sql_copy_cell(watch->reason, sizeof watch->reason, store->driver->cell(&row, 0));
        watch->empty = 0;
    }
    store->driver->free_result(result);
}

static void log_reason(struct sql_store *store, const struct sql_lane *waiting)
{
    struct sql_lock_watch *watch = &store->lock_watch;
    if (now_of(store) < watch->log_at_ns)
        return;
    watch->log_at_ns = now_of(store) + LOG_EVERY_NS;
    store->host->log(store->host, OUTBOX_LOG_WARN, "%s: no answer for %llu s: it waits for %s", waiting->head->what,
                     (unsigned long long)((now_of(store) - waiting->head_since_ns) / (1000 * MS)), watch->reason);
}

/* No lock is known. After the first such answer the reason stays: the server may have ended the wait just now, and the
 * error of the statement comes on the other connection. */
static void note_empty(struct sql_lock_watch *watch, const struct outbox_error *error)
{
    watch->question = 0;
    watch->empty += !error->code;
    if (watch->empty > 1)
        watch->reason[0] = '\0';
}

static void on_done(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_lane *waiting = request->arg, *other = request->lane;
    struct sql_store *store = request->store;
    struct sql_lock_watch *watch = &store->lock_watch;
    watch->in_flight = false;
    if (!waits(store, waiting))
        watch->reason[0] = '\0';
    else if (watch->answered)
        log_reason(store, waiting);
    else if (error->code != OUTBOX_E_NOT_CONNECTED && store->driver->lock_questions[++watch->question])
        send_question(store, waiting, other);
    else
        note_empty(watch, error);
}

/*
 * The next of the questions is for a server that does not answer the one before it. The reason stays known while the
 * question is on its way: the statement may end meanwhile, and its error needs the reason.
 */
static void send_question(struct sql_store *store, struct sql_lane *waiting, struct sql_lane *other)
{
    struct sql_lock_watch *watch = &store->lock_watch;
    watch->in_flight = true;
    watch->answered = false;
    watch->request = (struct sql_request){.what = "read who holds a lock",
                                          .put = store->driver->lock_questions[watch->question],
                                          .result = on_answer,
                                          .done = on_done,
                                          .arg = waiting,
                                          .store = store,
                                          .sql = &watch->sql};
    sql_lane_submit(other, &watch->request);
}

/* ---- for the lanes and the start --------------------------------------------------------------------------------- */

void sql_lock_watch_begin(struct sql_store *store)
{
    struct sql_lock_watch *watch = &store->lock_watch;
    if (watch->armed || watch->in_flight)
        return;
    if (!watch->timer && store->host->timer_open(store->host, on_timer, store, &watch->timer))
        watch->timer = NULL; /* no memory: there is no watch this time */
    set_timer(store);
}

void sql_lock_watch_end(struct sql_store *store)
{
    struct sql_lock_watch *watch = &store->lock_watch;
    store->host->timer_close(watch->timer);
    watch->timer = NULL;
    watch->armed = watch->in_flight = false;
    sql_lock_watch_forget(store);
}

void sql_lock_watch_forget(struct sql_store *store)
{
    store->lock_watch.reason[0] = '\0';
    store->lock_watch.question = store->lock_watch.empty = 0;
}

const char *sql_lock_watch_reason(struct sql_store *store)
{
    return store->lock_watch.reason;
}

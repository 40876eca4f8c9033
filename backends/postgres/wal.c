/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/wal.c - wake-up that costs writers nothing: the server's log wakes an idle relay
 *
 * A claim that is to arm the wake-up gets a stream of the server's write-ahead log (wal_stream.c), from the end of
 * the log that the last claim saw. Each message wakes the relay; its content is ignored.
 *
 * No wake-up is lost: the stream begins before the claim that precedes the sleep, and a message during that claim keeps
 * the relay awake. But a commit is sent before it is visible: so the relay may sleep only when the log has not grown
 * for QUIET_NS. If a commit takes longer to become visible (it waits for a synchronous replica), the once-a-second poll
 * of a sleeping relay finds it.
 *
 * The log contains the writes to all tables. After a useless wake-up soon after it went to sleep, the relay requires
 * twice as long a quiet time before it sleeps again. Claims show how the log grows: on a server whose log is never
 * quiet for that long, the relay opens no stream and polls. A long sleep, a useful wake-up, or EASE_NS of polling
 * halves the time again. The stream is closed when its relay did not sleep for BUSY_NS or BUSY_MESSAGES: sending the
 * log at full speed costs a server a tenth of its time.
 *
 * A stream that breaks, or cannot be opened, is logged once and opened again. Until then the relay polls.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

#define MS UINT64_C(1000000)
#define QUIET_NS (50 * MS)
#define USELESS_NS (500 * MS) /* a wake-up costs some 15 polls, which a polling relay makes in 400 ms */
#define HALVE_NS (30000 * MS) /* of polling: then the stream is tried with less quiet */
#define BUSY_NS (5000 * MS)
#define PAUSE_MIN_NS (100 * MS)
#define PAUSE_MAX_NS (5000 * MS)
enum {
    BUSY_MESSAGES = 100,
    DOUBLINGS_MAX = 8 /* of QUIET_NS: 12.8 s */
};

static uint64_t now_of(const struct pg_store *store)
{
    return store->sql.host->now(store->sql.host);
}

static const char *advice(const struct outbox_error *error)
{
    static const struct {
        const char *state, *text;
    } known[] = {
        {"28", "; let the role in by a line for the database \"replication\" in pg_hba.conf"},
        {"53300", ": check max_wal_senders"},
        {"08P01", "; if that is a pooler without replication, connect to the server itself"},
    };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (!strncmp(error->state, known[i].state, strlen(known[i].state)))
            return known[i].text;
    return "";
}

static bool end_trial(struct pg_wal *wal, const struct outbox_error *error)
{
    void (*tried)(void *arg, const struct outbox_error *error) = wal->tried;
    wal->tried = NULL;
    if (tried)
        tried(wal->tried_arg, error);
    return tried;
}

/* ---- the stream -------------------------------------------------------------------------------------------------- */

static void stop_sleeping(struct pg_wal *wal)
{
    wal->sleeping = false;
    wal->asleep_ns = 0;
}

static void close_stream(struct pg_wal *wal)
{
    stop_sleeping(wal);
    pg_wal_end(wal);
}

static void wake(struct pg_store *store)
{
    stop_sleeping(&store->wal);
    if (!store->sql.stop_op)
        store->sql.host->wake(store->sql.host);
}

void pg_wal_close(struct sql_store *sql, const struct outbox_error *why)
{
    struct pg_wal *wal = &pg_store_of(sql)->wal;
    close_stream(wal);
    wal->end = 0; /* the next server may have a different log */
    wal->useless = false;
    end_trial(wal, why);
}

static void note_sleep(struct pg_store *store)
{
    store->wal.slept_ns = now_of(store);
    store->wal.messages = 0;
}

static bool is_busy(const struct pg_store *store)
{
    return now_of(store) - store->wal.slept_ns > BUSY_NS || store->wal.messages > BUSY_MESSAGES;
}

/* The end of the log, as a claim saw it. */
static void note_end(struct pg_store *store, uint64_t end)
{
    struct pg_wal *wal = &store->wal;
    if (end && end != wal->end)
        wal->grew_ns = now_of(store);
    wal->end = end ? end : wal->end;
}

static const struct pg_wal_events events;

void pg_wal_try(struct pg_store *store, uint64_t end, void (*then)(void *arg, const struct outbox_error *error),
                void *arg)
{
    static const struct outbox_error none;
    if (store->wal.streaming) {
        then(arg, &none);
        return;
    }
    note_end(store, end);
    store->wal.tried = then;
    store->wal.tried_arg = arg;
    if (!store->wal.conn.pg)
        pg_wal_begin(store, &events);
}

static void on_begin(struct pg_store *store)
{
    static const struct outbox_error none;
    struct pg_wal *wal = &store->wal;
    note_sleep(store);
    if (wal->tried) {
        close_stream(wal);
        end_trial(wal, &none);
    } else {
        sql_wakeup_works(&store->sql, "the server's log");
    }
}

/* A stream that broke soon after it began is opened again after twice the pause. */
static void on_failure(struct pg_store *store, const struct outbox_error *why)
{
    struct pg_wal *wal = &store->wal;
    struct outbox_error error = *why;
    uint64_t now = now_of(store), pause = wal->pause_ns * 2;
    size_t used = strlen(error.text);
    snprintf(error.text + used, sizeof error.text - used, "%s", advice(why));
    if (now - wal->begun_ns > PAUSE_MAX_NS || pause < PAUSE_MIN_NS)
        pause = PAUSE_MIN_NS;
    wal->pause_ns = pause < PAUSE_MAX_NS ? pause : PAUSE_MAX_NS;
    wal->retry_ns = now + wal->pause_ns;
    if (end_trial(wal, &error))
        return;
    sql_wakeup_fails(&store->sql, &error, "");
    if (wal->sleeping) /* else the relay would sleep long without a source */
        wake(store);
}

/* ---- the quiet time ---------------------------------------------------------------------------------------------- */

static bool is_quiet(const struct pg_store *store)
{
    const struct pg_wal *wal = &store->wal;
    return wal->end && now_of(store) - wal->grew_ns > QUIET_NS << wal->doublings;
}

static void more_quiet(struct pg_store *store)
{
    store->wal.doublings += store->wal.doublings < DOUBLINGS_MAX;
    store->wal.doubled_ns = now_of(store);
}

static void less_quiet(struct pg_store *store)
{
    store->wal.doublings -= store->wal.doublings > 0;
    store->wal.doubled_ns = now_of(store);
}

/* The next claim that gives rows, or is to arm the wake-up, shows whether the last wake-up was useless. */
static void learn_from_wakeup(struct pg_store *store, bool arms, bool gave_rows)
{
    struct pg_wal *wal = &store->wal;
    if (wal->useless && gave_rows)
        less_quiet(store); /* NOLINT(bugprone-branch-clone): the order of the three matters */
    else if (wal->useless && arms)
        more_quiet(store);
    else if (!wal->asleep_ns && now_of(store) - wal->doubled_ns > HALVE_NS)
        less_quiet(store);
    wal->useless = wal->useless && !arms && !gave_rows;
}

static void on_growth(struct pg_store *store)
{
    struct pg_wal *wal = &store->wal;
    uint64_t now = wal->grew_ns = now_of(store);
    if (wal->sleeping) {
        wal->useless = now - wal->asleep_ns < USELESS_NS;
        if (!wal->useless)
            less_quiet(store);
        wake(store);
    }
    wal->messages++;
    if (is_busy(store))
        close_stream(wal);
}

static const struct pg_wal_events events = {on_begin, on_growth, on_failure};

/* ---- around a claim ---------------------------------------------------------------------------------------------- */

static void before(struct sql_store *sql, const struct outbox_claim *claim)
{
    struct pg_store *store = pg_store_of(sql);
    struct pg_wal *wal = &store->wal;
    wal->sleeping = false;
    if (wal->streaming && is_busy(store))
        close_stream(wal);
    else if (wal->conn.pg)
        pg_wal_keep_alive(store);
    else if (claim->flags & OUTBOX_CLAIM_ARM_WAKEUP && is_quiet(store) && now_of(store) >= wal->retry_ns)
        pg_wal_begin(store, &events);
}

uint64_t pg_wal_position(const char *text)
{
    char *slash;
    uint64_t high = strtoul(text, &slash, 16);
    return *slash == '/' ? high << 32 | (uint32_t)strtoul(slash + 1, NULL, 16) : 0;
}

static bool after(struct sql_store *sql, const struct outbox_claim *claim, const struct sql_reading *reading)
{
    struct pg_store *store = pg_store_of(sql);
    struct pg_wal *wal = &store->wal;
    bool arms = claim->flags & OUTBOX_CLAIM_ARM_WAKEUP, gave_rows = reading->rows > 0;
    note_end(store, reading->log_end);
    learn_from_wakeup(store, arms, gave_rows);
    wal->sleeping = arms && !gave_rows && wal->streaming && is_quiet(store);
    if (!wal->sleeping)
        wal->asleep_ns = 0;
    else if (!wal->asleep_ns)
        wal->asleep_ns = now_of(store);
    if (wal->sleeping)
        note_sleep(store);
    return wal->sleeping;
}

const struct sql_wakeup pg_wal_wakeup = {before, after, NULL};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/wal.c - the doorbell that costs writers nothing: what the server logs wakes an idle relay
 *
 * Whoever wants to be parked gets a stream of the server's write-ahead log (wal_stream.c), from where the last claim
 * saw it end. Whatever comes rings; nothing of it is understood or kept.
 *
 * No ring is lost: the stream begins before the claim that precedes the sleep, and what it brings during that claim
 * keeps the relay awake. But a commit is sent before it can be seen: so nobody is parked until the log has not grown
 * for QUIET_NS. What takes longer to be seen (a commit that waits for a synchronous replica) the parked relay's look
 * finds, once a second.
 *
 * The log tells of everybody's work. A relay that is woken in vain soon after it was parked asks for twice as long a
 * quiet the next time; claims tell how the log grows, so on a server that is never quiet for so long there is not
 * even a connection, and the outbox is polled. One that is parked long, or woken for rows, takes that back, and so
 * does time. A stream is given up when its relay was not parked for BUSY_NS or BUSY_MESSAGES: following a log at
 * full speed takes a server a tenth of its time.
 *
 * A stream that cannot be had or breaks is said once, and tried again. Until then the outbox is polled.
 */
#include <stdio.h>
#include <string.h>

#include "store.h"

#define MS UINT64_C(1000000)
#define QUIET_NS (50 * MS)
#define SOON_NS (500 * MS)   /* a ring costs some 15 looks, which a relay that polls takes in 400 ms */
#define EASE_NS (30000 * MS) /* of polling: then it is tried with less quiet */
#define BUSY_NS (5000 * MS)
#define PAUSE_MIN_NS (100 * MS)
#define PAUSE_MAX_NS (5000 * MS)
enum {
    BUSY_MESSAGES = 100,
    DOUBLINGS_MAX = 8 /* of QUIET_NS: 12.8 s */
};

static uint64_t now_of(const struct pg_store *store)
{
    return store->host->now(store->host);
}

/* ---- what is told ------------------------------------------------------------------------------------------------ */

static const char *advice(const struct outbox_error *error)
{
    static const struct {
        const char *state, *text;
    } known[] = {
        {"28", "; let the role in by a line for the database \"replication\" in pg_hba.conf"},
        {"53300", ": look at max_wal_senders"},
        {"08P01", "; if that is a pooler that passes no replication on, connect to the server itself"},
    };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (!strncmp(error->state, known[i].state, strlen(known[i].state)))
            return known[i].text;
    return "";
}

static void tell_fails(struct pg_store *store, const struct outbox_error *error)
{
    if (store->wal.told != PG_WAL_DEAF)
        store->host->log(store->host, OUTBOX_LOG_WARN,
                         "the doorbell does not work, and the outbox is polled until it does: %s", error->text);
    store->wal.told = PG_WAL_DEAF;
}

static bool tell_who_tries(struct pg_wal *wal, const struct outbox_error *error)
{
    void (*tried)(void *arg, const struct outbox_error *error) = wal->tried;
    wal->tried = NULL;
    if (tried)
        tried(wal->tried_arg, error);
    return tried;
}

/* ---- the stream -------------------------------------------------------------------------------------------------- */

static void doze_no_more(struct pg_wal *wal)
{
    wal->dozing = false;
    wal->since_ns = 0;
}

static void hang_up(struct pg_wal *wal)
{
    doze_no_more(wal);
    pg_wal_end(wal);
}

static void wake(struct pg_store *store)
{
    doze_no_more(&store->wal);
    if (!store->stop_op)
        store->host->wake(store->host);
}

void pg_wal_close(struct pg_store *store, const struct outbox_error *why)
{
    hang_up(&store->wal);
    store->wal.end = 0; /* the next server may have another log */
    store->wal.in_vain = false;
    tell_who_tries(&store->wal, why);
}

static void note_parked(struct pg_store *store)
{
    store->wal.parked_ns = now_of(store);
    store->wal.unparked = 0;
}

static bool is_busy(const struct pg_store *store)
{
    return now_of(store) - store->wal.parked_ns > BUSY_NS || store->wal.unparked > BUSY_MESSAGES;
}

void pg_wal_try(struct pg_store *store, const char *end, void (*then)(void *arg, const struct outbox_error *error),
                void *arg)
{
    static const struct outbox_error none;
    if (store->wal.hears) {
        then(arg, &none);
        return;
    }
    pg_wal_saw(store, end);
    store->wal.tried = then;
    store->wal.tried_arg = arg;
    if (!store->wal.conn.pg)
        pg_wal_begin(store);
}

void pg_wal_hears(struct pg_store *store)
{
    static const struct outbox_error none;
    struct pg_wal *wal = &store->wal;
    note_parked(store);
    if (wal->tried) {
        hang_up(wal);
        tell_who_tries(wal, &none);
        return;
    }
    if (wal->told != PG_WAL_HEARS)
        store->host->log(store->host, OUTBOX_LOG_INFO, "the doorbell works: what the server logs wakes the relay");
    wal->told = PG_WAL_HEARS;
}

/* One that broke soon after its begin is tried again after twice the pause. */
void pg_wal_broke(struct pg_store *store, const struct outbox_error *why)
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
    if (tell_who_tries(wal, &error))
        return;
    tell_fails(store, &error);
    if (wal->dozing) /* nobody would look for long */
        wake(store);
}

/* ---- how quiet it must be ---------------------------------------------------------------------------------------- */

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

/* The first word on whether the last ring was in vain is that of the next claim that gives rows or asks to park. */
static void judge_ring(struct pg_store *store, bool asked, bool gave_rows)
{
    struct pg_wal *wal = &store->wal;
    if (wal->in_vain && gave_rows)
        less_quiet(store);
    else if (wal->in_vain && asked)
        more_quiet(store);
    else if (!wal->since_ns && now_of(store) - wal->doubled_ns > EASE_NS)
        less_quiet(store);
    wal->in_vain = wal->in_vain && !asked && !gave_rows;
}

void pg_wal_grew(struct pg_store *store)
{
    struct pg_wal *wal = &store->wal;
    uint64_t now = wal->grew_ns = now_of(store);
    if (wal->dozing) {
        wal->in_vain = now - wal->since_ns < SOON_NS;
        if (!wal->in_vain)
            less_quiet(store);
        wake(store);
    }
    wal->unparked++;
    if (is_busy(store))
        hang_up(wal);
}

/* ---- what claims tell -------------------------------------------------------------------------------------------- */

void pg_wal_claim(struct pg_store *store, const struct outbox_claim *claim)
{
    struct pg_wal *wal = &store->wal;
    if (store->doorbell != PG_DOORBELL_WAL || claim->positions)
        return;
    wal->dozing = false;
    if (wal->hears && is_busy(store))
        hang_up(wal);
    else if (wal->conn.pg)
        pg_wal_look_after(store);
    else if (claim->flags & OUTBOX_CLAIM_ARM_WAKEUP && is_quiet(store) && now_of(store) >= wal->retry_ns)
        pg_wal_begin(store);
}

void pg_wal_saw(struct pg_store *store, const char *text)
{
    struct pg_wal *wal = &store->wal;
    unsigned high = 0, low = 0;
    uint64_t end = sscanf(text, "%X/%X", &high, &low) == 2 ? (uint64_t)high << 32 | low : wal->end;
    if (end != wal->end)
        wal->grew_ns = now_of(store);
    wal->end = end;
}

bool pg_wal_parks(struct pg_store *store, const struct outbox_claim *claim, bool gave_rows)
{
    struct pg_wal *wal = &store->wal;
    bool asked = claim->flags & OUTBOX_CLAIM_ARM_WAKEUP;
    if (store->doorbell != PG_DOORBELL_WAL || claim->positions)
        return false;
    judge_ring(store, asked, gave_rows);
    wal->dozing = asked && !gave_rows && wal->hears && is_quiet(store);
    if (!wal->dozing)
        wal->since_ns = 0;
    else if (!wal->since_ns)
        wal->since_ns = now_of(store);
    if (wal->dozing)
        note_parked(store);
    return wal->dozing;
}

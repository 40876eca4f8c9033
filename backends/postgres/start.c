/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/start.c - connecting
 *
 * look names up (worker) -> for each address: the owner's connection, a look at the server and the table, then the
 * reader's -> ready. An address that does not answer, or whose server is read-only, gives way to the next; what else
 * is wrong would be so on each of them. Each start begins anew: names are looked up and secrets read again.
 */
#include "store.h"

struct pg_lookup {
    struct outbox_work work;
    struct pg_store *store;
    struct pg_target target; /* owned by the worker until done */
    struct outbox_error error;
};

static void try_candidate(struct pg_store *store);

/* ---- the end of it ----------------------------------------------------------------------------------------------- */

static void finish(struct pg_store *store, const struct outbox_error *error)
{
    outbox_op_t op = store->start_op;
    store->start_op = 0;
    store->start = NULL;
    store->lookup = NULL;
    store->phase = error->code ? PG_STOPPED : PG_STARTED;
    if (error->code)
        pg_close_all(store, error);
    store->host->op_done(store->host, op, error);
    pg_stop_if_idle(store);
}

void pg_start_done(struct pg_store *store)
{
    static const struct outbox_error none;
    OUTBOX_FAILPOINT(store->host, postgres, connected);
    pg_claim_rewind(store);
    finish(store, &none);
}

static bool another_may_do(const struct outbox_error *error)
{
    return error->code == OUTBOX_E_NOT_CONNECTED || error->code == OUTBOX_E_TIMEOUT ||
           error->code == OUTBOX_E_READ_ONLY;
}

void pg_start_failed(struct pg_store *store, const struct outbox_error *error)
{
    struct outbox_error kept = *error;
    if (!store->start_op || store->failing)
        return;
    store->failing = true; /* what is in flight on the other connection fails as well, and comes by here */
    pg_conn_close(&store->owner, &kept);
    pg_conn_close(&store->reader, &kept);
    store->failing = false;
    if (!another_may_do(&kept) || store->candidate + 1 >= store->target.candidate_count) {
        finish(store, &kept);
        return;
    }
    store->host->log(store->host, OUTBOX_LOG_DEBUG, "%s; trying the next address", kept.text);
    store->candidate++;
    try_candidate(store);
}

void pg_start_cancel(struct pg_store *store)
{
    struct outbox_error error;
    pg_fail(&error, OUTBOX_E_CANCELED, "connect: canceled");
    if (store->start_op)
        finish(store, &error);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void owner_connected(struct pg_conn *conn, const struct outbox_error *error)
{
    struct pg_store *store = conn->arg;
    if (error->code)
        pg_start_failed(store, error);
    else
        pg_session_begin(store);
}

static void reader_connected(struct pg_conn *conn, const struct outbox_error *error)
{
    struct pg_store *store = conn->arg;
    if (error->code)
        pg_start_failed(store, error);
    else
        pg_session_reader(store);
}

static void lost(struct pg_conn *conn, const struct outbox_error *error)
{
    struct pg_store *store = conn->arg;
    if (conn == &store->owner)
        store->owns = false;
    if (store->start_op)
        pg_start_failed(store, error);
    else if (store->phase == PG_STARTED)
        store->host->lost(store->host, error);
}

static void notified(struct pg_conn *conn, const char *channel)
{
    struct pg_store *store = conn->arg;
    (void)channel;
    store->host->wake(store->host);
}

uint64_t pg_connect_us(const struct pg_store *store)
{
    return (uint64_t)(store->target.connect_ms > 0 ? store->target.connect_ms : store->connect_ms) * 1000;
}

static void connect_one(struct pg_store *store, struct pg_conn *conn, const char *name,
                        void (*connected)(struct pg_conn *conn, const struct outbox_error *error))
{
    struct outbox_error error;
    *conn = (struct pg_conn){
        .host = store->host, .name = name, .connected = connected, .lost = lost, .notified = notified, .arg = store};
    if (OUTBOX_FAILPOINT_ERROR(store->host, postgres, before_connect, &error) ||
        pg_conn_open(conn, store->target.keywords, store->target.values, pg_connect_us(store), &error))
        pg_start_failed(store, &error);
}

void pg_start_connect_reader(struct pg_store *store)
{
    connect_one(store, &store->reader, "reader", reader_connected);
}

static void try_candidate(struct pg_store *store)
{
    pg_target_choose(&store->target, store->candidate, false);
    connect_one(store, &store->owner, "owner", owner_connected);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static void look_up(struct outbox_work *work)
{
    struct pg_lookup *lookup = work->arg;
    pg_target_resolve(&lookup->target, &lookup->error);
}

/* Once: it does not change from one attempt to the next. */
static void warn_insecure(struct pg_store *store)
{
    if (store->target.insecure && !store->warned)
        store->host->log(store->host, OUTBOX_LOG_WARN,
                         "sslmode is weaker than verify-full: whoever sits between here and the server can read and "
                         "change events; set sslmode=verify-full and sslrootcert");
    store->warned = true;
}

static void looked_up(struct outbox_work *work)
{
    struct pg_lookup *lookup = work->arg;
    struct pg_store *store = lookup->store;
    bool wanted = store->lookup == lookup;
    struct outbox_error error = lookup->error;
    store->lookups--;
    if (wanted) {
        store->lookup = NULL;
        pg_target_free(&store->target);
        store->target = lookup->target;
    } else {
        pg_target_free(&lookup->target);
    }
    store->host->release(store->host, lookup);
    if (wanted && error.code) {
        store->target.candidate_count = 0;
        pg_start_failed(store, &error);
    } else if (wanted) {
        warn_insecure(store);
        store->candidate = 0;
        try_candidate(store);
    }
    pg_stop_if_idle(store);
}

void pg_start(void *self, outbox_op_t op, const struct outbox_store_start *start)
{
    struct pg_store *store = self;
    struct outbox_error error;
    struct pg_lookup *lookup = store->host->alloc(store->host, sizeof *lookup);
    pg_fail(&error, OUTBOX_E_NOT_CONNECTED, "connect: starting anew");
    pg_close_all(store, &error);
    store->phase = PG_STARTING;
    store->start_op = op;
    store->start = start;
    store->target.candidate_count = 0;
    if (!lookup) {
        pg_fail(&error, OUTBOX_E_NO_MEMORY, "connect: out of memory");
    } else if (!pg_target_parse(&lookup->target, store->dsn, store->relay, &error)) {
        lookup->store = store;
        lookup->work = (struct outbox_work){.work = look_up, .done = looked_up, .arg = lookup};
        store->lookup = lookup;
        store->lookups++;
        if (!store->host->offload(store->host, &lookup->work))
            return;
        store->lookups--;
        store->lookup = NULL;
        pg_target_free(&lookup->target);
        pg_fail(&error, OUTBOX_E_NO_MEMORY, "connect: no worker to look names up");
    }
    store->host->release(store->host, lookup);
    finish(store, &error);
}

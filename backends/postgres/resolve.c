/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/resolve.c - the addresses of the hosts, looked up by a worker
 *
 * Each start resolves names again, and reads the conninfo and the files that it names again. An abandoned look-up
 * continues until it ends; a stop waits for that.
 */
#include "store.h"

struct pg_lookup {
    struct outbox_work work;
    struct pg_store *store;
    struct pg_target target; /* owned by the worker until done */
    struct outbox_error error;
};

uint64_t pg_connect_us(const struct pg_store *store)
{
    return (uint64_t)(store->target.connect_ms > 0 ? store->target.connect_ms : store->sql.connect_ms) * 1000;
}

bool pg_is_resolving(const struct sql_store *store)
{
    return pg_store_in(store)->lookups > 0;
}

static void resolve_hosts(struct outbox_work *work)
{
    struct pg_lookup *lookup = work->arg;
    pg_target_resolve(&lookup->target, &lookup->error);
}

/* Once: it does not change from one attempt to the next. */
static void warn_insecure(struct pg_store *store)
{
    const struct outbox_host *host = store->sql.host;
    if (store->target.insecure && !store->warned)
        host->log(host, OUTBOX_LOG_WARN,
                  "sslmode is weaker than verify-full: an attacker between here and the server can read and change "
                  "events; set sslmode=verify-full and sslrootcert");
    store->warned = true;
}

static void on_resolved(struct outbox_work *work)
{
    struct pg_lookup *lookup = work->arg;
    struct pg_store *store = lookup->store;
    const struct outbox_host *host = store->sql.host;
    bool waited_for = store->lookup == lookup && store->sql.start_op;
    struct outbox_error error = lookup->error;
    store->lookups--;
    if (waited_for) {
        store->lookup = NULL;
        pg_target_free(&store->target);
        store->target = lookup->target;
    } else {
        pg_target_free(&lookup->target);
    }
    host->release(host, lookup);
    if (waited_for && !error.code)
        warn_insecure(store);
    if (waited_for)
        sql_start_resolved(&store->sql, &error);
    store->sql.when_idle(&store->sql);
}

static int begin(struct pg_store *store, struct pg_lookup *lookup, struct outbox_error *error)
{
    const struct outbox_host *host = store->sql.host;
    if (!lookup)
        return pg_fail(error, OUTBOX_E_NO_MEMORY, "connect: out of memory");
    if (pg_target_parse(&lookup->target, store->dsn, store->application, store->sql.relay, error))
        return error->code;
    lookup->store = store;
    lookup->work = (struct outbox_work){.work = resolve_hosts, .done = on_resolved, .arg = lookup};
    if (!host->offload(host, &lookup->work)) {
        store->lookup = lookup;
        store->lookups++;
        return OUTBOX_OK;
    }
    pg_target_free(&lookup->target);
    return pg_fail(error, OUTBOX_E_NO_MEMORY, "connect: no worker thread to resolve names");
}

void pg_resolve(struct sql_store *sql)
{
    struct pg_store *store = pg_store_of(sql);
    struct pg_lookup *lookup = sql->host->alloc(sql->host, sizeof *lookup);
    struct outbox_error error = {.code = OUTBOX_OK};
    if (!begin(store, lookup, &error))
        return;
    sql->host->release(sql->host, lookup);
    sql_start_resolved(sql, &error);
}

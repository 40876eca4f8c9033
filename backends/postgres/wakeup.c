/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/wakeup.c - the wakeup: writers notify only while the relay is parked
 *
 * While it is parked, the relay's reader holds an advisory lock exclusively. A trigger on the outbox tries, in each
 * transaction that writes, to share it, and notifies only if that fails. So an insert beside an active relay costs its
 * writer one look at a lock, in the trigger's WHEN, without calling a function; a NOTIFY for each would make all
 * commits of the database queue.
 *
 * No ring is lost: a writer that shares the lock does so until its transaction has ended, and as long as there is one
 * the relay does not get the lock, and polls. Once it has it, a claim follows, which sees all who were before; all
 * after find the lock taken. The relay lets go of it before the claim that follows the ring.
 */
#include <stdio.h>

#include "store.h"

enum { BELL_CLASS = 0x6f62656c }; /* "obel"; 1868719468 in SQL */

void pg_bell_sql(const struct pg_store *store, struct obx_sql_text *sql, int index)
{
    struct obx_sql_text function = {.host = store->host}, table = {.host = store->host};
    const char *schema = *store->schema ? store->schema : store->table.schema;
    pg_table_put(store, &table);
    if (*schema) {
        obx_sql_text_name(&function, schema);
        obx_sql_text_puts(&function, ".");
    }
    obx_sql_text_puts(&function, "outbox_ring");
    if (index == 0)
        obx_sql_text_format(sql,
                            "CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $$\n"
                            "BEGIN PERFORM pg_notify('outbox_' || TG_RELID, ''); RETURN NULL; END $$",
                            obx_sql_text_get(&function));
    else if (index == 1)
        obx_sql_text_format(sql, "DROP TRIGGER IF EXISTS outbox_doorbell ON %s", obx_sql_text_get(&table));
    else
        obx_sql_text_format(sql,
                            "CREATE TRIGGER outbox_doorbell AFTER INSERT ON %s FOR EACH STATEMENT\n"
                            "    WHEN (NOT pg_try_advisory_xact_lock_shared(1868719468, %l::regclass::oid::int4))\n"
                            "    EXECUTE FUNCTION %s()",
                            obx_sql_text_get(&table), obx_sql_text_get(&table), obx_sql_text_get(&function));
    sql->failed = sql->failed || function.failed || table.failed;
    obx_sql_text_free(&function);
    obx_sql_text_free(&table);
}

/* Is there a trigger, and are we listening? Part of preparing the reader. */
int pg_bell_listen(struct pg_store *store, PGconn *pg)
{
    char listen[64];
    struct pg_params params = {0};
    snprintf(listen, sizeof listen, "LISTEN outbox_%u", store->table.oid);
    pg_param_int4(&params, (int32_t)store->table.oid);
    return PQsendQueryParams(pg, listen, 0, NULL, NULL, NULL, NULL, 1) &&
           PQsendQueryParams(
               pg,
               "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::oid AND tgname = 'outbox_doorbell' "
               "AND tgenabled <> 'D') AS doorbell",
               1, NULL, params.values, params.lengths, params.formats, 1);
}

void pg_bell_found(struct pg_store *store, bool there)
{
    store->bell = there;
    if (!there)
        store->host->log(store->host, OUTBOX_LOG_WARN,
                         "there is no doorbell on %s.%s: run 'outbox init'; until then the outbox is polled",
                         store->table.schema, store->table.name);
}

static int send_lock(const struct pg_store *store, PGconn *pg, const char *sql)
{
    struct pg_params params = {0};
    pg_param_int4(&params, BELL_CLASS);
    pg_param_int4(&params, (int32_t)store->table.oid);
    return PQsendQueryParams(pg, sql, 2, NULL, params.values, params.lengths, params.formats, 1);
}

bool pg_bell_wanted(const struct pg_store *store, const struct outbox_claim *claim)
{
    bool park = !claim->positions && claim->flags & OUTBOX_CLAIM_ARM_WAKEUP;
    return store->bell && park != store->parked;
}

int pg_bell_send(struct pg_store *store, PGconn *pg)
{
    return send_lock(store, pg,
                     store->parked ? "SELECT pg_advisory_unlock($1::int4, $2::int4)"
                                   : "SELECT pg_try_advisory_lock($1::int4, $2::int4)");
}

void pg_bell_take(struct pg_store *store, const PGresult *result)
{
    bool done = PQntuples(result) == 1 && *PQgetvalue(result, 0, 0);
    store->parked = !store->parked && done;
}

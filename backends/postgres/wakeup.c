/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/wakeup.c - wake-up by a trigger: writers notify only while the relay sleeps
 *
 * A relay that sleeps holds an advisory lock exclusively, in its reader's session. A trigger on the outbox tries to
 * share the lock in each writing transaction, and notifies only if that fails. So an insert while the relay is active
 * costs its writer one lock attempt, in the trigger's WHEN, without a function call. A NOTIFY for each insert would
 * serialize all commits of the database.
 *
 * No notification is lost. A writer shares the lock until its transaction ends. As long as a writer shares it, the
 * relay cannot acquire the lock, and polls. After the relay has acquired it, a claim follows: that claim sees all
 * earlier writers, and all later writers find the lock taken. The relay releases the lock before the claim that follows
 * a notification.
 */
#include <stdio.h>

#include "store.h"

enum { LOCK_CLASS = 0x6f62656c }; /* "obel"; 1868719468 in SQL */

/* The function is in the schema of the outbox. */
static void append_function(const struct sql_store *store, struct obx_sql_text *sql)
{
    sql_append_table(store, sql, &(struct sql_table_name){.name = "outbox_notify"});
}

void pg_trigger_sql(const struct pg_store *store, struct obx_sql_text *sql, int index)
{
    struct obx_sql_text table = {.host = store->sql.host};
    sql_append_outbox(&store->sql, &table);
    const char *name = obx_sql_text_get(&table);
    if (index == 0) {
        obx_sql_text_puts(sql, "CREATE OR REPLACE FUNCTION ");
        append_function(&store->sql, sql);
        obx_sql_text_puts(sql, "() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$\n"
                               "BEGIN PERFORM pg_notify('outbox_' || TG_RELID, ''); RETURN NULL; END $$");
    } else if (index == 1) {
        obx_sql_text_format(sql, "DROP TRIGGER IF EXISTS outbox_wakeup ON %s", name);
    } else {
        obx_sql_text_format(sql,
                            "CREATE TRIGGER outbox_wakeup AFTER INSERT ON %s FOR EACH STATEMENT\n"
                            "    WHEN (NOT pg_catalog.pg_try_advisory_xact_lock_shared(1868719468,\n"
                            "        %l::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int4))\n"
                            "    EXECUTE FUNCTION ",
                            name, name);
        append_function(&store->sql, sql);
        obx_sql_text_puts(sql, "()");
    }
    sql->failed = sql->failed || table.failed;
    obx_sql_text_free(&table);
}

/* Checks for the trigger, and starts to LISTEN. Part of preparing the reader. */
bool pg_trigger_listen(struct pg_store *store, struct sql_request *request)
{
    char listen[64];
    struct pg_params params = {0};
    snprintf(listen, sizeof listen, "LISTEN outbox_%u", store->table_oid);
    pg_param_int4(&params, (int32_t)store->table_oid);
    return pg_send_text(request, listen, NULL) &&
           pg_send_text(request,
                        "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::oid AND tgname = 'outbox_wakeup' "
                        "AND tgenabled <> 'D') AS trigger",
                        &params);
}

void pg_trigger_found(struct pg_store *store, bool there)
{
    const struct sql_store *sql = &store->sql;
    store->trigger = there;
    if (!there)
        sql->host->log(sql->host, OUTBOX_LOG_WARN,
                       "there is no wake-up trigger on %s.%s: run 'outbox init'; the relay polls until then",
                       sql->table.schema, sql->outbox.name);
}

static bool put_arming(struct sql_request *request)
{
    const struct pg_store *store = request->arg;
    struct pg_params params = {0};
    pg_param_int4(&params, LOCK_CLASS);
    pg_param_int4(&params, (int32_t)store->table_oid);
    return pg_send_text(request,
                        store->sleeping ? "SELECT pg_advisory_unlock($1::int4, $2::int4)"
                                        : "SELECT pg_try_advisory_lock($1::int4, $2::int4)",
                        &params);
}

static void on_arming(struct sql_request *request, void *result)
{
    struct pg_store *store = request->arg;
    bool done = pg_has_shape(result, 1, 1, "b") && pg_integer(result, 0, 0, 0);
    store->sleeping = !store->sleeping && done;
    PQclear(result);
}

/* Acquires or releases the lock; its result arrives before that of the claim. */
static void before(struct sql_store *sql, const struct outbox_claim *claim)
{
    struct pg_store *store = pg_store_of(sql);
    bool wish = claim->flags & OUTBOX_CLAIM_ARM_WAKEUP;
    if (!store->trigger || wish == store->sleeping)
        return;
    store->arming = (struct sql_request){
        .what = "arm the wake-up notification", .put = put_arming, .result = on_arming, .arg = store, .store = sql};
    sql_lane_submit(sql->reader, &store->arming);
}

static bool after(struct sql_store *sql, const struct outbox_claim *claim, const struct sql_reading *reading)
{
    (void)claim;
    (void)reading;
    return pg_store_of(sql)->sleeping;
}

const struct sql_wakeup pg_trigger_wakeup = {before, after, NULL};

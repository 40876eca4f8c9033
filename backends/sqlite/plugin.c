/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/plugin.c - the SQLite store: options, life and descriptor
 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include <outbox/version.h>

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct lite_store *store = self;
    store->host = init->host;
    store->lock_fd = store->notify_fd = -1;
    lite_log_init(store);
    for (int i = 0; i < LANE_COUNT; i++)
        store->lanes[i].conn.store = store;
    if (!store->path[0])
        return outbox_error_set(error, OUTBOX_E_CONFIG, "read the option path: it is empty; name the database file");
    if (!strcmp(store->path, ":memory:"))
        return outbox_error_set(error, OUTBOX_E_CONFIG,
                                "read the option path: what is in :memory: nobody else can see; name a database file");
    if (!store->table[0])
        return outbox_error_set(error, OUTBOX_E_CONFIG, "read the option table: it is empty; name the outbox table");
    return lite_schema_names(store, error);
}

static void fini(void *self)
{
    struct lite_store *store = self;
    const struct outbox_host *host = store->host;
    if (!host)
        return;
    lite_batches_free(store);
    obx_sql_ranges_free(host, &store->given);
    obx_sql_ranges_free(host, &store->runs);
    host->release(host, store->kinds);
    host->release(host, store->dead_name);
    host->release(host, store->relay_name);
    host->release(host, store->lock_path);
    free(store->real);
}

static void cancel(void *self, outbox_op_t op)
{
    lite_job_cancel(self, op);
}

static const struct outbox_option options[] = {
    {"path", OUTBOX_OPT_STRING, OUTBOX_OPT_REQUIRED | OUTBOX_OPT_IDENTITY, offsetof(struct lite_store, path), NULL, 0,
     0, NULL, "the database file; a relative path begins at the working directory"},
    {"table", OUTBOX_OPT_STRING, OUTBOX_OPT_IDENTITY, offsetof(struct lite_store, table), "outbox", 0, 0, NULL,
     "the outbox table"},
    {"dead_table", OUTBOX_OPT_STRING, 0, offsetof(struct lite_store, dead_table), NULL, 0, 0, NULL,
     "the table of dead letters; by default the name of the outbox table and _dead"},
    {"columns", OUTBOX_OPT_MAP, 0, offsetof(struct lite_store, columns), NULL, 0, 0, NULL,
     "the table's own names for id, event_id, aggregatetype, aggregateid, type, payload, headers, created_at"},
    {"busy_timeout", OUTBOX_OPT_DURATION, 0, offsetof(struct lite_store, busy_timeout), "5s", 0, 3600000, NULL,
     "how long to wait for the lock of another connection"},
};

static const struct outbox_store_ops ops = {
    .struct_size = sizeof ops,
    .init = init,
    .fini = fini,
    .start = lite_start,
    .stop = lite_stop,
    .cancel = cancel,
    .acquire = lite_acquire,
    .renew = lite_renew,
    .claim = lite_claim,
    .release = lite_release,
    .settle = lite_settle,
    .dead_letter = lite_park,
    .setup = lite_setup,
    .print = lite_print,
    .check = lite_check,
    .status = lite_status,
    .add = lite_add,
    .dead = lite_dead,
};

OUTBOX_PLUGIN(store, sqlite) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_STORE,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_WAKE | OUTBOX_CAP_DEAD_LETTERS | OUTBOX_CAP_ADMIN,
    .name = "sqlite",
    .version = OUTBOX_VERSION_STRING,
    .description = "an outbox table in an SQLite database",
    .instance_size = sizeof(struct lite_store),
    .op_size = sizeof(struct lite_job),
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .ops = &ops,
};

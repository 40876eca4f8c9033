/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/plugin.c - the SQLite store: options, init and fini, descriptor
 */
#include "checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/version.h>

static int check_options(const struct lite_store *store, struct outbox_error *error)
{
    if (!store->file.path[0])
        return outbox_error_set(error, OUTBOX_E_CONFIG, "read the option path: it is empty; name the database file");
    if (!strcmp(store->file.path, ":memory:"))
        return outbox_error_set(error, OUTBOX_E_CONFIG,
                                "read the option path: :memory: is visible to one connection only; name a database "
                                "file");
    if (!store->schema.table[0])
        return outbox_error_set(error, OUTBOX_E_CONFIG, "read the option table: it is empty; name the outbox table");
    return OUTBOX_OK;
}

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct lite_store *store = self;
    store->host = init->host;
    snprintf(store->relay, sizeof store->relay, "%s", init->relay);
    store->rows.host = store->lock.host = store->host;
    store->lock.file = &store->file;
    store->lock.fd = store->wakeup.fd = -1;
    lite_pace_init(&store->pace);
    lite_log_init(store);
    lite_lanes_init(&store->lanes, store, store->host, store->file.path, (uint64_t)store->busy_timeout_ms);
    int code = check_options(store, error);
    return code ? code : lite_schema_init(&store->schema, store->host, error);
}

static void fini(void *self)
{
    struct lite_store *store = self;
    const struct outbox_host *host = store->host;
    if (!host)
        return;
    lite_rows_fini(&store->rows);
    obx_sql_ranges_free(host, &store->reader.outstanding);
    obx_sql_ranges_free(host, &store->reader.refused);
    obx_sql_ranges_free(host, &store->settle_ids);
    lite_refused_fini(&store->refused, host);
    lite_schema_fini(&store->schema, host);
    host->release(host, store->lock.path);
    free(store->file.real);
}

static void cancel(void *self, outbox_op_t id)
{
    struct lite_store *store = self;
    lite_op_cancel(&store->lanes, id);
}

static const struct outbox_option options[] = {
    {"path", OUTBOX_OPT_STRING, OUTBOX_OPT_REQUIRED | OUTBOX_OPT_IDENTITY, offsetof(struct lite_store, file.path), NULL,
     0, 0, NULL, "the database file; a relative path starts at the working directory"},
    {"table", OUTBOX_OPT_STRING, OUTBOX_OPT_IDENTITY, offsetof(struct lite_store, schema.table), "outbox", 0, 0, NULL,
     "the outbox table"},
    {"dead_table", OUTBOX_OPT_STRING, 0, offsetof(struct lite_store, schema.dead_table), NULL, 0, 0, NULL,
     "the table of dead letters; by default the name of the outbox table and _dead"},
    {"columns", OUTBOX_OPT_MAP, 0, offsetof(struct lite_store, schema.columns), NULL, 0, 0, NULL,
     "the table's names for id, event_id, aggregatetype, aggregateid, type, payload, headers, created_at"},
    {"busy_timeout", OUTBOX_OPT_DURATION, 0, offsetof(struct lite_store, busy_timeout_ms), "5s", 0, 3600000, NULL,
     "the longest wait for a lock that another connection holds"},
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
    .dead_letter = lite_dead_letter,
    .setup = lite_setup,
    .print = lite_print,
    .check = lite_check,
    .status = lite_status,
    .add = lite_add,
    .dead = lite_dead,
    .setup_inbox = lite_setup_inbox,
};

static const char *library(void)
{
    static char text[32];
    snprintf(text, sizeof text, "SQLite %s", sqlite3_libversion());
    return text;
}

OUTBOX_PLUGIN(store, sqlite) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_STORE,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_WAKE | OUTBOX_CAP_DEAD_LETTERS | OUTBOX_CAP_ADMIN | OUTBOX_CAP_INBOX | OUTBOX_CAP_DEAD_SET |
            OUTBOX_CAP_AHEAD,
    .name = "sqlite",
    .version = OUTBOX_VERSION_STRING,
    .library = library,
    .description = "an outbox table in an SQLite database",
    .instance_size = sizeof(struct lite_store),
    .op_size = LITE_OP_SIZE,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .ops = &ops,
};

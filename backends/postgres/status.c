/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/status.c - the status queries that are specific to Postgres */
#include <stdio.h>
#include <string.h>

#include "store.h"

void pg_append_estimate(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "SELECT reltuples::int8 FROM pg_class WHERE oid = ");
    obx_sql_text_int(sql, pg_store_in(store)->table_oid);
}

/* The first word of the server's identity is the cluster's; in it a table is known by its database and its OID. */
static void report_identity(const struct pg_store *store, struct outbox_store_status *status)
{
    int cluster = (int)strcspn(store->server.identity, " ");
    if (cluster)
        snprintf(status->identity, sizeof status->identity, "postgres %.*s %s %u", cluster, store->server.identity,
                 store->server.database, store->table_oid);
}

static void report_status(struct sql_op *op)
{
    struct sql_row row;
    struct outbox_store_status *status = sql_report_status(op, &row);
    if (!status)
        return;
    report_identity(pg_store_in(op->store), status);
    int64_t since_us = pg_describe_owner(pg_text(op->result, 0, SQL_STATUS_OWNER), status->owner, sizeof status->owner);
    OUTBOX_SET_MEMBER(status, owner_since_us, since_us);
    snprintf(status->server, sizeof status->server, "PostgreSQL %.*s",
             OUTBOX_CUT(pg_text(op->result, 0, SQL_STATUS_OWNER + 1), 80));
}

const struct sql_probe pg_status_probes[] = {
    {"read the status", sql_put_status, NULL, report_status, NULL, 4},
    {"read how much log is kept", pg_put_log_status, NULL, pg_report_log_status, sql_probe_is_optional, 3},
    {"count dead letters", sql_put_dead_count, NULL, sql_report_dead_count, sql_probe_is_optional, 1},
    {.what = NULL},
};

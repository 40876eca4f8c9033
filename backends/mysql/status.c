/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/status.c - the status queries that are specific to MySQL */
#include <stdio.h>

#include "store.h"

void mys_append_estimate(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(sql,
                        "SELECT table_rows FROM information_schema.tables WHERE table_schema = %l AND table_name = %l",
                        store->table.schema, store->outbox.name);
}

void mys_append_owner(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "IS_USED_LOCK(");
    mys_append_lock(store, sql);
    obx_sql_text_puts(sql, ")");
}

static void report_status(struct sql_op *op)
{
    const struct mys_server *server = &mys_store_of(op->store)->server;
    struct sql_row row;
    struct outbox_store_status *status = sql_report_status(op, &row);
    if (!status)
        return;
    op->session = (uint64_t)mys_number(&row, SQL_STATUS_OWNER, 0);
    snprintf(status->server, sizeof status->server, "%s %.*s", server->mariadb ? "MariaDB" : "MySQL",
             OUTBOX_CUT(server->version, 80));
}

/* The names as the server has them: it may compare names without case. */
void mys_append_identity(const struct sql_store *store, struct obx_sql_text *sql, const char *more)
{
    obx_sql_text_format(sql,
                        "SELECT CONCAT('mysql ', SHA2(CONCAT_WS('.', %l, HEX(table_schema), HEX(table_name), %s), "
                        "256)) FROM information_schema.tables WHERE table_schema = %l AND table_name = %l",
                        mys_store_in(store)->server.identity, more, store->table.schema, store->outbox.name);
}

static bool put_identity(struct sql_request *request)
{
    mys_append_identity(request->store, request->sql, "NULL");
    return true;
}

static void report_identity(struct sql_op *op)
{
    struct outbox_store_status *status = op->out;
    struct mys_row row;
    if (mys_fetch(op->result, &row) && mys_text_of(&row, 0))
        mys_copy(status->identity, sizeof status->identity, mys_text_of(&row, 0));
}

static bool put_owner(struct sql_request *request)
{
    return mys_put(request, "SELECT owner, " MYS_OWNED_SINCE " FROM ", &mys_store_of(request->store)->relay_table,
                   " WHERE id = 1");
}

static void report_owner(struct sql_op *op)
{
    struct outbox_store_status *status = op->out;
    struct mys_row row;
    mys_first(op->result, &row);
    if (!op->session)
        return;
    OUTBOX_SET_MEMBER(status, owner_since_us, mys_integer_of(&row, 1, -1));
    const char *owner = mys_text_of(&row, 0) ? mys_text_of(&row, 0) : "";
    snprintf(status->owner, sizeof status->owner, "%.*s, connection %llu", OUTBOX_CUT(owner, 64),
             (unsigned long long)op->session);
}

const struct sql_probe mys_status_probes[] = {
    {"read the status", sql_put_status, NULL, report_status, NULL, 3},
    {"count dead letters", sql_put_dead_count, NULL, sql_report_dead_count, sql_probe_is_optional, 1},
    {"read the owner's name", put_owner, NULL, report_owner, sql_probe_is_optional, 2},
    {"read the table's identity", put_identity, NULL, report_identity, sql_probe_is_optional, 1},
    {"read the place in the binlog", mys_put_place, NULL, mys_report_place, sql_probe_is_optional},
    {"read the files of the binlog", mys_put_files, NULL, mys_report_files, sql_probe_is_optional},
    {.what = NULL},
};

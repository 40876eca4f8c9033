/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/fence.c - makes transactions of a former owner, or on another table, fail
 *
 * Each transaction that removes rows begins with an UPDATE of the relay table, which fails unless the epoch is the
 * owner's and the outbox is the table that the rows were read from. There are two ways to prove the latter:
 *
 *     witness    the last row of the settle is in the table, with the event id that was claimed. A read by primary key.
 *     full       the table was created when the owned table was. MySQL needs 0.6 ms to look that up, MariaDB 0.1 ms.
 *
 * A missing witness proves nothing: another session may have deleted that row. The transaction is then sent again with
 * the full proof. Both proofs name the outbox in the UPDATE, whose metadata lock the transaction keeps: nobody can
 * rename the table between the proof and the DELETE. `create_time` has whole seconds: the full proof does not see a
 * table that replaces one created in the same second.
 */
#include <stdio.h>
#include <string.h>

#include "sql/columns.h"
#include "store.h"

enum { FENCE = 1 }; /* index of the UPDATE among the statements of the transaction */

/* When the table was made. */
static void append_created(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(sql,
                        "SELECT UNIX_TIMESTAMP(create_time) FROM information_schema.tables WHERE table_schema = %l AND "
                        "table_name = %l",
                        store->table.schema, store->outbox.name);
}

/* ---- the proofs -------------------------------------------------------------------------------------------------- */

struct witness {
    int64_t id;
    struct outbox_bytes event_id; /* borrowed from the batch; data NULL: there is no witness */
    bool binary;
};

/* An event id is unique where it is long enough. */
static bool is_unique(const struct sql_selected *selected, const struct outbox_value *value)
{
    enum { UNIQUE_BYTES = 16 };
    bool bytes =
        selected->encoding == MYS_AS_TEXT || selected->encoding == MYS_AS_BYTES || selected->encoding == MYS_AS_UUID;
    return bytes && value->type != OUTBOX_NULL && value->size >= UNIQUE_BYTES;
}

/* The last row: it is in the table until the last transaction of the settle. */
static struct witness find_witness(const struct sql_store *store, const struct outbox_settle *settle)
{
    struct witness witness = {.id = 0};
    const char *name = obx_sql_column(&store->column_names, "event_id");
    if (!settle->span_count)
        return witness;
    const struct outbox_span *span = &settle->spans[settle->span_count - 1];
    uint32_t row = span->first + span->count - 1;
    const struct outbox_value *values = &span->batch->values[(size_t)row * span->batch->columns];
    for (uint32_t c = 0; c < store->selected_count; c++) {
        const struct sql_selected *selected = &store->selected[c];
        if (strcmp(selected->name, name) != 0 || !is_unique(selected, &values[c]))
            continue;
        witness.id = (int64_t)span->batch->positions[row].major;
        witness.event_id = (struct outbox_bytes){values[c].as.data, values[c].size};
        witness.binary = selected->encoding != MYS_AS_TEXT;
    }
    return witness;
}

/* One of the rows that share its id is enough: the settle reports that there were several. */
static void append_witness(const struct sql_store *store, struct obx_sql_text *sql, const struct witness *witness)
{
    obx_sql_text_format(sql, "(SELECT MAX(%n = ", obx_sql_column(&store->column_names, "event_id"));
    if (witness->binary)
        mys_append_hex(sql, witness->event_id);
    else
        mys_append_string(sql, witness->event_id);
    obx_sql_text_puts(sql, ") FROM ");
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, " WHERE %n = ", store->table.id);
    obx_sql_text_int(sql, witness->id);
    obx_sql_text_puts(sql, " FOR UPDATE)");
}

static void append_full_proof(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "(SELECT COUNT(*) FROM ");
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, " WHERE %n = 0 FOR UPDATE) >= 0 AND IFNULL((", store->table.id);
    append_created(store, sql);
    obx_sql_text_format(sql, "), 0) = %s", mys_store_in(store)->created);
}

/* ---- the fence --------------------------------------------------------------------------------------------------- */

/* A failed condition sets epoch to NULL, which fails (NOT NULL, strict mode) and ends the whole packet. */
void mys_append_fence(struct sql_op *op, struct obx_sql_text *sql, const struct outbox_settle *settle)
{
    const struct sql_store *sql_store = op->store;
    const struct mys_store *store = mys_store_in(sql_store);
    struct witness witness = {.id = 0};
    if (settle && !op->full_proof)
        witness = find_witness(sql_store, settle);
    op->witness_used = witness.event_id.data != NULL;
    obx_sql_text_puts(sql, "START TRANSACTION; UPDATE ");
    mys_append_relay(sql_store, sql);
    obx_sql_text_puts(sql, " SET epoch = IF(epoch = ");
    obx_sql_text_int(sql, (int64_t)store->epoch);
    obx_sql_text_puts(sql, " AND ");
    if (op->witness_used)
        append_witness(sql_store, sql, &witness);
    else
        append_full_proof(sql_store, sql);
    obx_sql_text_puts(sql, ", epoch, NULL) WHERE id = 1; ");
}

/* The fence has failed. After it the same error is one of a trigger that puts NULL into a column. */
static bool has_failed(const struct sql_request *request, const struct outbox_error *error)
{
    enum { NOT_NULL = 1048 };
    return error->native == NOT_NULL && request->transaction && request->failed == FENCE;
}

bool mys_send_again(const struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = sql_op_of(request);
    if (!has_failed(request, error) || !op->witness_used)
        return false;
    op->full_proof = true;
    return true;
}

/* A dead letter is copied by one statement, and deleted by the next. */
static bool is_delete(const struct sql_request *request)
{
    return request->index > FENCE && (request->put != mys_put_dead_letters || (request->index - FENCE) % 2 == 0);
}

/* Without the row of the relay table nothing distinguishes this owner from another: the ownership ends. */
void mys_removal_result(struct sql_request *request, void *result)
{
    struct sql_store *store = request->store;
    mysql_free_result(result);
    if (request->index > FENCE)
        sql_op_of(request)->removed += request->affected;
    if (is_delete(request))
        store->foreign.own += (int64_t)request->affected;
    if (request->index != FENCE || request->affected)
        return;
    store->owns = false;
    store->host->log(store->host, OUTBOX_LOG_ERROR,
                     "the row of table %s is gone, and with it the record of the owner; run 'outbox init'",
                     mys_store_in(store)->relay_table.name);
}

bool mys_is_fenced(const struct sql_request *request, struct outbox_error *error)
{
    const struct sql_store *store = request->store;
    if (!has_failed(request, error))
        return false;
    mys_fail(error, OUTBOX_E_FENCED, "another relay has become the owner of outbox %s.%s, or its table was replaced",
             store->table.schema, store->outbox.name);
    return true;
}

/* ---- is it still the same table? --------------------------------------------------------------------------------- */

/* The lock is on the name of the table. TRUNCATE and some forms of ALTER TABLE also create a new table, whose ids may
 * start again. */
bool mys_put_renew(struct sql_request *request)
{
    struct sql_store *store = request->store;
    append_created(store, request->sql);
    if (!mys_store_in(store)->server.deletes_visible)
        return true;
    obx_sql_text_puts(request->sql, "; ");
    mys_append_deleted(store, request->sql);
    if (store->foreign.found && !store->foreign.shown) { /* to `check` */
        obx_sql_text_puts(request->sql, "; DO GET_LOCK(");
        mys_append_found(store, request->sql);
        obx_sql_text_puts(request->sql, ", 0)");
    }
    return true;
}

static void on_created(struct sql_store *store, MYSQL_RES *result)
{
    struct mys_row row;
    const char *created = mys_first(result, &row) && mys_text_of(&row, 0) ? mys_text_of(&row, 0) : "0";
    if (!row.columns || strcmp(created, mys_store_of(store)->created) != 0)
        store->owns = false;
}

void mys_on_renew(struct sql_request *request, void *result)
{
    enum { CREATED, DELETED, SHOWN };
    if (request->index == CREATED)
        on_created(request->store, result);
    else if (request->index == DELETED)
        sql_foreign_deletes_measure(request->store, mys_value(result, 0, -1));
    else if (request->index == SHOWN)
        request->store->foreign.shown = true;
    mysql_free_result(result);
}

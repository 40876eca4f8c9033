/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/capture/position.c - the position row
 *
 * acquire: raise the epoch, read the row -> read which events above it are in the table -> which of them are dead
 * letters -> owner. Each record is one UPDATE by primary key, in the session of the owner; `writes` makes sure that it
 * changes the row.
 *
 * Failure modes: no row, or one that is not of this server, is OUTBOX_E_SCHEMA. An UPDATE that meets no row with the
 * epoch is OUTBOX_E_FENCED: another relay became the owner.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/capture/capture.h"
#include "sql/server/owner.h"
#include "sql/server/table.h"

const char *const sql_capture_columns[SQL_CAPTURE_COLUMNS] = {"id",       "log_identity", "log_position", "log_index",
                                                              "sequence", "epoch",        "writes"};

int sql_capture_init(struct sql_store *store, const struct sql_capture_source *source, struct outbox_error *error)
{
    struct sql_capture *capture = &store->capture;
    capture->queue.memory.host = store->host;
    capture->row.position = capture->measure_sql =
        (struct obx_sql_text){.host = store->host, .dialect = store->driver->dialect};
    capture->source = source;
    capture->log_bytes = capture->log_limit = -1;
    if (strlen(store->outbox.name) + sizeof "_position" > SQL_NAME)
        return outbox_error_set(
            error, OUTBOX_E_CONFIG,
            "table: \"%s\" is too long for capture: its name and _position have %d characters at most",
            store->outbox.name, SQL_NAME - 1);
    snprintf(capture->position_name, sizeof capture->position_name, "%s_position", store->outbox.name);
    return OUTBOX_OK;
}

void sql_capture_free(struct sql_store *store)
{
    struct sql_capture *capture = &store->capture;
    if (capture->patience)
        store->host->timer_close(capture->patience);
    sql_capture_queue_free(&capture->queue);
    obx_sql_ranges_free(store->host, &capture->proofs);
    obx_sql_text_free(&capture->row.position);
    obx_sql_text_free(&capture->measure_sql);
    store->host->release(store->host, capture->part_spans);
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

void sql_capture_append_table(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_table(sql, sql_schema_of(store, &store->outbox), store->capture.position_name);
}

void sql_capture_append_create(const struct sql_store *store, struct obx_sql_text *sql, const char *text,
                               const char *bigint, const char *end)
{
    obx_sql_text_puts(sql, "CREATE TABLE IF NOT EXISTS ");
    sql_capture_append_table(store, sql);
    obx_sql_text_format(sql, " (\n    id %s PRIMARY KEY", bigint);
    for (int i = SQL_CAPTURE_IDENTITY; i < SQL_CAPTURE_COLUMNS; i++)
        obx_sql_text_format(sql, ",\n    %n %s NOT NULL", sql_capture_columns[i],
                            i <= SQL_CAPTURE_POSITION ? text : bigint);
    obx_sql_text_puts(sql, end);
}

void sql_capture_append_row_columns(struct obx_sql_text *sql)
{
    for (int i = SQL_CAPTURE_IDENTITY; i <= SQL_CAPTURE_EPOCH; i++)
        obx_sql_text_format(sql, "%s%n", i > SQL_CAPTURE_IDENTITY ? ", " : "", sql_capture_columns[i]);
}

/* The names are qualified: the session has the search path of its role, for the application's triggers. */
void sql_capture_append_record(const struct sql_store *store, struct obx_sql_text *sql)
{
    const struct sql_capture *capture = &store->capture;
    bool qualified = store->driver->dialect == OBX_SQL_POSTGRES;
    struct obx_sql_text identity = sql_text(store), position = sql_text(store);
    capture->source->put_position(store, &identity, &position);
    obx_sql_text_puts(sql, "UPDATE ");
    sql_capture_append_table(store, sql);
    obx_sql_text_format(sql, " SET %n = %l, %n = %l, %n = ", sql_capture_columns[SQL_CAPTURE_IDENTITY],
                        obx_sql_text_get(&identity), sql_capture_columns[SQL_CAPTURE_POSITION],
                        obx_sql_text_get(&position), sql_capture_columns[SQL_CAPTURE_INDEX]);
    obx_sql_text_int(sql, (int64_t)capture->passed_index);
    obx_sql_text_format(sql, ", %n = ", sql_capture_columns[SQL_CAPTURE_SEQUENCE]);
    obx_sql_text_int(sql, capture->queue.low);
    obx_sql_text_format(sql, ", %n = %n %s 1 WHERE id %s 1 AND %n %s ", sql_capture_columns[SQL_CAPTURE_WRITES],
                        sql_capture_columns[SQL_CAPTURE_WRITES], qualified ? "OPERATOR(pg_catalog.+)" : "+",
                        qualified ? "OPERATOR(pg_catalog.=)" : "=", sql_capture_columns[SQL_CAPTURE_EPOCH],
                        qualified ? "OPERATOR(pg_catalog.=)" : "=");
    obx_sql_text_int(sql, capture->row.epoch);
    sql->failed = sql->failed || identity.failed || position.failed;
    obx_sql_text_free(&identity);
    obx_sql_text_free(&position);
}

int sql_capture_recorded(struct sql_store *store, int64_t sequence, uint64_t rows, struct outbox_error *error)
{
    if (!rows) {
        store->owns = false;
        return outbox_error_set(error, OUTBOX_E_FENCED,
                                "record the position of %s.%s: another relay has become its owner", store->table.schema,
                                store->outbox.name);
    }
    store->capture.row.sequence = sequence;
    store->capture.unrecorded = false;
    store->capture.source->recorded(store);
    return OUTBOX_OK;
}

/* ---- becoming the owner ------------------------------------------------------------------------------------------ */

static void fail(struct sql_op *op, const struct outbox_error *error)
{
    op->store->owns = false;
    sql_op_complete(op, error);
}

static bool read_row(struct sql_store *store, void *result)
{
    struct sql_capture_row *row = &store->capture.row;
    const struct sql_driver *driver = store->driver;
    struct sql_row at = {.result = result};
    if (!result || !driver->next_row(&at))
        return false;
    struct outbox_bytes identity = driver->cell(&at, 0), position = driver->cell(&at, 1);
    if (!identity.data || !position.data || identity.size >= sizeof row->identity)
        return false;
    memcpy(row->identity, identity.data, identity.size);
    row->identity[identity.size] = '\0';
    obx_sql_text_clear(&row->position);
    obx_sql_text_add(&row->position, position.data, position.size);
    row->index = (uint64_t)driver->number(&at, 2, 0);
    row->sequence = driver->number(&at, 3, -1);
    row->epoch = driver->number(&at, 4, -1);
    return row->sequence >= SQL_CAPTURE_BASE && row->epoch >= 0 && !row->position.failed;
}

static bool put_spooled(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    struct obx_sql_text sql = sql_text(store);
    obx_sql_text_format(&sql, "SELECT %n FROM ", store->table.id);
    sql_append_outbox(store, &sql);
    obx_sql_text_format(&sql, " WHERE %n > ", store->table.id);
    obx_sql_text_int(&sql, store->capture.row.sequence);
    obx_sql_text_puts(&sql, " ORDER BY 1");
    return store->driver->put_text(request, &sql);
}

/* Only letters that put_dead() made: it makes them instead of a copy. Others are of rows, and prove nothing: they may
 * be of numbers that a lost position row gave. */
static bool put_letters(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    struct obx_sql_text sql = sql_text(store);
    obx_sql_text_puts(&sql, "SELECT outbox_id FROM ");
    sql_append_dead(store, &sql);
    obx_sql_text_puts(&sql, " WHERE attempts = 0 AND topic = '' AND outbox_id > ");
    obx_sql_text_int(&sql, store->capture.row.sequence);
    obx_sql_text_puts(&sql, " ORDER BY 1");
    return store->driver->put_text(request, &sql);
}

/* The host copies only what directly follows events that are settled or copied. So the last copy proves that everything
 * before it is: also events that were settled, whose relay died before it recorded the position. */
bool sql_capture_note_copied(struct sql_store *store, int64_t last)
{
    struct sql_capture_queue *queue = &store->capture.queue;
    return last <= queue->low || obx_sql_ranges_add(store->host, &queue->done, queue->low + 1, last);
}

static bool note_rows(struct sql_store *store, void *result)
{
    uint32_t rows = 0;
    return store->driver->read_ids(store, result, &rows) &&
           (!rows || sql_capture_note_copied(store, store->ids[rows - 1]));
}

/* False: the operation has failed. */
static bool note_result(struct sql_op *op, const struct outbox_error *error)
{
    struct sql_store *store = op->store;
    struct outbox_error verdict = *error;
    if (!verdict.code && !note_rows(store, op->result))
        outbox_error_set(&verdict, OUTBOX_E_NO_MEMORY, "read spooled rows of %s: out of memory", store->table_name);
    if (verdict.code)
        fail(op, &verdict);
    return !verdict.code;
}

/* Without the table, or the right to read it, put_dead() has made no letter. */
static void on_letters(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    if (error->code == OUTBOX_E_NOT_FOUND || error->code == OUTBOX_E_PERMISSION || note_result(op, error))
        sql_op_complete(op, NULL);
}

static void on_spooled(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    if (!note_result(op, error))
        return;
    if (!op->store->capture.source->put_dead) {
        sql_op_complete(op, NULL);
        return;
    }
    sql_op_drop_result(op);
    sql_op_submit(op, op->store->owner, "read dead letters", put_letters, sql_op_store_result, on_letters);
}

/* No other relay was the owner meanwhile, and no commit was lost: what this one knows is the row's, or later. */
static bool is_known(const struct sql_op *op, int64_t epoch)
{
    return sql_acquire_of(op)->flags & OUTBOX_ACQUIRED_SAME && op->store->capture.row.epoch == epoch + 1 && epoch;
}

static void begin_at_row(struct sql_store *store, struct outbox_error *error)
{
    struct sql_capture *capture = &store->capture;
    obx_sql_ranges_clear(&capture->queue.done);
    obx_sql_ranges_clear(&capture->proofs);
    sql_capture_queue_reset(&capture->queue, capture->row.sequence);
    capture->failure.code = OUTBOX_OK;
    capture->unrecorded = false;
    capture->passed_index = capture->row.index;
    capture->source->read_position(store, error);
}

static void on_row(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_store *store = op->store;
    struct outbox_error verdict = *error;
    int64_t epoch = store->capture.row.epoch;
    if (!verdict.code && !read_row(store, op->result))
        outbox_error_set(&verdict, OUTBOX_E_SCHEMA,
                         "read the position of %s: table %s.%s has no usable row; run 'outbox init'", store->table_name,
                         store->table.schema, store->capture.position_name);
    if (!verdict.code && !is_known(op, epoch))
        begin_at_row(store, &verdict);
    if (verdict.code) {
        fail(op, &verdict);
        return;
    }
    sql_op_drop_result(op);
    sql_op_submit(op, store->owner, "read spooled rows", put_spooled, sql_op_store_result, on_spooled);
}

void sql_capture_take_over(struct sql_op *op)
{
    struct sql_store *store = op->store;
    struct sql_capture *capture = &store->capture;
    sql_acquire_of(op)->flags |= OUTBOX_ACQUIRED_LOG;
    sql_capture_stop(store);
    sql_op_drop_result(op);
    op->request.text = NULL;
    sql_op_submit(op, store->owner, "read the position", capture->source->put_take_over, sql_op_store_result, on_row);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/reader.c - what each event of the log means
 *
 * A transaction: GTID, [BEGIN], for each statement TABLE_MAP and rows, then XID, or COMMIT where no engine has one, or
 * XA_PREPARE. A definition: GTID and one statement. MySQL may pack all between GTID and end into one
 * TRANSACTION_PAYLOAD.
 *
 * Loud ends: an incident (the server lost events of the log itself), a statement that names the table in place of its
 * rows, and anything that cannot be parsed.
 */
#include "reader.h"

#define mys_fail outbox_error_set

enum { SLICE_BYTES = 4 << 20, /* some milliseconds */ KEPT_BYTES = 2 << 20 };

int mys_reader_init(struct mys_reader *reader, const struct outbox_host *host, const struct mys_log_name *name,
                    const struct mys_log_wanted *wanted, uint32_t count, struct outbox_error *error)
{
    *reader = (struct mys_reader){.host = host, .name = *name};
    mys_table_map_init(&reader->map, host);
    mys_payload_init(&reader->payload, host);
    return mys_row_reader_init(&reader->rows_reader, host, wanted, count, error);
}

void mys_reader_free(struct mys_reader *reader)
{
    if (!reader->host)
        return;
    mys_row_reader_free(&reader->rows_reader);
    mys_table_map_free(&reader->map);
    mys_payload_free(&reader->payload);
    reader->host->release(reader->host, reader->unpacked);
    *reader = (struct mys_reader){.host = NULL};
}

void mys_reader_restart(struct mys_reader *reader, bool has_checksum)
{
    reader->has_checksum = has_checksum;
    reader->in_payload = reader->in_transaction = reader->has_rows = false;
    reader->unpacked_bytes = 0;
    reader->standalone = reader->has_end = false;
    reader->event = (struct mys_event){0};
    reader->map.id = UINT64_MAX;
    reader->map.copy_size = 0;
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */

static int begin(struct mys_reader *reader, struct mys_item *item, struct outbox_error *error)
{
    char text[MYS_GTID_TEXT];
    if (mys_gtid_read(&reader->event, &item->gtid, error))
        return error->code;
    if (reader->in_transaction) {
        mys_gtid_print(&item->gtid, text);
        return mys_fail(error, OUTBOX_E_SCHEMA,
                        "read the binlog: transaction %s begins before the one before it has ended; the log is damaged",
                        text);
    }
    reader->in_transaction = true;
    reader->gtid = item->gtid;
    reader->standalone = item->gtid.standalone;
    reader->has_end = item->gtid.mariadb && !item->gtid.standalone;
    reader->map.id = UINT64_MAX;
    item->kind = MYS_ITEM_BEGIN;
    return OUTBOX_OK;
}

static void end(struct mys_reader *reader, struct mys_item *item, enum mys_item_kind kind)
{
    if (!reader->in_transaction) /* of one that began before the stream, or of none */
        return;
    reader->in_transaction = reader->standalone = reader->has_end = false;
    reader->map.id = UINT64_MAX;
    item->kind = kind;
}

static int prepared(struct mys_reader *reader, struct mys_item *item, struct outbox_error *error)
{
    bool one_phase;
    if (!mys_xid_of_prepare(reader->event.body, reader->xid, &one_phase))
        return mys_fail(error, OUTBOX_E_SCHEMA, "read the binlog: an XA PREPARE cannot be read; the log is damaged");
    end(reader, item, one_phase ? MYS_ITEM_COMMIT : MYS_ITEM_PREPARED);
    item->xid = one_phase ? NULL : reader->xid;
    return OUTBOX_OK;
}

static int decided(struct mys_reader *reader, struct mys_item *item, const struct mys_statement *statement,
                   struct outbox_error *error)
{
    if (!mys_xid_of_query(statement, reader->xid))
        return mys_fail(error, OUTBOX_E_SCHEMA, "read the binlog: an XA COMMIT cannot be read; the log is damaged");
    end(reader, item, statement->kind == MYS_QUERY_XA_COMMIT ? MYS_ITEM_XA_COMMIT : MYS_ITEM_XA_ROLLBACK);
    item->xid = reader->xid;
    return OUTBOX_OK;
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

static int fail_statement(const struct mys_reader *reader, const struct mys_item *item, struct outbox_error *error)
{
    char gtid[MYS_GTID_TEXT];
    mys_gtid_print(&reader->gtid, gtid);
    return mys_fail(error, OUTBOX_E_SCHEMA,
                    "read the binlog: a session with binlog_format STATEMENT or MIXED wrote a statement (%.*s, schema "
                    "%.*s, transaction %s) in place of the rows of table %s: the events of this statement are not in "
                    "the log. Find the session, set binlog_format = ROW, add the lost events again, then pass the "
                    "statement: see CAPTURE-MYSQL.md",
                    (int)item->text.size, (const char *)item->text.data, (int)item->schema.size,
                    (const char *)item->schema.data, gtid, reader->name.table);
}

static int changed_by_statement(struct mys_reader *reader, struct mys_item *item, const struct mys_statement *statement,
                                struct outbox_error *error)
{
    item->text = mys_query_verb(statement);
    item->schema = (struct outbox_bytes){statement->schema.at, mys_left(&statement->schema)};
    if (statement->names_table)
        return fail_statement(reader, item, error);
    if (reader->standalone)
        end(reader, item, MYS_ITEM_COMMIT);
    else
        item->kind = MYS_ITEM_STATEMENT;
    return OUTBOX_OK;
}

/* A definition ends its transaction. It does not in a transaction of MariaDB that has an end, as DROP TEMPORARY TABLE
 * and CREATE TABLE .. SELECT may; MySQL marks the latter. */
static void defined(struct mys_reader *reader, struct mys_item *item, const struct mys_statement *statement)
{
    item->text = (struct outbox_bytes){statement->text.at, mys_left(&statement->text)};
    if (statement->names_table)
        reader->map.copy_size = 0;
    bool redefined = statement->names_table && mys_query_redefines(statement);
    item->inside = redefined && (reader->has_end || mys_query_starts_transaction(statement));
    if (item->inside)
        item->kind = MYS_ITEM_ALTERED;
    else if (!reader->has_end && !mys_query_starts_transaction(statement))
        end(reader, item, redefined ? MYS_ITEM_ALTERED : MYS_ITEM_COMMIT);
}

static int take_statement(struct mys_reader *reader, struct mys_item *item, struct mys_statement statement,
                          struct outbox_error *error)
{
    switch (statement.kind) {
    case MYS_QUERY_BEGIN:
    case MYS_QUERY_INSIDE:
        return OUTBOX_OK;
    case MYS_QUERY_XA_START:
        item->kind = MYS_ITEM_XA;
        return OUTBOX_OK;
    case MYS_QUERY_COMMIT:
    case MYS_QUERY_ROLLBACK:
        end(reader, item, statement.kind == MYS_QUERY_COMMIT ? MYS_ITEM_COMMIT : MYS_ITEM_ROLLBACK);
        return OUTBOX_OK;
    case MYS_QUERY_XA_COMMIT:
    case MYS_QUERY_XA_ROLLBACK:
        return decided(reader, item, &statement, error);
    case MYS_QUERY_CHANGES:
        return changed_by_statement(reader, item, &statement, error);
    case MYS_QUERY_DEFINITION:
        defined(reader, item, &statement);
        return OUTBOX_OK;
    case MYS_QUERY_BAD:
        break;
    }
    return mys_fail(error, OUTBOX_E_SCHEMA, "read the binlog: a statement cannot be read; the log is damaged");
}

static int query(struct mys_reader *reader, struct mys_item *item, struct mys_cursor body, struct outbox_error *error)
{
    return take_statement(reader, item, mys_query_read(body, &reader->name), error);
}

static int query_packed(struct mys_reader *reader, struct mys_item *item, struct outbox_error *error)
{
    struct mys_cursor body;
    size_t head = mys_packed_query_head(reader->event.body);
    if (mys_unpack(reader->host, reader->event.body, head, &reader->unpacked, &reader->unpacked_room, &body, error))
        return error->code;
    return query(reader, item, body, error);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static int map(struct mys_reader *reader, struct outbox_error *error)
{
    switch (mys_table_map_read(&reader->map, reader->event.body, &reader->name, error)) {
    case MYS_MAP_NEW:
        if (!mys_row_match(&reader->rows_reader, &reader->map, reader->table_columns, error))
            return OUTBOX_OK;
        reader->map.copy_size = 0;
        return error->code;
    case MYS_MAP_BAD:
        return error->code;
    default:
        return OUTBOX_OK;
    }
}

static int open_rows(struct mys_reader *reader, struct mys_cursor body, bool v2, struct outbox_error *error)
{
    uint64_t id;
    if (mys_rows_open(&reader->rows, body, v2, &id, error))
        return error->code;
    reader->has_rows = id == reader->map.id && !mys_rows_end(&reader->rows);
    return OUTBOX_OK;
}

static int open_packed_rows(struct mys_reader *reader, bool v2, struct outbox_error *error)
{
    struct mys_cursor body = reader->event.body;
    size_t head = mys_packed_rows_head(body, v2);
    if (mys_left(&body) >= 6 && mys_little(body.at, 6) != reader->map.id)
        return OUTBOX_OK;
    if (mys_unpack(reader->host, body, head, &reader->unpacked, &reader->unpacked_room, &body, error))
        return error->code;
    return open_rows(reader, body, v2, error);
}

static int next_row(struct mys_reader *reader, struct mys_item *item, struct outbox_error *error)
{
    if (mys_row_read(&reader->rows_reader, &reader->map, &reader->rows, error))
        return error->code;
    reader->has_rows = !mys_rows_end(&reader->rows);
    item->kind = MYS_ITEM_ROW;
    item->values = reader->rows_reader.values;
    return OUTBOX_OK;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static int rotate(struct mys_reader *reader, struct mys_item *item, struct outbox_error *error)
{
    struct mys_cursor body = reader->event.body;
    item->offset = mys_take_int(&body, 8);
    if (body.bad)
        return mys_fail(error, OUTBOX_E_SCHEMA, "read the binlog: the name of a file cannot be read");
    item->kind = MYS_ITEM_FILE;
    item->text = (struct outbox_bytes){body.at, mys_left(&body)};
    return OUTBOX_OK;
}

static int incident(struct outbox_error *error)
{
    return mys_fail(error, OUTBOX_E_SCHEMA,
                    "read the binlog: the server records an incident: it could not write events to its log, and they "
                    "are lost. Compare the application's tables with what was published, then pass the incident: see "
                    "CAPTURE-MYSQL.md");
}

static int open_payload(struct mys_reader *reader, struct outbox_error *error)
{
    reader->in_payload = true;
    return mys_payload_open(&reader->payload, reader->event.body, error);
}

static int take(struct mys_reader *reader, struct mys_item *item, struct outbox_error *error)
{
    item->timestamp_s = reader->event.timestamp_s;
    item->end = reader->event.end;
    switch (reader->event.type) {
    case MYS_EV_GTID:
    case MYS_EV_ANONYMOUS_GTID:
    case MYS_EV_GTID_TAGGED:
    case MYS_EV_GTID_MARIADB:
        return begin(reader, item, error);
    case MYS_EV_QUERY:
        return query(reader, item, reader->event.body, error);
    case MYS_EV_EXECUTE_LOAD_QUERY:
        return take_statement(reader, item, mys_load_read(reader->event.body, &reader->name), error);
    case MYS_EV_QUERY_COMPRESSED:
        return query_packed(reader, item, error);
    case MYS_EV_TABLE_MAP:
        return map(reader, error);
    case MYS_EV_WRITE_ROWS:
    case MYS_EV_WRITE_ROWS_V1:
        return open_rows(reader, reader->event.body, reader->event.type == MYS_EV_WRITE_ROWS, error);
    case MYS_EV_WRITE_ROWS_COMPRESSED:
    case MYS_EV_WRITE_ROWS_COMPRESSED_V1:
        return open_packed_rows(reader, reader->event.type == MYS_EV_WRITE_ROWS_COMPRESSED, error);
    case MYS_EV_TRANSACTION_PAYLOAD:
        return open_payload(reader, error);
    case MYS_EV_XID:
        end(reader, item, MYS_ITEM_COMMIT);
        return OUTBOX_OK;
    case MYS_EV_XA_PREPARE:
        return prepared(reader, item, error);
    case MYS_EV_FORMAT_DESCRIPTION:
        return mys_event_format(reader->event.body, &reader->has_checksum, error);
    case MYS_EV_ROTATE:
        return rotate(reader, item, error);
    case MYS_EV_HEARTBEAT:
    case MYS_EV_HEARTBEAT_V2:
        item->kind = MYS_ITEM_HEARTBEAT;
        return OUTBOX_OK;
    case MYS_EV_INCIDENT:
        return incident(error);
    case MYS_EV_START_ENCRYPTION: /* the server decrypts what it sends */
    default:
        return OUTBOX_OK;
    }
}

/* What a large event needed is given back. */
int mys_reader_feed(struct mys_reader *reader, struct outbox_bytes raw, struct outbox_error *error)
{
    if (reader->unpacked_room > KEPT_BYTES) {
        reader->host->release(reader->host, reader->unpacked);
        reader->unpacked = NULL;
        reader->unpacked_room = 0;
    }
    mys_payload_shrink(&reader->payload, KEPT_BYTES);
    return mys_event_open(raw, reader->has_checksum, &reader->event, error);
}

static int next_of_payload(struct mys_reader *reader, struct mys_item *item, struct outbox_error *error)
{
    struct outbox_bytes inner;
    if (reader->unpacked_bytes >= SLICE_BYTES) {
        reader->unpacked_bytes = 0;
        item->kind = MYS_ITEM_TURN;
        return OUTBOX_OK;
    }
    if (mys_payload_next(&reader->payload, &inner, error))
        return error->code;
    reader->in_payload = inner.data != NULL;
    reader->unpacked_bytes += inner.size;
    return inner.data ? mys_event_open(inner, false, &reader->event, error) : OUTBOX_OK;
}

int mys_reader_next(struct mys_reader *reader, struct mys_item *item, struct outbox_error *error)
{
    *item = (struct mys_item){.kind = MYS_ITEM_NONE};
    while (item->kind == MYS_ITEM_NONE) {
        if (reader->has_rows)
            return next_row(reader, item, error);
        if (!reader->event.body.at && reader->in_payload && next_of_payload(reader, item, error))
            return error->code;
        if (!reader->event.body.at)
            return OUTBOX_OK;
        int code = take(reader, item, error);
        reader->event.body.at = NULL;
        if (code)
            return code;
    }
    return OUTBOX_OK;
}

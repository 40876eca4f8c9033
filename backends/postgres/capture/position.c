/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/position.c - the position in the WAL, and its row
 *
 * As text: "TIMELINE RESTART PASSED", "1 0/16B3748 0/16B3800". The identity is the cluster's system identifier; with
 * captured rows also the OID of the table's entry in the publication (slot.c). The row is replicated with the data, so
 * after a failover it names a place that the new primary has.
 */
#include <stdio.h>
#include <string.h>

#include "../store.h"

void pg_capture_name(struct pg_store *store)
{
    const char *configured = store->sql.outbox.schema, *found = store->sql.table.schema;
    const char *schema = *configured ? configured : found;
    bool plain = !*schema || !strcmp(schema, "public");
    snprintf(store->capture.prefix, sizeof store->capture.prefix, "outbox:%s%s%s", plain ? "" : schema,
             plain ? "" : ".", store->sql.outbox.name);
    store->capture.publication = store->capture.prefix;
}

/* Slots belong to the server: their names have the database's and the table's OID. Letters, digits and _ only. */
void pg_capture_name_slot(struct pg_store *store)
{
    snprintf(store->capture.slot, sizeof store->capture.slot, "outbox_%u_%u%s", store->capture.database,
             store->table_oid, pg_capture_slot_suffix(store));
}

const char *pg_capture_slot_suffix(const struct pg_store *store)
{
    return store->capture_mode == PG_CAPTURE_LOGICAL ? "_logical" : "";
}

int pg_capture_init(struct pg_store *store, struct outbox_error *error)
{
    bool logical = store->capture_mode == PG_CAPTURE_LOGICAL;
    enum { NAME_MAX_BYTES = 63 };
    store->capture.slot_sql.host = store->sql.host;
    pg_capture_name(store);
    if (logical && strlen(store->capture.publication) > NAME_MAX_BYTES)
        return pg_fail(error, OUTBOX_E_CONFIG,
                       "table: \"%s\" is too long for capture: logical, whose publication \"%s\" may have %d bytes",
                       store->sql.table_name, store->capture.publication, NAME_MAX_BYTES);
    store->sql.capture.table_in_log = store->capture_rows;
    return sql_capture_init(&store->sql, logical ? &pg_capture_logical : &pg_capture_wal, error);
}

void pg_capture_free(struct pg_store *store)
{
    struct pg_capture *capture = &store->capture;
    const struct outbox_host *host = store->sql.host;
    sql_capture_list_drop(&store->sql.capture.queue.memory, &capture->again_events);
    pg_open_free(&capture->open);
    pg_wal_pages_free(&capture->pages);
    pg_wal_pages_free(&capture->again_pages);
    host->release(host, capture->again_xids);
    host->release(host, capture->running);
    host->release(host, capture->parts);
    host->release(host, capture->rest);
    obx_sql_text_free(&capture->slot_sql);
}

/* ---- the row ----------------------------------------------------------------------------------------------------- */

bool pg_capture_put_take_over(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    struct obx_sql_text sql = sql_text(store);
    const char *epoch = sql_capture_columns[SQL_CAPTURE_EPOCH], *writes = sql_capture_columns[SQL_CAPTURE_WRITES];
    obx_sql_text_puts(&sql, "UPDATE ");
    sql_capture_append_table(store, &sql);
    obx_sql_text_format(&sql, " SET %n = %n + 1, %n = %n + 1 WHERE id = 1 RETURNING ", epoch, epoch, writes, writes);
    sql_capture_append_row_columns(&sql);
    return pg_put_text(request, &sql);
}

int pg_capture_read_position(struct sql_store *sql, struct outbox_error *error)
{
    struct pg_capture *capture = &pg_store_of(sql)->capture;
    const char *text = obx_sql_text_get(&sql->capture.row.position);
    char restart[24], passed[24];
    struct pg_position *position = &capture->position;
    /* NOLINTNEXTLINE(cert-err34-c): a timeline that does not fit is not that of the server */
    if (sscanf(text, "%u %23s %23s", &position->timeline, restart, passed) != 3 || !position->timeline ||
        !(position->restart = pg_wal_position(restart)) || !(position->passed = pg_wal_position(passed)))
        return pg_fail(
            error, OUTBOX_E_SCHEMA,
            "read the position of %s: \"%.*s\" in %s is not a position in the WAL; run 'outbox init' if it is "
            "empty: the relay then begins at the end of the log",
            sql->table_name, OUTBOX_CUT(text, 100), sql->capture.position_name);
    capture->published = 0;
    /* NOLINTNEXTLINE(cert-err34-c): what does not fit is not that of the server */
    sscanf(sql->capture.row.identity, "%31s %u", capture->system, &capture->published);
    capture->recorded = *position;
    return OUTBOX_OK;
}

void pg_capture_pass(void *store, const uint64_t marks[SQL_CAPTURE_MARKS])
{
    struct pg_position *position = &((struct pg_store *)store)->capture.position;
    position->passed = marks[PG_MARK_PASSED];
    position->restart = marks[PG_MARK_RESTART];
    position->timeline = (uint32_t)(marks[PG_MARK_TIMELINE_XID] >> 32);
}

void pg_capture_put_position(const struct sql_store *store, struct obx_sql_text *identity,
                             struct obx_sql_text *position)
{
    const struct pg_capture *capture = &pg_store_in(store)->capture;
    const struct pg_position *at = &capture->position;
    char text[80];
    snprintf(text, sizeof text, "%u %X/%X %X/%X", at->timeline, (unsigned)(at->restart >> 32), (unsigned)at->restart,
             (unsigned)(at->passed >> 32), (unsigned)at->passed);
    obx_sql_text_puts(identity, capture->system);
    if (capture->published) {
        obx_sql_text_puts(identity, " ");
        obx_sql_text_int(identity, capture->published);
    }
    obx_sql_text_puts(position, text);
}

bool pg_capture_worth_recording(const struct sql_store *store)
{
    const struct pg_capture *capture = &pg_store_in(store)->capture;
    const uint64_t *marks = store->capture.queue.advanced_marks;
    enum { WORTH_BYTES = 1 << 20 };
    return marks[PG_MARK_PASSED] > capture->recorded.passed + WORTH_BYTES;
}

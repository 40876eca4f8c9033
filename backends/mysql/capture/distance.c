/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/distance.c - how much of the binlog is kept for the relay, and how much may be
 *
 * A server deletes files of its log by age. So the limit in bytes is what there would be at that age, at the present
 * rate: kept bytes x allowed age / age of the first transaction that is needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mysql/store.h"

void mys_distance_print(const struct mys_capture *capture, char text[200])
{
    const struct mys_run *run = mys_position_oldest(&capture->position);
    const struct mys_held *held = mys_transactions_oldest(capture);
    const struct mys_place *oldest = run ? &run->place : NULL;
    if (held && (!run || held->prepared < run->ordinal))
        oldest = &held->place;
    const char *point = strrchr(capture->file, '.');
    int base = point ? (int)(point - capture->file) : 0;
    if (!point)
        snprintf(text, 200, "-");
    else if (oldest)
        snprintf(text, 200, "%.*s.%06u:%llu %u",
                 outbox_cut_bytes((struct outbox_bytes){capture->file, (size_t)base}, 100), capture->file, oldest->file,
                 (unsigned long long)oldest->offset, oldest->timestamp_s);
    else
        snprintf(text, 200, "%.*s:%llu %lld", OUTBOX_CUT(capture->file, 100),
                 (unsigned long long)capture->file_position, (long long)time(NULL));
}

/* Bytes from the place on. Names of files are equally long and ascend. -1: the text is no place. */
static int64_t kept(const char *place, MYSQL_RES *result)
{
    enum { NAME, SIZE };
    char file[200];
    struct mys_row row;
    int64_t bytes = 0;
    const char *colon = strchr(place, ':');
    if (!colon)
        return -1;
    snprintf(file, sizeof file, "%.*s", (int)(colon - place), place);
    int64_t offset = strtoll(colon + 1, NULL, 10);
    while (mys_fetch(result, &row)) {
        int order = mys_text_of(&row, NAME) ? strcmp(mys_text_of(&row, NAME), file) : -1;
        int64_t size = mys_integer_of(&row, SIZE, 0);
        if (order > 0)
            bytes += size;
        else if (order == 0 && size > offset)
            bytes += size - offset;
    }
    return bytes;
}

static int64_t limit(const struct mys_store *store, const char *place, int64_t bytes)
{
    const char *space = strchr(place, ' ');
    int64_t age_s = space ? (int64_t)time(NULL) - strtoll(space + 1, NULL, 10) : 0;
    if (store->server.expiry_s <= 0 || age_s <= 0 || bytes <= 0)
        return -1;
    return (int64_t)((double)bytes * (double)store->server.expiry_s / (double)age_s);
}

bool mys_put_distance(struct sql_request *request)
{
    obx_sql_text_puts(request->sql, "SHOW BINARY LOGS");
    return true;
}

void mys_on_distance(struct sql_request *request, void *result)
{
    struct mys_store *store = mys_store_of(request->store);
    char place[200];
    mys_distance_print(&store->capture, place);
    store->sql.capture.log_bytes = kept(place, result);
    store->sql.capture.log_limit = limit(store, place, store->sql.capture.log_bytes);
    mysql_free_result(result);
}

/* ---- `outbox status`: another process than the relay ------------------------------------------------------------- */

static bool put_nothing(struct sql_request *request)
{
    obx_sql_text_puts(request->sql, "SELECT 1, 2 FROM DUAL WHERE 0");
    return true;
}

bool mys_put_place(struct sql_request *request)
{
    if (!sql_captures(request->store))
        return put_nothing(request);
    obx_sql_text_format(request->sql, "SELECT %n FROM ", sql_capture_columns[SQL_CAPTURE_IDENTITY]);
    sql_capture_append_table(request->store, request->sql);
    return true;
}

void mys_report_place(struct sql_op *op)
{
    struct mys_capture *capture = &mys_store_of(op->store)->capture;
    struct mys_row row;
    mys_copy(capture->status_place, sizeof capture->status_place,
             op->result && mys_first(op->result, &row) ? mys_text_of(&row, 0) : NULL);
}

bool mys_put_files(struct sql_request *request)
{
    return sql_captures(request->store) ? mys_put_distance(request) : put_nothing(request);
}

void mys_report_files(struct sql_op *op)
{
    const struct mys_store *store = mys_store_in(op->store);
    struct outbox_store_status *status = op->out;
    if (!sql_captures(op->store))
        return;
    status->log_bytes = kept(store->capture.status_place, op->result);
    status->log_limit = limit(store, store->capture.status_place, status->log_bytes);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/rows.c - see rows.h */
#include "rows.h"

#include <outbox/plugin_util.h>
#include <stdio.h>
#include <string.h>

#include "created_at.h"

#define CHUNK_MIN_BYTES ((size_t)16 * 1024)
#define CHUNK_MAX_BYTES ((size_t)128 * 1024)
#define SPARE_MAX_BYTES ((size_t)8 * 1024 * 1024) /* of all spare batches; fresh memory costs a fault for each page */

struct chunk {
    struct chunk *next;
    size_t size, used;
    char bytes[];
};

struct lite_batch {
    struct outbox_batch rows; /* first: what the host sees */
    struct lite_batch *next;  /* in the list of spare batches */
    struct outbox_position *positions;
    struct outbox_value *values;
    uint32_t room;        /* rows */
    struct chunk *chunks; /* owned */
    struct chunk *filling;
    size_t allocated;       /* bytes */
    const char *reasons[1]; /* of a batch of one row that cannot be read */
    char reason[240];
};

struct outbox_batch *lite_batch_rows(struct lite_batch *batch)
{
    return &batch->rows;
}

static void free_batch(const struct outbox_host *host, struct lite_batch *batch)
{
    while (batch->chunks) {
        struct chunk *chunk = batch->chunks;
        batch->chunks = chunk->next;
        host->release(host, chunk);
    }
    host->release(host, batch->positions);
    host->release(host, batch->values);
    host->release(host, batch);
}

struct lite_batch *lite_rows_get(struct lite_rows *rows)
{
    struct lite_batch *batch = rows->spare;
    if (!batch)
        return rows->host->alloc(rows->host, sizeof *batch);
    rows->spare = batch->next;
    rows->spare_bytes -= batch->allocated;
    batch->next = NULL;
    return batch;
}

static void empty(struct lite_batch *batch)
{
    for (struct chunk *chunk = batch->chunks; chunk; chunk = chunk->next)
        chunk->used = 0;
    batch->filling = batch->chunks;
    batch->rows =
        (struct outbox_batch){.columns = batch->rows.columns, .positions = batch->positions, .values = batch->values};
}

/* A restart may have changed the number of columns, on which the array of values depends. */
void lite_rows_put(struct lite_rows *rows, struct lite_batch *batch)
{
    bool fits = !batch->room || batch->rows.columns == rows->column_count;
    if (!fits || rows->spare_bytes + batch->allocated > SPARE_MAX_BYTES) {
        free_batch(rows->host, batch);
        return;
    }
    empty(batch);
    batch->next = rows->spare;
    rows->spare = batch;
    rows->spare_bytes += batch->allocated;
}

void lite_rows_trim(struct lite_rows *rows)
{
    while (rows->spare) {
        struct lite_batch *batch = rows->spare;
        rows->spare = batch->next;
        free_batch(rows->host, batch);
    }
    rows->spare_bytes = 0;
}

static void free_columns(struct lite_rows *rows)
{
    for (uint32_t i = 0; rows->expressions && i < rows->column_count; i++)
        sqlite3_free(rows->expressions[i]);
    rows->host->release(rows->host, rows->expressions);
    rows->host->release(rows->host, rows->encodings);
    rows->expressions = NULL;
    rows->encodings = NULL;
}

bool lite_rows_columns(struct lite_rows *rows, uint32_t count)
{
    const struct outbox_host *host = rows->host;
    free_columns(rows);
    rows->encodings = host->alloc(host, count * sizeof *rows->encodings + 1);
    rows->expressions = host->alloc(host, count * sizeof *rows->expressions + 1);
    rows->column_count = count;
    return rows->encodings && rows->expressions;
}

void lite_rows_fini(struct lite_rows *rows)
{
    lite_rows_trim(rows);
    free_columns(rows);
}

/* ---- filling ------------------------------------------------------------------------------------------------- */

/* `rows` points to the arrays at once: the row that room is made for may then not fit under the byte limit. */
static bool reserve_row(const struct lite_rows *set, struct lite_batch *batch)
{
    const struct outbox_host *host = set->host;
    if (batch->rows.rows < batch->room)
        return true;
    uint32_t room = batch->room ? batch->room * 2 : 64;
    size_t columns = set->column_count ? set->column_count : 1;
    void *positions = host->resize(host, batch->positions, room * sizeof *batch->positions);
    if (!positions)
        return false;
    batch->rows.positions = batch->positions = positions;
    void *values = host->resize(host, batch->values, room * columns * sizeof *batch->values);
    if (!values)
        return false;
    batch->rows.values = batch->values = values;
    batch->allocated += (room - batch->room) * (sizeof *batch->positions + columns * sizeof *batch->values);
    batch->room = room;
    return true;
}

static struct chunk *add_chunk(const struct lite_rows *set, struct lite_batch *batch, size_t size)
{
    struct chunk *last = batch->filling;
    size_t room = last ? last->size * 2 : CHUNK_MIN_BYTES;
    room = room > CHUNK_MAX_BYTES ? CHUNK_MAX_BYTES : room;
    room = room < size ? size : room;
    struct chunk *chunk = set->host->resize(set->host, NULL, sizeof *chunk + room);
    if (!chunk)
        return NULL;
    *chunk = (struct chunk){.next = last ? last->next : NULL, .size = room};
    *(last ? &last->next : &batch->chunks) = chunk;
    batch->allocated += room;
    return chunk;
}

/* A batch that is used again already has chunks: they are filled one after the other. */
static char *reserve_bytes(const struct lite_rows *set, struct lite_batch *batch, size_t size)
{
    struct chunk *chunk = batch->filling;
    if (chunk && chunk->size - chunk->used < size)
        chunk = chunk->next;
    if (!chunk || chunk->size - chunk->used < size)
        chunk = add_chunk(set, batch, size);
    if (!chunk)
        return NULL;
    batch->filling = chunk;
    chunk->used += size;
    return chunk->bytes + chunk->used - size;
}

/* A reference into SQLite's memory. For text, reading a blob avoids a copy that would only append a NUL. */
static void read_value(const struct lite_rows *set, sqlite3_stmt *statement, int column, enum lite_encoding encoding,
                       struct outbox_value *value)
{
    int type = sqlite3_column_type(statement, column);
    *value = (struct outbox_value){.type = OUTBOX_NULL};
    if (encoding == ENCODING_TIME && type != SQLITE_NULL) {
        value->as.integer = lite_time(statement, column);
        value->type = value->as.integer == LITE_NO_TIME ? OUTBOX_NULL : OUTBOX_TIME;
    } else if (type == SQLITE_INTEGER) {
        value->as.integer = sqlite3_column_int64(statement, column);
        value->type = OUTBOX_INT;
    } else if (type == SQLITE_FLOAT) {
        value->as.real = sqlite3_column_double(statement, column);
        value->type = OUTBOX_FLOAT;
    } else if (type != SQLITE_NULL) {
        bool convert = type == SQLITE_TEXT && set->utf16;
        value->as.data =
            convert ? (const void *)sqlite3_column_text(statement, column) : sqlite3_column_blob(statement, column);
        value->size = (uint32_t)sqlite3_column_bytes(statement, column);
        value->type = type == SQLITE_TEXT ? OUTBOX_TEXT : OUTBOX_BYTES;
        if (encoding == ENCODING_UUID && type == SQLITE_BLOB && value->size == 16)
            value->type = OUTBOX_UUID;
    }
}

static bool has_bytes(const struct outbox_value *value)
{
    return value->type == OUTBOX_TEXT || value->type == OUTBOX_BYTES || value->type == OUTBOX_UUID;
}

/* Copy the row's bytes into the batch, and let its values refer to the copies. */
static bool copy_bytes(const struct lite_rows *set, struct lite_batch *batch, struct outbox_value *values, size_t size)
{
    char *to = size ? reserve_bytes(set, batch, size) : NULL;
    if (size && !to)
        return false;
    for (uint32_t i = 0; i < set->column_count; i++) {
        if (!has_bytes(&values[i]))
            continue;
        if (!values[i].size) {
            values[i].as.data = "";
            continue;
        }
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): `size` is the sum of these */
        memcpy(to, values[i].as.data, values[i].size);
        values[i].as.data = to;
        to += values[i].size;
    }
    return true;
}

int lite_batch_add(const struct lite_rows *set, struct lite_batch *batch, sqlite3_stmt *statement, uint64_t max_bytes)
{
    struct outbox_batch *rows = &batch->rows;
    if (!reserve_row(set, batch))
        return OUTBOX_E_NO_MEMORY;
    struct outbox_value *values = batch->values + (size_t)rows->rows * set->column_count;
    size_t size = 0;
    for (uint32_t i = 0; i < set->column_count; i++) {
        read_value(set, statement, (int)i + 1, set->encodings[i], &values[i]);
        size += has_bytes(&values[i]) ? values[i].size : 0;
    }
    size_t cost = size + sizeof *batch->positions + set->column_count * sizeof *values;
    if (rows->rows && rows->bytes + cost > max_bytes)
        return OUTBOX_E_AGAIN;
    if (!copy_bytes(set, batch, values, size))
        return OUTBOX_E_NO_MEMORY;
    batch->positions[rows->rows++] = (struct outbox_position){(uint64_t)sqlite3_column_int64(statement, 0), 0};
    rows->bytes += cost;
    rows->struct_size = sizeof *rows;
    rows->columns = set->column_count;
    return OUTBOX_OK;
}

void lite_batch_set_unreadable(struct lite_batch *batch, const char *why)
{
    snprintf(batch->reason, sizeof batch->reason, "%.*s", OUTBOX_CUT(why, sizeof batch->reason - 1));
    batch->reasons[0] = batch->reason;
    batch->rows.unreadable = batch->reasons;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/rows.c - the memory of claimed rows
 *
 * SQLite's own memory of a row ends with the next step, so values are copied, once, into chunks that the batch owns
 * and that never move. Released batches are kept, up to a bound, and used again: a relay at full speed allocates
 * nothing. Lists are handled on the loop thread; a batch is filled by the one worker that has it.
 */
#include "store.h"

#include <string.h>

#define CHUNK_FIRST ((size_t)16 * 1024)
#define CHUNK_MOST ((size_t)128 * 1024)
#define SPARE_BYTES ((size_t)8 * 1024 * 1024) /* of all spare batches; fresh memory costs a fault for each page */

struct chunk {
    struct chunk *next;
    size_t size, used;
    char bytes[];
};

struct lite_batch {
    struct outbox_batch rows; /* first: what the host sees */
    struct lite_batch *next;  /* of the spares */
    struct outbox_position *positions;
    struct outbox_value *values;
    uint32_t room;        /* rows */
    struct chunk *chunks; /* owned */
    struct chunk *filling;
    size_t allocated;
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

struct lite_batch *lite_batch_get(struct lite_store *store)
{
    struct lite_batch *batch = store->spare;
    if (batch) {
        store->spare = batch->next;
        store->spare_bytes -= batch->allocated;
        batch->next = NULL;
        return batch;
    }
    return store->host->alloc(store->host, sizeof *batch);
}

/* Empty it for the next use. The columns may be others then, so the values start anew when their count changes. */
void lite_batch_put(struct lite_store *store, struct lite_batch *batch)
{
    if (!batch)
        return;
    bool fits = !batch->room || batch->rows.columns == store->column_count;
    if (!fits || store->spare_bytes + batch->allocated > SPARE_BYTES) {
        free_batch(store->host, batch);
        return;
    }
    for (struct chunk *chunk = batch->chunks; chunk; chunk = chunk->next)
        chunk->used = 0;
    batch->filling = batch->chunks;
    batch->rows =
        (struct outbox_batch){.columns = batch->rows.columns, .positions = batch->positions, .values = batch->values};
    batch->next = store->spare;
    store->spare = batch;
    store->spare_bytes += batch->allocated;
}

void lite_batches_free(struct lite_store *store)
{
    while (store->spare) {
        struct lite_batch *batch = store->spare;
        store->spare = batch->next;
        free_batch(store->host, batch);
    }
    store->spare_bytes = 0;
}

void lite_release(void *self, struct outbox_batch *rows)
{
    lite_batch_put(self, (struct lite_batch *)(void *)rows);
}

/* ---- filling ------------------------------------------------------------------------------------------------- */

/* What the host sees moves along at once: room may be made for a row that then does not fit under the byte limit. */
static bool make_row_room(const struct lite_store *store, struct lite_batch *batch)
{
    const struct outbox_host *host = store->host;
    if (batch->rows.rows < batch->room)
        return true;
    uint32_t room = batch->room ? batch->room * 2 : 64;
    size_t columns = store->column_count ? store->column_count : 1;
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

static struct chunk *add_chunk(const struct lite_store *store, struct lite_batch *batch, size_t size)
{
    struct chunk *last = batch->filling;
    size_t room = last ? last->size * 2 : CHUNK_FIRST;
    room = room > CHUNK_MOST ? CHUNK_MOST : room;
    room = room < size ? size : room;
    struct chunk *chunk = store->host->resize(store->host, NULL, sizeof *chunk + room);
    if (!chunk)
        return NULL;
    *chunk = (struct chunk){.next = last ? last->next : NULL, .size = room};
    *(last ? &last->next : &batch->chunks) = chunk;
    batch->allocated += room;
    return chunk;
}

/* A batch that is used again has its chunks already: they are filled one after the other. */
static char *make_bytes(const struct lite_store *store, struct lite_batch *batch, size_t size)
{
    struct chunk *chunk = batch->filling;
    if (chunk && chunk->size - chunk->used < size)
        chunk = chunk->next;
    if (!chunk || chunk->size - chunk->used < size)
        chunk = add_chunk(store, batch, size);
    if (!chunk)
        return NULL;
    batch->filling = chunk;
    chunk->used += size;
    return chunk->bytes + chunk->used - size;
}

/* Refer to the value in SQLite's memory. For text the blob call spares a copy that would only add a NUL. */
static void read_value(const struct lite_store *store, sqlite3_stmt *statement, int column, enum lite_kind kind,
                       struct outbox_value *value)
{
    int type = sqlite3_column_type(statement, column);
    *value = (struct outbox_value){.type = OUTBOX_NULL};
    if (kind == KIND_TIME && type != SQLITE_NULL) {
        value->as.integer = lite_time(statement, column);
        value->type = value->as.integer == INT64_MIN ? OUTBOX_NULL : OUTBOX_TIME;
    } else if (type == SQLITE_INTEGER) {
        value->as.integer = sqlite3_column_int64(statement, column);
        value->type = OUTBOX_INT;
    } else if (type == SQLITE_FLOAT) {
        value->as.real = sqlite3_column_double(statement, column);
        value->type = OUTBOX_FLOAT;
    } else if (type != SQLITE_NULL) {
        bool convert = type == SQLITE_TEXT && store->utf16;
        value->as.data =
            convert ? (const void *)sqlite3_column_text(statement, column) : sqlite3_column_blob(statement, column);
        value->size = (uint32_t)sqlite3_column_bytes(statement, column);
        value->type = type == SQLITE_TEXT ? OUTBOX_TEXT : OUTBOX_BYTES;
        if (kind == KIND_UUID && type == SQLITE_BLOB && value->size == 16)
            value->type = OUTBOX_UUID;
    }
}

static bool has_bytes(const struct outbox_value *value)
{
    return value->type == OUTBOX_TEXT || value->type == OUTBOX_BYTES || value->type == OUTBOX_UUID;
}

/* Give the row's values bytes of our own. */
static bool copy_bytes(const struct lite_store *store, struct lite_batch *batch, struct outbox_value *values,
                       size_t size)
{
    char *to = size ? make_bytes(store, batch, size) : NULL;
    if (size && !to)
        return false;
    for (uint32_t i = 0; i < store->column_count; i++) {
        if (!has_bytes(&values[i]))
            continue;
        if (values[i].size)
            memcpy(to, values[i].as.data, values[i].size);
        values[i].as.data = values[i].size ? to : "";
        to += values[i].size;
    }
    return true;
}

int lite_batch_add(const struct lite_store *store, struct lite_batch *batch, sqlite3_stmt *statement,
                   uint64_t max_bytes)
{
    struct outbox_batch *rows = &batch->rows;
    if (!make_row_room(store, batch))
        return OUTBOX_E_NO_MEMORY;
    struct outbox_value *values = batch->values + (size_t)rows->rows * store->column_count;
    size_t size = 0;
    for (uint32_t i = 0; i < store->column_count; i++) {
        read_value(store, statement, (int)i + 1, store->kinds[i], &values[i]);
        size += has_bytes(&values[i]) ? values[i].size : 0;
    }
    size_t cost = size + sizeof *batch->positions + store->column_count * sizeof *values;
    if (rows->rows && rows->bytes + cost > max_bytes)
        return OUTBOX_E_AGAIN;
    if (!copy_bytes(store, batch, values, size))
        return OUTBOX_E_NO_MEMORY;
    batch->positions[rows->rows++] = (struct outbox_position){(uint64_t)sqlite3_column_int64(statement, 0), 0};
    rows->bytes += cost;
    rows->struct_size = sizeof *rows;
    rows->columns = store->column_count;
    return OUTBOX_OK;
}

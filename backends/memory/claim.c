/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/memory/claim.c - claim rows, by reference
 *
 * A batch references its rows: a row that is settled meanwhile is freed when the batch is released.
 */
#include "store.h"

/* The batch that the host sees comes first, so that release() finds the rest. */
struct claimed {
    struct outbox_batch batch;
    struct mstore_row **rows;
};

static struct claimed *new_batch(const struct mstore *store, uint32_t rows)
{
    size_t values = (size_t)rows * store->column_count;
    size_t size = sizeof(struct claimed) + rows * sizeof(struct outbox_position) +
                  values * sizeof(struct outbox_value) + rows * sizeof(struct mstore_row *);
    struct claimed *claimed = store->host->alloc(store->host, size);
    if (!claimed)
        return NULL;
    struct outbox_position *positions = (void *)(claimed + 1);
    struct outbox_value *cells = (void *)(positions + rows);
    claimed->rows = (void *)(cells + values);
    claimed->batch = (struct outbox_batch){.struct_size = sizeof claimed->batch,
                                           .columns = store->column_count,
                                           .positions = positions,
                                           .values = cells,
                                           .bytes = size};
    return claimed;
}

static struct outbox_value value_of(const struct mstore_row *row, enum mstore_field field)
{
    struct outbox_value value = {.type = OUTBOX_NULL};
    if (field == FIELD_CREATED_AT || field == FIELD_ID) {
        value.type = field == FIELD_ID ? OUTBOX_INT : OUTBOX_TIME;
        value.as.integer = field == FIELD_ID ? (int64_t)row->id : row->created_us;
    } else if (field < FIELD_COUNT && row->fields[field].data) {
        value.type = field == FIELD_PAYLOAD ? OUTBOX_BYTES : OUTBOX_TEXT;
        value.as.data = row->fields[field].data;
        value.size = (uint32_t)row->fields[field].size;
    }
    return value;
}

static size_t row_bytes(const struct mstore_row *row)
{
    size_t size = sizeof *row;
    for (int i = 0; i < FIELD_COUNT; i++)
        size += row->fields[i].size;
    return size;
}

/* False: the byte limit is reached and the row was not added. */
static bool add_row(const struct mstore *store, struct claimed *claimed, struct mstore_row *row, uint64_t max_bytes)
{
    struct outbox_batch *batch = &claimed->batch;
    size_t bytes = row_bytes(row);
    if (batch->rows && batch->bytes + bytes > max_bytes)
        return false;
    /* the arrays are const for the host alone */
    struct outbox_position *positions = (void *)(claimed + 1);
    struct outbox_value *cells = (void *)(uintptr_t)batch->values;
    for (uint32_t c = 0; c < store->column_count; c++)
        cells[(size_t)batch->rows * store->column_count + c] = value_of(row, store->columns[c]);
    positions[batch->rows] = (struct outbox_position){row->id, 0};
    claimed->rows[batch->rows++] = row;
    batch->bytes += bytes;
    row->references++;
    return true;
}

static void claim_exact(struct mstore *store, struct claimed *claimed, const struct outbox_claim *claim)
{
    for (uint32_t i = 0; i < claim->position_count; i++) {
        struct mstore_row *row = mstore_table_find(&store->table, claim->positions[i].major);
        if (row && !add_row(store, claimed, row, UINT64_MAX))
            break;
    }
}

static void claim_next(struct mstore *store, struct claimed *claimed, const struct outbox_claim *claim)
{
    const struct mstore_table *table = &store->table;
    uint32_t at = mstore_table_at(table, store->cursor + 1);
    for (; at < table->end; at++) {
        struct mstore_row *row = table->slots[at].row;
        if (!row)
            continue;
        if (claimed->batch.rows == claim->max_rows || !add_row(store, claimed, row, claim->max_bytes)) {
            claimed->batch.flags |= OUTBOX_BATCH_MORE;
            return;
        }
        store->cursor = row->id;
    }
    if (store->ungenerated)
        claimed->batch.flags |= OUTBOX_BATCH_MORE;
}

/* The most rows that a claim can return. An idle relay polls often, so counting must cost nothing. */
static uint32_t most_rows(struct mstore *store, const struct outbox_claim *claim, int *code)
{
    if (claim->positions)
        return claim->position_count;
    uint32_t ahead = store->table.end - mstore_table_at(&store->table, store->cursor + 1);
    if (ahead < claim->max_rows && store->ungenerated) {
        *code = mstore_generate(store, claim->max_rows - ahead);
        ahead = store->table.end - mstore_table_at(&store->table, store->cursor + 1);
    }
    return ahead < claim->max_rows ? ahead : claim->max_rows;
}

void mstore_claim(void *self, outbox_op_t op, struct outbox_claim *claim)
{
    struct mstore *store = self;
    struct outbox_error error = {.code = OUTBOX_OK};
    if (claim->flags & OUTBOX_CLAIM_REWIND)
        store->cursor = 0;
    int code = OUTBOX_OK;
    uint32_t rows = most_rows(store, claim, &code);
    struct claimed *claimed = rows && !code ? new_batch(store, rows) : NULL;
    if (claimed && claim->positions)
        claim_exact(store, claimed, claim);
    else if (claimed)
        claim_next(store, claimed, claim);
    else if (rows || code)
        outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "claim rows: out of memory");
    claim->batch = claimed && claimed->batch.rows ? &claimed->batch : NULL;
    if (claim->batch && !claim->positions)
        claim->batch->floor.major = store->cursor + 1;
    if (claimed && !claim->batch)
        store->host->release(store->host, claimed);
    mstore_done(store, op, &error);
}

void mstore_release(void *self, struct outbox_batch *batch)
{
    const struct mstore *store = self;
    struct claimed *claimed = (struct claimed *)(void *)batch;
    for (uint32_t i = 0; i < batch->rows; i++)
        mstore_row_drop(store, claimed->rows[i]);
    store->host->release(store->host, claimed);
}

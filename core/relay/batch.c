/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/batch.c - making, recycling and marking of batches */
#include "relay/batch.h"

#include <string.h>

#define KEEP 8

void obx_batch_pool_init(struct obx_batch_pool *pool)
{
    obx_list_init(&pool->idle);
    pool->count = 0;
}

static void free_batch(struct obx_batch *batch)
{
    obx_arena_free(&batch->arena);
    obx_free(batch->fates);
    obx_free(batch->messages);
    obx_free(batch->row_of);
    obx_free(batch);
}

void obx_batch_pool_free(struct obx_batch_pool *pool)
{
    for (struct obx_list *link; (link = obx_list_pop(&pool->idle));)
        free_batch(OBX_CONTAINER(link, struct obx_batch, link));
    pool->count = 0;
}

static bool make_room(struct obx_batch *batch, uint32_t rows)
{
    if (batch->room >= rows)
        return true;
    uint8_t *fates = obx_resize(batch->fates, rows);
    if (fates)
        batch->fates = fates;
    struct outbox_message *messages = obx_resize(batch->messages, rows * sizeof *messages);
    if (messages)
        batch->messages = messages;
    uint32_t *row_of = obx_resize(batch->row_of, rows * sizeof *row_of);
    if (row_of)
        batch->row_of = row_of;
    if (!fates || !messages || !row_of)
        return false;
    batch->room = rows;
    return true;
}

struct obx_batch *obx_batch_get(struct obx_batch_pool *pool, struct outbox_batch *rows)
{
    struct obx_list *link = obx_list_pop(&pool->idle);
    struct obx_batch *batch = link ? OBX_CONTAINER(link, struct obx_batch, link) : obx_alloc(sizeof *batch);
    if (!batch)
        return NULL;
    if (link)
        pool->count--;
    if (!make_room(batch, rows->rows)) {
        free_batch(batch);
        return NULL;
    }
    batch->rows = rows;
    memset(batch->fates, OBX_WAITING, rows->rows);
    memset(batch->fate_count, 0, sizeof batch->fate_count);
    batch->fate_count[OBX_WAITING] = rows->rows;
    return batch;
}

void obx_batch_put(struct obx_batch_pool *pool, struct obx_batch *batch)
{
    if (pool->count >= KEEP) {
        free_batch(batch);
        return;
    }
    obx_arena_reset(&batch->arena);
    *batch = (struct obx_batch){.fates = batch->fates,
                                .messages = batch->messages,
                                .row_of = batch->row_of,
                                .room = batch->room,
                                .arena = batch->arena};
    obx_list_append(&pool->idle, &batch->link);
    pool->count++;
}

void obx_batch_change(struct obx_batch *batch, enum obx_row_state from, enum obx_row_state to)
{
    uint32_t left = batch->fate_count[from];
    batch->fate_count[from] -= left;
    batch->fate_count[to] += left;
    for (uint32_t row = 0; left; row++) {
        if (batch->fates[row] == from) {
            batch->fates[row] = (uint8_t)to;
            left--;
        }
    }
}

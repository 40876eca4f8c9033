/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/gaps/batches.c - batches over a client library's result, and a few spare batches */
#include "sql/gaps/batches.h"

#include <outbox/plugin_util.h>
#include <stdio.h>

#include "sql/memory.h"

enum { SPARE_MAX = 16 };

static void destroy(const struct outbox_host *host, struct obx_sql_batch *batch)
{
    host->release(host, batch->positions);
    host->release(host, batch->values);
    host->release(host, batch);
}

static struct obx_sql_batch *take_spare(struct obx_sql_batches *batches, const struct outbox_host *host)
{
    struct obx_sql_batch *batch = batches->spare;
    if (!batch)
        return host->alloc(host, sizeof *batch);
    batches->spare = batch->next;
    batches->spare_count--;
    return batch;
}

struct obx_sql_batch *obx_sql_batch_get(struct obx_sql_batches *batches, const struct outbox_host *host, uint32_t rows,
                                        uint32_t columns)
{
    struct obx_sql_batch *batch = take_spare(batches, host);
    if (!batch)
        return NULL;
    batch->result = NULL;
    batch->captured = false;
    if (obx_sql_grow(host, (void **)&batch->positions, &batch->position_room, rows, sizeof *batch->positions) &&
        obx_sql_grow(host, (void **)&batch->values, &batch->value_room, rows * columns + 1, sizeof *batch->values))
        return batch;
    obx_sql_batch_put(batches, host, batch);
    return NULL;
}

void obx_sql_batch_seal(struct obx_sql_batch *batch, uint32_t rows, uint32_t columns, uint64_t bytes)
{
    batch->batch = (struct outbox_batch){
        .struct_size = sizeof batch->batch,
        .rows = rows,
        .columns = columns,
        .positions = batch->positions,
        .values = batch->values,
        .bytes = bytes + (uint64_t)batch->position_room * sizeof *batch->positions +
                 (uint64_t)batch->value_room * sizeof *batch->values,
    };
}

void obx_sql_batch_set_unreadable(struct obx_sql_batch *batch, const char *why)
{
    snprintf(batch->reason, sizeof batch->reason, "%.*s", OUTBOX_CUT(why, sizeof batch->reason - 1));
    batch->reasons[0] = batch->reason;
    batch->batch.unreadable = batch->reasons;
}

void obx_sql_batch_put(struct obx_sql_batches *batches, const struct outbox_host *host, struct obx_sql_batch *batch)
{
    if (batches->spare_count >= SPARE_MAX) {
        destroy(host, batch);
        return;
    }
    batch->result = NULL;
    batch->next = batches->spare;
    batches->spare = batch;
    batches->spare_count++;
}

void obx_sql_batches_free(struct obx_sql_batches *batches, const struct outbox_host *host)
{
    for (struct obx_sql_batch *batch; (batch = batches->spare);) {
        batches->spare = batch->next;
        destroy(host, batch);
    }
    batches->spare_count = 0;
}

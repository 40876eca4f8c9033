/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/batches.h - batches over a client library's result, and a few spare batches
 *
 * Values point into the result, which the batch owns until it is released. The arrays of positions and values are used
 * again by later batches, so that in the steady state a claim allocates nothing. All on the loop thread.
 */
#ifndef OBX_BACKENDS_SQL_GAPS_BATCHES_H
#define OBX_BACKENDS_SQL_GAPS_BATCHES_H

#include <outbox/plugin.h>

struct obx_sql_batch {
    struct outbox_batch batch; /* first: release() gets this */
    struct obx_sql_batch *next;
    void *result;  /* the client library's, owned; NULL: none */
    bool captured; /* result is the first of a list of events of the log: sql/capture/ */
    struct outbox_position *positions;
    struct outbox_value *values;
    uint32_t position_room, value_room;
    const char *reasons[1]; /* of a batch of one row that cannot be read */
    char reason[240];
};

struct obx_sql_batches {
    struct obx_sql_batch *spare;
    uint32_t spare_count;
};

/* A batch with room for so many rows, without a result; NULL when there is no memory. */
struct obx_sql_batch *obx_sql_batch_get(struct obx_sql_batches *batches, const struct outbox_host *host, uint32_t rows,
                                        uint32_t columns);
/* Its positions and values are complete. bytes: the memory of the result. */
void obx_sql_batch_seal(struct obx_sql_batch *batch, uint32_t rows, uint32_t columns, uint64_t bytes);
/* Its one row cannot be read as a whole; why is copied. */
void obx_sql_batch_set_unreadable(struct obx_sql_batch *batch, const char *why);
/* Return it; its result was freed before. */
void obx_sql_batch_put(struct obx_sql_batches *batches, const struct outbox_host *host, struct obx_sql_batch *batch);
void obx_sql_batches_free(struct obx_sql_batches *batches, const struct outbox_host *host);

#endif

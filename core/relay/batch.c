/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/batch.c - making, recycling and marking of batches */
#include "relay/batch.h"

#include <string.h>

#include "relay/stages.h"

#define IDLE_MAX 8 /* recycled batches that are kept */

void obx_batch_pool_init(struct obx_batch_pool *pool)
{
    obx_list_init(&pool->idle);
    pool->count = 0;
}

void obx_batch_free_transformed(struct obx_batch *batch)
{
    struct obx_transformed *transformed = batch->transformed;
    batch->transformed = NULL;
    if (!transformed)
        return;
    for (uint32_t i = 0; i < OBX_TRANSFORM_JOBS; i++)
        obx_arena_free(&transformed->jobs[i].arena);
    obx_arena_free(&transformed->arena);
    obx_free(transformed);
}

static void free_batch(struct obx_batch *batch)
{
    obx_batch_free_transformed(batch);
    obx_arena_free(&batch->arena);
    obx_free(batch->uncertain);
    obx_free(batch->row_states);
    obx_free(batch->spool_marks);
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
    if (batch->row_limit >= rows)
        return true;
    uint8_t *row_states = obx_resize(batch->row_states, rows);
    if (row_states)
        batch->row_states = row_states;
    uint8_t *spool_marks = obx_resize(batch->spool_marks, rows);
    if (spool_marks)
        batch->spool_marks = spool_marks;
    struct outbox_message *messages = obx_resize(batch->messages, rows * sizeof *messages);
    if (messages)
        batch->messages = messages;
    uint32_t *row_of = obx_resize(batch->row_of, rows * sizeof *row_of);
    if (row_of)
        batch->row_of = row_of;
    if (!row_states || !spool_marks || !messages || !row_of)
        return false;
    batch->row_limit = rows;
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
    memset(batch->row_states, OBX_ROW_WAITING, rows->rows);
    memset(batch->state_count, 0, sizeof batch->state_count);
    batch->state_count[OBX_ROW_WAITING] = rows->rows;
    return batch;
}

void obx_batch_recycle(struct obx_batch_pool *pool, struct obx_batch *batch)
{
    if (pool->count >= IDLE_MAX) {
        free_batch(batch);
        return;
    }
    obx_arena_reset(&batch->arena);
    obx_batch_free_transformed(batch);
    obx_free(batch->uncertain);
    *batch = (struct obx_batch){.row_states = batch->row_states,
                                .spool_marks = batch->spool_marks,
                                .messages = batch->messages,
                                .row_of = batch->row_of,
                                .row_limit = batch->row_limit,
                                .arena = batch->arena};
    obx_list_append(&pool->idle, &batch->link);
    pool->count++;
}

void obx_batch_set_uncertain(struct obx_batch *batch, uint32_t row)
{
    if (obx_relay_context_exactly_once(&batch->stages->context))
        return;
    if (!batch->uncertain)
        batch->uncertain = obx_alloc(batch->rows->rows);
    if (batch->uncertain) /* without memory it is only not counted */
        batch->uncertain[row] = 1;
}

uint32_t obx_batch_count_repeated(const struct obx_batch *batch)
{
    uint32_t count = 0;
    for (uint32_t i = 0; batch->uncertain && i < batch->message_count; i++)
        count += batch->uncertain[batch->row_of[i]];
    return count;
}

void obx_batch_note_skipped(const struct obx_batch *batch, uint32_t row)
{
    struct obx_relay_context *context = &batch->stages->context;
    if (obx_relay_context_exactly_once(context))
        return; /* the broker's record has it */
    bool repeated = batch->row_states[row] == OBX_ROW_DELIVERED || (batch->uncertain && batch->uncertain[row]);
    if (context->stopping)
        context->given_up += repeated;
    else
        context->stats.resent += repeated;
}

void obx_batch_change(struct obx_batch *batch, enum obx_row_state from, enum obx_row_state to)
{
    uint32_t left = batch->state_count[from];
    if (from == to)
        return;
    batch->state_count[from] -= left;
    batch->state_count[to] += left;
    for (uint32_t row = 0; left; row++) {
        if (batch->row_states[row] == from) {
            if (to == OBX_ROW_SKIPPED)
                obx_batch_note_skipped(batch, row);
            batch->row_states[row] = (uint8_t)to;
            left--;
        }
    }
}

/* ---- rows of a log ----------------------------------------------------------------------------------------------- */

void obx_batch_begin_log(struct obx_batch *batch, uint64_t now)
{
    batch->in_log = true;
    batch->claimed_at = now;
    memset(batch->spool_marks, OBX_SPOOL_NONE, batch->rows->rows);
}

void obx_batch_set_spool_mark(struct obx_batch *batch, uint32_t row, enum obx_spool_mark mark)
{
    static const uint8_t waits[] = {[OBX_SPOOL_WANTED] = 1, [OBX_SPOOL_COPYING] = 1, [OBX_SPOOL_DONE] = 0};
    uint8_t before = batch->spool_marks[row];
    batch->unspooled += waits[mark];
    batch->unspooled -= waits[before];
    batch->stages->context.to_spool += mark == OBX_SPOOL_WANTED;
    batch->stages->context.to_spool -= before == OBX_SPOOL_WANTED;
    batch->spool_marks[row] = (uint8_t)mark;
}

void obx_batch_want_spool(struct obx_batch *batch, uint32_t row)
{
    if (batch->spool_marks[row] == OBX_SPOOL_NONE)
        obx_batch_set_spool_mark(batch, row, OBX_SPOOL_WANTED);
}

/* Rows that are being copied are decided by the end of that. */
void obx_batch_forget_spool(struct obx_batch *batch)
{
    for (uint32_t row = 0; row < batch->rows->rows && batch->unspooled; row++)
        if (batch->spool_marks[row] == OBX_SPOOL_WANTED)
            obx_batch_set_spool_mark(batch, row, OBX_SPOOL_NONE);
}

void obx_batch_unwant_settled(struct obx_batch *batch)
{
    for (uint32_t row = 0; row < batch->rows->rows && batch->unspooled; row++)
        if (batch->row_states[row] == OBX_ROW_SETTLED && batch->spool_marks[row] == OBX_SPOOL_WANTED)
            obx_batch_set_spool_mark(batch, row, OBX_SPOOL_NONE);
}

void obx_batch_pass_rows(struct obx_batch *batch)
{
    uint32_t rows = batch->rows->rows;
    if (batch->state_count[OBX_ROW_SETTLED] == rows)
        batch->passed_rows = rows;
    while (batch->passed_rows < rows && obx_batch_is_passed(batch, batch->passed_rows))
        batch->passed_rows++;
}

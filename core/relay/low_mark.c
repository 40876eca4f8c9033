/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/low_mark.c - the batches of the log in its order, and how many rows of each are passed */
#include "relay/low_mark.h"

struct obx_low_mark {
    struct obx_stages *stages;
    struct obx_list batches;        /* of the log, in its order */
    struct outbox_position passed;  /* the mark; zero: nothing is known */
    struct outbox_position spooled; /* rows that wait are in the spool up to here */
    bool lost;                      /* the ownership: nothing is known until the next rewind */
    bool sealed;                    /* rows were given up: the mark stays before them until the next rewind */
};

struct obx_low_mark *obx_low_mark_new(struct obx_stages *stages)
{
    struct obx_low_mark *mark = obx_alloc(sizeof *mark);
    if (!mark)
        return NULL;
    mark->stages = stages;
    obx_list_init(&mark->batches);
    return mark;
}

void obx_low_mark_free(struct obx_low_mark *mark)
{
    obx_free(mark);
}

/* ---- the batches ------------------------------------------------------------------------------------------------- */

void obx_low_mark_rewind(struct obx_low_mark *mark)
{
    mark->passed = mark->spooled = (struct outbox_position){0, 0};
    mark->lost = mark->sealed = false;
}

/* The batches from this one on; NULL: none. */
static void forget(struct obx_low_mark *mark, struct obx_batch *batch)
{
    for (struct obx_batch *next; batch; batch = next) {
        next = obx_low_mark_next(mark, batch);
        obx_list_remove(&batch->log_link);
        obx_batch_forget_spool(batch);
        batch->in_log = false;
    }
    mark->sealed = true;
}

void obx_low_mark_close(struct obx_low_mark *mark)
{
    forget(mark, obx_low_mark_first(mark));
    mark->lost = true;
}

void obx_low_mark_seal(struct obx_low_mark *mark)
{
    mark->sealed = true;
}

bool obx_low_mark_sealed(const struct obx_low_mark *mark)
{
    return mark->sealed;
}

static struct outbox_position last_position(const struct obx_batch *batch)
{
    return batch->rows->positions[batch->rows->rows - 1];
}

static void raise(struct outbox_position *position, struct outbox_position to)
{
    if (obx_position_before(*position, to))
        *position = to;
}

void obx_low_mark_set_spooled(struct obx_low_mark *mark, struct outbox_position low)
{
    raise(&mark->spooled, low);
}

void obx_low_mark_add(struct obx_low_mark *mark, struct obx_batch *batch, bool of_log)
{
    if (!of_log) {
        obx_low_mark_set_spooled(mark, last_position(batch));
        return;
    }
    if (mark->sealed)
        return; /* not covered: a rewind comes first */
    obx_batch_begin_log(batch, mark->stages->context.now);
    batch->log_end = last_position(batch);
    obx_list_append(&mark->batches, &batch->log_link);
}

static bool all_passed(const struct obx_batch *batch)
{
    return batch->passed_rows == batch->rows->rows;
}

/* Up to where the passed rows of a batch reach; zero: its first row is not passed. */
static struct outbox_position end_of_passed(const struct obx_batch *batch, uint32_t passed)
{
    if (passed == batch->rows->rows)
        return batch->log_end;
    return passed ? batch->rows->positions[passed - 1] : (struct outbox_position){0, 0};
}

void obx_low_mark_remove(struct obx_low_mark *mark, struct obx_batch *batch)
{
    struct obx_list *before = batch->log_link.prev;
    obx_batch_pass_rows(batch);
    struct outbox_position end = end_of_passed(batch, batch->passed_rows);
    raise(before == &mark->batches ? &mark->passed : &OBX_CONTAINER(before, struct obx_batch, log_link)->log_end, end);
    if (!all_passed(batch)) { /* given up */
        forget(mark, batch);
        return;
    }
    obx_list_remove(&batch->log_link);
    batch->in_log = false;
}

struct obx_batch *obx_low_mark_first(const struct obx_low_mark *mark)
{
    return OBX_LIST_FIRST(&mark->batches, struct obx_batch, log_link);
}

struct obx_batch *obx_low_mark_next(const struct obx_low_mark *mark, const struct obx_batch *batch)
{
    return OBX_LIST_NEXT(&mark->batches, batch, struct obx_batch, log_link);
}

/* ---- the mark ---------------------------------------------------------------------------------------------------- */

struct outbox_position obx_low_mark_advance(struct obx_low_mark *mark)
{
    struct obx_batch *batch = obx_low_mark_first(mark);
    for (; batch; batch = obx_low_mark_next(mark, batch)) {
        obx_batch_pass_rows(batch);
        raise(&mark->passed, end_of_passed(batch, batch->passed_rows));
        if (!all_passed(batch))
            break;
    }
    return mark->passed;
}

static bool is_settled(const struct obx_batch *batch, uint32_t row)
{
    bool settling = batch->stage == OBX_BATCH_SETTLING && batch->row_states[row] == OBX_ROW_DELIVERED;
    return settling || obx_batch_is_passed(batch, row);
}

struct outbox_position obx_low_mark_settling(struct obx_low_mark *mark)
{
    struct outbox_position low = obx_low_mark_advance(mark);
    if (mark->lost)
        return (struct outbox_position){0, 0};
    struct obx_batch *batch = obx_low_mark_first(mark);
    for (; batch; batch = obx_low_mark_next(mark, batch)) {
        uint32_t row = batch->passed_rows;
        while (row < batch->rows->rows && is_settled(batch, row))
            row++;
        raise(&low, end_of_passed(batch, row));
        if (row < batch->rows->rows)
            break;
    }
    return low;
}

bool obx_low_mark_in_spool(const struct obx_low_mark *mark, struct outbox_position position)
{
    return !mark->stages->context.reads_log || !obx_position_before(mark->spooled, position);
}

uint64_t obx_low_mark_held_since(const struct obx_low_mark *mark)
{
    const struct obx_batch *batch = obx_low_mark_first(mark);
    while (batch && all_passed(batch))
        batch = obx_low_mark_next(mark, batch);
    return batch ? batch->claimed_at : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/template/claim.c - rows for the host: files, each read whole into memory of the batch
 *
 * Claimed positions are kept in a sorted list, so a file that appears late, with a smaller position than others, is
 * still found. Failure modes: a file that is removed meanwhile is skipped. Any other failure fails the claim, and none
 * of its rows counts as claimed.
 */
#include "store.h"

#include <errno.h>
#include <stdlib.h>

/* The host sees only the batch; release() finds the rest by its address. */
struct claimed {
    struct outbox_batch batch;
    const struct outbox_host *host;
    uint32_t room;
    struct outbox_position *positions;
    struct outbox_value *values;
    char **files; /* one for each row; its values point into it */
};

void spool_release(void *self, struct outbox_batch *batch)
{
    (void)self;
    struct claimed *claimed = (struct claimed *)(void *)batch;
    for (uint32_t i = 0; i < batch->rows; i++)
        claimed->host->release(claimed->host, claimed->files[i]);
    claimed->host->release(claimed->host, claimed);
}

static struct claimed *new_batch(struct spool *spool, uint32_t rows)
{
    size_t each = sizeof(struct outbox_position) + spool->columns * sizeof(struct outbox_value) + sizeof(char *);
    struct claimed *claimed = spool->host->alloc(spool->host, sizeof *claimed + rows * each);
    if (!claimed)
        return NULL;
    claimed->host = spool->host;
    claimed->room = rows;
    claimed->positions = (struct outbox_position *)(claimed + 1);
    claimed->values = (struct outbox_value *)(claimed->positions + rows);
    claimed->files = (char **)(claimed->values + (size_t)rows * spool->columns);
    claimed->batch.struct_size = sizeof claimed->batch;
    claimed->batch.columns = spool->columns;
    claimed->batch.positions = claimed->positions;
    claimed->batch.values = claimed->values;
    return claimed;
}

struct outbox_value spool_value(const struct spool_event *event, uint8_t field, uint64_t position)
{
    struct outbox_value value = {.type = OUTBOX_NULL};
    if (field == SPOOL_ID) {
        value.type = OUTBOX_INT;
        value.as.integer = (int64_t)position;
    } else if (field == SPOOL_CREATED_AT && event->fields[field].data) {
        value.type = OUTBOX_TIME;
        value.as.integer = strtoll(event->fields[field].data, NULL, 10);
    } else if (field < SPOOL_FIELDS && event->fields[field].data) {
        value.type = field == SPOOL_PAYLOAD ? OUTBOX_BYTES : OUTBOX_TEXT;
        value.as.data = event->fields[field].data;
        value.size = (uint32_t)event->fields[field].size;
    }
    return value;
}

/* Gives 1: appended; 0: the file is gone, or the limit is reached; -1: failed. */
static int append_row(struct spool *spool, struct claimed *claimed, uint64_t position, uint64_t max_bytes)
{
    struct outbox_batch *batch = &claimed->batch;
    struct spool_event event;
    if (spool_load(spool->host, spool->dir, position, &event))
        return errno == ENOENT ? 0 : -1;
    if (batch->rows && batch->bytes + event.size > max_bytes) {
        spool->host->release(spool->host, event.memory);
        batch->flags |= OUTBOX_BATCH_MORE;
        return 0;
    }
    for (uint32_t i = 0; i < spool->columns; i++)
        claimed->values[(size_t)batch->rows * spool->columns + i] = spool_value(&event, spool->fields[i], position);
    claimed->positions[batch->rows] = (struct outbox_position){position, 0};
    claimed->files[batch->rows++] = event.memory;
    batch->bytes += event.size;
    return 1;
}

static int claim_positions(struct spool *spool, struct claimed *claimed, const struct outbox_claim *claim)
{
    int result = 0;
    for (uint32_t i = 0; i < claim->position_count && result >= 0; i++)
        result = append_row(spool, claimed, claim->positions[i].major, UINT64_MAX);
    return result;
}

/* Claims every file that is there and not outstanding. The new list has only files that are still there, so it does not
 * outgrow the directory. Both lists are sorted. */
static int claim_new(struct spool *spool, struct claimed *claimed, const struct outbox_claim *claim,
                     const struct spool_list *there)
{
    struct spool_list outstanding = {0};
    size_t at = 0;
    int result = 0;
    for (size_t i = 0; i < there->count && result >= 0; i++) {
        uint64_t position = there->items[i];
        while (at < spool->outstanding.count && spool->outstanding.items[at] < position)
            at++;
        bool known = at < spool->outstanding.count && spool->outstanding.items[at] == position;
        bool full = claimed->batch.rows == claimed->room || (claimed->batch.flags & OUTBOX_BATCH_MORE);
        if (!known && full)
            claimed->batch.flags |= OUTBOX_BATCH_MORE;
        else if (!known)
            known = (result = append_row(spool, claimed, position, claim->max_bytes)) > 0;
        if (known && result >= 0)
            result = spool_list_add(spool->host, &outstanding, position);
    }
    if (result < 0) {
        spool_list_free(spool->host, &outstanding);
        return -1;
    }
    spool_list_free(spool->host, &spool->outstanding);
    spool->outstanding = outstanding;
    return 0;
}

static int claim_rows(struct spool *spool, struct claimed *claimed, const struct outbox_claim *claim)
{
    struct spool_list there = {0};
    int result;
    if (claim->positions)
        return claim_positions(spool, claimed, claim);
    result = spool_read_dir(spool->host, spool->dir, &there);
    if (!result)
        result = claim_new(spool, claimed, claim, &there);
    spool_list_free(spool->host, &there);
    return result;
}

static void run_claim(struct job *job)
{
    struct spool *spool = job->spool;
    struct outbox_claim *claim = job->argument;
    if (claim->flags & OUTBOX_CLAIM_REWIND)
        spool->outstanding.count = 0;
    struct claimed *claimed = new_batch(spool, claim->positions ? claim->position_count : claim->max_rows);
    if (!claimed) {
        errno = ENOMEM;
        spool_fail_errno(spool, &job->error, "claim from");
        return;
    }
    if (claim_rows(spool, claimed, claim) < 0)
        spool_fail_errno(spool, &job->error, "claim from");
    if (job->error.code || !claimed->batch.rows)
        spool_release(spool, &claimed->batch);
    else
        claim->batch = &claimed->batch;
}

void spool_claim(void *self, outbox_op_t op, struct outbox_claim *claim)
{
    claim->batch = NULL;
    spool_submit(self, op, run_claim, claim);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/fixture_store.c - the in-memory store */
#include <stdlib.h>

#include "base/mem.h"
#include "fixture_internal.h"

struct borrowed {
    struct outbox_batch batch;
    struct outbox_position positions[FIXTURE_ROWS];
    struct outbox_value values[FIXTURE_ROWS * 8];
};

static uint32_t column_count;
static char column_names[8][24];

static void store_start(void *self, outbox_op_t op, const struct outbox_store_start *start)
{
    column_count = start->column_count;
    cr_assert_leq(column_count, 8);
    for (uint32_t i = 0; i < column_count; i++)
        snprintf(column_names[i], sizeof column_names[i], "%s", start->columns[i].name);
    if (!fixture_fails(self, op, FIXTURE_START))
        fixture_done(self, op);
}

static outbox_op_t held_claim; /* 0: none */
static void *held_self;

void fixture_release_claim(struct fixture *fixture)
{
    outbox_op_t op = held_claim;
    fixture->claims_done = 0;
    held_claim = 0;
    if (op)
        fixture_done(held_self, op);
}

static void stop(void *self, outbox_op_t op)
{
    fixture_release_claim(the_fixture);
    fixture_done(self, op);
}

static void store_acquire(void *self, outbox_op_t op, struct outbox_acquire *acquire)
{
    struct fixture_instance *instance = self;
    static const struct outbox_error standby = {.code = OUTBOX_E_STANDBY, .text = "owned by the other"};
    if (fixture_fails(self, op, FIXTURE_ACQUIRE))
        return;
    acquire->flags =
        (the_fixture->not_same ? 0u : OUTBOX_ACQUIRED_SAME) | (fixture_is_log() ? OUTBOX_ACQUIRED_LOG : 0u);
    snprintf(acquire->owner, sizeof acquire->owner, "the other");
    snprintf(acquire->identity, sizeof acquire->identity, "%s", the_fixture->anonymous ? "" : "fixture");
    acquire->epoch = ++the_fixture->epoch;
    acquire->since_us = the_fixture->since_us;
    instance->host->op_done(instance->host, op, the_fixture->owned_by_other ? &standby : NULL);
}

static struct outbox_value text_value(const char *text)
{
    return (struct outbox_value){.as.data = text, .size = (uint32_t)strlen(text), .type = OUTBOX_TEXT};
}

static const char *binary_id(const struct fixture_row *row)
{
    static char ids[256][3];
    char *id = ids[row->id % 256];
    id[0] = 'a';
    id[2] = (char)row->id;
    return id;
}

static struct outbox_value value_of(const struct fixture_row *row, const char *column)
{
    if (!strcmp(column, "aggregatetype"))
        return text_value("T");
    if (!strcmp(column, "aggregateid") && row->key[0])
        return text_value(row->key);
    if (!strcmp(column, "payload"))
        return text_value(row->text);
    if (!strcmp(column, "headers") && the_fixture->headers)
        return text_value(the_fixture->headers);
    if (!strcmp(column, "event_id") && the_fixture->binary_ids)
        return (struct outbox_value){.as.data = binary_id(row), .size = 3, .type = OUTBOX_BYTES};
    if (!strcmp(column, "event_id"))
        return (struct outbox_value){.as.integer = (int64_t)row->id, .type = OUTBOX_INT};
    if (!strcmp(column, "created_at") && row->created_us)
        return (struct outbox_value){.as.integer = row->created_us, .type = OUTBOX_TIME};
    return (struct outbox_value){.type = OUTBOX_NULL};
}

static bool wanted(const struct outbox_claim *claim, const struct fixture_row *row)
{
    if (!row->committed || row->gone || row->dead_lettered)
        return false;
    if (fixture_is_log() && !fixture_log_wants(claim, row))
        return false;
    if (!claim->positions)
        return row->id > the_fixture->cursor || fixture_is_log();
    for (uint32_t i = 0; i < claim->position_count; i++) {
        if (claim->positions[i].major == row->id)
            return true;
    }
    return false;
}

static void add_row(struct borrowed *borrowed, const struct fixture_row *row)
{
    uint32_t at = borrowed->batch.rows++;
    borrowed->positions[at] = (struct outbox_position){row->id, 0};
    for (uint32_t c = 0; c < column_count; c++)
        borrowed->values[at * column_count + c] = value_of(row, column_names[c]);
    borrowed->batch.bytes += the_fixture->row_bytes;
}

/* Rows that are not committed are gaps. */
static uint64_t first_not_returned(void)
{
    uint64_t floor = the_fixture->cursor + 1;
    for (uint32_t i = 0; i < the_fixture->row_count; i++)
        if (!the_fixture->rows[i].committed)
            return OBX_MIN(floor, the_fixture->rows[i].id);
    return floor;
}

static void measure(struct outbox_claim *claim)
{
    cr_assert(fixture_store_plugin.caps & OUTBOX_CAP_AHEAD);
    the_fixture->measures++;
    for (uint32_t i = 0; i < the_fixture->row_count; i++)
        claim->ahead += the_fixture->rows[i].committed && the_fixture->rows[i].id > the_fixture->cursor;
}

static void store_claim(void *self, outbox_op_t op, struct outbox_claim *claim)
{
    bool works = the_fixture->measures_work && claim->flags & OUTBOX_CLAIM_MEASURE;
    if (!works && fixture_fails(self, op, FIXTURE_CLAIM))
        return;
    if (claim->flags & OUTBOX_CLAIM_REWIND) {
        the_fixture->rewinds += !fixture_is_log();
        the_fixture->cursor = 0;
        for (struct fixture_row *row = the_fixture->rows; row < the_fixture->rows + the_fixture->row_count; row++)
            row->there_at_rewind = row->committed && !row->gone && !row->dead_lettered;
    }
    claim->unusable = the_fixture->unusable;
    if (fixture_is_log())
        fixture_log_claim(claim);
    else if (claim->flags & OUTBOX_CLAIM_MEASURE)
        measure(claim);
    struct borrowed *borrowed = calloc(1, sizeof *borrowed);
    borrowed->batch = (struct outbox_batch){.struct_size = sizeof borrowed->batch,
                                            .columns = column_count,
                                            .positions = borrowed->positions,
                                            .values = borrowed->values};
    the_fixture->max_claim_rows = OBX_MAX(the_fixture->max_claim_rows, claim->max_rows);
    for (uint32_t i = 0; i < the_fixture->row_count; i++) {
        if (!wanted(claim, &the_fixture->rows[i]))
            continue;
        if (borrowed->batch.rows == claim->max_rows) {
            borrowed->batch.flags |= OUTBOX_BATCH_MORE;
            break;
        }
        add_row(borrowed, &the_fixture->rows[i]);
        if (!claim->positions)
            the_fixture->cursor = the_fixture->rows[i].id;
        if (!claim->positions && fixture_is_log())
            borrowed->batch.flags |= fixture_log_took(&the_fixture->rows[i]);
    }
    if (borrowed->batch.rows) {
        borrowed->batch.floor.major = claim->positions ? 0 : first_not_returned();
        the_fixture->borrowed++;
        claim->batch = &borrowed->batch;
    } else {
        free(borrowed);
    }
    if (the_fixture->claims_done && the_fixture->calls[FIXTURE_CLAIM] > the_fixture->claims_done) {
        held_claim = op;
        held_self = self;
        return;
    }
    fixture_done(self, op);
}

static void store_release(void *self, struct outbox_batch *batch)
{
    (void)self;
    the_fixture->borrowed--;
    free(OBX_CONTAINER(batch, struct borrowed, batch));
}

static bool was_published(uint64_t id)
{
    char text[40];
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    for (uint32_t i = 0; i < the_fixture->published_count; i++) {
        if (!strcmp(the_fixture->published[i].id, text))
            return true;
    }
    return false;
}

static void store_settle(void *self, outbox_op_t op, const struct outbox_settle *settle)
{
    if (fixture_fails(self, op, FIXTURE_SETTLE))
        return;
    for (uint32_t s = 0; s < settle->span_count; s++) {
        for (uint32_t i = 0; i < settle->spans[s].count; i++) {
            uint64_t id = settle->spans[s].batch->positions[settle->spans[s].first + i].major;
            the_fixture->wrong_settles += !the_fixture->binary_ids && !was_published(id);
            struct fixture_row *row = &the_fixture->rows[id - 1];
            row->gone = id != the_fixture->unremovable && (!fixture_is_log() || row->spooled);
            row->settled = true;
        }
    }
    if (fixture_is_log())
        fixture_log_pass(settle->low.major);
    the_fixture->idle_settles += !settle->span_count;
    if (the_fixture->unremovable) {
        static struct outbox_position staying;
        staying.major = the_fixture->unremovable;
        settle->refused->rows = !the_fixture->rows[staying.major - 1].gone;
        settle->refused->positions = &staying;
        settle->refused->position_count = the_fixture->names_unremovable ? (uint32_t)settle->refused->rows : 0;
        snprintf(settle->refused->reason, sizeof settle->refused->reason, "row %llu: kept",
                 (unsigned long long)the_fixture->unremovable);
    }
    fixture_done(self, op);
}

static void store_dead_letter(void *self, outbox_op_t op, const struct outbox_dead_letter_rows *letters)
{
    if (fixture_fails(self, op, FIXTURE_DEAD_LETTER))
        return;
    for (uint32_t i = 0; i < letters->count; i++) {
        struct fixture_row *row = &the_fixture->rows[letters->rows[i].position.major - 1];
        cr_assert(!fixture_is_log() || row->spooled, "row %llu becomes a dead letter from the log",
                  (unsigned long long)row->id);
        row->dead_lettered = true;
        row->attempts = letters->rows[i].attempts;
        snprintf(the_fixture->dead_reason, sizeof the_fixture->dead_reason, "%s", letters->rows[i].reason);
    }
    fixture_done(self, op);
}

static void store_dead(void *self, outbox_op_t op, struct outbox_dead *dead)
{
    for (uint32_t i = 0; i < the_fixture->row_count; i++) {
        const struct fixture_row *row = &the_fixture->rows[i];
        struct outbox_dead_letter letter = {.struct_size = sizeof letter,
                                            .number = row->id,
                                            .topic = {"outbox.event.T", 14},
                                            .key = {row->key, strlen(row->key)}};
        if (row->dead_lettered && dead->row)
            dead->row(dead->arg, &letter);
    }
    fixture_done(self, op);
}

static void store_renew(void *self, outbox_op_t op)
{
    if (!fixture_fails(self, op, FIXTURE_RENEW))
        fixture_done(self, op);
}

static struct outbox_store_ops store_ops = {.struct_size = sizeof store_ops,
                                            .init = fixture_init,
                                            .fini = fixture_fini,
                                            .start = store_start,
                                            .stop = stop,
                                            .acquire = store_acquire,
                                            .claim = store_claim,
                                            .release = store_release,
                                            .settle = store_settle,
                                            .dead_letter = store_dead_letter,
                                            .spool = fixture_log_spool,
                                            .dead = store_dead};
struct outbox_plugin fixture_store_plugin = {.abi_major = OUTBOX_ABI_MAJOR,
                                             .struct_size = sizeof fixture_store_plugin,
                                             .kind = OUTBOX_STORE,
                                             .option_size = sizeof(struct outbox_option),
                                             .caps = OUTBOX_CAP_DEAD_LETTERS,
                                             .name = "fixture",
                                             .version = "1",
                                             .description = "an in-memory store",
                                             .instance_size = sizeof(struct fixture_instance),
                                             .ops = &store_ops};

void fixture_renews(void)
{
    store_ops.renew = store_renew;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/record.c - see record.h */
#include "relay/record.h"

#include "relay/link.h"
#include "relay/position.h"

#define ROOM_MIN 64u
#define WAITING_MAX 1000000u /* ten times what the record of Kafka names */

/* A settled row that may come again. rewound: a rewind has begun since. A store may return the row of the table again,
 * or name it with a settle; until then it is not known to be gone. */
struct waiting {
    struct outbox_position position;
    bool of_log, rewound;
};

struct obx_record {
    struct obx_stages *stages;
    struct waiting *waiting; /* owned; in any order */
    uint32_t count, room;
    bool reading; /* a rewind has begun, and is not complete */
};

struct obx_record *obx_record_new(struct obx_stages *stages)
{
    struct obx_record *record = obx_alloc(sizeof *record);
    if (record)
        record->stages = stages;
    return record;
}

void obx_record_free(struct obx_record *record)
{
    if (record)
        obx_free(record->waiting);
    obx_free(record);
}

static bool is_kept(const struct obx_record *record)
{
    return obx_relay_context_exactly_once(&record->stages->context);
}

static void report(const struct obx_record *record, enum outbox_record_what what,
                   const struct outbox_position *positions, uint32_t count)
{
    obx_broker_record(obx_link_instance(record->stages->broker),
                      &(struct outbox_record){.struct_size = sizeof(struct outbox_record),
                                              .what = (uint32_t)what,
                                              .count = count,
                                              .positions = positions});
}

/* ---- rows that may come again ------------------------------------------------------------------------------------ */

/* The next claims return the rows of the table again, as each store does for a new ownership. */
static void forget_table_rows(struct obx_record *record)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < record->count; i++)
        if (record->waiting[i].of_log)
            record->waiting[kept++] = record->waiting[i];
    record->count = kept;
}

void obx_record_reset(struct obx_record *record, bool same)
{
    if (same)
        forget_table_rows(record);
    else
        record->count = 0;
    record->reading = false;
}

/* Without memory, or with too many rows, the record of the broker keeps the row. */
static void add(struct obx_record *record, struct outbox_position position, bool of_log)
{
    if (record->count == WAITING_MAX)
        return; /* not covered: a million rows that the log holds */
    if (record->count == record->room) {
        uint32_t room = OBX_MAX(ROOM_MIN, record->room * 2);
        struct waiting *waiting = obx_resize(record->waiting, room * sizeof *waiting);
        if (!waiting)
            return; /* not covered: no memory just here */
        record->waiting = waiting;
        record->room = room;
    }
    record->waiting[record->count++] = (struct waiting){position, of_log, false};
}

static bool contains(const struct outbox_position *positions, uint32_t count, struct outbox_position position)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (obx_position_before(positions[middle], position))
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && obx_position_same(positions[low], position);
}

/* Once all is read again, a row that is still there was claimed again, or each settle names it. */
static bool may_come_again(const struct obx_record *record, const struct outbox_settle *settle, struct waiting *row)
{
    bool stays = contains(settle->refused->positions, settle->refused->position_count, row->position);
    row->rewound = row->rewound && !stays && record->reading;
    return stays || row->rewound || (row->of_log && obx_position_before(settle->low, row->position));
}

/* Rows that were claimed by their position count as rows of the log: they are before its stored position. */
static bool is_of_log(const struct obx_record *record, const struct outbox_batch *batch)
{
    return record->stages->context.reads_log && !(batch->flags & OUTBOX_BATCH_SPOOLED);
}

/* Rows of a batch are ascending: usually the last one decides for all. */
static void take_span(struct obx_record *record, const struct outbox_settle *settle, const struct outbox_span *span)
{
    const struct outbox_position *positions = span->batch->positions + span->first;
    bool of_log = is_of_log(record, span->batch);
    if (!settle->refused->position_count &&
        !may_come_again(record, settle, &(struct waiting){positions[span->count - 1], of_log, false})) {
        report(record, OUTBOX_RECORD_SETTLED, positions, span->count);
        return;
    }
    for (uint32_t i = 0; i < span->count; i++)
        add(record, positions[i], of_log);
}

static void report_gone(struct obx_record *record, const struct outbox_settle *settle)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < record->count; i++) {
        struct waiting row = record->waiting[i];
        if (may_come_again(record, settle, &row))
            record->waiting[kept++] = row;
        else
            report(record, OUTBOX_RECORD_SETTLED, &row.position, 1);
    }
    record->count = kept;
}

void obx_record_settled(struct obx_record *record, const struct outbox_settle *settle)
{
    const struct outbox_refused *refused = settle->refused;
    if (!is_kept(record) || refused->position_count < refused->rows + refused->locked)
        return; /* the store does not name the rows that stay */
    for (uint32_t i = 0; i < settle->span_count; i++)
        take_span(record, settle, &settle->spans[i]);
    report_gone(record, settle);
}

/* ---- rows that are there ----------------------------------------------------------------------------------------- */

/* A log is read also without a broker when it comes near its limit. */
bool obx_record_may_rewind(const struct obx_record *record)
{
    return !is_kept(record) || obx_link_up(record->stages->broker);
}

void obx_record_rewind(struct obx_record *record)
{
    if (!is_kept(record))
        return;
    report(record, OUTBOX_RECORD_REWIND, NULL, 0);
    for (uint32_t i = 0; i < record->count; i++) {
        report(record, OUTBOX_RECORD_PRESENT, &record->waiting[i].position, 1);
        record->waiting[i].rewound = !record->waiting[i].of_log;
    }
    record->reading = true;
}

void obx_record_claimed(struct obx_record *record, const struct outbox_batch *rows)
{
    uint32_t kept = 0;
    if (!record->reading)
        return;
    report(record, OUTBOX_RECORD_PRESENT, rows->positions, rows->rows);
    for (uint32_t i = 0; i < record->count; i++)
        if (!record->waiting[i].rewound || !contains(rows->positions, rows->rows, record->waiting[i].position))
            record->waiting[kept++] = record->waiting[i];
    record->count = kept;
}

void obx_record_complete(struct obx_record *record)
{
    if (record->reading)
        report(record, OUTBOX_RECORD_COMPLETE, NULL, 0);
    record->reading = false;
}

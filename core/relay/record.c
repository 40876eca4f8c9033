/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/record.c - see record.h */
#include "relay/record.h"

#include "relay/link.h"
#include "relay/position.h"
#include "relay/position_heap.h"

#define ROOM_MIN 64u
#define WAITING_MAX 1000000u /* ten times what the record of Kafka names */

/* A settled row that the database keeps for now. rewound: a rewind has begun since. A store may return the row again,
 * or name it with a settle; until then it is not known to be gone. */
struct kept {
    struct outbox_position position;
    bool rewound;
};

struct obx_record {
    struct obx_stages *stages;
    struct obx_position_heap of_log; /* settled rows of a log that its stored position has not passed */
    struct kept *kept;               /* owned; in any order */
    uint32_t kept_count, kept_room;
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
    if (record) {
        obx_position_heap_free(&record->of_log);
        obx_free(record->kept);
    }
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
void obx_record_reset(struct obx_record *record, bool same)
{
    record->kept_count = 0;
    if (!same)
        record->of_log.count = 0;
    record->reading = false;
}

/* Without memory, or with too many rows, the record of the broker keeps the row. */
static void add_of_log(struct obx_record *record, struct outbox_position position)
{
    if (record->of_log.count < WAITING_MAX)
        obx_position_heap_add(&record->of_log, position);
}

/* Stores limit how many rows they name. */
static void add_kept(struct obx_record *record, struct outbox_position position)
{
    if (record->kept_count == record->kept_room) {
        uint32_t room = OBX_MAX(ROOM_MIN, record->kept_room * 2);
        struct kept *kept = obx_resize(record->kept, room * sizeof *kept);
        if (!kept)
            return; /* not covered: no memory just here */
        record->kept = kept;
        record->kept_room = room;
    }
    record->kept[record->kept_count++] = (struct kept){position, false};
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

static bool stays(const struct outbox_settle *settle, struct outbox_position position)
{
    return contains(settle->refused->positions, settle->refused->position_count, position);
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
    if (!settle->refused->position_count && !(of_log && obx_position_before(settle->low, positions[span->count - 1]))) {
        report(record, OUTBOX_RECORD_SETTLED, positions, span->count);
        return;
    }
    for (uint32_t i = 0; i < span->count; i++)
        if (of_log)
            add_of_log(record, positions[i]);
        else
            add_kept(record, positions[i]);
}

/* A row that the position has passed may still be in the table. */
static void take_passed(struct obx_record *record, const struct outbox_settle *settle)
{
    struct obx_position_heap *of_log = &record->of_log;
    while (of_log->count && !obx_position_before(settle->low, of_log->items[0])) {
        struct outbox_position position = obx_position_heap_take(of_log);
        if (stays(settle, position))
            add_kept(record, position);
        else
            report(record, OUTBOX_RECORD_SETTLED, &position, 1);
    }
}

/* Once all is read again, a row that is still there was claimed again, or each settle names it. */
static void report_gone(struct obx_record *record, const struct outbox_settle *settle)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < record->kept_count; i++) {
        struct kept row = record->kept[i];
        bool is_there = stays(settle, row.position);
        row.rewound = row.rewound && !is_there && record->reading;
        if (is_there || row.rewound)
            record->kept[count++] = row;
        else
            report(record, OUTBOX_RECORD_SETTLED, &row.position, 1);
    }
    record->kept_count = count;
}

void obx_record_settled(struct obx_record *record, const struct outbox_settle *settle)
{
    const struct outbox_refused *refused = settle->refused;
    if (!is_kept(record) || refused->position_count < refused->rows + refused->locked)
        return; /* the store does not name the rows that stay */
    for (uint32_t i = 0; i < settle->span_count; i++)
        take_span(record, settle, &settle->spans[i]);
    take_passed(record, settle);
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
    report(record, OUTBOX_RECORD_PRESENT, record->of_log.items, record->of_log.count);
    for (uint32_t i = 0; i < record->kept_count; i++) {
        report(record, OUTBOX_RECORD_PRESENT, &record->kept[i].position, 1);
        record->kept[i].rewound = true;
    }
    record->reading = true;
}

void obx_record_claimed(struct obx_record *record, const struct outbox_batch *rows)
{
    uint32_t count = 0;
    if (!record->reading)
        return;
    report(record, OUTBOX_RECORD_PRESENT, rows->positions, rows->rows);
    for (uint32_t i = 0; i < record->kept_count; i++)
        if (!record->kept[i].rewound || !contains(rows->positions, rows->rows, record->kept[i].position))
            record->kept[count++] = record->kept[i];
    record->kept_count = count;
}

void obx_record_complete(struct obx_record *record)
{
    if (record->reading)
        report(record, OUTBOX_RECORD_COMPLETE, NULL, 0);
    record->reading = false;
}

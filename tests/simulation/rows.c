/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/rows.c - claims: the rows that a statement sees, the read position, and batches
 *
 * Two ways to track the read position: the plain one records each returned row; the other is the gap tracker of
 * backends/sql, used as in the Postgres store.
 */
#include <stdio.h>
#include <string.h>

#include <outbox/error.h>

#include "oracle.h"
#include "prompt.h"
#include "sim.h"
#include "store.h"

#define INSPECT_AGE_NS (20 * OBX_MS)
#define ROW_COST 192 /* OBX_ROW_OVERHEAD of core/relay/batch.h */
#define BATCH_COST (16 * 1024)

void sim_rows_rewind(struct sim_store *store)
{
    obx_sql_gaps_reset(&store->gaps);
    store->spool_at = store->log_at = 0;
    for (uint32_t i = 0; i < sim->db->count; i++) /* rows that settles did not remove are claimed again */
        if (sim_event(i)->kept == store->node->life)
            sim_event(i)->kept = 0;
    if (sim->plan.log)
        return;
    if (store->returned_room)
        memset(store->returned, 0, (size_t)store->returned_room);
}

/* ---- at the server ---------------------------------------------------------------------------------------------- */

void sim_rows_inspect(struct sim_request *request)
{
    struct sim_store *store = request->store;
    struct sim_rows *rows = &request->rows;
    const struct outbox_claim *claim = request->args;
    bool due = sim->now_ns - store->inspected_ns >= INSPECT_AGE_NS &&
               obx_sql_gaps_resolution_due(&store->gaps, sim->now_ns, INSPECT_AGE_NS);
    if (!sim->plan.sql || claim->positions || !due)
        return;
    rows->inspected = true;
    for (uint32_t i = 0; i < SIM_TXNS; i++) {
        const struct sim_txn *txn = &sim->db->txns[i];
        if (txn->open && txn->locks)
            rows->holders[rows->holder_count++] = (struct obx_sql_writer){txn->name, txn->xid};
    }
}

static bool is_in_claim(const struct sim_store *store, int64_t id)
{
    if (!sim->plan.sql)
        return id >= store->returned_room || !store->returned[id];
    if (id > store->gaps.hi)
        return true;
    for (uint32_t i = 0; i < store->gaps.hot.count; i++) {
        if (id >= store->gaps.hot.items[i].lo && id <= store->gaps.hot.items[i].hi)
            return true;
    }
    return false;
}

/* False: it does not fit any more. */
static bool take(struct sim_rows *rows, const struct sim_event *event, uint64_t *bytes, uint64_t max_bytes)
{
    uint64_t size = sim_payload_size(event) + 100;
    if (rows->count && *bytes + size > max_bytes)
        return false;
    *bytes += size;
    rows->numbers[rows->count] = event->number;
    rows->ids[rows->count++] = event->id;
    return true;
}

static void select_exact(struct sim_rows *rows, const struct outbox_claim *claim)
{
    uint64_t bytes = 0, most = sim->plan.exact_limited ? claim->max_bytes : UINT64_MAX;
    for (uint32_t i = 0; i < claim->position_count && !rows->more; i++) {
        const struct sim_event *event = sim_db_row((int64_t)claim->positions[i].major);
        if (event && sim->plan.log && !event->spooled)
            sim_fail("event %u is claimed by its position, and is not in the spool", event->number);
        rows->more = event && !take(rows, event, &bytes, most);
    }
}

static void select_spool(const struct sim_store *store, struct sim_rows *rows, const struct outbox_claim *claim)
{
    uint64_t bytes = 0;
    for (int64_t id = store->spool_at + 1; id <= sim->db->low && !rows->more; id++) {
        const struct sim_event *event = sim_db_row(id);
        if (event && event->spooled)
            rows->more = rows->count == claim->max_rows || !take(rows, event, &bytes, claim->max_bytes);
    }
    rows->spooled = rows->count > 0;
    rows->ended = !rows->count;
    rows->more = rows->spooled;
}

static void select_log(const struct sim_store *store, struct sim_rows *rows, const struct outbox_claim *claim)
{
    uint64_t bytes = 0;
    int64_t id = (store->log_at ? store->log_at : sim->db->low) + 1;
    for (; id < sim->db->next_id && !rows->more; id++) {
        const struct sim_event *event = sim_db_row(id);
        if (event && event->spooled)
            sim_fail("event %u is in the spool, and the stored position before it", event->number);
        if (event && (id >= store->returned_room || !store->returned[id]))
            rows->more = rows->count == claim->max_rows || !take(rows, event, &bytes, claim->max_bytes);
    }
}

/* The spool first, then the log. */
static void select_of_log(const struct sim_store *store, struct sim_rows *rows, const struct outbox_claim *claim)
{
    rows->percent = sim_log_percent();
    rows->result = sim->db->relieve ? OUTBOX_CLAIMED_RELIEVE : 0;
    if (claim->flags & OUTBOX_CLAIM_MEASURE)
        return;
    rows->ended = claim->flags & OUTBOX_CLAIM_LOG_ONLY || store->spool_at == INT64_MAX;
    if (!rows->ended)
        select_spool(store, rows, claim);
    if (!rows->spooled)
        select_log(store, rows, claim);
    if (!rows->count && sim_pick(0, 7) == 0)
        rows->result |= OUTBOX_CLAIMED_BEHIND;
}

static void select_next(const struct sim_store *store, struct sim_rows *rows, const struct outbox_claim *claim)
{
    uint64_t bytes = 0;
    int64_t id = sim->db->low_id;
    for (; id < sim->db->next_id && !rows->more; id++) {
        const struct sim_event *event = sim_db_row(id);
        if (event && is_in_claim(store, id))
            rows->more = rows->count == claim->max_rows || !take(rows, event, &bytes, claim->max_bytes);
    }
}

static void take_snapshot(struct sim_rows *rows)
{
    rows->snapshot = (struct obx_sql_snapshot){.xmax = sim->db->ended + 1, .active = rows->active};
    rows->snapshot.active_count = sim_db_active(rows->active);
    rows->snapshot.xmin = rows->snapshot.active_count ? rows->active[0] : rows->snapshot.xmax;
}

void sim_rows_select(struct sim_request *request)
{
    const struct outbox_claim *claim = request->args;
    struct sim_rows *rows = &request->rows;
    uint32_t most = claim->positions ? claim->position_count : claim->max_rows + 1;
    rows->numbers = obx_alloc(most * sizeof *rows->numbers);
    rows->ids = obx_alloc(most * sizeof *rows->ids);
    take_snapshot(rows);
    if (claim->positions)
        select_exact(rows, claim);
    else if (sim->plan.log)
        select_of_log(request->store, rows, claim);
    else
        select_next(request->store, rows, claim);
}

/* ---- batches ---------------------------------------------------------------------------------------------------- */

struct borrowed {
    struct outbox_batch batch;
    size_t size; /* of all of it */
};

static size_t place_size(uint32_t rows, uint32_t columns)
{
    return rows * (sizeof(struct outbox_position) + columns * sizeof(struct outbox_value) + sizeof(const char *));
}

static size_t texts_size(const struct sim_rows *rows)
{
    size_t size = 0;
    for (uint32_t i = 0; i < rows->count; i++)
        size += sim_payload_size(sim_event(rows->numbers[i])) + 48;
    return size;
}

static struct outbox_value text(char **at, size_t size)
{
    struct outbox_value value = {.as.data = *at, .size = (uint32_t)size, .type = OUTBOX_TEXT};
    *at += size;
    return value;
}

static struct outbox_value put_text(char **at, const char *from)
{
    if (!from)
        return (struct outbox_value){.type = OUTBOX_NULL};
    memcpy(*at, from, strlen(from));
    return text(at, strlen(from));
}

/* Every other event that admit would refuse has a payload that the server cannot give out. */
static bool is_unreadable(const struct sim_event *event)
{
    return event->poison == SIM_REFUSED && event->number % 2;
}

static const char *put_reason(struct sim_event *event)
{
    if (!is_unreadable(event))
        return NULL;
    prompt_refused(event);
    return "column payload: simulated";
}

static struct outbox_value put_value(const struct sim_event *event, const char *column, char **at)
{
    if (!strcmp(column, "aggregatetype"))
        return put_text(at, sim_topic_text(event));
    if (!strcmp(column, "aggregateid"))
        return put_text(at, sim_key_text(event->key));
    if (!strcmp(column, "payload")) {
        if (event->value == SIM_NULL || is_unreadable(event))
            return put_text(at, NULL);
        sim_payload_write(event, *at);
        return text(at, sim_payload_size(event));
    }
    if (!strcmp(column, "created_at"))
        return (struct outbox_value){.as.integer = event->number, .type = OUTBOX_TIME};
    if (!strcmp(column, "event_id")) {
        int size = snprintf(*at, 16, "e-%u", event->number);
        return text(at, (size_t)size);
    }
    return (struct outbox_value){.type = OUTBOX_NULL};
}

static struct outbox_batch *make_batch(const struct sim_store *store, const struct sim_rows *rows)
{
    size_t place = place_size(rows->count, store->column_count);
    size_t size = sizeof(struct borrowed) + place + texts_size(rows);
    struct borrowed *borrowed = store->host->alloc(store->host, size);
    if (!borrowed)
        return NULL;
    struct outbox_position *positions = (void *)(borrowed + 1);
    struct outbox_value *values = (void *)(positions + rows->count);
    const char **reasons = (void *)(values + rows->count * store->column_count);
    char *at = (char *)(reasons + rows->count);
    for (uint32_t i = 0; i < rows->count; i++) {
        positions[i] = (struct outbox_position){(uint64_t)rows->ids[i], 0};
        reasons[i] = put_reason(sim_event(rows->numbers[i]));
        for (uint32_t c = 0; c < store->column_count; c++)
            values[i * store->column_count + c] = put_value(sim_event(rows->numbers[i]), store->columns[c], &at);
    }
    borrowed->size = size;
    borrowed->batch = (struct outbox_batch){.struct_size = sizeof borrowed->batch,
                                            .rows = rows->count,
                                            .columns = store->column_count,
                                            .flags = (rows->more ? OUTBOX_BATCH_MORE : 0u) |
                                                     (rows->spooled ? OUTBOX_BATCH_SPOOLED : 0u),
                                            .positions = positions,
                                            .values = values,
                                            .bytes = size,
                                            .unreadable = reasons};
    return &borrowed->batch;
}

void sim_rows_release(void *self, struct outbox_batch *batch)
{
    struct sim_store *store = self;
    struct borrowed *borrowed = (struct borrowed *)(void *)batch;
    store->borrowed--;
    memset(borrowed + 1, 0xdd, borrowed->size - sizeof *borrowed); /* a later reader sees no event */
    store->host->release(store->host, borrowed);
}

/* ---- at the client ---------------------------------------------------------------------------------------------- */

bool sim_rows_note(struct sim_store *store, int64_t lo, int64_t hi)
{
    int64_t last = hi;
    if (last >= store->returned_room) {
        int64_t room = OBX_MAX(last + 1, store->returned_room * 2);
        uint8_t *returned = store->host->resize(store->host, store->returned, (size_t)room);
        if (!returned)
            return false;
        memset(returned + store->returned_room, 0, (size_t)(room - store->returned_room));
        store->returned = returned;
        store->returned_room = room;
    }
    memset(store->returned + lo, 1, (size_t)(hi - lo + 1));
    return true;
}

static bool note_returned(struct sim_store *store, const struct sim_rows *rows)
{
    if (rows->count && !sim_rows_note(store, rows->ids[rows->count - 1], rows->ids[rows->count - 1]))
        return false;
    for (uint32_t i = 0; i < rows->count; i++)
        store->returned[rows->ids[i]] = 1;
    return true;
}

static void note_log(struct sim_store *store, const struct sim_rows *rows)
{
    int64_t last = rows->count ? rows->ids[rows->count - 1] : 0;
    if (rows->ended)
        store->spool_at = INT64_MAX;
    if (rows->spooled)
        store->spool_at = last;
    else if (last)
        store->log_at = last;
}

static enum obx_sql_accepted accept(struct sim_store *store, struct sim_rows *rows)
{
    struct obx_sql_seen seen = {.ids = rows->ids,
                                .count = rows->count,
                                .truncated = rows->more,
                                .snapshot = rows->snapshot,
                                .now_ns = sim->now_ns};
    rows->snapshot.active = rows->active;
    if (rows->inspected) {
        store->inspected_ns = sim->now_ns;
        obx_sql_gaps_resolve(&store->gaps, rows->holders, rows->holder_count);
    }
    return obx_sql_gaps_accept(&store->gaps, &seen);
}

static enum obx_sql_accepted note(struct sim_store *store, struct sim_rows *rows, bool exact)
{
    if (exact)
        return OBX_SQL_ACCEPTED;
    if (sim->plan.log) {
        note_log(store, rows);
        return OBX_SQL_ACCEPTED;
    }
    if (sim->plan.sql)
        return accept(store, rows);
    return note_returned(store, rows) ? OBX_SQL_ACCEPTED : OBX_SQL_NO_MEMORY;
}

static void claim_again(struct sim_request *request)
{
    obx_free(request->rows.numbers);
    obx_free(request->rows.ids);
    request->rows = (struct sim_rows){0};
    sim_request_send(request);
}

static void lend(struct sim_store *store, struct outbox_claim *claim, struct outbox_batch *batch)
{
    claim->batch = batch;
    store->borrowed++;
    sim->largest_batch = OBX_MAX(sim->largest_batch, batch->bytes + batch->rows * ROW_COST + BATCH_COST);
    SIM_TRACE("%s claims %u rows%s, ids %lu..%lu", store->node->name, batch->rows,
              claim->positions ? " by their ids" : "", (unsigned long)batch->positions[0].major,
              (unsigned long)batch->positions[batch->rows - 1].major);
}

/* The batch is made before the tracker accepts it, so that a lack of memory changes nothing. */
void sim_rows_answer(struct sim_request *request)
{
    struct sim_store *store = request->store;
    struct outbox_claim *claim = request->args;
    struct sim_rows *rows = &request->rows;
    struct outbox_batch *batch = rows->count ? make_batch(store, rows) : NULL;
    claim->result = rows->result;
    claim->log_percent = rows->percent;
    if (rows->count && !batch) {
        sim_request_complete(request, OUTBOX_E_AGAIN);
        return;
    }
    enum obx_sql_accepted accepted = note(store, rows, claim->positions != NULL);
    if (batch && accepted != OBX_SQL_ACCEPTED)
        store->host->release(store->host, OBX_CONTAINER(batch, struct borrowed, batch));
    if (accepted == OBX_SQL_IMPOSSIBLE)
        sim_fail("the gap tracker reports an impossible claim");
    if (accepted == OBX_SQL_ASK_AGAIN) {
        claim_again(request);
        return;
    }
    if (batch && accepted == OBX_SQL_ACCEPTED) {
        if (sim->plan.sql && !claim->positions)
            batch->floor.major = (uint64_t)obx_sql_gaps_floor(&store->gaps);
        lend(store, claim, batch);
    }
    sim_request_complete(request, accepted == OBX_SQL_ACCEPTED ? OUTBOX_OK : OUTBOX_E_AGAIN);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/db.c - the table and its transactions */
#include "db.h"

#include <stdio.h>
#include <string.h>

#include "oracle.h"
#include "sim.h"

static void *grow(void *array, uint64_t count, size_t size)
{
    void *grown = obx_resize(array, count * size);
    if (!grown)
        sim_fail("the simulator is out of memory");
    return grown;
}

void sim_db_init(void)
{
    struct sim_db *db = sim->db = obx_alloc(sizeof *db);
    db->up = true;
    db->next_id = db->low_id = 1;
    db->xids = db->ended = 100;
    db->generation = 1;
}

struct sim_event *sim_event(uint32_t number)
{
    return &sim->db->events[number];
}

bool sim_event_stays(const struct sim_event *event)
{
    return event->state == SIM_COMMITTED && !event->gone && !event->dead && !event->lost;
}

struct sim_event *sim_db_row(int64_t id)
{
    struct sim_db *db = sim->db;
    if (id < 1 || id >= db->id_room || !db->by_id[id])
        return NULL;
    struct sim_event *event = sim_event(db->by_id[id] - 1);
    return sim_event_stays(event) ? event : NULL;
}

const char *sim_key_text(uint32_t key)
{
    static char texts[SIM_MAX_KEYS][8];
    if (key == SIM_NO_KEY)
        return NULL;
    snprintf(texts[key], sizeof texts[key], "k%u", key % SIM_MAX_KEYS);
    return texts[key];
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static uint8_t draw_poison(uint32_t key)
{
    static const struct {
        enum sim_fault fault;
        uint8_t poison;
    } kinds[] = {{SIM_POISON_ADMIT, SIM_REFUSED},
                 {SIM_POISON_AFTER, SIM_REJECTED},
                 {SIM_POISON_RETRY, SIM_FAILING},
                 {SIM_SICK, SIM_FAILING_NOW}};
    if (sim->plan.refusals)
        return !sim->healed && key % 3 == 0 && sim_pick(0, 2) ? SIM_REJECTED : SIM_HEALTHY;
    for (size_t i = 0; i < OBX_COUNT(kinds); i++) {
        if (sim_strikes(kinds[i].fault, 20))
            return kinds[i].poison;
    }
    return SIM_HEALTHY;
}

static uint8_t draw_value(void)
{
    if (!sim_strikes(SIM_TOMBSTONE, 200))
        return SIM_BYTES;
    return sim_pick(0, 2) ? SIM_NULL : SIM_EMPTY;
}

static uint32_t draw_size(void)
{
    if (sim_strikes(SIM_HUGE, 40))
        return (uint32_t)sim_pick(1000, 60000);
    return (uint32_t)sim_pick(0, 200);
}

static int64_t draw_id(uint32_t number)
{
    struct sim_db *db = sim->db;
    if (db->next_id >= db->id_room) {
        int64_t room = db->id_room ? db->id_room * 2 : 512;
        db->by_id = grow(db->by_id, (uint64_t)room, sizeof *db->by_id);
        memset(db->by_id + db->id_room, 0, (size_t)(room - db->id_room) * sizeof *db->by_id);
        db->id_room = room;
    }
    db->by_id[db->next_id] = number + 1;
    return db->next_id++;
}

static struct sim_event *add_event(uint32_t key)
{
    struct sim_db *db = sim->db;
    if (db->count == db->room) {
        db->room = db->room ? db->room * 2 : 256;
        db->events = grow(db->events, db->room, sizeof *db->events);
    }
    struct sim_event *event = &db->events[db->count];
    *event = (struct sim_event){.id = sim->plan.log ? 0 : draw_id(db->count),
                                .number = db->count,
                                .key = key,
                                .size = draw_size(),
                                .poison = draw_poison(key)};
    event->value = draw_value();
    if (event->value == SIM_NULL && sim->plan.nulls_refused)
        event->poison = SIM_REFUSED;
    db->count++;
    return event;
}

/* ---- transactions ----------------------------------------------------------------------------------------------- */

static void need_xid(struct sim_txn *txn)
{
    if (!txn->xid)
        txn->xid = ++sim->db->xids;
}

void sim_txn_begin(uint32_t slot, bool with_xid)
{
    struct sim_txn *txn = &sim->db->txns[slot];
    *txn = (struct sim_txn){.open = true, .name = ++sim->db->names};
    if (with_xid)
        need_xid(txn);
}

uint32_t sim_txn_draw(uint32_t slot, uint32_t key)
{
    struct sim_db *db = sim->db;
    struct sim_txn *txn = &db->txns[slot];
    if (key != SIM_NO_KEY) {
        if (db->key_owner[key] && db->key_owner[key] != slot + 1)
            return SIM_NONE;
        db->key_owner[key] = slot + 1;
    }
    txn->locks = true;
    struct sim_event *event = add_event(key);
    txn->events[txn->count++] = event->number;
    return event->number;
}

void sim_txn_insert(uint32_t slot, uint32_t number)
{
    need_xid(&sim->db->txns[slot]);
    sim_event(number)->state = SIM_INSERTED;
}

/* Savepoints that were rolled back: the events left are moved together. */
static void roll_back_part(struct sim_txn *txn)
{
    uint32_t first = (uint32_t)sim_pick(0, txn->count - 1), kept = first;
    uint32_t end = (uint32_t)sim_pick(first, txn->count);
    for (uint32_t i = first; i < txn->count; i++) {
        if (i < end)
            sim_event(txn->events[i])->state = SIM_ROLLED_BACK;
        else
            txn->events[kept++] = txn->events[i];
    }
    txn->count = kept;
}

static void commit(struct sim_txn *txn)
{
    if (sim->plan.log && txn->count && sim_pick(0, 7) == 0)
        roll_back_part(txn);
    for (uint32_t i = 0; i < txn->count; i++) {
        struct sim_event *event = sim_event(txn->events[i]);
        event->state = SIM_COMMITTED;
        if (sim->plan.log)
            event->id = draw_id(event->number);
        sim->db->low_id = OBX_MIN(sim->db->low_id, event->id);
        oracle_committed(event);
    }
    if (txn->count)
        sim_db_log(SIM_INSERTS, txn->events, txn->count);
    sim_log_check_limit();
}

void sim_txn_prepare(uint32_t slot)
{
    sim->db->txns[slot].prepared = true;
}

void sim_txn_end(uint32_t slot, bool commits)
{
    struct sim_db *db = sim->db;
    struct sim_txn *txn = &db->txns[slot];
    if (txn->count)
        SIM_TRACE("writer%u %s events %u..%u, ids %ld..%ld", slot, commits ? "commits" : "rolls back", txn->events[0],
                  txn->events[txn->count - 1], (long)sim_event(txn->events[0])->id,
                  (long)sim_event(txn->events[txn->count - 1])->id);
    for (uint32_t i = 0; i < txn->count && !commits; i++)
        sim_event(txn->events[i])->state = SIM_ROLLED_BACK;
    if (commits)
        commit(txn);
    for (uint32_t key = 0; key < SIM_MAX_KEYS; key++) {
        if (db->key_owner[key] == slot + 1)
            db->key_owner[key] = 0;
    }
    db->ended = OBX_MAX(db->ended, txn->xid);
    *txn = (struct sim_txn){0};
}

/* ---- statements ------------------------------------------------------------------------------------------------- */

void sim_db_delete(const struct sim_session *session, int64_t lo, int64_t hi, uint32_t *numbers, uint32_t *count)
{
    struct sim_db *db = sim->db;
    for (int64_t id = lo; id <= hi; id++) {
        struct sim_event *event = sim_db_row(id);
        if (!event)
            continue;
        oracle_settled(session->life, event);
        event->kept = sim->plan.keeps && sim_pick(0, 9) == 0 ? session->life : 0;
        if (event->kept)
            continue;
        event->gone = true;
        numbers[(*count)++] = event->number;
    }
    while (db->low_id < db->next_id && !sim_db_row(db->low_id))
        db->low_id++;
}

void sim_db_replay(uint32_t number, bool mended)
{
    struct sim_event *event = sim_event(number);
    sim->db->by_id[event->id] = 0;
    event->id = draw_id(number);
    sim->db->low_id = OBX_MIN(sim->db->low_id, event->id); /* ids come again after a failover that lost some */
    event->dead = false;
    if (mended) {
        if (event->poison == SIM_REFUSED && event->value == SIM_NULL)
            event->value = SIM_BYTES;
        event->poison = SIM_HEALTHY;
    }
    oracle_intervened(event);
    sim_db_log(SIM_REPLAYS, &number, 1);
    SIM_TRACE("event %u is replayed, id %ld", number, (long)event->id);
}

void sim_db_drop(uint32_t number)
{
    struct sim_event *event = sim_event(number);
    event->dead = false;
    event->gone = event->dropped = true;
    oracle_intervened(event);
    sim_db_log(SIM_DROPS, &number, 1);
    SIM_TRACE("event %u is dropped", number);
}

void sim_db_log(enum sim_commit_kind kind, const uint32_t *numbers, uint32_t count)
{
    struct sim_commit *commit = &sim->db->commits[sim->db->commit_count++ % SIM_COMMITS];
    if (!count) {
        sim->db->commit_count--;
        return;
    }
    obx_free(commit->events);
    *commit = (struct sim_commit){
        .kind = kind, .count = count, .low = sim->db->low, .events = grow(NULL, count, sizeof *numbers)};
    memcpy(commit->events, numbers, count * sizeof *numbers);
    if (kind != SIM_INSERTS)
        sim->db->ended = ++sim->db->xids;
}

uint32_t sim_db_active(uint64_t *active)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SIM_TXNS; i++) {
        uint64_t xid = sim->db->txns[i].xid;
        if (!xid || xid > sim->db->ended)
            continue;
        uint32_t at = count++;
        for (; at && active[at - 1] > xid; at--)
            active[at] = active[at - 1];
        active[at] = xid;
    }
    return count;
}

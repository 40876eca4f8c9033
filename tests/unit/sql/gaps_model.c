/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/gaps_model.c - the naive database; every check names the seed */
#include "gaps_model.h"

#include <criterion/criterion.h>

#include "sql_host.h"

static unsigned pick(struct model *model, unsigned n)
{
    return (unsigned)rand_r(&model->state) % n;
}

void model_init(struct model *model, unsigned seed, uint64_t cold_after_ns)
{
    *model = (struct model){.seed = seed, .state = seed, .xids = 100, .ended = 100};
    for (int k = 0; k < MODEL_KEYS; k++)
        model->key_owner[k] = -1;
    obx_sql_gaps_init(&model->gaps, &sql_host, cold_after_ns);
}

static void need_xid(struct model *model, struct model_txn *txn)
{
    if (!txn->xid)
        txn->xid = ++model->xids;
}

static void insert_drawn(struct model *model, int slot)
{
    for (int64_t id = 1; id <= model->ids; id++)
        if (model->rows[id].txn == slot)
            model->rows[id].inserted = true;
    need_xid(model, &model->txns[slot]);
    model->txns[slot].writes = false;
}

static void draw(struct model *model, int slot)
{
    int key = (int)pick(model, MODEL_KEYS);
    if (model->ids == MODEL_ROWS || (model->key_owner[key] >= 0 && model->key_owner[key] != slot))
        return;
    model->key_owner[key] = slot;
    model->txns[slot].locks = model->txns[slot].writes = true;
    model->rows[++model->ids] = (struct model_row){.key = key, .txn = slot};
}

static void end(struct model *model, int slot, bool commits)
{
    struct model_txn *txn = &model->txns[slot];
    if (txn->writes && commits)
        insert_drawn(model, slot);
    for (int64_t id = 1; id <= model->ids; id++) {
        if (model->rows[id].txn != slot)
            continue;
        model->rows[id].txn = -1;
        model->rows[id].committed = commits && model->rows[id].inserted;
    }
    for (int k = 0; k < MODEL_KEYS; k++)
        if (model->key_owner[k] == slot)
            model->key_owner[k] = -1;
    if (txn->xid > model->ended)
        model->ended = txn->xid;
    *txn = (struct model_txn){0};
}

void model_write(struct model *model)
{
    int slot = (int)pick(model, MODEL_TXNS);
    struct model_txn *txn = &model->txns[slot];
    model->now_ns++;
    if (!txn->open) {
        *txn = (struct model_txn){.open = true, .name = ++model->names};
        if (pick(model, 3) == 0)
            need_xid(model, txn);
        return;
    }
    unsigned what = pick(model, slot == 0 ? 60 : 12); /* slot 0 makes long transactions */
    if (what == 0)
        end(model, slot, false);
    else if (what <= 3)
        end(model, slot, true);
    else if (what == 4)
        txn->locks = true;
    else if (what == 5)
        need_xid(model, txn);
    else if (what == 6 && txn->xid && !txn->writes)
        txn->name = ++model->names; /* prepared: from now on it is known by another name */
    else if (txn->writes)
        insert_drawn(model, slot);
    else
        draw(model, slot);
}

void model_inspect_locks(struct model *model)
{
    struct obx_sql_writer writers[MODEL_TXNS];
    uint32_t count = 0;
    for (int i = 0; i < MODEL_TXNS; i++)
        if (model->txns[i].open && model->txns[i].locks)
            writers[count++] = (struct obx_sql_writer){model->txns[i].name, model->txns[i].xid};
    cr_assert(obx_sql_gaps_resolve(&model->gaps, writers, count));
}

/* Ascending, by insertion: there are few. */
static uint32_t snapshot_of(const struct model *model, struct obx_sql_snapshot *snapshot, uint64_t *active)
{
    uint32_t count = 0;
    *snapshot = (struct obx_sql_snapshot){.xmax = model->ended + 1, .active = active};
    for (int i = 0; i < MODEL_TXNS; i++) {
        uint64_t xid = model->txns[i].xid;
        if (!xid || xid > model->ended)
            continue;
        uint32_t at = count++;
        for (; at && active[at - 1] > xid; at--)
            active[at] = active[at - 1];
        active[at] = xid;
    }
    snapshot->active_count = count;
    snapshot->xmin = count ? active[0] : snapshot->xmax;
    return count;
}

static bool is_in_claim(const struct obx_sql_gaps *gaps, int64_t id)
{
    for (uint32_t i = 0; i < gaps->hot.count; i++)
        if (id >= gaps->hot.items[i].lo && id <= gaps->hot.items[i].hi)
            return true;
    return id > gaps->hi;
}

static void record_claim(struct model *model, int64_t id)
{
    struct model_row *row = &model->rows[id];
    cr_assert(!row->claimed, "seed %u: id %ld claimed twice", model->seed, (long)id);
    cr_assert(id > model->last_claimed[row->key], "seed %u: id %ld after id %ld of its key", model->seed, (long)id,
              (long)model->last_claimed[row->key]);
    row->claimed = true;
    model->last_claimed[row->key] = id;
}

static enum obx_sql_accepted claim_once(struct model *model, uint32_t limit)
{
    int64_t ids[MODEL_ROWS];
    uint64_t active[MODEL_TXNS];
    struct obx_sql_seen seen = {.ids = ids, .now_ns = model->now_ns};
    for (int64_t id = 1; id <= model->ids && seen.count < limit; id++)
        if (model->rows[id].committed && is_in_claim(&model->gaps, id))
            ids[seen.count++] = id;
    seen.truncated = seen.count == limit;
    snapshot_of(model, &seen.snapshot, active);
    enum obx_sql_accepted accepted = obx_sql_gaps_accept(&model->gaps, &seen);
    cr_assert_neq(accepted, OBX_SQL_IMPOSSIBLE, "seed %u", model->seed);
    cr_assert_neq(accepted, OBX_SQL_NO_MEMORY, "seed %u", model->seed);
    for (uint32_t i = 0; i < seen.count && accepted == OBX_SQL_ACCEPTED; i++)
        record_claim(model, ids[i]);
    return accepted;
}

void model_claim(struct model *model, uint32_t limit)
{
    while (claim_once(model, limit) == OBX_SQL_ASK_AGAIN) {
        model->repeated++;
        if (pick(model, 2))
            model_write(model); /* the second statement has a later snapshot */
    }
    if (model->gaps.hot.count > model->most_hot)
        model->most_hot = model->gaps.hot.count;
    if (model->gaps.cold.count > model->most_cold)
        model->most_cold = model->gaps.cold.count;
}

void model_end_all(struct model *model)
{
    for (int i = 0; i < MODEL_TXNS; i++)
        if (model->txns[i].open)
            end(model, i, pick(model, 2));
}

long model_free(struct model *model)
{
    obx_sql_gaps_free(&model->gaps);
    return sql_memory.live;
}

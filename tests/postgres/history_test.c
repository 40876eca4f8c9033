/*
 * tests/postgres/history_test.c - random histories on a real server
 *
 * A handful of sessions insert, commit, roll back and prepare in random order while the store claims. A key belongs to
 * one session from before its insert until the end of its transaction, as the contract wants it. At the end every
 * committed row was claimed exactly once, and the rows of each key in the order of their ids.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bed.h"

enum { SESSIONS = 6, KEYS = 4, STEPS = 1500, IDS_MAX = 8192 };

struct session {
    PGconn *pg;
    bool open, prepared;
};

struct history {
    struct bed bed;
    unsigned state, seed;
    struct session sessions[SESSIONS];
    int key_owner[KEYS];
    int64_t last[KEYS];
    bool claimed[IDS_MAX];
    int64_t claims;
};

static unsigned pick(struct history *h, unsigned n)
{
    return (unsigned)rand_r(&h->state) % n;
}

static void leave(struct history *h, int slot)
{
    h->sessions[slot].open = h->sessions[slot].prepared = false;
    for (int k = 0; k < KEYS; k++)
        if (h->key_owner[k] == slot)
            h->key_owner[k] = -1;
}

static void insert(struct history *h, int slot)
{
    int key = (int)pick(h, KEYS);
    char name[8];
    if (h->key_owner[key] >= 0 && h->key_owner[key] != slot)
        return;
    h->key_owner[key] = slot;
    snprintf(name, sizeof name, "%d", key);
    bed_insert(&h->bed, h->sessions[slot].pg, name);
}

static void end_prepared(struct history *h, int slot)
{
    char sql[64];
    snprintf(sql, sizeof sql, "%s PREPARED 'history-%d'", pick(h, 3) ? "COMMIT" : "ROLLBACK", slot);
    bed_exec(&h->bed, h->sessions[slot].pg, sql);
    leave(h, slot);
}

static void step(struct history *h, int slot)
{
    struct session *s = &h->sessions[slot];
    char sql[64];
    if (s->prepared) {
        end_prepared(h, slot);
        return;
    }
    if (!s->open) {
        bed_exec(&h->bed, s->pg, "BEGIN");
        s->open = true;
        if (pick(h, 2)) /* an early transaction id */
            bed_exec(&h->bed, s->pg, "SELECT pg_current_xact_id()");
        return;
    }
    switch (pick(h, slot == 0 ? 40 : 8)) {
    case 0:
        bed_exec(&h->bed, s->pg, "ROLLBACK");
        leave(h, slot);
        break;
    case 1:
    case 2:
        bed_exec(&h->bed, s->pg, "COMMIT");
        leave(h, slot);
        break;
    case 3:
        snprintf(sql, sizeof sql, "PREPARE TRANSACTION 'history-%d'", slot);
        bed_exec(&h->bed, s->pg, sql);
        s->prepared = true;
        break;
    default:
        insert(h, slot);
    }
}

static void take(struct history *h, uint32_t max_rows)
{
    struct bed *bed = &h->bed;
    struct outbox_batch *batch = bed_batch(bed, max_rows, 1 << 20);
    if (!batch)
        return;
    for (uint32_t i = 0; i < batch->rows; i++) {
        int64_t id = (int64_t)batch->positions[i].major;
        int key = *(const char *)batch->values[i * batch->columns + 1].as.data - '0';
        cr_assert_lt(id, IDS_MAX);
        cr_assert(!h->claimed[id], "seed %u: id %lld was claimed twice", h->seed, (long long)id);
        cr_assert_gt(id, h->last[key], "seed %u: id %lld of key %d after %lld", h->seed, (long long)id, key,
                     (long long)h->last[key]);
        h->claimed[id] = true;
        h->last[key] = id;
        h->claims++;
    }
    if (pick(h, 2))
        cr_assert_eq(bed_settle(bed, batch, 0, batch->rows), 0, "%s", bed->error.text);
    obx_store_release(bed->store, batch);
}

static void finish(struct history *h)
{
    for (int i = 0; i < SESSIONS; i++) {
        if (h->sessions[i].prepared)
            end_prepared(h, i);
        else if (h->sessions[i].open)
            bed_exec(&h->bed, h->sessions[i].pg, "COMMIT");
        PQfinish(h->sessions[i].pg);
    }
    take(h, 1000);
    PGresult *rows = PQexec(h->bed.sql, "SELECT id FROM history"); /* those never settled */
    for (int i = 0; i < PQntuples(rows); i++)
        cr_assert(h->claimed[atoll(PQgetvalue(rows, i, 0))], "seed %u: id %s was never claimed", h->seed,
                  PQgetvalue(rows, i, 0));
    PQclear(rows);
}

static void run(struct history *h, unsigned seed)
{
    *h = (struct history){.seed = seed, .state = seed};
    for (int k = 0; k < KEYS; k++)
        h->key_owner[k] = -1;
    bed_open(&h->bed, "history", true, "");
    for (int i = 0; i < SESSIONS; i++)
        h->sessions[i].pg = bed_connect();
    bed_begin(&h->bed);
    for (int i = 0; i < STEPS; i++) {
        if (pick(h, 6))
            step(h, (int)pick(h, SESSIONS));
        else
            take(h, 1 + pick(h, 20));
    }
    finish(h);
    cr_assert_gt(h->claims, 100);
    bed_exec(&h->bed, h->bed.sql, "DROP TABLE history, history_dead");
    bed_close(&h->bed);
}

Test(postgres_history, every_committed_row_once_and_in_order)
{
    static struct history history;
    for (unsigned seed = 1; seed <= 6; seed++)
        run(&history, seed);
}

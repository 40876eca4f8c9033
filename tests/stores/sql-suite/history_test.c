/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/history_test.c - random histories on a real server
 *
 * A handful of sessions insert, commit, roll back and prepare in random order while the store claims. A key belongs to
 * one session from before its insert until the end of its transaction, as the contract wants it. At the end every
 * committed row was claimed exactly once, and the rows of each key in the order of their ids.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

enum { SESSIONS = 6, KEYS = 4, STEPS = 1500, IDS_MAX = 8192 };

struct slot {
    struct session *sql;
    char name[16]; /* of its transaction */
    bool open, prepared;
};

struct history {
    struct sql_fixture fixture;
    unsigned state, seed;
    struct slot sessions[SESSIONS];
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
    fixture_insert(&h->fixture, h->sessions[slot].sql, name);
}

static void end(struct history *h, int slot, bool commit)
{
    const struct slot *s = &h->sessions[slot];
    server_end(s->sql, s->name, s->prepared, commit);
    leave(h, slot);
}

static void begin(struct history *h, int slot)
{
    struct slot *s = &h->sessions[slot];
    server_begin(s->sql, s->name);
    s->open = true;
    if (server_kind() == POSTGRES && pick(h, 2)) /* an early transaction id */
        session_run(s->sql, "SELECT pg_current_xact_id()");
}

static void step(struct history *h, int slot)
{
    struct slot *s = &h->sessions[slot];
    if (s->prepared) {
        end(h, slot, pick(h, 3) > 0);
        return;
    }
    if (!s->open) {
        begin(h, slot);
        return;
    }
    switch (pick(h, slot == 0 ? 40 : 8)) {
    case 0:
        end(h, slot, false);
        break;
    case 1:
    case 2:
        end(h, slot, true);
        break;
    case 3:
        server_prepare(s->sql, s->name);
        s->prepared = true;
        break;
    default:
        insert(h, slot);
    }
}

static void take(struct history *h, uint32_t max_rows)
{
    struct sql_fixture *fixture = &h->fixture;
    struct outbox_batch *batch = fixture_claim_batch(fixture, max_rows, 1 << 20);
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
        cr_assert_eq(fixture_settle(fixture, batch, 0, batch->rows), 0, "%s", fixture->error.text);
    obx_store_release(fixture->store, batch);
}

static int64_t next_row(struct history *h, int64_t id)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT MIN(id) FROM %%s WHERE id > %lld", (long long)id);
    return fixture_run(&h->fixture, sql);
}

static void finish(struct history *h)
{
    for (int i = 0; i < SESSIONS; i++) {
        if (h->sessions[i].open)
            end(h, i, true);
        session_close(h->sessions[i].sql);
    }
    take(h, 1000);
    for (int64_t id = 0; (id = next_row(h, id)) > 0;) /* those never settled */
        cr_assert(h->claimed[id], "seed %u: id %lld was never claimed", h->seed, (long long)id);
}

static void run(struct history *h, unsigned seed)
{
    *h = (struct history){.seed = seed, .state = seed};
    for (int k = 0; k < KEYS; k++)
        h->key_owner[k] = -1;
    fixture_open(&h->fixture, "history", true, "");
    for (int i = 0; i < SESSIONS; i++) {
        h->sessions[i].sql = session_open();
        snprintf(h->sessions[i].name, sizeof h->sessions[i].name, "history-%d", i);
    }
    fixture_begin(&h->fixture);
    for (int i = 0; i < STEPS; i++) {
        if (pick(h, 6))
            step(h, (int)pick(h, SESSIONS));
        else
            take(h, 1 + pick(h, 20));
    }
    finish(h);
    cr_assert_gt(h->claims, 100);
    fixture_run(&h->fixture, "DROP TABLE %s, %s_dead");
    fixture_close(&h->fixture);
}

Test(history, every_committed_row_is_claimed_once_and_in_order)
{
    static struct history history;
    for (unsigned seed = 1; seed <= 6; seed++)
        run(&history, seed);
}

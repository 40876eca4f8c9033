/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/server.c - the database server: sessions, the lock, restart, failover */
#include <string.h>

#include <outbox/error.h>

#include "db.h"
#include "oracle.h"
#include "sim.h"
#include "store.h"

struct sim_session *sim_session_open(uint32_t life)
{
    struct sim_db *db = sim->db;
    struct sim_session *session = obx_alloc(sizeof *session);
    *session = (struct sim_session){.next = db->sessions, .life = life, .epoch = db->epoch, .seen_ns = sim->now_ns};
    db->sessions = session;
    return session;
}

static void end_session(struct sim_session *session, const char *why)
{
    if (session->dead)
        return;
    session->dead = true;
    SIM_TRACE("the server ends the session of life %u: %s", session->life, why);
    if (sim->db->owner == session)
        sim->db->owner = NULL;
}

bool sim_session_alive(struct sim_session *session)
{
    if (session->dies_ns && sim->now_ns >= session->dies_ns)
        end_session(session, "its client is gone");
    return !session->dead;
}

int sim_session_acquire(struct sim_session *session, uint32_t lease_ms, bool same)
{
    struct sim_db *db = sim->db;
    struct sim_session *owner = db->owner;
    if (owner && owner != session && sim_session_alive(owner)) {
        if (owner->waits || sim->now_ns - owner->seen_ns <= lease_ms * OBX_MS) /* who waits for a lock is alive */
            return OUTBOX_E_STANDBY;
        db->fenced_life = owner->life;
        end_session(owner, "fenced by a standby");
        if (sim_pick(0, 1))
            return OUTBOX_E_STANDBY;
    }
    db->owner = session;
    if (session->life != db->last_owner_life || !same)
        db->generation++;
    db->last_owner_life = session->life;
    SIM_TRACE("life %u owns the outbox%s, generation %u", session->life, same ? ", as before" : "", db->generation);
    return OUTBOX_OK;
}

/* ---- server faults ---------------------------------------------------------------------------------------------- */

static struct obx_timer up_again;

static void come_up(struct obx_timer *timer)
{
    (void)timer;
    sim_db_come_up();
}

void sim_db_come_up(void)
{
    if (!sim->db->up)
        SIM_TRACE("the database is up");
    sim->db->up = true;
}

static void go_down(uint64_t down_ns)
{
    struct sim_db *db = sim->db;
    for (struct sim_session *session = db->sessions; session; session = session->next)
        end_session(session, "the server goes down");
    for (uint32_t i = 0; i < SIM_TXNS; i++) {
        if (db->txns[i].open && !db->txns[i].prepared)
            sim_txn_end(i, false);
    }
    db->up = false;
    up_again = (struct obx_timer){.fire = come_up};
    sim_world_after(&up_again, down_ns);
}

void sim_db_restart(uint64_t down_ns)
{
    if (!sim->db->up)
        return;
    SIM_TRACE("the database restarts, down for %.3f s", (double)down_ns / 1e9);
    go_down(down_ns);
}

static void undo(const struct sim_commit *commit)
{
    if (commit->kind == SIM_PASSES) {
        sim_log_undo(commit);
        return;
    }
    for (uint32_t i = 0; i < commit->count; i++) {
        struct sim_event *event = sim_event(commit->events[i]);
        if (commit->kind == SIM_DELETES)
            event->gone = !(event->returned = true);
        else if (commit->kind == SIM_PARKS)
            event->dead = false;
        else if (commit->kind == SIM_REPLAYS)
            event->dead = true;
        else if (commit->kind == SIM_DROPS)
            event->dead = !(event->gone = event->dropped = false);
        else
            oracle_lost(event);
        if (commit->kind == SIM_PARKS)
            event->spooled = sim->plan.log;
        if (commit->kind == SIM_PARKS)
            sim->db->by_id[event->id] = event->number + 1;
        if (commit->kind == SIM_INSERTS)
            sim->db->by_id[event->id] = 0;
        sim->db->low_id = OBX_MIN(sim->db->low_id, event->id);
    }
}

/* The sequence of the standby may lag, too: then ids are used again. */
static void set_back_sequence(void)
{
    struct sim_db *db = sim->db;
    int64_t highest = 0;
    for (uint32_t i = 0; i < db->count; i++) {
        if (db->events[i].state == SIM_COMMITTED && !db->events[i].lost)
            highest = OBX_MAX(highest, db->events[i].id);
    }
    if (sim_pick(0, 1) || sim->plan.log)
        db->next_id = highest + 1;
}

void sim_db_failover(uint64_t down_ns)
{
    struct sim_db *db = sim->db;
    if (!db->up)
        return;
    uint64_t have = OBX_MIN(db->commit_count, (uint64_t)SIM_COMMITS);
    uint64_t lose = sim_pick(0, OBX_MIN(have, 10u));
    go_down(down_ns);
    SIM_TRACE("failover: the standby lacks the last %llu commits", (unsigned long long)lose);
    while (lose--) {
        struct sim_commit *commit = &db->commits[--db->commit_count % SIM_COMMITS];
        undo(commit);
        obx_free(commit->events);
        *commit = (struct sim_commit){0};
    }
    set_back_sequence();
    db->epoch++;
    db->generation++;
}

/* ---- a new table of the same name -------------------------------------------------------------------------------- */

/* What is left in the old table is no longer in the outbox, and no failover brings it back. */
static void retire_rows(void)
{
    struct sim_db *db = sim->db;
    for (uint32_t i = 0; i < db->count; i++) {
        struct sim_event *event = sim_event(i);
        if (sim_event_stays(event))
            event->gone = event->dropped = true;
    }
    for (uint32_t i = 0; i < SIM_COMMITS; i++) {
        obx_free(db->commits[i].events);
        db->commits[i] = (struct sim_commit){0};
    }
    db->commit_count = 0;
    if (db->id_room)
        memset(db->by_id, 0, (size_t)db->id_room * sizeof *db->by_id);
}

/* The lock is on the old table: the new one has no owner, and its ids begin anew. */
bool sim_db_swap(void)
{
    struct sim_db *db = sim->db;
    for (uint32_t i = 0; i < SIM_TXNS; i++)
        if (db->txns[i].open)
            return false;
    SIM_TRACE("the table is replaced by a new one of its name");
    retire_rows();
    db->next_id = db->low_id = 1;
    db->owner = NULL;
    db->epoch++;
    db->generation++;
    return true;
}

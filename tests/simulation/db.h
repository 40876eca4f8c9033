/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/db.h - the database server: one outbox table, its transactions, its lock, its standby
 *
 * Like Postgres: a sequence gives ids before the commit, also to transactions without a transaction id; every statement
 * that begins after a commit sees it; a lock belongs to a session and ends with it. A writer holds the lock of a key
 * from before it draws an id for it until its transaction ends.
 *
 * Events are numbered over the whole run; a number is never used again, while an id may be, after a failover.
 */
#ifndef OBX_TESTS_SIMULATION_DB_H
#define OBX_TESTS_SIMULATION_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_NO_KEY UINT32_MAX
#define SIM_MAX_KEYS 64
#define SIM_TXNS 8
#define SIM_TXN_EVENTS 100
#define SIM_NONE UINT32_MAX

struct obx_sql_range;

enum sim_poison { SIM_HEALTHY, SIM_REFUSED, SIM_REJECTED, SIM_FAILING, SIM_FAILING_NOW };
enum sim_value { SIM_BYTES, SIM_EMPTY, SIM_NULL }; /* what the payload is */
enum sim_event_state { SIM_DRAWN, SIM_INSERTED, SIM_COMMITTED, SIM_ROLLED_BACK };

struct sim_event {
    int64_t id;
    uint32_t number, key, size, chain; /* chain: its place among the committed of its key */
    uint8_t poison, state, value;
    bool gone, dead; /* out of the table: settled, dead-lettered */
    bool spooled;    /* of a log: it is in the spool */
    bool ever_dead;
    bool dropped;  /* of the dead letters, by the operator */
    bool lost;     /* its commit was lost in a failover */
    bool suspect;  /* transactions.c: a transaction failed because of it */
    bool returned; /* its delete was lost in a failover */
    uint32_t kept; /* the life whose settle the database has refused, while it is not claimed again; 0: none */
    bool on_disk;  /* where the broker is a file */
    /* the oracle's */
    uint32_t appended;
    uint64_t reported_lives; /* reported DELIVERED to these lives of nodes, one bit each, modulo 64 */
    uint32_t reported_life, reported_generation;
    uint64_t committed_ns, refused_ns; /* when it was first refused because of itself; 0: never */
};

struct sim_txn {
    bool open, locks, prepared;
    uint64_t name, xid; /* xid 0: none yet */
    uint32_t events[SIM_TXN_EVENTS], count;
};

enum sim_commit_kind { SIM_INSERTS, SIM_DELETES, SIM_PARKS, SIM_REPLAYS, SIM_DROPS, SIM_PASSES };
struct sim_commit {
    enum sim_commit_kind kind;
    uint32_t *events, count;
    int64_t low; /* before a commit that changes it */
};
/* In the list of SIM_PASSES, with the number of an event: what it was before. */
#define SIM_WAS_SPOOLED 0x80000000u
#define SIM_WAS_IN_LOG 0x40000000u

/* A client's connection as the server sees it. */
struct sim_session {
    struct sim_session *next;
    uint32_t life, epoch;
    bool dead;
    uint64_t seen_ns, dies_ns; /* dies: when the server notices that the client is gone; 0: it is not */
    uint32_t waits;            /* statements that wait for a lock */
};

#define SIM_COMMITS 32 /* that a failover can lose */

struct sim_db {
    struct sim_event *events;
    uint32_t count, room;
    uint32_t *by_id;                  /* event number + 1 */
    int64_t id_room, next_id, low_id; /* low: nothing visible below */
    struct sim_txn txns[SIM_TXNS];
    uint32_t key_owner[SIM_MAX_KEYS]; /* txn + 1 */
    uint64_t names, xids, ended;
    struct sim_commit commits[SIM_COMMITS];
    uint64_t commit_count;
    int64_t low;      /* of a log: the stored position. Ids are places in the log, drawn at the commit */
    uint64_t over_ns; /* since when more than the limit is kept; 0: it is not */
    bool relieve;

    bool up, read_only;
    uint64_t locked_until_ns; /* by another session: a statement that deletes waits */
    uint32_t epoch;           /* grows with each failover */
    uint32_t generation;      /* of ownership: grows when a re-send is allowed */
    struct sim_session *sessions, *owner;
    uint32_t last_owner_life;
    uint32_t fenced_life; /* of the last owner that a standby fenced; 0: none */
};

void sim_db_init(void);
struct sim_event *sim_event(uint32_t number);
bool sim_event_stays(
    const struct sim_event *event); /* in the outbox: committed, and neither settled nor dead-lettered */
/* The event that a statement finds under this id, or NULL. */
struct sim_event *sim_db_row(int64_t id);
const char *sim_key_text(uint32_t key); /* static memory for each key; NULL: none */

/* ---- transactions of writers; slot < SIM_TXNS ------------------------------------------------------------------- */
void sim_txn_begin(uint32_t slot, bool with_xid);
uint32_t sim_txn_draw(uint32_t slot, uint32_t key); /* the event; SIM_NONE: the key is another's */
void sim_txn_insert(uint32_t slot, uint32_t number);
void sim_txn_end(uint32_t slot, bool commits);
void sim_txn_prepare(uint32_t slot); /* it survives a restart */

/* ---- statements of relays: at once, and committed --------------------------------------------------------------- */
void sim_db_delete(const struct sim_session *session, int64_t lo, int64_t hi, uint32_t *numbers, uint32_t *count);
void sim_db_log(enum sim_commit_kind kind, const uint32_t *numbers, uint32_t count);
/* Of a log (log.c): one commit that settles rows, copies rows to the spool, and stores the position `low`. */
struct sim_pass {
    const struct obx_sql_range *ranges;
    uint32_t range_count;
    bool spools;
    int64_t low;            /* 0: unknown */
    const uint8_t *settled; /* by id: what the relay settled before; so many; NULL: none */
    int64_t settled_room;
};
void sim_log_pass(uint32_t life, const struct sim_pass *pass);
void sim_log_undo(const struct sim_commit *commit);
uint32_t sim_log_percent(void); /* of the limit; 0: there is none */
void sim_log_check_limit(void);
/* The operator replays a dead letter (it gets a new id), or drops it. */
void sim_db_replay(uint32_t number, bool mended);
void sim_db_drop(uint32_t number);
uint32_t sim_db_active(uint64_t *active); /* SIM_TXNS of them at most, ascending */

/* ---- sessions --------------------------------------------------------------------------------------------------- */
struct sim_session *sim_session_open(uint32_t life);
bool sim_session_alive(struct sim_session *session);
/* 0, or the error code. */
int sim_session_acquire(struct sim_session *session, uint32_t lease_ms, bool same);

/* ---- server faults ---------------------------------------------------------------------------------------------- */
void sim_db_restart(uint64_t down_ns);
void sim_db_failover(uint64_t down_ns);
void sim_db_come_up(void);
/* Another session renames the table and creates a new one of its name. False: transactions are open. */
bool sim_db_swap(void);

#endif

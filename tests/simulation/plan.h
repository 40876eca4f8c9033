/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/plan.h - the settings of a seed: faults, options, the shape of the workload
 *
 * Swarm testing: a run in which every fault is on explores less than many runs with a few each.
 */
#ifndef OBX_TESTS_SIMULATION_PLAN_H
#define OBX_TESTS_SIMULATION_PLAN_H

#include <stdbool.h>
#include <stdint.h>

/* X(NAME, words) */
#define SIM_FAULTS(X)                                                               \
    X(ROLLBACK, "transactions roll back")                                           \
    X(LONG_TXN, "transactions stay open for seconds")                               \
    X(BURST, "transactions of up to 100 events")                                    \
    X(CRASH, "relays crash")                                                        \
    X(PAUSE, "relays are paused, and miss time")                                    \
    X(STOP, "relays are stopped in order and started again")                        \
    X(SESSION, "database sessions are lost")                                        \
    X(LINGER, "the lock of a dead session lives on at the server")                  \
    X(HALF_OPEN, "connections go silent")                                           \
    X(RESTART, "the database restarts")                                             \
    X(FAILOVER, "the database fails over to a standby that lacks the last commits") \
    X(READ_ONLY, "the database is read-only for a while")                           \
    X(TAKEN, "ownership is taken from a session that lives")                        \
    X(SLOW_STORE, "operations of the store take long")                              \
    X(AGAIN, "operations of the store fail with AGAIN")                             \
    X(UNKNOWN_SETTLE, "operations of the store are done but reported failed")       \
    X(NEVER_SAME, "the store never vouches that positions mean the same")           \
    X(BROKER_DOWN, "the broker is down")                                            \
    X(BROKER_SLOW, "the broker takes its time, reports come late")                  \
    X(BROKER_LOST, "the producer fails for good")                                   \
    X(ACK_LOST, "events are appended and reported UNKNOWN")                         \
    X(NOT_SENT, "events are reported UNKNOWN or NOT_CONNECTED and not appended")    \
    X(THROTTLED, "events come back RETRY for a reason that is not theirs")          \
    X(POISON_ADMIT, "events that admit refuses")                                    \
    X(POISON_AFTER, "events that are rejected after they were sent")                \
    X(POISON_RETRY, "events that fail through a fault of their own, always")        \
    X(SICK, "events that fail for a reason of their own for a while")               \
    X(HUGE, "large payloads")                                                       \
    X(NULL_KEYS, "events without a key")                                            \
    X(BACKLOG, "the outbox is full before the relays start")                        \
    X(NO_MEMORY, "allocations of the relays fail")

/* Where the broker is a file. */
#define SIM_DISK_FAULTS(X)                                             \
    X(DISK_POWER, "the machine loses power")                           \
    X(DISK_DIES, "relays die in the middle of a system call")          \
    X(DISK_FULL, "the disk is full for a while")                       \
    X(DISK_SHORT, "reads and writes take a part, or are interrupted")  \
    X(DISK_SYNC, "syncs fail, and lose what they should have written") \
    X(DISK_ERRORS, "other system calls fail")                          \
    X(DISK_SLOW, "the disk takes its time")

/* With an operator who works on the dead letters. */
#define SIM_LETTER_FAULTS(X)                              \
    X(REPLAY, "dead letters are replayed, mended or not") \
    X(DROP, "dead letters are dropped")

/* By the tens digit of the seed. */
#define SIM_TENS_FAULTS(X)                                                                     \
    X(LEADER, "partitions lose their leader, and the new one may lack what was not confirmed") \
    X(QUEUE_FULL, "the producer's queue is full after a few events")                           \
    X(LONG_DOWN, "the broker is down for one to five minutes")                                 \
    X(TOMBSTONE, "payloads that are null, or empty")

enum sim_fault {
#define SIM_FAULT_ENUM(name, words) SIM_##name,
    SIM_FAULTS(SIM_FAULT_ENUM) SIM_FAULT_COUNT,
    SIM_LAST_FAULT = SIM_FAULT_COUNT - 1,
    SIM_DISK_FAULTS(SIM_FAULT_ENUM) SIM_LETTER_FAULTS(SIM_FAULT_ENUM) SIM_OLD_FAULTS,
    SIM_LAST_OLD_FAULT = SIM_OLD_FAULTS - 1,
    SIM_TENS_FAULTS(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        SIM_ALL_FAULTS
};

struct sim_random {
    uint64_t state;
};
uint64_t sim_draw(struct sim_random *random);
uint64_t sim_between(struct sim_random *random, uint64_t least, uint64_t most); /* both included */

struct sim_plan {
    uint64_t faults; /* a bit for each */
    uint32_t relays, writers, keys, partitions, events;
    uint64_t busy_ns;        /* end of faults and new events */
    uint64_t fault_every_ns; /* mean time between two faults */
    bool sql;                /* the store uses backends/sql; else it records each returned row */
    bool wakeup;             /* the store has a wake-up */
    bool renews;
    bool ordered;        /* the broker keeps order */
    bool concurrent;     /* not ordered: many publishes in flight, one event of each key */
    bool hold_keys;      /* ... by key; else by partition */
    bool file;           /* the broker is a file: brokers/file on the simulated disk */
    bool letters;        /* an operator works on the dead letters */
    uint32_t file_kib;   /* max_size; 0: no rotation */
    bool exact_limited;  /* claims by position obey max_bytes */
    bool once;           /* delivery: exactly-once, with the broker of transactions.h */
    bool keeps;          /* the database refuses to remove some rows for a while */
    bool peace;          /* no faults but poisoned events, which block their keys */
    bool patient;        /* the producer never drops a message that it has accepted, like Kafka's by default */
    bool nulls_refused;  /* route.tombstone: false */
    bool transforms;     /* the relay has a transform */
    bool refusals;       /* two thirds of the events of some keys can never go */
    bool locks;          /* other sessions lock the table: who deletes waits */
    bool operators;      /* relays are paused, and go on */
    bool swaps;          /* the table is replaced by a new one of its name */
    bool position;       /* route.position, and a consumer with a window */
    uint32_t queue_room; /* messages that the producer accepts before earlier ones are reported */
    uint64_t outage_ns;  /* of LONG_DOWN */
    bool log;            /* the store reads a log */
    uint32_t log_limit;  /* events that may be kept in it; 0: unlimited */
    /* settings of the relay */
    const char *order, *on_reject;
    uint32_t batch, memory_kib, max_blocked_events, max_attempts, retry_min_ms, retry_max_ms, idle_ms, lease_ms,
        standby_ms, timeout_ms;
};

#define SIM_ONCE_KIND 7 /* seeds from 70,000,000 on have delivery: exactly-once, and none of the following */

/* What was added later than the first regressions goes by the last digits of the seed, so that the other seeds keep
 * their meaning. The last: with 1 and 6 the broker is a file, with 2 and 4 an operator works on the dead letters. The
 * one before: with 4 and 6 payloads may be null; if the broker is no file, with 4 to 7 it may have the faults of
 * SIM_TENS_FAULTS, with 8 there is peace but for poisoned events. The thousands, below 10,000,000: with 3 the store
 * reads a log, if the digit before is below 5. Seeds from 10,000,000: by the ten millions, 1: transforms; 2: many
 * refused events; 3: locks and replaced tables; 8: relays are paused and resumed; 9: route.position, with a table or
 * with 7 in the thousands a log, and with 6 to 9 in the hundreds rows that the database refuses to remove for a while.
 */
void sim_plan_draw(struct sim_plan *plan, struct sim_random *random, uint64_t seed);
/* The configuration of a relay; static memory. */
const char *sim_plan_yaml(const struct sim_plan *plan);
void sim_plan_print(const struct sim_plan *plan);

static inline bool sim_plan_has(const struct sim_plan *plan, enum sim_fault fault)
{
    return plan->faults >> fault & 1;
}

#endif

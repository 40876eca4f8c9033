/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/relay/fixture.h - a relay over an in-memory store and an in-memory broker, on the virtual clock
 *
 * The store is a table in memory, the broker a log; both follow the test's settings, and complete at once. The settings
 * are plain fields: a test sets them, runs the loop to a condition, and looks at the table and the log.
 */
#ifndef OBX_TESTS_UNIT_RELAY_FIXTURE_H
#define OBX_TESTS_UNIT_RELAY_FIXTURE_H

#include "fake_loop.h"
#include "relay/relay.h"

#define FIXTURE_ROWS 4096

enum fixture_op {
    FIXTURE_START,
    FIXTURE_ACQUIRE,
    FIXTURE_CLAIM,
    FIXTURE_SETTLE,
    FIXTURE_DEAD_LETTER,
    FIXTURE_SPOOL,
    FIXTURE_PUBLISH,
    FIXTURE_BROKER_START,
    FIXTURE_RENEW,
    FIXTURE_OPS
};

struct fixture_row {
    uint64_t id;
    char key[16]; /* "": null key */
    char text[24];
    bool committed, gone, dead_lettered;
    bool spooled, settled;         /* of a log */
    bool there_at_rewind, present; /* for the record of an exactly-once broker */
    uint32_t attempts;             /* reported with the dead letter */
    int64_t created_us;            /* 0: null */
};

struct fixture {
    struct fake_loop loop;
    struct obx_config *config;
    struct obx_registry *registry;
    struct obx_relay *relay;
    enum outbox_state state;
    uint32_t drained;
    uint64_t drained_blocked;
    bool stopped;
    uint32_t delivered; /* events that the relay reported as delivered */
    struct obx_log log;
    char logged[16 * 1024]; /* messages of level warn and worse, one a line */
    char noted[16 * 1024];  /* likewise, of level info */

    /* the store */
    struct fixture_row rows[FIXTURE_ROWS];
    uint32_t row_count;
    uint64_t cursor;   /* claims give rows above it */
    uint64_t borrowed; /* batches not released */
    bool owned_by_other, not_same, no_wakeup;
    bool anonymous;         /* it reports no identity */
    bool binary_ids;        /* event ids are 3 bytes: a, NUL, the number */
    uint64_t unremovable;   /* the row with this id stays at a settle, which reports it; 0: none */
    bool names_unremovable; /* also its position */
    uint64_t wrong_settles; /* rows settled that were not delivered */
    uint64_t max_claim_rows;
    const char *headers; /* the column of each row; NULL: null */
    uint64_t row_bytes;  /* that a claim reports for a row */
    uint64_t unusable;   /* rows that no claim returns, which a claim reports */
    /* of a log */
    uint64_t low;              /* the stored position */
    uint64_t spool_at, log_at; /* claims give rows above them: of the spool, and of the log */
    bool claims_spool;
    uint32_t log_percent; /* reported with each claim, like the next */
    bool relieve, behind;
    bool measures_work;     /* while other claims fail */
    uint64_t spool_refuses; /* of a log: the row with this id becomes a dead letter in place of a copy; 0: none */
    uint32_t measures, rewinds, idle_settles; /* rewinds: of a table, too */
    int64_t since_us;                         /* reported with the ownership */
    char dead_reason[OUTBOX_ERROR_TEXT_SIZE]; /* of the last row that became a dead letter */
    uint32_t claims_done; /* later claims do not complete until fixture_release_claim(); 0: all do */

    /* the broker */
    struct {
        char key[16];
        char text[24];
        char id[40];
        char place[80]; /* the header of route.position; "": none */
    } published[FIXTURE_ROWS * 2];
    uint32_t published_count;
    uint32_t k1_failures; /* so many of the next events of the key k1 come back with RETRY */
    uint32_t (*outcome)(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error);
    bool (*admit)(struct fixture *fixture, const struct outbox_message *message);
    bool (*refuse)(struct fixture *fixture,
                   const struct outbox_message *message); /* by itself, whatever stands before it */
    bool hold;                                            /* publishes do not complete until fixture_release() */
    bool stubborn;                                        /* a stop waits for what is held, until that is canceled */
    uint32_t publishes, most_in_flight;
    uint64_t epoch;        /* of the store; each acquire raises it */
    uint64_t broker_epoch; /* what the broker was started with */
    char broker_outbox[32];
    uint32_t settled_reported; /* events, to an exactly-once broker */
    uint32_t complete_reported;
    bool already; /* it reports each event as delivered by an earlier start */
    /* of the concurrent broker */
    uint64_t (*latency_ms)(struct fixture *fixture, const struct outbox_message *message); /* NULL: 1 */
    uint32_t retry_after_ms; /* reported with each outcome */
    uint32_t most_events_in_flight;
    bool stop_delivers; /* what is in flight at a stop is answered as delivered */
    bool broker_lost;   /* since fixture_lose_broker(), until the next start */

    /* the transform `suffix`: what it does with events of these values; NULL: none */
    const char *untransformable;
    const char *moves_event; /* its field of this name gets another content */
    const char *moves;       /* "topic", "key", "id", "partition", "position" */
    bool moves_and_fails;    /* and then the transform rejects the event */
    const char *not_now;     /* fails so many times, with that code */
    uint32_t not_now_times;
    int not_now_code;
    uint32_t transformed; /* calls */

    /* failures: the next `count` calls of that kind end with the code */
    struct {
        uint32_t count;
        int code;
        const char *text; /* NULL: "simulated" */
    } fail[FIXTURE_OPS];
    uint32_t calls[FIXTURE_OPS];
};

/* settings: YAML lines of relays.test, without store and broker; "" for the defaults. */
void fixture_exactly_once(void); /* before fixture_new: it keeps a record of positions */
void fixture_renews(void);       /* before fixture_new: the store renews the ownership */
void fixture_log(void);          /* before fixture_new: the store reads a log */
void fixture_ahead(void);        /* before fixture_new: the store counts the rows that no claim has returned */
void fixture_unordered(void);    /* before fixture_new: the broker keeps no order */
void fixture_concurrent(void);   /* before fixture_new: it answers each event by itself */
void fixture_key_ordered(void);  /* before fixture_new: it keeps order only within a key */

struct fixture *fixture_new(const char *settings);
struct fixture *fixture_filled(const char *settings, uint32_t count, uint32_t keys); /* the same, and fixture_fill() */
void fixture_refuses(const char *yaml, const char *text); /* obx_relay_new() must fail; yaml with its plugins */
void fixture_free(struct fixture *fixture);               /* stops it, checks that nothing leaked */

void fixture_insert(struct fixture *fixture, const char *key, const char *text);
void fixture_fill(struct fixture *fixture, uint32_t count,
                  uint32_t keys); /* "0", "1", ... of each of the keys k0, k1, ... */
void fixture_start(struct fixture *fixture);
void fixture_stop(struct fixture *fixture, uint32_t deadline_ms); /* begins a stop; see fixture_stopped */
bool fixture_run(struct fixture *fixture, bool (*done)(struct fixture *fixture), uint64_t within_ms);
void fixture_run_for(struct fixture *fixture, uint64_t ms);
void fixture_release(struct fixture *fixture);       /* complete what is held */
void fixture_release_all(struct fixture *fixture);   /* the same, and hold no more */
void fixture_release_claim(struct fixture *fixture); /* complete the claim that is held, and hold no more */
void fixture_lose_broker(struct fixture *fixture);   /* the concurrent one reports that its connection is lost */
struct outbox_stats fixture_stats(struct fixture *fixture);

/* Common conditions. */
bool fixture_empty(struct fixture *fixture); /* every committed row is gone or dead-lettered */
bool fixture_relaying(struct fixture *fixture);
bool fixture_drained(struct fixture *fixture); /* the relay reported that */
bool fixture_stopped(struct fixture *fixture);
/* The texts that were published for a key, in order, first occurrences only, separated by spaces. */
const char *fixture_texts(struct fixture *fixture, const char *key);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/relay/rig.h - a relay over a scripted store and a scripted broker, on the virtual clock
 *
 * The store is a table in memory, the broker a log; both do what the knobs say, and complete at once. The knobs are
 * plain fields: a test sets them, runs the loop to a condition, and looks at the table and the log.
 */
#ifndef OBX_TESTS_UNIT_RELAY_RIG_H
#define OBX_TESTS_UNIT_RELAY_RIG_H

#include "fake_loop.h"
#include "relay/relay.h"

#define RIG_ROWS 4096

enum rig_op { RIG_START, RIG_ACQUIRE, RIG_CLAIM, RIG_SETTLE, RIG_PARK, RIG_PUBLISH, RIG_BROKER_START, RIG_OPS };

struct rig_row {
    uint64_t id;
    char key[16]; /* "": null key */
    char text[24];
    bool committed, gone, parked;
    uint32_t attempts; /* told with parking */
};

struct rig {
    struct fake_loop loop;
    struct obx_config *config;
    struct obx_registry *registry;
    struct obx_relay *relay;
    enum outbox_state state;
    uint32_t drained;
    uint64_t drained_blocked;
    bool stopped;
    uint32_t delivered; /* events that the relay said were */
    struct obx_log log;
    char said[16 * 1024]; /* messages of level warn and worse, one a line */

    /* the store */
    struct rig_row rows[RIG_ROWS];
    uint32_t row_count;
    uint64_t cursor; /* claims give rows above it */
    uint64_t lent;   /* batches not released */
    bool owned_by_other, not_same, no_bell;
    uint64_t wrong_settles; /* rows settled that were not delivered */
    uint64_t max_claim_rows;
    uint64_t row_bytes; /* that a claim says a row takes */

    /* the broker */
    struct {
        char key[16];
        char text[24];
        char id[40];
    } published[RIG_ROWS * 2];
    uint32_t published_count;
    uint32_t k1_failures; /* so many of the next events of the key k1 come back with RETRY */
    uint32_t (*outcome)(struct rig *rig, const struct outbox_message *message, struct outbox_error *error);
    bool (*admit)(struct rig *rig, const struct outbox_message *message);
    bool (*refuse)(struct rig *rig, const struct outbox_message *message); /* by itself, whatever stands before it */
    bool hold;     /* publishes do not complete until rig_release() */
    bool stubborn; /* a stop waits for what is held, until that is canceled */
    uint32_t publishes, most_in_flight;

    /* failures: the next `count` calls of that kind end with the code */
    struct {
        uint32_t count;
        int code;
    } fail[RIG_OPS];
    uint32_t calls[RIG_OPS];
};

/* settings: YAML lines of relays.test, without store and broker; "" for the defaults. */
void rig_unordered(void); /* before rig_new: the broker keeps no order */

struct rig *rig_new(const char *settings);
struct rig *rig_filled(const char *settings, uint32_t count, uint32_t keys); /* the same, and rig_fill() */
void rig_refuses(const char *yaml, const char *text); /* no relay can be made of it; yaml with its plugins */
void rig_free(struct rig *rig);                       /* stops it, checks that nothing leaked */

void rig_insert(struct rig *rig, const char *key, const char *text);
void rig_fill(struct rig *rig, uint32_t count, uint32_t keys); /* "0", "1", ... of each of the keys k0, k1, ... */
void rig_start(struct rig *rig);
void rig_stop(struct rig *rig, uint32_t deadline_ms); /* tells it; see rig_stopped */
bool rig_run(struct rig *rig, bool (*done)(struct rig *rig), uint64_t within_ms);
void rig_run_for(struct rig *rig, uint64_t ms);
void rig_release(struct rig *rig); /* complete what is held */
void rig_let_go(struct rig *rig);  /* the same, and hold no more */
struct outbox_stats rig_stats(struct rig *rig);

/* Common conditions. */
bool rig_empty(struct rig *rig); /* every committed row is gone or parked */
bool rig_relaying(struct rig *rig);
bool rig_drained(struct rig *rig); /* the relay said so */
bool rig_stopped(struct rig *rig);
/* The texts that were published for a key, in order, first occurrences only, separated by spaces. */
const char *rig_texts(struct rig *rig, const char *key);

#endif

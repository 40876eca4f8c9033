/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/bed.h - a table of its own on the test's server, a store on it, and a session that writes
 * beside
 *
 * In SQL texts, %s is the table, as often as it stands there.
 */
#ifndef OBX_TESTS_STORES_SQL_SUITE_BED_H
#define OBX_TESTS_STORES_SQL_SUITE_BED_H

#include <criterion/criterion.h>

#include "base/mem.h"
#include "harness.h"
#include "mem_fault.h"
#include "server.h"

enum { BED_IDS = 4096 };

struct bed {
    struct harness harness;
    struct obx_instance *store;
    struct session *sql;
    const char *table;
    struct outbox_error error; /* of the last call that failed */
    int64_t ids[BED_IDS];      /* of the last claim */
    uint32_t count;
};

/* table: its name, made by setup() if `made`. yaml: more lines of the section, with two blanks before each; "". */
void bed_open(struct bed *bed, const char *table, bool made, const char *yaml);
/* Another store in place of the one that is there, which must not be started. */
void bed_reconfigure(struct bed *bed, const struct server_place *place, const char *yaml);
void bed_close(struct bed *bed); /* stops; checks that nothing is left */

/* Run SQL on the bed's own session, or on any. Fails the test if it fails; gives the last column of the first row. */
int64_t bed_run(struct bed *bed, const char *sql);
int64_t bed_run_on(struct bed *bed, struct session *session, const char *sql);
int64_t bed_rows(struct bed *bed);                                          /* how many are in the table */
void bed_insert(struct bed *bed, struct session *session, const char *key); /* one event; payload: "x" */
void bed_insert_id(struct bed *bed, struct session *session, int64_t id);   /* with an id chosen by hand; key "a" */
void bed_insert_large(struct bed *bed, int count, int kilobytes);

/* A second store on the same table, on the same loop. */
struct obx_instance *bed_another(struct bed *bed);
int bed_start(struct bed *bed, struct obx_instance *store);
int bed_acquire(struct bed *bed, struct obx_instance *store, uint32_t lease_ms, struct outbox_acquire *acquire);
void bed_begin(struct bed *bed); /* start and acquire, which must succeed */
int64_t bed_now_ms(void);        /* of a clock that only goes forward */

/* Acquire from an owner that answers to nobody, once the store has thrown it out. */
void bed_take_over(struct bed *bed, uint32_t lease_ms);
/* Stop, then begin until it succeeds: sessions from before may have to end first. Gives the flags of acquiring. */
uint32_t bed_begin_again(struct bed *bed);
void bed_stop(struct bed *bed);
void bed_refused(struct bed *bed, int code,
                 const char *text); /* start must fail with this code and exactly this text */
void bed_until_lost(struct bed *bed);

/* Claim, note the ids, release. Returns the error code. */
int bed_claim(struct bed *bed, uint32_t flags, uint32_t max_rows);
void bed_expect(struct bed *bed, uint32_t count, const int64_t *ids); /* claims up to 1000, compares */
/* Claim every millisecond, as a relay does, and get nothing: time for the store to judge holes, to sweep, ... */
void bed_expect_nothing_for(struct bed *bed, int milliseconds);
void bed_claim_some(struct bed *bed); /* until something comes */
/* Claim with the batch kept. */
struct outbox_batch *bed_batch(struct bed *bed, uint32_t max_rows, uint64_t max_bytes);
int bed_settle(struct bed *bed, const struct outbox_batch *batch, uint32_t first, uint32_t count);
void bed_settle_all(struct bed *bed, struct outbox_batch *batch); /* must succeed; releases */
int bed_park(struct bed *bed, const struct outbox_dead_row *row);
int bed_setup(struct bed *bed, struct obx_instance *store);

/* What `outbox check` finds. */
struct bed_findings {
    const char *sought; /* in a finding */
    unsigned count;     /* how many have it */
    enum outbox_log_level level;
    bool advised;
};
struct bed_findings bed_look_for(struct bed *bed, const char *sought);

#define IDS(...)                                                                \
    (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) \
    {                                                                           \
        __VA_ARGS__                                                             \
    }

#endif

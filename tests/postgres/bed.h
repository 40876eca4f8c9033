/*
 * tests/postgres/bed.h - a table of its own on the test's server, a store on it, and sessions that write beside
 *
 * Writers are plain blocking connections of libpq: the test decides step by step who commits when.
 */
#ifndef PG_BED_H
#define PG_BED_H

#include <criterion/criterion.h>
#include <libpq-fe.h>

#include "base/mem.h"
#include "harness.h"
#include "mem_fault.h"

enum { BED_IDS = 4096 };

struct bed {
    struct harness harness;
    struct obx_instance *store;
    PGconn *sql;
    const char *table;
    struct outbox_error error; /* of the last call that failed */
    int64_t ids[BED_IDS];      /* of the last claim */
    uint32_t count;
};

/* table: its name, made by setup() if `made`. yaml: more lines of the section, with two blanks before each; "". */
void bed_open(struct bed *bed, const char *table, bool made, const char *yaml);
void bed_close(struct bed *bed); /* stops; checks that nothing is left */

PGconn *bed_connect(void);
/* Run SQL; %s in it is the table, as often as it stands there. Fails the test if it fails. */
void bed_exec(struct bed *bed, PGconn *pg, const char *sql);
int64_t bed_number(struct bed *bed, const char *sql);
void bed_insert(struct bed *bed, PGconn *pg, const char *key); /* one event; payload: "x" */

/* A second store on the same table, on the same loop. */
struct obx_instance *bed_another(struct bed *bed);
int bed_start(struct bed *bed, struct obx_instance *store);
int bed_acquire(struct bed *bed, struct obx_instance *store, struct outbox_acquire *acquire);
void bed_begin(struct bed *bed); /* start and acquire, which must succeed */

/* Claim, note the ids, release. Returns the error code. */
int bed_claim(struct bed *bed, uint32_t flags, uint32_t max_rows);
void bed_expect(struct bed *bed, uint32_t count, const int64_t *ids); /* claims up to 1000, compares */
/* Claim with the batch kept. */
struct outbox_batch *bed_batch(struct bed *bed, uint32_t max_rows, uint64_t max_bytes);
int bed_settle(struct bed *bed, const struct outbox_batch *batch, uint32_t first, uint32_t count);

#define IDS(...)                                                                                                       \
    (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                                        \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

#endif

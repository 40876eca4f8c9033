/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/fixture.h - each test's own table on a server, a store for it, and a session of a writer
 *
 * In SQL texts, each %s is the table.
 */
#ifndef OBX_TESTS_STORES_SQL_SUITE_FIXTURE_H
#define OBX_TESTS_STORES_SQL_SUITE_FIXTURE_H

#include <criterion/criterion.h>

#include "base/mem.h"
#include "loop_fixture.h"
#include "mem_fault.h"
#include "server.h"

enum { FIXTURE_IDS = 4096 };

struct sql_fixture {
    struct loop_fixture base;
    struct obx_instance *store;
    struct session *sql;
    const char *table;
    struct outbox_error error; /* of the last call that failed */
    int64_t since_us;          /* what the acquire of fixture_begin() reported */
    int64_t ids[FIXTURE_IDS];  /* of the last claim */
    uint32_t count;
};

/* made: the store's setup() makes the table. yaml: more lines of the section, each indented by two blanks; or "". */
void fixture_open(struct sql_fixture *fixture, const char *table, bool made, const char *yaml);
/* Replace the store, which must not be started, by one with another configuration. */
void fixture_reconfigure(struct sql_fixture *fixture, const struct server_place *place, const char *yaml);
/* Stop and free; no memory may be left. */
void fixture_close(struct sql_fixture *fixture);

/* Run SQL on the fixture's own session, or on another. It must succeed. Returns the last column of the first row. */
int64_t fixture_run(struct sql_fixture *fixture, const char *sql);
int64_t fixture_run_on(struct sql_fixture *fixture, struct session *session, const char *sql);
int64_t fixture_count_rows(struct sql_fixture *fixture);
/* One event with the payload "x". */
void fixture_insert(struct sql_fixture *fixture, struct session *session, const char *key);
/* One event with this id and the key "a". */
void fixture_insert_id(struct sql_fixture *fixture, struct session *session, int64_t id);
void fixture_insert_large(struct sql_fixture *fixture, int count, int kilobytes);

/* A second store on the same table and loop; the caller stops and frees it. */
struct obx_instance *fixture_another(struct sql_fixture *fixture);
int fixture_start(struct sql_fixture *fixture, struct obx_instance *store);
int fixture_acquire(struct sql_fixture *fixture, struct obx_instance *store, uint32_t lease_ms,
                    struct outbox_acquire *acquire);
/* Start and acquire, which must succeed. */
void fixture_begin(struct sql_fixture *fixture);
int64_t fixture_now_ms(void); /* of the monotonic clock */

int fixture_status(struct sql_fixture *fixture, struct obx_instance *store, struct outbox_store_status *status);
/* Acquire from an owner that does not answer: retry until its lease has expired. */
void fixture_take_over(struct sql_fixture *fixture, uint32_t lease_ms);
/* Stop, then begin until it succeeds: earlier sessions may have to end first. Returns the flags of acquiring. */
uint32_t fixture_begin_again(struct sql_fixture *fixture);
/* A server notices late that a session has ended which did not give the ownership back: wait until another store owns
 * the outbox, and stop that one. */
void fixture_await_no_owner(struct sql_fixture *fixture);
void fixture_stop(struct sql_fixture *fixture);
/* Start must fail with this code and exactly this text. */
void fixture_expect_start_error(struct sql_fixture *fixture, int code, const char *text);
/* Wait until the store reports that it lost the ownership. */
void fixture_await_loss(struct sql_fixture *fixture);
/* Turn the loop until a session of the server waits for a lock of a row or a table: a statement may arrive late. */
void fixture_await_lock_wait(struct sql_fixture *fixture);

/* Claim, note the ids, release. Returns the error code. */
int fixture_claim(struct sql_fixture *fixture, uint32_t flags, uint32_t max_rows);
/* Claim up to 1000 rows; they must have exactly these ids. */
void fixture_expect_rows(struct sql_fixture *fixture, uint32_t count, const int64_t *ids);
/* Claim every millisecond, as a relay does, without a row: time for the store to resolve gaps or to scan for strays. */
void fixture_expect_no_rows_for(struct sql_fixture *fixture, int milliseconds);
/* Claim until there are rows. */
void fixture_await_rows(struct sql_fixture *fixture);
/* Claim and keep the batch; NULL: no rows. The caller releases it. */
struct outbox_batch *fixture_claim_batch(struct sql_fixture *fixture, uint32_t max_rows, uint64_t max_bytes);
int fixture_settle(struct sql_fixture *fixture, const struct outbox_batch *batch, uint32_t first, uint32_t count);
/* It must succeed; releases the batch. */
void fixture_settle_all(struct sql_fixture *fixture, struct outbox_batch *batch);
int fixture_dead_letter(struct sql_fixture *fixture, const struct outbox_dead_row *row);
int fixture_setup(struct sql_fixture *fixture, struct obx_instance *store);

/* The findings of `outbox check` that contain a text. */
struct fixture_findings {
    const char *text;
    unsigned count;
    uint32_t severity;  /* of the last */
    bool advised;       /* the last came with advice or a command */
    char command[1024]; /* of the last; "": none */
};
/* Run a finding's command as a user who pastes it: one or more statements, with a semicolon after each. */
void fixture_paste(struct sql_fixture *fixture, const char *command);
struct fixture_findings fixture_check(struct sql_fixture *fixture, const char *text);

#define IDS(...)                                                                \
    (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) \
    {                                                                           \
        __VA_ARGS__                                                             \
    }

#endif

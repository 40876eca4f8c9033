/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/inbox/fixture.h - a consumer's database with an inbox, whichever database it is
 *
 * The cases are written once. postgres.c, mysql.c and sqlite.c each implement struct client; the program is linked with
 * one of them. `outbox init --inbox` has created the inbox: INBOX_OUTBOX is the program, OUTBOX_TEST_... the server.
 */
#ifndef OBX_TESTS_INBOX_FIXTURE_H
#define OBX_TESTS_INBOX_FIXTURE_H

#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/error.h>
#include <outbox/event.h>

/* ---- one for each database --------------------------------------------------------------------------------------- */

struct session; /* a plain blocking connection; one thread at a time */

extern const char client_begin[], client_begin_repeatable[]; /* statements; the second is "" where there is only one */
extern const char client_store[];      /* the section `store:`; the test's directory is in $INBOX_DIR */
extern const bool client_writers_wait; /* SQLite: a writer waits at BEGIN, and not at the id */
/* Of 1,000 calls of sessions that take the same ids in any order, so many may end as AGAIN: deadlocks. */
extern const unsigned client_again_per_mille;

struct session *client_open(const char *user); /* NULL: the user of the tests */
void client_close(struct session *session);
/* The first value of the first row; without rows the number of rows that changed; INT64_MIN: it failed. */
int64_t client_run(struct session *session, const char *sql);
int client_take(struct session *session, const char *consumer, const struct outbox_bytes *ids, size_t count,
                bool *is_new, struct outbox_error *error);
int client_take_unconnected(const char *consumer, struct outbox_error *error); /* connection NULL, no ids */
int64_t client_prune(struct session *session); /* one step; how many ids went, or INT64_MIN */
void client_age(struct session *session, const char *consumer, int days); /* received so many days ago */

/* ---- for the cases ----------------------------------------------------------------------------------------------- */

/* Session A with an inbox that was created just now. */
struct session *fixture_open(void);
void fixture_init(const char *options, char *out, size_t size); /* runs outbox init --inbox; out may be NULL */
int64_t run(struct session *session, const char *sql);          /* fails the test when the statement fails */

/* Ids are numbers here: 7 is 00000000-0000-4000-8000-000000000007 with its digits spread, as random ids are. */
struct batch {
    size_t count;
    struct outbox_bytes *ids;
    char (*texts)[37];
    bool *is_new;
    struct outbox_error error;
};
void batch_open(struct batch *batch, size_t room);
void batch_close(struct batch *batch);
void batch_add(struct batch *batch, unsigned number);
int batch_take(struct batch *batch, struct session *session, const char *consumer);
size_t batch_new(const struct batch *batch); /* how many were new */

/* take() of a list of numbers must answer this: "110" for new, new, duplicate. */
void expect_take(struct session *session, const char *consumer, const char *answer, ...); /* numbers as int */

#endif

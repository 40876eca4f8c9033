/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/writer/writer.h - an application that writes events, and a ledger of what it did
 *
 * One program per database: writer.c with one of the files that implement writer_db_*. Each event has a position within
 * its key, which comes from a table of counters in the same transaction. So the ledger knows the insert order within a
 * key, whatever other writers do (tests/oracle/oracle.h defines the ledger).
 */
#ifndef OBX_TESTS_END_TO_END_WRITER_WRITER_H
#define OBX_TESTS_END_TO_END_WRITER_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writer_db;

struct writer_event {
    char id[40];
    char key[64];
    uint32_t sequence; /* out: position within the key */
    char *payload;     /* NULL: null */
    size_t size;
    bool binary; /* not UTF-8 */
};

enum writer_end { WRITER_COMMITTED, WRITER_ROLLED_BACK, WRITER_IN_DOUBT };

/* After a failure: false or NULL, and a message on stderr. */
struct writer_db *writer_db_open(const char *where, const char *table);
void writer_db_close(struct writer_db *db);
bool writer_db_begin(struct writer_db *db, bool prepares); /* in two phases, where the database can */
/* False: roll back. An event's place within its key is drawn before it is inserted, with others in one statement. */
bool writer_db_draw(struct writer_db *db, struct writer_event *event);
bool writer_db_insert(struct writer_db *db, const struct writer_event *events, unsigned count);
/* Insert it within a savepoint that is rolled back: it must never be published. */
bool writer_db_undo(struct writer_db *db, const struct writer_event *event);
enum writer_end writer_db_commit(struct writer_db *db, bool prepares); /* as at its begin */
void writer_db_rollback(struct writer_db *db);
bool writer_db_left(struct writer_db *db, const char *table); /* the event ids of all rows to stdout, one a line */

#define WRITER_STATEMENT_MAX 8 /* events of one insert */

/* session.c: for those whose server may be away: until it works, for a minute; "insert into TABLE (...) values" */
bool writer_keep_trying(struct writer_db *db, bool (*connect_once)(struct writer_db *db));
char *writer_insert_text(const char *table); /* owned by the caller */

/* payload.c */
struct writer_random {
    uint64_t state;
};
struct writer_payloads {
    bool binary, nulls; /* what the column may hold */
    uint64_t large;     /* the largest, in bytes */
};
uint64_t writer_random_below(struct writer_random *random, uint64_t below);
/* A payload of some kind, to be freed by the caller; false: no memory. */
bool writer_make_payload(const struct writer_payloads *payloads, struct writer_random *random, uint64_t number,
                         struct writer_event *event);

/* session.c: one connection with a ledger of its own, in at most one transaction */
struct writer_session {
    struct writer_db *db;
    char *ledger_path; /* owned */
    int ledger;
    uint64_t transactions;
    char *lines; /* the ledger lines of the open transaction */
    size_t size, room;
    bool open, intact; /* intact: nothing failed since its begin */
    bool prepares;     /* the open transaction */
};
bool writer_session_open(struct writer_session *session, const char *where, const char *table, const char *ledger,
                         const char *suffix);
void writer_session_close(struct writer_session *session);
bool writer_session_begin(struct writer_session *session, bool prepares);
/* A few events in one statement; what fails is remembered until the end of the transaction. */
void writer_session_insert(struct writer_session *session, struct writer_event *events, unsigned count);
/* Write the ledger, then commit or roll back, and write down which; false: the ledger cannot be written. */
/* Within a savepoint that is rolled back: it is in no ledger, for it must never be published. */
void writer_session_undo(struct writer_session *session, const struct writer_event *event);
bool writer_session_end(struct writer_session *session, bool commit);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/oracle/oracle.h - checks every guarantee from the outside
 *
 * It reads what writers committed (ledgers), what consumers can read (NDJSON of the file broker, or kcat -J of a topic)
 * and what is left in the database, in this order, and counts violations. It is independent of the relay.
 *
 * A LEDGER is a text file that one writer appends to, before and after its COMMIT, one line each:
 *     B TX                    a transaction begins; TX is a number that the ledger did not use before
 *     E ID KEY SEQ PAYLOAD    an event of it: id, key ("-": none), position within the key, XXH3-64 of the payload in
 * hex C TX  or  R TX          it was committed, or rolled back The B and E lines are in the file before COMMIT is sent.
 * A writer that dies in between leaves a transaction in doubt: it is committed as a whole or not at all.
 *
 * A rolled-back transaction may list the events that it would have added. Memory is about 60 bytes per event.
 */
#ifndef OBX_TESTS_ORACLE_ORACLE_H
#define OBX_TESTS_ORACLE_ORACLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <outbox/error.h>

struct oracle;

/* Callers may also report committed, published and remaining events one by one, as the simulation does
 * (tests/simulation/verdict.c). Names are any bytes; a hash is the XXH3-64 of the bytes. */
enum oracle_outcome { ORACLE_DOUBT = 0, ORACLE_COMMITTED, ORACLE_ROLLED_BACK };

/* One occurrence of an event. */
struct oracle_sighting {
    const char *id;
    const char *key; /* NULL: none */
    size_t id_size, key_size;
    uint64_t payload; /* hash of the bytes; 0 for a null payload */
    uint64_t content; /* hash of all fields that a consumer gets */
};

struct oracle_rules {
    uint64_t window;    /* maximum lines between a duplicate and the occurrence before it; 0: not checked */
    bool scattered;     /* the distance is not checked: a paused relay sends its queued events when it resumes */
    uint64_t incidents; /* crashes, hangs, failovers: at most window x incidents duplicates; UINT64_MAX: not checked */
    FILE *report;       /* descriptions of the first violations; NULL: none */
};

/* Violations, then counts. */
#define ORACLE_FAULTS(X)                                                            \
    X(lost, "committed, but neither published nor left nor dead")                   \
    X(invented, "published or left, but never committed")                           \
    X(disordered, "first published before an earlier event of its key")             \
    X(overtaken, "still in the table while a later event of its key was published") \
    X(changed, "published with another key or payload than was written")            \
    X(unlike, "a duplicate that is not identical to the first")                     \
    X(far, "a duplicate further from its last occurrence than the window")          \
    X(surplus, "duplicates more than window x incidents")                           \
    X(torn, "a transaction of which only a part was found")                         \
    X(garbled, "a line that is not an event")

struct oracle_verdict {
#define ORACLE_FAULT_FIELD(name, text) uint64_t name;
    ORACLE_FAULTS(ORACLE_FAULT_FIELD)
#undef ORACLE_FAULT_FIELD
    uint64_t committed, rolled_back, in_doubt; /* events */
    uint64_t published, duplicates, left, dead;
    uint64_t furthest;   /* maximum lines between a duplicate and the occurrence before it */
    uint64_t unfinished; /* bytes of a last line without newline: a torn tail that was not cut yet */
};

int oracle_new(const struct oracle_rules *rules, struct oracle **oracle);
void oracle_free(struct oracle *oracle);

/* A transaction begins; the next events belong to it. */
int oracle_begin(struct oracle *oracle, struct outbox_error *error);
int oracle_wrote(struct oracle *oracle, const struct oracle_sighting *event, uint32_t sequence,
                 struct outbox_error *error);                          /* content is ignored */
bool oracle_ended(struct oracle *oracle, enum oracle_outcome outcome); /* false: no transaction is open */
/* Do not check the order of this event: it was a dead letter for a while, or is rejected permanently. */
void oracle_excuse(struct oracle *oracle, const char *id, size_t size);
void oracle_saw(struct oracle *oracle, const struct oracle_sighting *sighting);
void oracle_found(struct oracle *oracle, const char *id, size_t size, bool dead); /* in the database */
void oracle_garbled(struct oracle *oracle, const char *text);                     /* a line that is not an event */

/* Call in this order: all ledgers, published files in the order of their lines, remaining rows, dead letters. */
int oracle_read_ledger(struct oracle *oracle, const char *path, struct outbox_error *error);
int oracle_read_published(struct oracle *oracle, const char *path, struct outbox_error *error);
int oracle_read_left(struct oracle *oracle, const char *path, struct outbox_error *error); /* an id on each line */
int oracle_read_dead(struct oracle *oracle, const char *path, struct outbox_error *error); /* likewise */

/* True if no guarantee was violated. */
bool oracle_judge(struct oracle *oracle, struct oracle_verdict *verdict);
void oracle_print(const struct oracle_verdict *verdict, FILE *to);

#endif

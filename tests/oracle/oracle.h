/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/oracle/oracle.h - the checker that judges every promise from the outside
 *
 * It reads what writers meant to commit (ledgers), what consumers can read (NDJSON of the file broker, or kcat -J of a
 * topic) and what is left in the database, in this order, and counts violations. It knows nothing of the relay.
 *
 * A LEDGER is what one writer appends to a text file of its own, one line each, before and after its COMMIT:
 *     B TX                    a transaction begins; TX is a number that the ledger did not use before
 *     E ID KEY SEQ PAYLOAD    an event of it: id, key ("-": none), place within the key, XXH3-64 of the payload in hex
 *     C TX  or  R TX          it was committed, or rolled back
 * The B and E lines are in the file before COMMIT is sent. A writer that dies in between leaves a transaction in
 * doubt: it may have committed or not, but wholly.
 *
 * A rolled-back transaction may list the events that it would have added. Memory is about 60 bytes for an event.
 */
#ifndef OBX_TESTS_ORACLE_ORACLE_H
#define OBX_TESTS_ORACLE_ORACLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <outbox/error.h>

struct oracle;

/* What writers meant, what consumers saw and what is left can also be told one by one: that is how the simulation is
 * judged (tests/simulation/verdict.c). Names are any bytes; a hash is the XXH3-64 of what it stands for. */
enum oracle_fate { ORACLE_DOUBT = 0, ORACLE_COMMITTED, ORACLE_ROLLED_BACK };

/* One occurrence of an event. */
struct oracle_sighting {
    const char *id;
    const char *key; /* NULL: none */
    size_t id_size, key_size;
    uint64_t payload; /* hash of its bytes; of a null payload 0 */
    uint64_t content; /* hash of all that a consumer gets */
};

struct oracle_rules {
    uint64_t window;    /* a duplicate follows its last occurrence by at most so many lines; 0: not judged */
    bool scattered;     /* how far is not judged: a relay that was paused sends what it had queued when it wakes */
    uint64_t incidents; /* crashes and the like: at most window x incidents duplicates; UINT64_MAX: not judged */
    FILE *say;          /* the first violations in words; NULL: none */
};

/* Violations, then plain counts. */
#define ORACLE_FAULTS(X)                                                     \
    X(lost, "committed, but neither published nor left nor dead")            \
    X(invented, "published or left, but never committed")                    \
    X(disordered, "first published before an earlier event of its key")      \
    X(overtaken, "left behind while a later event of its key was published") \
    X(changed, "published with another key or payload than was written")     \
    X(unlike, "a duplicate that is not identical to the first")              \
    X(far, "a duplicate further from its last occurrence than the window")   \
    X(surplus, "duplicates more than window x incidents")                    \
    X(torn, "a transaction of which only a part is there")                   \
    X(garbled, "a line that is no event")

struct oracle_verdict {
#define ORACLE_FAULT_FIELD(name, text) uint64_t name;
    ORACLE_FAULTS(ORACLE_FAULT_FIELD)
#undef ORACLE_FAULT_FIELD
    uint64_t committed, rolled_back, in_doubt; /* events */
    uint64_t published, duplicates, left, dead;
    uint64_t furthest;   /* lines between a duplicate and the occurrence before it, at most */
    uint64_t unfinished; /* bytes of a last line without its newline: a torn tail that was not cut yet */
};

int oracle_new(const struct oracle_rules *rules, struct oracle **oracle);
void oracle_free(struct oracle *oracle);

/* A transaction begins, and what is written from now on belongs to it. */
int oracle_begin(struct oracle *oracle, struct outbox_error *error);
int oracle_wrote(struct oracle *oracle, const struct oracle_sighting *event, uint32_t sequence,
                 struct outbox_error *error);                    /* content does not matter */
bool oracle_ended(struct oracle *oracle, enum oracle_fate fate); /* false: no transaction is open */
/* The event has no place in the order of its key: it was dead for a while, or is rejected for good. */
void oracle_excuse(struct oracle *oracle, const char *id, size_t size);
void oracle_saw(struct oracle *oracle, const struct oracle_sighting *sighting);
void oracle_found(struct oracle *oracle, const char *id, size_t size, bool dead); /* in the database */
void oracle_garbled(struct oracle *oracle, const char *text);                     /* a line that is no event */

/* In this order: all ledgers, the published files in the order of their lines, what is left, what is dead. */
int oracle_read_ledger(struct oracle *oracle, const char *path, struct outbox_error *error);
int oracle_read_published(struct oracle *oracle, const char *path, struct outbox_error *error);
int oracle_read_left(struct oracle *oracle, const char *path, struct outbox_error *error); /* an id on each line */
int oracle_read_dead(struct oracle *oracle, const char *path, struct outbox_error *error); /* likewise */

/* True when no promise was broken. */
bool oracle_judge(struct oracle *oracle, struct oracle_verdict *verdict);
void oracle_print(const struct oracle_verdict *verdict, FILE *to);

#endif

/*
 * tests/integration/writer/writer.h - an application that writes events, and a ledger of what it did
 *
 * One program for each database: writer.c over one of the files that implement this. Every event has a place within
 * its key that is drawn from a table of counters in the same transaction, so that insert order within a key is known
 * to the ledger whatever other writers do (tests/oracle/oracle.h tells the ledger's form).
 */
#ifndef OBX_WRITER_H
#define OBX_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writer_db;

struct writer_event {
    char id[40];
    char key[32];
    uint32_t sequence; /* out: the place within the key */
    const char *payload;
    size_t size;
    bool binary; /* not UTF-8 */
};

enum writer_end { WRITER_COMMITTED, WRITER_ROLLED_BACK, WRITER_IN_DOUBT };

/* Each failure is told on stderr; false or NULL then. */
struct writer_db *writer_db_open(const char *where, const char *table);
void writer_db_close(struct writer_db *db);
bool writer_db_begin(struct writer_db *db);
bool writer_db_insert(struct writer_db *db, struct writer_event *event); /* false: roll back */
enum writer_end writer_db_commit(struct writer_db *db);
void writer_db_rollback(struct writer_db *db);
bool writer_db_left(struct writer_db *db, const char *table); /* the event ids of all rows to stdout, one a line */

#endif

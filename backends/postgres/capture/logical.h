/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/logical.h - `capture: logical`: the store reads messages of the output plugin pgoutput
 *
 *   logical.c  the plugin's messages -> sql/capture    slot.c  the slot and the publication
 *   relation.c the columns of the table in the log     rows.c  inserted rows
 *
 * The server decodes its log and sends committed transactions only, each as a whole, in the order of their commits. The
 * rest is that of `capture: wal`: events, position row, visibility, spool. Both can use a position: its restart is the
 * slot's.
 */
#ifndef OBX_BACKENDS_POSTGRES_CAPTURE_LOGICAL_H
#define OBX_BACKENDS_POSTGRES_CAPTURE_LOGICAL_H

#include <libpq-fe.h>

#include "envelope.h"
#include "sql/capture/memory.h"
#include "sql/text.h"

struct pg_store;
struct sql_store;

/* A message of the plugin. To read beyond its end sets `failed`. */
struct pg_message {
    const unsigned char *at;
    size_t left;
    bool failed;
};
struct outbox_bytes pg_message_bytes(struct pg_message *message, size_t size);
uint64_t pg_message_int(struct pg_message *message, unsigned size);
struct outbox_bytes pg_message_text(struct pg_message *message); /* without its NUL, which is there */

enum { PG_ROW_ID = PG_PARTS, PG_ROW_VALUES }; /* of a row: the parts of the envelope, then the id */

/* Of the columns in the log now: which one has the value; -1: none. */
struct pg_row_columns {
    uint32_t relation; /* 0: not known yet */
    int16_t of[PG_ROW_VALUES];
    bool bytea[PG_ROW_VALUES]; /* when the row was written */
    char refusal[280];         /* why rows with these columns cannot be events; "": they can */
};

struct pg_logical {
    bool in_transaction;   /* begun, and its commit has not come */
    bool passed;           /* it is passed already: the server should not have sent it */
    int64_t committed_us;  /* since 2000-01-01 UTC */
    uint64_t reached;      /* all commits that begin before it were given */
    uint64_t slot_restart; /* of the slot, when it was read last */
    struct pg_row_columns columns;
    bool look_again; /* at the publication, when the look-up in flight has ended */
    void (*tried)(void *arg, const struct outbox_error *error); /* only a trial, for check */
    void *tried_arg;
};

/* slot.c */
/* Of check: opens a connection as that of the slot; then() is called once, with code 0 if it works. */
void pg_slot_try(struct pg_store *store, void (*then)(void *arg, const struct outbox_error *error), void *arg);
void pg_slot_end_trial(struct pg_store *store, const struct outbox_error *why); /* if there is one */
bool pg_slot_put(void *arg, struct obx_sql_text *sql);
void pg_slot_result(void *arg, const PGresult *result);
void pg_slot_start(struct pg_store *store);
void pg_slot_look_up_publication(struct pg_store *store); /* fails the reading if the table has left it meanwhile */
bool pg_slot_can_relieve(struct sql_store *store);

/* relation.c: message 'R', behind that letter. */
void pg_row_relation(struct pg_store *store, struct pg_message *message);

/* rows.c */
/* NULL, or why the table's rows cannot be events: static. */
const char *pg_rows_refusal(const struct pg_store *store);
/* Has the table's column of the part this type, or a domain of it? */
bool pg_row_has_base(const struct pg_store *store, int part, const char *base);
/* Message 'I', behind that letter. event NULL and why NULL: it is none of ours, or the reading has failed. why: until
 * the next message. */
struct sql_capture_event *pg_row_insert(struct pg_store *store, struct pg_message *message, const char **why);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/store.h - the Postgres store: what its files share
 *
 * Two connections to one server. The reader claims. The owner holds the advisory lock that makes this relay the
 * owner of the outbox, and settles and parks: whoever loses that session can settle nothing. Claims and deletes
 * overlap. A third wakes an idle relay, where that is asked for.
 *
 *   plugin.c   options, life cycle, descriptor       dsn.c      the conninfo, secure defaults, name look-up
 *   conn.c     one connection and its requests       start.c    connecting both, in order, to one of the hosts
 *   table.c    what the table looks like             claim.c    claiming with holes;  rows.c: results as values
 *   look.c     who can still fill a hole             owner.c    lock, lease, fencing
 *   bell.c     the doorbell of a trigger              wal.c, wal_stream.c  that of the log
 *   sweep.c    rows that claims cannot find           held.c     who holds events up
 *   settle.c   deletes                                park.c, dead.c: dead letters
 *   setup.c, check.c, status.c, add.c   for the verbs
 *
 * All on the loop thread but for the look-up of names. Functions shared between files begin with pg_.
 */
#ifndef OBX_BACKENDS_POSTGRES_STORE_H
#define OBX_BACKENDS_POSTGRES_STORE_H

#include <outbox/failpoint.h>

#include "conn.h"
#include "error.h"
#include "params.h"
#include "sql/gaps/batches.h"
#include "sql/columns.h"
#include "sql/gaps/gaps.h"
#include "sql/gaps/id_ranges.h"
#include "sql/gaps/stray_scan.h"
#include "sql/text.h"
#include "wal.h"

enum { PG_NAME = 64 }; /* of a table, column, ...; what Postgres allows */

/* ---- where to connect: dsn.c ------------------------------------------------------------------------------------- */

struct pg_candidate {
    char host[256];   /* as in the conninfo; a socket's directory too */
    char address[64]; /* numeric; "" for sockets */
    char port[8];
};
enum { PG_KEYWORDS = 64, PG_CANDIDATES = 16 };
struct pg_target {
    PQconninfoOption *parsed; /* owned */
    const char *keywords[PG_KEYWORDS];
    const char *values[PG_KEYWORDS];
    char application[80];
    char doorbell[80], options[256]; /* of the connection that is sent the log */
    struct pg_candidate candidates[PG_CANDIDATES];
    uint32_t candidate_count;
    int64_t connect_ms; /* of the conninfo's connect_timeout; 0: it has none */
    bool insecure;      /* the conninfo asks for less than verify-full with a host that is not this machine */
};

/* ---- what the table looks like: table.c -------------------------------------------------------------------------- */

/* How a column comes over the wire, and how its value is read. */
enum pg_wire {
    PG_ABSENT = 0, /* the table has no such column */
    PG_AS_TEXT,    /* text and all whose binary form is their text; others cast to text */
    PG_AS_BYTES,
    PG_AS_JSONB, /* text behind a version byte */
    PG_AS_INT2,
    PG_AS_INT4,
    PG_AS_INT8,
    PG_AS_BOOL,
    PG_AS_FLOAT4,
    PG_AS_FLOAT8,
    PG_AS_UUID,
    PG_AS_TIME
};

struct pg_column { /* of the table */
    char name[PG_NAME];
    char type[96]; /* as format_type() has it */
    Oid base;      /* of domains: what they are made of */
    bool not_null;
    bool has_default; /* or identity, or generated */
};

struct pg_wanted { /* by the route, in its order */
    char logical[PG_NAME];
    char name[PG_NAME];
    char type[96];
    enum pg_wire wire;
    bool cast;  /* to text, in the statement */
    bool sized; /* its size counts towards max_bytes */
};

struct pg_table {
    Oid oid;
    char schema[PG_NAME]; /* of the table, or where setup would make it; "" before the first look */
    char name[PG_NAME];
    char relkind;
    bool row_security;
    bool may_select, may_delete;
    struct pg_column *columns; /* owned */
    uint32_t column_count;
    char id[PG_NAME];
};

/* ---- the store --------------------------------------------------------------------------------------------------- */

/* In the scratch memory of every op. */
struct pg_op {
    struct pg_request request;
    struct pg_store *store;
    outbox_op_t op;
    const void *in;
    void *out;
    PGresult *result;
    struct pg_buf buf;
    uint64_t number;
};

enum pg_doorbell { PG_DOORBELL_OFF = 0, PG_DOORBELL_TRIGGER, PG_DOORBELL_WAL };

enum pg_phase { PG_STOPPED = 0, PG_STARTING, PG_STARTED };

struct pg_server {
    int version; /* 150020 */
    char user[PG_NAME];
    char database[PG_NAME];
    Oid database_oid;
    bool in_recovery, read_only;
    int owner_pid, reader_pid;
    char identity[512]; /* changes whenever something may have gone back in time */
};

struct pg_sweep {
    struct obx_sql_stray_scan pages;
    struct pg_request request;
    bool told; /* of ids that can not be relayed */
};

struct pg_store {
    const struct outbox_host *host;
    char relay[64];

    /* options */
    const char *dsn;
    const char *table_name;
    const char *dead_name;
    struct outbox_map column_names;
    int64_t connect_ms;
    int64_t statement_ms;
    int64_t doorbell; /* enum pg_doorbell */

    char schema[PG_NAME], name[PG_NAME]; /* table_name in two; schema "": by the search path */
    char dead_schema[PG_NAME], dead_table[PG_NAME];

    enum pg_phase phase;
    struct pg_target target;
    uint32_t candidate;       /* that is being tried */
    struct pg_lookup *lookup; /* the one that start_op waits for */
    uint32_t lookups;         /* in flight, those that nobody waits for any more included */
    outbox_op_t start_op;
    struct outbox_error start_error; /* of the last candidate */
    struct pg_request step;          /* of starting; one at a time */
    char probe[48];                  /* a mark on the owner's session, to recognise a pooler by */
    bool warned;                     /* that the connection is insecure */
    bool failing;                    /* in pg_start_failed() */
    bool pooled;                     /* both connections are one session */

    struct pg_conn reader, owner;
    struct pg_wal wal;
    struct pg_server server;
    struct pg_table table;
    struct pg_wanted *wanted; /* owned */
    uint32_t wanted_count;
    const struct outbox_store_start *start; /* while starting */

    bool owns;
    char owned_identity[512]; /* of the server when it was last owned; "" never */
    uint32_t lease_ms;

    struct obx_sql_gaps holes;
    struct obx_sql_outstanding given;
    struct obx_sql_text claim_plain, claim_guarded, settle_sql;
    struct pg_buf lo, hi; /* arrays for the claim in flight */
    uint32_t guarded;     /* claims still to be made with the guarded statement */
    uint64_t looked_ns;   /* when the locks were looked at last */
    struct pg_sweep sweep;
    struct pg_request held; /* held.c */
    bool held_busy;
    uint64_t held_due_ns;
    bool bell;        /* there is one, and the reader listens */
    bool parked;      /* the reader holds the lock that makes writers ring */
    uint64_t *active; /* of the last snapshot */
    uint32_t active_room;
    struct obx_sql_holder *holders;
    uint32_t holder_room;
    int64_t *ids;
    uint32_t id_room;
    struct pg_buf relations; /* oids whose locks are looked at: the table, its partitions and sequences */
    struct obx_sql_batches batches;

    struct obx_sql_ranges runs; /* of the settle in flight */
    struct pg_buf run_lo, run_hi;

    uint32_t ops; /* in flight, but for start and stop */
    outbox_op_t claim_op, stop_op;
    bool stopping; /* ownership is being given back */
};

/* plugin.c */
struct pg_op *pg_op(struct pg_store *store, outbox_op_t op); /* the scratch memory, set up */
void pg_keep(struct pg_request *request, PGresult *result);  /* for the op that is its arg */
void pg_op_finish(struct pg_op *op, const struct outbox_error *error);
void pg_close_all(struct pg_store *store, const struct outbox_error *why);
void pg_stop_if_idle(struct pg_store *store); /* a stop that waits for ops in flight */

/* dsn.c */
int pg_target_parse(struct pg_target *target, const char *dsn, const char *relay, struct outbox_error *error);
void pg_target_free(struct pg_target *target);
/* Worker thread: fill the candidates. Fails only when no host has an address. */
int pg_target_resolve(struct pg_target *target, struct outbox_error *error);
/* The index-th option of the dsn that the store does not heed, and why; NULL past the last. */
const char *pg_target_unheeded(const struct pg_target *target, unsigned index, const char **why);
void pg_target_choose(struct pg_target *target, uint32_t candidate, bool for_wal); /* keywords and values for it */

/* start.c, session.c */
void pg_start(void *self, outbox_op_t op, const struct outbox_store_start *start);
void pg_session_begin(struct pg_store *store); /* the owner's connection is there: go on from here */
int pg_look_send_table(struct pg_store *store, PGconn *pg);
void pg_look_take_table(struct pg_store *store, PGresult *result, struct outbox_error *error);
void pg_session_reader(struct pg_store *store); /* the reader's is there as well */
void pg_start_connect_reader(struct pg_store *store);
uint64_t pg_connect_us(const struct pg_store *store); /* how long one address may take */
void pg_start_failed(struct pg_store *store, const struct outbox_error *error);
void pg_start_done(struct pg_store *store);
void pg_start_cancel(struct pg_store *store);

/* table.c */
extern const char pg_table_sql[]; /* $1: the table as quoted text */
extern const char pg_columns_sql[];
int pg_table_read(struct pg_store *store, const PGresult *result, struct outbox_error *error);
int pg_columns_read(struct pg_store *store, const PGresult *result, struct outbox_error *error);
int pg_columns_choose(struct pg_store *store, const struct outbox_store_start *start, struct outbox_error *error);
/* The table's name, quoted, with its schema as soon as that is known. */
void pg_table_put(const struct pg_store *store, struct obx_sql_text *sql);
const struct pg_column *pg_column_find(const struct pg_table *table, const char *name);
const struct pg_column *pg_column_of(const struct pg_store *store, const char *logical);
void pg_table_free(struct pg_store *store);

/* claim.c, claim_sql.c, look.c, rows.c */
int pg_claim_build(struct pg_store *store, struct outbox_error *error); /* the statements */
void pg_claim(void *self, outbox_op_t op, struct outbox_claim *claim);
void pg_claim_rewind(struct pg_store *store);
void pg_release(void *self, struct outbox_batch *batch);
extern const char pg_look_sql[];
int pg_look_send(struct pg_store *store, PGconn *pg);
bool pg_look_take(struct pg_store *store, const PGresult *result);
bool pg_snapshot_parse(struct pg_store *store, const char *text, struct obx_sql_snapshot *snapshot);
/* Its first column, as ids, in store->ids. */
bool pg_ids_read(struct pg_store *store, const PGresult *result, int first, uint32_t rows);
struct obx_sql_batch *pg_batch_new(struct pg_store *store, PGresult *result, int first, uint32_t rows);

/* bell.c */
enum { PG_BELL_STATEMENTS = 3 };
void pg_bell_sql(const struct pg_store *store, struct obx_sql_text *sql, int index);
int pg_bell_listen(struct pg_store *store, PGconn *pg);
void pg_bell_found(struct pg_store *store, bool there);
bool pg_bell_wanted(const struct pg_store *store, const struct outbox_claim *claim); /* before this claim: */
int pg_bell_send(struct pg_store *store, PGconn *pg);                                /* lock, or unlock */
void pg_bell_take(struct pg_store *store, const PGresult *result);

/* sweep.c */
void pg_sweep_if_due(struct pg_store *store); /* nothing was there to be claimed */

/* held.c */
void pg_held_if_due(struct pg_store *store);

/* owner.c */
extern const char pg_holder_sql[]; /* an expression: who owns the outbox $1, "" nobody */
void pg_acquire(void *self, outbox_op_t op, struct outbox_acquire *acquire);
void pg_renew(void *self, outbox_op_t op);

/* settle.c */
int pg_settle_build(struct pg_store *store, struct outbox_error *error);
void pg_settle(void *self, outbox_op_t op, const struct outbox_settle *settle);

/* park.c, dead.c */
void pg_dead_name_put(const struct pg_store *store, struct obx_sql_text *sql);
void pg_park(void *self, outbox_op_t op, const struct outbox_dead_letter_rows *park);
void pg_dead(void *self, outbox_op_t op, struct outbox_dead *dead);

/* setup.c, check.c, status.c, add.c */
void pg_setup(void *self, outbox_op_t op);
int pg_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
             struct outbox_error *error);
void pg_check(void *self, outbox_op_t op, const struct outbox_check *check);
void pg_status(void *self, outbox_op_t op, struct outbox_store_status *status);
void pg_add(void *self, outbox_op_t op, const struct outbox_add *add);

#endif

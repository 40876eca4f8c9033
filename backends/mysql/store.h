/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/store.h - the store for MySQL and MariaDB: what its files share
 *
 * Two connections to one server. The reader claims. The owner holds the named lock that makes this relay the owner of
 * the outbox, and settles and parks, in transactions that also look at the epoch of the ownership: whoever loses that
 * session can settle nothing. Claims and deletes overlap.
 *
 *   plugin.c   options, life cycle, descriptor       client*.c  the client library
 *   dial.c     connecting, on a worker               conn.c     one connection and its requests
 *   start.c    connecting both, one host after another          session.c  looking at the server, settings
 *   table.c    what the table looks like             claim.c    claiming with holes;  rows.c: results as values
 *   holes.c    holes as a condition                  sweep.c    rows that no claim can find
 *   look.c     who can still fill a hole
 *   owner.c    lock, epoch, lease, fencing           settle.c   deletes
 *   bell.c, listen.c, binlog.c, stream*.c: the doorbell, on a thread of its own
 *   park.c, dead.c: dead letters                     setup.c, check.c, status.c, add.c   for the verbs
 *
 * All on the loop thread but for connecting and for listen.c. Functions shared between files begin with mys_.
 */
#ifndef OBX_BACKENDS_MYSQL_STORE_H
#define OBX_BACKENDS_MYSQL_STORE_H

#include <outbox/failpoint.h>

#include "wakeup.h"
#include "conn.h"
#include "error.h"
#include "sql/gaps/batches.h"
#include "sql/columns.h"
#include "sql/gaps/gaps.h"
#include "sql/gaps/claim_budget.h"
#include "sql/gaps/id_ranges.h"
#include "sql/gaps/stray_scan.h"
#include "sql/text.h"

enum { MYS_NAME = 65 };

/* ---- what the table looks like: table.c -------------------------------------------------------------------------- */

enum mys_wire { /* how a value is read from its text */
                MYS_ABSENT = 0,
                MYS_AS_TEXT,
                MYS_AS_BYTES,
                MYS_AS_INT,
                MYS_AS_FLOAT,
                MYS_AS_UUID, /* 16 bytes */
                MYS_AS_TIME
};

struct mys_column { /* of the table */
    char name[MYS_NAME];
    char base[MYS_NAME]; /* "varchar" */
    char type[96];       /* "varchar(255)" */
    char charset[MYS_NAME];
    bool not_null;
    bool has_default; /* or AUTO_INCREMENT, or generated */
    bool generated;
};

struct mys_wanted { /* by the route, in its order */
    char name[MYS_NAME];
    enum mys_wire wire;
    bool sized;   /* its size counts towards max_bytes */
    bool printed; /* of a type that is only known as text */
};

struct mys_table {
    bool exists;
    char schema[MYS_NAME]; /* of the table, or where setup would make it */
    char kind[MYS_NAME];   /* "BASE TABLE" */
    char engine[MYS_NAME];
    struct mys_column *columns; /* owned */
    uint32_t column_count;
    char id[MYS_NAME];
};

/* ---- the store --------------------------------------------------------------------------------------------------- */

/* In the scratch memory of every op. */
struct mys_op {
    struct mys_request request;
    struct mys_store *store;
    outbox_op_t op;
    const void *in;
    void *out;
    struct obx_sql_text sql;         /* of the request */
    void (*then)(struct mys_op *op); /* of several requests: what comes after this one */
    MYSQL_RES *result;
    uint64_t number, holder;
};

enum mys_doorbell { MYS_DOORBELL_OFF, MYS_DOORBELL_BINLOG };
enum mys_phase { MYS_STOPPED = 0, MYS_STARTING, MYS_STARTED };

struct mys_server {
    bool mariadb;
    char version[MYS_NAME];
    char user[160];
    char identity[256]; /* of the installation */
    int64_t started_s;  /* by its own clock */
    bool read_only;
    uint64_t owner_id, reader_id; /* connection ids */
    uint64_t max_packet;
    bool tls;                /* what the reader gets is encrypted */
    bool galera;             /* ids are drawn on other servers, too: nothing that can be seen here proves anything */
    bool locks_visible;      /* performance_schema.metadata_locks can be read, and shows something */
    bool statements_visible; /* those of other users, with the milliseconds that they have run for */
};

struct mys_sweep {
    struct obx_sql_stray_scan pages;
    struct mys_request request;
    struct obx_sql_text sql;
};

struct mys_store {
    const struct outbox_host *host;
    char relay[64];

    /* options */
    const char *hosts, *socket, *user, *password, *database;
    int64_t port;
    int64_t tls; /* enum, see plugin.c */
    const char *tls_ca, *tls_cert, *tls_key;
    const char *table_name, *dead_name, *relay_name;
    struct outbox_map column_names;
    int64_t connect_ms, statement_ms, grace_ms;
    int64_t doorbell; /* enum mys_doorbell */

    char schema[MYS_NAME], name[MYS_NAME]; /* table_name in two; schema "": the database's */
    char dead_schema[MYS_NAME], dead_table[MYS_NAME];
    char relay_schema[MYS_NAME], relay_table[MYS_NAME];

    enum mys_phase phase;
    unsigned host_at; /* of the hosts, the one that is being tried */
    char host_name[256];
    outbox_op_t start_op;
    struct outbox_error start_error;
    struct mys_request step; /* of starting; one at a time */
    struct obx_sql_text step_sql;
    bool failing; /* in mys_start_failed() */

    struct mys_conn reader, owner;
    struct mys_server server;
    struct mys_table table;
    struct mys_wanted *wanted; /* owned */
    uint32_t wanted_count;
    const struct outbox_store_start *start; /* while starting */

    bool owns, releasing;
    uint64_t epoch;
    uint64_t killed;         /* the connection of the silent owner that was ended last */
    struct mys_server owned; /* as it was when it was last owned; version "" never */

    struct obx_sql_gaps holes;
    struct obx_sql_outstanding given;
    struct obx_sql_text claim_sql, settle_sql;
    struct obx_sql_claim_budget portion;
    bool together;      /* of the claim in flight: see mys_holes_put() */
    uint64_t looked_ns; /* when it was looked for writers last */
    uint64_t old_ns;    /* of the look in flight: holes noted until then may be forgotten */
    void (*look_then)(struct mys_op *op);
    struct obx_sql_holder *holders;
    uint32_t holder_room;
    int64_t *ids;
    uint32_t id_room;
    struct obx_sql_batches batches;
    struct mys_sweep sweep;
    struct mys_bell bell;

    struct obx_sql_ranges runs; /* of the settle in flight */
    uint32_t settled_runs;      /* of these, how many are gone */
    uint32_t sent_runs;
    int64_t sent_to;     /* the last id that was sent */
    int64_t settle_rows; /* of one transaction */

    uint32_t ops; /* in flight, but for start and stop */
    outbox_op_t claim_op, stop_op;
};

/* plugin.c */
struct mys_op *mys_op(struct mys_store *store, outbox_op_t op); /* the scratch memory, set up */
void mys_op_finish(struct mys_op *op, const struct outbox_error *error);
/* Send op->sql; fails the op for lack of memory. */
void mys_op_submit(struct mys_op *op, struct mys_conn *conn, const char *what,
                   void (*result)(struct mys_request *request, MYSQL_RES *result),
                   void (*done)(struct mys_request *request, const struct outbox_error *error));
void mys_close_all(struct mys_store *store, const struct outbox_error *why);
void mys_stop_if_idle(struct mys_store *store);                               /* a stop that waits for ops in flight */
void mys_keep(struct mys_request *request, MYSQL_RES *result);                /* in op->result */
void mys_done(struct mys_request *request, const struct outbox_error *error); /* finish the op */
/* With op->then; the op is finished if the request failed. */
void mys_go_on(struct mys_request *request, const struct outbox_error *error);

/* text.c */
void mys_put_int(struct obx_sql_text *sql, int64_t value);
void mys_put_hex(struct obx_sql_text *sql, struct outbox_bytes value);    /* x'..', or NULL */
void mys_put_string(struct obx_sql_text *sql, struct outbox_bytes value); /* as text if it is UTF-8, else as bytes */
void mys_table_put(const struct mys_store *store, struct obx_sql_text *sql);
void mys_dead_put(const struct mys_store *store, struct obx_sql_text *sql);
void mys_relay_put(const struct mys_store *store, struct obx_sql_text *sql);
int64_t mys_number(MYSQL_RES *result, unsigned column, int64_t default_value);  /* of the first row */
bool mys_ids_read(struct mys_store *store, MYSQL_RES *result, uint32_t *count); /* its first column, in store->ids */
void mys_copy(char *to, size_t size, const char *from);                         /* NULL is "" */

/* start.c, session.c */
struct mys_target mys_target(struct mys_store *store, bool statements);
bool mys_hosts_fit(const struct mys_store *store, struct outbox_error *error);
void mys_start(void *self, outbox_op_t op, const struct outbox_store_start *start);
void mys_session_begin(struct mys_store *store);  /* the owner's connection is there: go on from here */
void mys_session_reader(struct mys_store *store); /* the reader's is there as well */
void mys_start_connect_reader(struct mys_store *store);
void mys_start_failed(struct mys_store *store, const struct outbox_error *error);
void mys_start_done(struct mys_store *store);
void mys_start_cancel(struct mys_store *store);

/* table.c */
void mys_put_table_look(const struct mys_store *store, struct obx_sql_text *sql); /* two statements */
int mys_table_read(struct mys_store *store, MYSQL_RES *result);
int mys_columns_read(struct mys_store *store, MYSQL_RES *result, struct outbox_error *error);
int mys_columns_choose(struct mys_store *store, const struct outbox_store_start *start, struct outbox_error *error);
/* E_SCHEMA: the table was altered, and a claim's result is not what was chosen. */
int mys_columns_compare(const struct mys_store *store, MYSQL_RES *result, struct outbox_error *error);
const struct mys_column *mys_column_find(const struct mys_table *table, const char *name);
const struct mys_column *mys_column_of(const struct mys_store *store, const char *logical);
bool mys_column_is_binary(const struct mys_column *column);
void mys_table_free(struct mys_store *store);

/* claim.c, holes.c, look.c, rows.c, sweep.c */
void mys_claim(void *self, outbox_op_t op, struct outbox_claim *claim);
void mys_claim_rewind(struct mys_store *store);
void mys_release(void *self, struct outbox_batch *batch);
bool mys_look_due(const struct mys_store *store);
void mys_look(struct mys_op *op, void (*then)(struct mys_op *op)); /* a failure finishes the op */
/* " OR id ..." for the holes noted until then. True: it asks for what lies between some of them, too. */
bool mys_holes_put(const struct mys_store *store, struct obx_sql_text *sql, uint64_t noted_before_ns);
struct obx_sql_batch *mys_batch_new(struct mys_store *store, MYSQL_RES *result, uint32_t rows);
void mys_sweep_if_due(struct mys_store *store); /* nothing was there to be claimed */

/* bell.c */
void mys_bell_init(struct mys_store *store);
void mys_bell_fini(struct mys_store *store);
void mys_bell_claim(struct mys_store *store, struct outbox_claim *claim); /* takes PARK out if it is not armed */
void mys_bell_stop(struct mys_store *store);                              /* then mys_stop_if_idle() */

/* owner.c */
void mys_fence_put(const struct mys_store *store, struct obx_sql_text *sql); /* opens the transaction, too */
bool mys_fenced(const struct mys_store *store, struct outbox_error *error);  /* turns the fence's refusal into FENCED */
void mys_lock_put(const struct mys_store *store, struct obx_sql_text *sql);  /* the lock's name, as a literal */
void mys_acquire(void *self, outbox_op_t op, struct outbox_acquire *acquire);
void mys_renew(void *self, outbox_op_t op);

/* settle.c, park.c, dead.c */
void mys_settle(void *self, outbox_op_t op, const struct outbox_settle *settle);
void mys_park(void *self, outbox_op_t op, const struct outbox_dead_letter_rows *park);
void mys_dead(void *self, outbox_op_t op, struct outbox_dead *dead);

/* setup.c, check.c, status.c, add.c */
void mys_setup(void *self, outbox_op_t op);
int mys_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
              struct outbox_error *error);
void mys_check(void *self, outbox_op_t op, const struct outbox_check *check);
void mys_status(void *self, outbox_op_t op, struct outbox_store_status *status);
void mys_add(void *self, outbox_op_t op, const struct outbox_add *add);

#endif

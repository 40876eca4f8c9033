/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/store.h - the store of an SQL server: the state that the skeleton's files share
 *
 * Two lanes to one server. The reader claims. The owner holds the lock that makes this relay the owner of the outbox;
 * it settles and dead-letters: a relay that loses that session can settle nothing. Claims and deletes overlap.
 *
 *   lane, op        requests and operations          start       connecting, and the steps on fresh connections
 *   names, table    the tables and their columns     owner       ownership and lease
 *   claim, unreadable, wakeup  rows; the policy      stray_scan  rows that no claim can find
 *   settle, removal, refused, locked_rows  deletes   dead_letter, dead  moving rows there; the verb
 *   setup, status, check, add, probes  the verbs     lock_watch  who holds the lock that a statement waits for
 *   lifecycle   init, stop, cancel: the top          ../capture/  stores that read a log
 *
 * All on the loop thread. The server's store has struct sql_store as its first member.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_STORE_H
#define OBX_BACKENDS_SQL_SERVER_STORE_H

#include <outbox/failpoint.h>
#include <outbox/plugin_util.h>

#include "sql/capture/state.h"
#include "sql/columns.h"
#include "sql/server/driver.h"
#include "sql/server/foreign_deletes.h"
#include "sql/gaps/stray_scan.h"

enum { SQL_NAME = 65 }; /* of a table, column, ...: the longest that a server allows, and the NUL */

struct sql_column { /* of the table */
    char name[SQL_NAME];
    char base[SQL_NAME]; /* as in sql_column_type */
    char type[96];       /* "varchar(255)", for SQL; of a domain, the type that it is of */
    char charset[SQL_NAME];
    char declared[300]; /* the type of the column itself, with its schema; only of servers that have such types */
    bool has_default;   /* or draws its values from a sequence */
    bool numbered;      /* draws its values from a counter */
    bool generated;     /* cannot be inserted */
    bool unique;        /* a unique index begins with it, and no other table adds rows */
};

struct sql_selected { /* by the route, in its order */
    char name[SQL_NAME];
    char type[96];
    int encoding;    /* of sql_column_type; 0: the table has no such column */
    bool as_text;    /* of a type that is only known as text */
    bool counts;     /* its size counts toward the bytes of a claim */
    bool unreadable; /* in the row that the present claim is for */
};

struct sql_table_name {
    char schema[SQL_NAME]; /* "" if the configuration names none */
    char name[SQL_NAME];
};

struct sql_table {
    bool exists, is_table;
    char schema[SQL_NAME];      /* where it was found, or where setup would make it; "" before the first probe */
    struct sql_column *columns; /* owned */
    uint32_t column_count;
    char id[SQL_NAME];
};

enum sql_payload_type {
    SQL_PAYLOAD_TEXT,
    SQL_PAYLOAD_JSON,
    SQL_PAYLOAD_BYTEA
}; /* in the order of the option's choices */

enum sql_phase { SQL_STOPPED = 0, SQL_STARTING, SQL_STARTED };

/* A claim's result, before the tracker of gaps takes it in. */
struct sql_reading {
    int first;     /* index of the first row in the result */
    uint32_t rows; /* of the claim, up to a row that is too large; their ids are in store->ids */
    bool truncated;
    bool shared_id;    /* it is one row, and other rows have its id */
    uint64_t oversize; /* bytes of a row that ended the batch, 1 if they are not known; 0: there was none */
    struct obx_sql_snapshot snapshot;
    uint64_t log_end; /* of the server's log, at the claim; 0: unknown */
};

/* Of statements without an answer: lock_watch.h. */
struct sql_lock_watch {
    struct outbox_timer *timer; /* NULL: not needed yet */
    bool armed, in_flight, answered;
    unsigned question; /* of driver->lock_questions, the one that the server answers */
    unsigned empty;    /* answers in a row that name no lock */
    uint64_t log_at_ns;
    char reason[300];
    struct sql_request request;
    struct obx_sql_text sql;
};

/* Rows that were locked: locked_rows.h. */
struct sql_locked_row {
    int64_t id;
    uint64_t since_ns;
};
struct sql_locked {
    struct sql_locked_row *rows; /* owned */
    uint32_t count, room;
    int64_t cursor;            /* the last one that was deleted again; INT64_MIN: begin with the first */
    uint64_t retry_ns;         /* they are deleted again then */
    enum sql_locked_mode mode; /* of removals, until that time */
    uint64_t until_ns;
    uint64_t log_ns;
};

enum sql_wakeup_state { SQL_WAKEUP_NEW = 0, SQL_WAKEUP_ACTIVE, SQL_WAKEUP_FAILED };

struct sql_store {
    const struct sql_driver *driver;
    const struct outbox_host *host;
    char relay[64];

    /* options that every server has */
    const char *table_name, *dead_name;
    struct outbox_map column_names;
    int64_t connect_ms, statement_ms;
    int64_t wakeup;       /* index into driver->wakeups */
    int64_t payload_type; /* enum sql_payload_type, of tables that setup creates */

    struct sql_table_name outbox, dead;
    const struct sql_table_name *inserts; /* where events are added and replayed to; NULL: the outbox */
    const char *default_schema;           /* of tables that name none; NULL: the server finds it */

    /* start and stop */
    enum sql_phase phase;
    struct sql_lane *owner, *reader; /* the server's */
    uint32_t candidate;              /* the address that is being tried */
    outbox_op_t start_op, stop_op;
    const struct outbox_store_start *start; /* while starting */
    struct outbox_error start_error;        /* found in a result, not by the server */
    const struct sql_step *step;
    struct sql_request step_request;
    struct obx_sql_text step_sql;
    bool failing;                               /* in sql_start_failed() */
    bool giving_back;                           /* the ownership */
    void (*when_idle)(struct sql_store *store); /* called when something has ended that a stop may wait for */
    uint32_t ops;                               /* in flight, but for start and stop */
    char connected_text[384];                   /* the last line of the log about it, and when */
    uint64_t connected_logged_ns;

    struct sql_table table;
    struct sql_selected *selected; /* owned */
    uint32_t selected_count;

    bool owns;

    /* claims */
    outbox_op_t claim_op;
    struct obx_sql_gaps gaps;
    struct obx_sql_outstanding outstanding;
    struct obx_sql_batches batches;
    struct obx_sql_text claim_sql;
    bool shared_ids;     /* several rows may have one id: no unique index, or such rows were found */
    uint32_t claim_rows; /* of a claim, at most: with more of them it failed, see unreadable.h */
    int64_t *ids;
    uint32_t id_room;
    uint64_t inspected_ns; /* when writers were inspected last */
    struct obx_sql_writer *writers;
    uint32_t writer_room;
    enum sql_wakeup_state wakeup_state; /* in the log */

    /* settles */
    struct obx_sql_ranges ranges; /* of the settle in flight */
    struct obx_sql_text settle_sql;
    int64_t removal_rows; /* of one statement, at most: with more of them it took too long */

    struct obx_sql_ranges remaining; /* of the statement that ended last: rows still in the table */
    struct obx_sql_ranges letters;   /* rows of the move in flight */

    /* settled rows that are still in the table: refused.h */
    struct obx_sql_ranges refused;
    struct obx_sql_ranges retried; /* those that are being deleted again */
    char refused_reason[200];      /* of the last one */
    bool refused_right;            /* a right is missing */
    uint64_t refused_log_ns;       /* to be logged again */
    uint64_t refused_retry_ns, refused_pause_ns;
    int64_t refused_cursor; /* the last one that was deleted again; INT64_MIN: begin with the first */
    bool refused_logged;
    struct sql_locked locked;        /* settled rows that another session has locked */
    struct outbox_position *staying; /* owned: refused and locked rows, as the last settle reported them */
    uint32_t staying_room;

    struct sql_foreign_deletes foreign;
    struct obx_sql_stray_scan strays;
    struct sql_request stray_request;
    struct obx_sql_text stray_sql;
    struct sql_lock_watch lock_watch;
    struct sql_capture capture; /* of a store that reads a log */
    uint64_t unusable;          /* rows with ids below 1 */
    bool unusable_reported;
};

/* The group of the failpoints is the driver's name; both groups have every step that the skeleton names. */
#ifdef OUTBOX_WITH_FAILPOINTS
int sql_failpoint(const struct sql_store *store, const char *step, struct outbox_error *error);
#define SQL_FAILPOINT_ERROR(store, step, error) \
    sql_failpoint((store), ((void)OUTBOX_FP_postgres_##step, (void)OUTBOX_FP_mysql_##step, #step), (error))
#define SQL_FAILPOINT(store, step) ((void)SQL_FAILPOINT_ERROR(store, step, NULL))
#else
#define SQL_FAILPOINT_ERROR(store, step, error) 0
#define SQL_FAILPOINT(store, step) ((void)0)
#endif

#endif

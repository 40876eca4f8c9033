/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/store.h - the Postgres store: what its files share
 *
 * The skeleton is backends/sql/server: life cycle, start, claims, settles, verbs. Here are the connections, the SQL and
 * the reading of results. With `wakeup: wal`, a third connection wakes an idle relay.
 *
 *   conn, dsn, hosts, resolve  connections     session, table  the steps of a start  owner  the lock and the lease
 *   claim, claim_sql, rows, inspect  claims  settle, dead_letter, dead             wakeup (trigger), wal, wal_stream
 *   setup, check, status, add  for the verbs  long_transactions  a log line        params, error  values, SQLSTATEs
 *
 * All on the loop thread but for the look-up of names. Functions shared between files begin with pg_.
 */
#ifndef OBX_BACKENDS_POSTGRES_STORE_H
#define OBX_BACKENDS_POSTGRES_STORE_H

#include "capture/capture.h"
#include "conn.h"
#include "error.h"
#include "result.h"
#include "sql/server/claim.h"
#include "sql/server/owner.h"
#include "sql/server/start.h"
#include "sql/server/table.h"
#include "sql/server/verbs.h"
#include "target.h"
#include "wal.h"

/* The format of a column in a result, and how its value is read. */
enum pg_encoding {
    PG_ABSENT = 0, /* the table has no such column */
    PG_AS_TEXT,    /* text, types whose binary form is their text, and others as the server prints them */
    PG_AS_BYTES,
    PG_AS_JSONB, /* text after a version byte */
    PG_AS_INT2,
    PG_AS_INT4,
    PG_AS_INT8,
    PG_AS_BOOL,
    PG_AS_FLOAT4,
    PG_AS_FLOAT8,
    PG_AS_UUID,
    PG_AS_TIME
};

/* Base types of columns are OIDs in decimal: names of types are not unique. */
#define PG_BASE_INT8 "20"
#define PG_BASE_BYTEA "17"
#define PG_BASE_JSON "114"
#define PG_BASE_JSONB "3802"

enum pg_wakeup { PG_WAKEUP_OFF = 0, PG_WAKEUP_TRIGGER, PG_WAKEUP_WAL };

struct pg_server {
    int version; /* 150020 */
    char user[SQL_NAME];
    char database[SQL_NAME];
    bool in_recovery, read_only;
    int owner_pid;
    char identity[512]; /* changes whenever committed data may have been lost: "SYSTEM TIMELINE ..." */
    uint32_t database_oid;
};

struct pg_store {
    struct sql_store sql; /* first */
    const char *dsn, *application;

    struct pg_target target;
    struct pg_lookup *lookup; /* the look-up that the start waits for */
    uint32_t lookups;         /* in flight, abandoned ones included */
    char probe[48];           /* a mark on the owner's session, to recognise a pooler by */
    bool warned;              /* the warning about an insecure connection was logged */
    bool pooled;              /* both connections are one session */

    struct pg_conn reader, owner;
    struct pg_wal wal;
    int64_t capture_mode; /* enum pg_capture_mode */
    bool capture_rows;
    struct pg_capture capture;
    struct pg_server server;
    char owned_identity[512]; /* of the server when it was last owned; "" never */
    uint32_t owned_oid;       /* of the table */

    uint32_t table_oid;
    bool row_security, may_select, may_delete;
    bool unremovable;        /* the server refuses deletes of its rows, which it would have to publish */
    struct pg_buf relations; /* oids whose locks are inspected: the table, its partitions and sequences */

    struct obx_sql_text claim_plain, claim_guarded;
    struct pg_buf lo, hi; /* arrays for the claim or the settle that is being sent */
    uint32_t guarded;     /* claims still to be made with the guarded statement */
    struct sql_request inspection;
    uint64_t *active; /* of the last snapshot */
    uint32_t active_room;

    struct sql_request long_request; /* long_transactions.c */
    bool long_busy;
    uint64_t long_due_ns;

    bool trigger;  /* the trigger exists, and the reader listens */
    bool sleeping; /* the reader holds the lock that makes writers notify */
    struct sql_request arming;
};

static inline struct pg_store *pg_store_of(struct sql_store *store)
{
    return (struct pg_store *)(void *)store;
}
static inline const struct pg_store *pg_store_in(const struct sql_store *store)
{
    return (const struct pg_store *)(const void *)store;
}

/* resolve.c */
void pg_resolve(struct sql_store *store);
bool pg_is_resolving(const struct sql_store *store);
uint64_t pg_connect_us(const struct pg_store *store); /* how long one address may take */

/* session.c, table.c */
extern const struct sql_step pg_steps[];
void pg_begin_session(struct sql_store *store);
bool pg_put_path(struct sql_request *request,
                 const char *path);             /* the search path of the transaction; NULL: the role's */
bool pg_put_probe(struct sql_request *request); /* of the server, the table, its columns */
bool pg_put_columns(struct sql_request *request, const struct sql_table_name *table);
void pg_on_probe(struct sql_request *request, void *result);
int pg_server_validate(const struct pg_store *store, struct outbox_error *error);
int pg_table_validate(const struct pg_store *store, struct outbox_error *error);
extern const struct sql_column_type pg_types[];

/* results: rows.c */
unsigned pg_column_count(const void *result);
bool pg_next_row(struct sql_row *row);
struct outbox_bytes pg_cell(const struct sql_row *row, unsigned column);
int64_t pg_number(const struct sql_row *row, unsigned column, int64_t default_value);
bool pg_rows_fit(const struct sql_store *store, const PGresult *result); /* of a claim: is it what was requested? */
bool pg_read_ids(struct sql_store *store, void *result, uint32_t *count);
bool pg_ids_read(struct sql_store *store, const PGresult *result, int first, uint32_t rows);
uint64_t pg_fill(const struct sql_store *store, struct obx_sql_batch *batch, const struct sql_reading *reading);
void pg_free_result(void *result);

/* claim.c, claim_sql.c, inspect.c */
/* A value as the server prints it: an expression of type text. table NULL: the column alone. */
void pg_append_printed(struct obx_sql_text *sql, const char *table, const char *column);
bool pg_claim_build(struct pg_store *store); /* the statements; false: no memory */
void pg_claim_text(const struct pg_store *store, struct obx_sql_text *sql, bool guarded);
bool pg_put_claim(struct sql_request *request);
int pg_read_claim(struct sql_op *op, struct sql_reading *reading, struct outbox_error *error);
void pg_learn(struct sql_op *op, const struct sql_reading *reading);
extern const char pg_inspect_sql[];
bool pg_inspection_due(const struct sql_store *store);
void pg_inspect_writers(struct sql_op *op, void (*then)(struct sql_op *op));

extern bool (*const pg_lock_questions[])(struct sql_request *request); /* locks.c */

/* wakeup.c */
extern const struct sql_wakeup pg_trigger_wakeup;
enum { PG_TRIGGER_STATEMENTS = 3 };
void pg_trigger_sql(const struct pg_store *store, struct obx_sql_text *sql, int index);
bool pg_trigger_listen(struct pg_store *store, struct sql_request *request);
void pg_trigger_found(struct pg_store *store, bool there);

/* long_transactions.c */
void pg_log_long_transaction(struct sql_store *store); /* if that is due */

/* owner.c */
/* "chr(...) <> ''": if another table has the outbox's name now, fails with an SQLSTATE that pg_is_fenced()
 * recognises. */
void pg_append_same_table(const struct sql_store *store, struct obx_sql_text *sql);
bool pg_is_fenced(const struct sql_request *request, struct outbox_error *error);
bool pg_put_renew(struct sql_request *request);
void pg_renew_result(struct sql_request *request, void *result);
void pg_append_owner(const struct sql_store *store, struct obx_sql_text *sql);
/* Of the row l of pg_locks, an ownership: when it began, seconds since 1970. It is the second half of the key of
 * another lock of the session, whose first half is the OID of the table. Null: unknown. */
#define PG_OWNED_SINCE                                                                                               \
    "(SELECT min(s.objid::int8) FROM pg_locks s WHERE s.locktype = 'advisory' AND s.objsubid = 1 AND s.granted AND " \
    "s.pid = l.pid AND s.database = l.database AND s.classid = l.objid)"
/* With the row a of pg_stat_activity: a text for pg_describe_owner(). */
#define PG_OWNER_TEXT "concat_ws(chr(10), l.pid, coalesce(" PG_OWNED_SINCE ", 0), " PG_OWNER_PLACE
#define PG_OWNER_TEXT_UNTIMED "concat_ws(chr(10), l.pid, 0, " PG_OWNER_PLACE /* reads the locks no second time */
#define PG_OWNER_PLACE "coalesce(host(a.client_addr), 'local'), a.application_name)"
/* owner: "RELAY on HOST, process PID, session PID"; "": nobody. Returns when the ownership began, microseconds since
 * 1970; 0: unknown. */
int64_t pg_describe_owner(const char *holder, char *owner, size_t size);
/* Classes of advisory locks: "obox", the ownership; "obod", the owner has found that others delete rows. */
enum { PG_LOCK_CLASS = 0x6f626f78, PG_DELETES_CLASS = 0x6f626f64 };
void pg_acquire(struct sql_op *op);
void pg_survey(struct sql_op *op);       /* survey.c */
bool pg_names_process(const char *name); /* is it an application name that dsn.c makes? */
bool pg_same_database(struct sql_store *store);
bool pg_put_release(struct sql_request *request);

/* settle.c, dead_letter.c, dead.c */
/* skip: without rows that another session has locked. */
bool pg_settle_build(const struct pg_store *store, struct obx_sql_text *sql, bool skip);
bool pg_put_hurry(
    struct sql_request *request); /* before a removal: a short wait for locks, where its mode requests it */
bool pg_is_lock_wait(const struct outbox_error *error);
bool pg_put_settle(struct sql_request *request);
void pg_removal_result(struct sql_request *request, void *result);
bool pg_put_remaining(struct sql_request *request, const struct obx_sql_range *ranges, uint32_t count);
bool pg_put_dead_letters(struct sql_request *request);
void pg_append_letter(const struct sql_store *store, struct obx_sql_text *sql);
void pg_append_json_value(struct obx_sql_text *sql, const struct sql_column *column);
void pg_append_kept_value(const struct sql_store *store, struct obx_sql_text *sql, const struct sql_column *column);
void pg_replay(struct sql_op *op);

/* setup.c, check.c, status.c, add.c */
bool pg_statement(const struct sql_store *store, struct obx_sql_text *sql, int index);
void pg_put_grants(const struct sql_store *store, struct obx_sql_text *sql);
bool pg_put_setup(struct sql_request *request);
bool pg_setup_goes_on(struct sql_op *op);
void pg_append_missing(const struct sql_store *store, struct obx_sql_text *sql);
void pg_append_alike(const struct sql_store *store, struct obx_sql_text *sql);
bool pg_put_inbox(struct sql_request *request); /* inbox.c */
void pg_setup_result(struct sql_request *request, void *result);
extern const struct sql_probe pg_status_probes[], pg_server_probes[], pg_table_probes[], pg_row_probes[];
void pg_check_end(struct sql_op *op);
bool pg_put_removal_trial(struct sql_request *request); /* check_facts.c */
const char *pg_removal_refusal(const struct outbox_error *error);
void pg_append_estimate(const struct sql_store *store, struct obx_sql_text *sql);
bool pg_put_add(struct sql_request *request);
void pg_append_type(struct obx_sql_text *sql, const char *type); /* qualified, but for those that are keywords */

#endif

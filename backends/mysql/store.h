/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/store.h - the store for MySQL and MariaDB: what its files share
 *
 * The skeleton is backends/sql/server: life cycle, start, claims, settles, verbs. Here are the connections, the SQL and
 * the reading of results. Transactions that delete also check the epoch of the ownership: see fence.c.
 *
 *   client*, dial, hosts, conn  connections   session, table  the steps of a start   owner  lock, epoch, lease
 *   claim, rows, gaps, inspect  claims        settle, dead_letter, dead              wakeup, listen, binlog, stream*
 *   capture/, binlog/  capture: binlog
 *   setup, check, status, add  for the verbs  text, hex, error  values, and the server's numbers as error codes
 *
 * All on the loop thread but for connecting and for listen.c. Functions shared between files begin with mys_.
 */
#ifndef OBX_BACKENDS_MYSQL_STORE_H
#define OBX_BACKENDS_MYSQL_STORE_H

#include "capture/capture.h"
#include "conn.h"
#include "error.h"
#include "result.h"
#include "sql/gaps/claim_budget.h"
#include "sql/server/claim.h"
#include "sql/server/owner.h"
#include "sql/server/start.h"
#include "sql/server/table.h"
#include "sql/server/verbs.h"
#include "wakeup.h"

enum mys_encoding { /* how a value is read from its text */
                    MYS_ABSENT = 0,
                    MYS_AS_TEXT,
                    MYS_AS_BYTES,
                    MYS_AS_INT,
                    MYS_AS_FLOAT,
                    MYS_AS_SINGLE, /* requested as a double: the server prints six digits of a float */
                    MYS_AS_UUID,   /* 16 bytes */
                    MYS_AS_TIME
};

/* How a dead letter keeps a value of a column that the relay has no name for. */
enum mys_kept {
    MYS_KEPT_BYTES,   /* of text, too: in the character set of the column. As base64 */
    MYS_KEPT_PRINTED, /* as the server prints it */
    MYS_KEPT_REAL,    /* as a number: a float is printed with six digits, a double in 22 characters */
    MYS_KEPT_BITS,    /* as a number */
    MYS_KEPT_JSON     /* of MySQL: as it is, for a text has no types of its own for dates and decimals */
};

enum mys_wakeup_choice { MYS_WAKEUP_OFF, MYS_WAKEUP_BINLOG };

struct mys_server {
    bool mariadb;
    char version[SQL_NAME];
    char user[160];
    char identity[256]; /* of the installation */
    int64_t started_s;  /* by its own clock */
    bool read_only;
    uint64_t owner_id, reader_id; /* connection ids */
    uint64_t max_packet;
    bool tls;                /* the reader's connection is encrypted */
    int64_t expiry_s;        /* when the server deletes a file of its binlog; 0: never, or unknown */
    bool galera;             /* other servers draw ids, too: the locks and statements visible here prove nothing */
    bool locks_visible;      /* performance_schema.metadata_locks can be read, and shows something */
    bool deletes_visible;    /* the performance schema counts the deletes of the table, and shows them to this user */
    bool statements_visible; /* statements of other users are visible, with their running time in milliseconds */
};

struct mys_store {
    struct sql_store sql; /* first */

    /* options */
    const char *hosts, *socket, *user, *password, *database;
    int64_t port;
    int64_t tls; /* enum, see hosts.c */
    const char *tls_ca, *tls_cert, *tls_key;
    const char *relay_name;
    int64_t gap_timeout_ms;

    struct sql_table_name relay_table;
    char host_name[256]; /* of the host that is being tried */

    struct mys_conn reader, owner;
    struct mys_server server;
    char kind[SQL_NAME]; /* of the table: "BASE TABLE" */
    char engine[SQL_NAME];
    char created[32]; /* when the table was created: distinguishes it from another table that has its name now */
    char owned_created[32];

    uint64_t epoch;
    uint64_t killed;         /* the connection of the silent owner that was ended last */
    struct mys_server owned; /* as it was when it was last owned; version "" never */

    struct obx_sql_claim_budget budget;
    bool together;   /* of the claim in flight: see mys_append_gaps() */
    uint64_t old_ns; /* of the inspection in flight: gaps noted until then may be retired */
    void (*inspected)(struct sql_op *op);
    struct mys_wakeup wakeup;
    struct mys_capture capture; /* capture: binlog */
};

static inline struct mys_store *mys_store_of(struct sql_store *store)
{
    return (struct mys_store *)(void *)store;
}
static inline const struct mys_store *mys_store_in(const struct sql_store *store)
{
    return (const struct mys_store *)(const void *)store;
}

/* text.c */
bool mys_put_text(struct sql_request *request, struct obx_sql_text *text);
/* "BEFORE table AFTER". */
bool mys_put(struct sql_request *request, const char *before, const struct sql_table_name *table, const char *after);
void mys_append_hex(struct obx_sql_text *sql, struct outbox_bytes value);    /* x'..', or NULL */
void mys_append_string(struct obx_sql_text *sql, struct outbox_bytes value); /* as text if it is UTF-8, else as bytes */
void mys_append_relay(const struct sql_store *store, struct obx_sql_text *sql);
void mys_copy(char *to, size_t size, const char *from); /* NULL is "" */

/* hosts.c */
bool mys_hosts_are_valid(const struct mys_store *store, struct outbox_error *error);
struct mys_target mys_target(struct mys_store *store, bool statements);
void mys_resolve(struct sql_store *store);
uint32_t mys_candidates(const struct sql_store *store);

/* session.c, table.c */
extern const struct sql_step mys_steps[];
void mys_begin_session(struct sql_store *store);
void mys_append_deleted(const struct sql_store *store, struct obx_sql_text *sql);
void mys_append_probe(const struct sql_store *store, struct obx_sql_text *sql); /* two statements */
bool mys_put_columns(struct sql_request *request, const struct sql_table_name *table);
void mys_on_probe(struct sql_store *store, MYSQL_RES *result, unsigned index); /* 0, 1; takes the result over */
int mys_table_validate(const struct mys_store *store, struct outbox_error *error);
extern const struct sql_column_type mys_types[];
bool mys_column_is_binary(const struct sql_column *column);
enum mys_kept mys_kept_as(const struct sql_column *column);
/* E_SCHEMA: the table was altered, and the columns of a claim's result do not match. */
int mys_columns_compare(const struct sql_store *store, MYSQL_RES *result, struct outbox_error *error);

/* rows.c */
unsigned mys_column_count(const void *result);
bool mys_next_row(struct sql_row *row);
struct outbox_bytes mys_cell(const struct sql_row *row, unsigned column);
int64_t mys_number(const struct sql_row *row, unsigned column, int64_t default_value);
bool mys_read_ids(struct sql_store *store, void *result, uint32_t *count);
uint64_t mys_fill(const struct sql_store *store, struct obx_sql_batch *batch, const struct sql_reading *reading);
void mys_free_result(void *result);

/* claim.c, gaps.c, inspect.c */
bool mys_put_claim(struct sql_request *request);
int mys_read_claim(struct sql_op *op, struct sql_reading *reading, struct outbox_error *error);
void mys_learn(struct sql_op *op, const struct sql_reading *reading);
void mys_rewind(struct sql_store *store);
/* " OR id ..." for the gaps noted until then. True: a range includes ids between gaps. */
bool mys_append_gaps(const struct sql_store *store, struct obx_sql_text *sql, uint64_t noted_before_ns);
bool mys_inspection_due(const struct sql_store *store);
void mys_inspect_writers(struct sql_op *op, void (*then)(struct sql_op *op));

extern bool (*const mys_lock_questions[])(struct sql_request *request); /* locks.c */

/* wakeup.c */
extern const struct sql_wakeup mys_binlog_wakeup;
void mys_wakeup_init(struct mys_store *store);
void mys_wakeup_fini(struct mys_store *store);

/* fence.c */
/* Opens the transaction, too. settle NULL: there is no witness, as for dead letters. */
void mys_append_fence(struct sql_op *op, struct obx_sql_text *sql, const struct outbox_settle *settle);
void mys_removal_result(struct sql_request *request, void *result); /* result() of such a transaction */
bool mys_send_again(const struct sql_request *request, const struct outbox_error *error);
bool mys_is_fenced(const struct sql_request *request, struct outbox_error *error);
bool mys_put_renew(struct sql_request *request);
void mys_on_renew(struct sql_request *request, void *result);

/* owner.c */
void mys_append_lock(const struct sql_store *store, struct obx_sql_text *sql); /* the lock's name, as a literal */
void mys_append_wish(const struct sql_store *store, struct obx_sql_text *sql); /* of the wish to own: survey.c */
/* Of an owner that has found deletes by others, as foreign_deletes.h has it. */
void mys_append_found(const struct sql_store *store, struct obx_sql_text *sql);
void mys_acquire(struct sql_op *op);
/* Of SHOW PROCESSLIST: has the session, which owns an outbox, been silent for the lease? */
bool mys_session_is_silent(MYSQL_RES *process_list, uint64_t session, uint32_t lease_ms);
void mys_survey(struct sql_op *op); /* survey.c */
bool mys_same_database(struct sql_store *store);
bool mys_put_release(struct sql_request *request);

/* settle.c, dead_letter.c, dead.c */
bool mys_put_settle(struct sql_request *request);
void mys_append_delete(const struct sql_op *op, struct obx_sql_text *sql, const struct obx_sql_range *range);
bool mys_is_lock_wait(const struct outbox_error *error);
bool mys_put_remaining(struct sql_request *request, const struct obx_sql_range *ranges, uint32_t count);
bool mys_put_dead_letters(struct sql_request *request);
/* "INSERT INTO the dead letters .. SELECT ..", which a FROM with the columns of the outbox follows. */
void mys_append_dead_copy(const struct sql_store *store, struct obx_sql_text *sql, const struct outbox_dead_row *row);
void mys_append_letter(const struct sql_store *store, struct obx_sql_text *sql);
void mys_append_json_value(struct obx_sql_text *sql, const struct sql_column *column);
void mys_append_kept_value(const struct sql_store *store, struct obx_sql_text *sql, const struct sql_column *column);
void mys_replay(struct sql_op *op);

/* setup.c, check.c, status.c, add.c */
bool mys_statement(const struct sql_store *store, struct obx_sql_text *sql, int index);
void mys_put_grants(const struct sql_store *store, struct obx_sql_text *sql);
bool mys_put_setup(struct sql_request *request);
void mys_append_missing(const struct sql_store *store, struct obx_sql_text *sql);
void mys_append_alike(const struct sql_store *store, struct obx_sql_text *sql);
bool mys_put_inbox(struct sql_request *request); /* inbox.c */
void mys_setup_result(struct sql_request *request, void *result);
/* capture/check.c: nothing for a store that polls */
bool mys_put_capture_settings(struct sql_request *request);
void mys_report_capture_settings(struct sql_op *op);
bool mys_put_capture_table(struct sql_request *request);
void mys_report_capture_table(struct sql_op *op);
/* capture/setup.c */
unsigned mys_capture_statements(const struct sql_store *store);
void mys_capture_statement(const struct sql_store *store, struct obx_sql_text *sql, unsigned index);
extern const struct sql_probe mys_status_probes[], mys_server_probes[], mys_table_probes[], mys_row_probes[];
void mys_append_estimate(const struct sql_store *store, struct obx_sql_text *sql);
void mys_append_owner(const struct sql_store *store, struct obx_sql_text *sql);
/* Of the relay table: when the last ownership began, microseconds since 1970, whatever the time zone. */
#define MYS_OWNED_SINCE "CAST(UNIX_TIMESTAMP(since) * 1000000 AS SIGNED)"
/* A SELECT of one text: which table it is, on which server. more: an expression that distinguishes, too; "NULL". */
void mys_append_identity(const struct sql_store *store, struct obx_sql_text *sql, const char *more);
bool mys_put_add(struct sql_request *request);
bool mys_put_removal_trial(struct sql_request *request); /* check_facts.c */
const char *mys_removal_refusal(const struct outbox_error *error);

#endif

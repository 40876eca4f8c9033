/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/query.h - the statements of a row binlog, and the identifiers of XA transactions
 *
 * With rows in the log the only statements are those that begin and end transactions, and definitions of objects. Any
 * other statement was logged by a session with binlog_format STATEMENT or MIXED: the rows that it inserted are not in
 * the log.
 */
#ifndef OBX_BACKENDS_MYSQL_BINLOG_QUERY_H
#define OBX_BACKENDS_MYSQL_BINLOG_QUERY_H

#include "event.h"
#include "table_map.h"

enum mys_query {
    MYS_QUERY_BEGIN,
    MYS_QUERY_COMMIT,
    MYS_QUERY_ROLLBACK,
    MYS_QUERY_INSIDE, /* SAVEPOINT, XA END: nothing changes */
    MYS_QUERY_XA_START,
    MYS_QUERY_XA_COMMIT,
    MYS_QUERY_XA_ROLLBACK,
    MYS_QUERY_DEFINITION, /* DDL: it has ended its transaction */
    MYS_QUERY_CHANGES,    /* rows were changed by a statement, which is in the log in place of them */
    MYS_QUERY_BAD
};

struct mys_statement {
    enum mys_query kind;
    struct mys_cursor schema, text;
    bool names_table; /* CHANGES and DEFINITION: the table of the reader is in it, or DROP of its database */
};

struct mys_statement mys_query_read(struct mys_cursor body, const struct mys_log_name *name);
/* Of an EXECUTE_LOAD_QUERY event: LOAD DATA, as CHANGES. */
struct mys_statement mys_load_read(struct mys_cursor body, const struct mys_log_name *name);
/* MySQL: CREATE TABLE .. SELECT, whose rows follow. */
bool mys_query_starts_transaction(const struct mys_statement *statement);
/* A definition that names the table: may its columns be others afterwards? CREATE TABLE alone changes none: a DROP or a
 * RENAME comes before it. */
bool mys_query_redefines(const struct mys_statement *statement);
/* Its first word, for logs and errors: the rest may be data of the application. */
enum { MYS_VERB = 20 };
struct outbox_bytes mys_query_verb(const struct mys_statement *statement);

/* Identifies an XA transaction in both forms that the log has: "X'6162',X'',1", in lower case. */
enum { MYS_XID = 2 * 128 + 32 };
bool mys_xid_of_query(const struct mys_statement *statement, char xid[MYS_XID]);
/* Of an XA_PREPARE event. one_phase: it is a commit. */
bool mys_xid_of_prepare(struct mys_cursor body, char xid[MYS_XID], bool *one_phase);

#endif

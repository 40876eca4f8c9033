/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/conn.h - a lane over libpq that never blocks
 *
 * A connection is in pipeline mode from its first moment. Requests are sent at once, one after the other, and answered
 * in order. A request is one or more statements and a sync, thus one transaction; it ends when its sync has come back:
 * only then has the transaction committed.
 *
 * Roles that may create objects in a schema of the search path could replace operators and functions in our statements.
 * So each request first sets the path to pg_catalog, for its transaction only: that works through every pooler. A
 * request that fires the application's triggers keeps the role's path, and qualifies all names.
 *
 * A connection with readable() is not in pipeline mode and has no requests: its owner sends and reads directly.
 */
#ifndef OBX_BACKENDS_POSTGRES_CONN_H
#define OBX_BACKENDS_POSTGRES_CONN_H

#include <libpq-fe.h>

#include "array.h"
#include "sql/server/lane.h"

struct pg_conn {
    struct sql_lane lane; /* first */
    void (*readable)(struct pg_conn *conn);
    PGconn *pg; /* NULL: closed */
    struct outbox_watch *watch;
    struct outbox_timer *timer;
    bool connecting;
    bool pinned; /* the session's own search path is pg_catalog: requests need not set it */
    bool busy;   /* results are being read: a submit does not flush */
    bool held;   /* nothing is read: the server waits */
};

static inline struct pg_conn *pg_conn_of(const struct sql_lane *lane)
{
    return (struct pg_conn *)(uintptr_t)lane;
}
static inline PGconn *pg_of(const struct sql_request *request)
{
    return pg_conn_of(request->lane)->pg;
}

/* keywords and values as for PQconnectStartParams; copied by libpq. timeout_us bounds this one attempt. */
int pg_conn_open(struct pg_conn *conn, const char *const *keywords, const char *const *values, uint64_t timeout_us,
                 struct outbox_error *error);
/* Of a connection with readable(): read nothing, so that the server waits; and go on. */
void pg_conn_hold(struct pg_conn *conn, bool held);
void pg_conn_flush(struct pg_conn *conn); /* sends libpq's pending output; may call lost() */

/* Send one statement of a request, with its parameters; params NULL: none. False: libpq failed, or the text has failed.
 * pg_send_sql() frees the text. */
bool pg_send_text(struct sql_request *request, const char *sql, const struct pg_params *params);
bool pg_put_text(struct sql_request *request, struct obx_sql_text *sql); /* without parameters */
bool pg_send_sql(struct sql_request *request, struct obx_sql_text *sql, const struct pg_params *params);
/* Each array is a parameter; frees them, too. */
bool pg_send_arrays(struct sql_request *request, struct obx_sql_text *sql, struct pg_buf *arrays, int count);
/* The path of the session, for all later requests: for a session that fires no triggers. */
bool pg_pin_session(struct sql_request *request);
bool pg_send_prepared(struct sql_request *request, const char *name, const struct pg_params *params);

/* for the driver table */
bool pg_conn_is_open(const struct sql_lane *lane);
void pg_conn_close(struct sql_lane *lane, const struct outbox_error *why);
void pg_conn_submit(struct sql_lane *lane, struct sql_request *request);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/conn.h - one connection, never waited for
 *
 * A connection is in pipeline mode from its first moment. A request is one or more statements and a sync, thus one
 * transaction; requests are sent at once, one behind the other, and answered in order. A request is done when its sync
 * has come back: only then has the transaction committed. When the connection breaks, every request on it is done
 * with OUTBOX_E_NOT_CONNECTED; what became of them at the server is unknown.
 *
 * One that is given a hear() is in no pipeline and has no requests: its owner sends and takes in for itself.
 *
 * All on the loop thread. Requests are memory of the caller until done() was called.
 */
#ifndef OBX_BACKENDS_POSTGRES_CONN_H
#define OBX_BACKENDS_POSTGRES_CONN_H

#include <libpq-fe.h>

#include <outbox/plugin.h>

struct pg_conn;

struct pg_request {
    const char *what;                                             /* what was attempted, for errors: "claim rows" */
    int (*send)(struct pg_request *request, PGconn *pg);          /* PQsend...Query...; 1: fine */
    void (*result)(struct pg_request *request, PGresult *result); /* owns the result; may be NULL; not for failures */
    void (*done)(struct pg_request *request, const struct outbox_error *error); /* error->code 0: committed */
    void *arg;
    struct pg_request *next;    /* private */
    struct outbox_error *error; /* private: the first failure; owned by the connection */
    bool failed;                /* private */
};

struct pg_conn {
    const struct outbox_host *host;
    const char *name;                                                          /* "reader", "owner": for messages */
    void (*connected)(struct pg_conn *conn, const struct outbox_error *error); /* error->code 0: it is */
    void (*lost)(struct pg_conn *conn, const struct outbox_error *error);      /* broken, with no request on it */
    void (*notified)(struct pg_conn *conn, const char *channel);
    void (*hear)(struct pg_conn *conn); /* or NULL: take in what has come */
    void *arg;

    PGconn *pg; /* NULL: closed */
    struct outbox_watch *watch;
    struct outbox_timer *timer;
    struct pg_request *head, *tail;
    bool connecting;
    bool busy;                 /* in pump(): nothing to be started from here */
    struct outbox_error error; /* of the request at the head */
};

/* keywords and values as for PQconnectStartParams; copied by libpq. connected() comes later, once, unless the
 * connection is closed before. timeout_us bounds this one attempt. */
int pg_conn_open(struct pg_conn *conn, const char *const *keywords, const char *const *values, uint64_t timeout_us,
                 struct outbox_error *error);
/* Requests on it are done with `why`; neither connected() nor lost() is called. Closed already: nothing happens. */
void pg_conn_close(struct pg_conn *conn, const struct outbox_error *why);

static inline bool pg_conn_is_open(const struct pg_conn *conn)
{
    return conn->pg && !conn->connecting;
}

/* done() may be called from inside when the connection is closed. */
void pg_conn_submit(struct pg_conn *conn, struct pg_request *request);
/* Send what libpq was given. lost() may be called from inside. */
void pg_conn_flush(struct pg_conn *conn);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/conn.h - one connection, never waited for
 *
 * Requests are queued; one is at the server at a time. A request is one statement, or several in one packet; it is done
 * when all of its results were taken in. One that opens a transaction and fails is followed by a ROLLBACK before it is
 * done. When the connection breaks, every request on it is done with OUTBOX_E_NOT_CONNECTED; what became of the one
 * that was at the server is unknown.
 *
 * All on the loop thread but for connecting, which a worker does. Requests are memory of the caller until done() was
 * called.
 */
#ifndef OBX_BACKENDS_MYSQL_CONN_H
#define OBX_BACKENDS_MYSQL_CONN_H

#include "client.h"

struct mys_conn;
struct mys_dial;

struct mys_request {
    const char *what; /* what was attempted, for errors: "claim rows" */
    const char *sql;  /* borrowed until done() */
    size_t size;
    bool transaction; /* it opens one: roll back after a failure */
    bool first;       /* goes before all others that wait: the transaction of the one before is still open */
    /* result: owned from now on; NULL for a statement without rows */
    void (*result)(struct mys_request *request, MYSQL_RES *result);
    void (*done)(struct mys_request *request, const struct outbox_error *error); /* error->code 0: all went well */
    void *arg;

    unsigned index;           /* of the statement whose result is given */
    uint64_t affected;        /* rows, by that statement */
    struct mys_request *next; /* private */
};

enum mys_stage { MYS_IDLE = 0, MYS_QUERY, MYS_STORE, MYS_NEXT };

struct mys_conn {
    const struct outbox_host *host;
    const char *name;                                                           /* "reader", "owner": for messages */
    void (*connected)(struct mys_conn *conn, const struct outbox_error *error); /* error->code 0: it is */
    void (*lost)(struct mys_conn *conn, const struct outbox_error *error);      /* broken, with no request on it */
    void (*idle)(struct mys_conn *conn); /* a worker that connected for this one has ended */
    void *arg;

    struct mys_client client;
    struct mys_dial *dial; /* connecting */
    uint32_t dials;        /* workers that have not ended, those that nobody waits for any more included */
    struct outbox_watch *watch;
    struct outbox_timer *timer;
    struct mys_request *head, *tail;
    struct mys_request ping;
    enum mys_stage stage;
    bool rolling_back;         /* after the failure that is in `error` */
    bool busy;                 /* in pump(): nothing to be started from here */
    struct outbox_error error; /* of the request at the head */
};

/* connected() comes later, once, unless the connection is closed before. timeout_ms bounds this one attempt. The
 * strings of the target must stay until `dials` is 0. */
int mys_conn_open(struct mys_conn *conn, const struct mys_target *target, uint64_t timeout_ms,
                  struct outbox_error *error);
/* Requests on it are done with `why`; neither connected() nor lost() is called. Closed already: nothing happens. */
void mys_conn_close(struct mys_conn *conn, const struct outbox_error *why);

static inline bool mys_conn_is_open(const struct mys_conn *conn)
{
    return conn->client.mysql != NULL;
}

/* done() may be called from inside when the connection is closed. */
void mys_conn_submit(struct mys_conn *conn, struct mys_request *request);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/lane.h - a connection with a queue of requests; the lowest layer of a store for an SQL server
 *
 * A request is one statement, or several that are one transaction. It ends when all of its results were processed.
 * Requests of a lane end in the order in which they were submitted. When the connection breaks, every request on it
 * ends with OUTBOX_E_NOT_CONNECTED; the outcome at the server is unknown.
 *
 * Each server embeds struct sql_lane first in its own connection: it sends and receives, this file queues. libpq sends
 * several requests at once, MySQL one after the other: so the interface is the request, not the text of a statement.
 *
 * All on the loop thread. A request is memory of the caller until its done() was called.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_LANE_H
#define OBX_BACKENDS_SQL_SERVER_LANE_H

#include <outbox/plugin.h>

#include "sql/text.h"

struct sql_driver;
struct sql_lane;
struct sql_store;

struct sql_request {
    const char *what;                         /* the attempt, for errors: "claim rows" */
    bool (*put)(struct sql_request *request); /* sends the statements, or appends them to sql; false: it could not */
    const char *text;                         /* without put(): a statement without values */
    /* Owns the result, which is NULL for a statement without rows. NULL: results are dropped. Not for failures. */
    void (*result)(struct sql_request *request, void *result);
    /* error->code 0: committed. NULL: the end is ignored. */
    void (*done)(struct sql_request *request, const struct outbox_error *error);
    void *arg;
    struct sql_store *store;
    struct obx_sql_text *sql; /* of servers that are sent text; must stay until done() */
    bool transaction;         /* opens one: servers that are sent text roll back after a failure */
    bool first;               /* goes before the queued requests: the previous transaction is still open */
    bool fires_triggers;      /* of the application, which find what they name by the role's own search path */

    /* Bytes that the server may answer with; put() may set it. 0: SQL_ANSWER_BYTES. */
    uint64_t answer_bytes;

    /* for result() */
    unsigned index;    /* of the statement that gave it */
    uint64_t affected; /* rows, by that statement */

    unsigned failed; /* for done(): the statement that failed, where one is sent after the other */

    /* private */
    bool answers_pin; /* the first result is that of a statement of the lane's own */
    struct sql_lane *lane;
    struct sql_request *next;
};

#define SQL_ANSWER_BYTES (UINT64_C(64) << 20)
/* Where one row may be as large as a server allows. */
#define SQL_ANSWER_LARGE (UINT64_C(1280) << 20)

struct sql_lane {
    const struct sql_driver *driver;
    const struct outbox_host *host;
    struct sql_store *store;
    const char *name;                                                           /* "reader", "owner": for messages */
    void (*connected)(struct sql_lane *lane, const struct outbox_error *error); /* once after open(), unless closed */
    void (*lost)(struct sql_lane *lane, const struct outbox_error *error);      /* it broke, with no request on it */
    void (*sent)(struct sql_lane *lane);                                        /* a request is about to be sent */
    struct sql_request *head, *tail;
    uint64_t head_since_ns;    /* the request at the head is there since then */
    struct outbox_error error; /* of the request at the head */
    bool is_counting;          /* bytes of the answer to the request at the head */
    uint64_t counted_from;     /* what the socket had received when that began */
};

/* done() may be called from inside when the lane is closed. */
void sql_lane_submit(struct sql_lane *lane, struct sql_request *request);
bool sql_lane_is_open(const struct sql_lane *lane);
/* All requests end with `why`; neither connected() nor lost() is called. Closed already: nothing happens. */
void sql_lane_close(struct sql_lane *lane, const struct outbox_error *why);

/* Fails an operation or a start over a result of another shape than its statement gives. what: "inspect the server".
 * Returns the code. */
int sql_bad_shape(struct outbox_error *error, const char *what);

/* Ends a request that is in no queue. */
void sql_request_end(struct sql_request *request, const struct outbox_error *error);

/* ---- for the server's connection --------------------------------------------------------------------------------- */

void sql_lane_append(struct sql_lane *lane, struct sql_request *request);
void sql_lane_prepend(struct sql_lane *lane, struct sql_request *request);
void sql_lane_complete(struct sql_lane *lane); /* ends the request at the head, with lane->error */
/* While an answer comes: false, with an error, if it has more bytes than the requests in the queue allow. Only TCP is
 * counted: a server on a socket of this machine is not a stranger's. */
bool sql_lane_answer_fits(struct sql_lane *lane, int fd, struct outbox_error *error);
/* Empties the queue, then ends all that was in it. */
void sql_lane_fail_all(struct sql_lane *lane, const struct outbox_error *why);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/conn.h - a lane over the client library that never blocks
 *
 * One request is at the server at a time. It is one statement, or several in one packet; it ends when all of its
 * results were read. A request that opens a transaction and fails is followed by a ROLLBACK before it ends.
 *
 * All on the loop thread but for connecting, which a worker does.
 */
#ifndef OBX_BACKENDS_MYSQL_CONN_H
#define OBX_BACKENDS_MYSQL_CONN_H

#include "client.h"
#include "sql/server/lane.h"

struct mys_dial;

enum mys_stage { MYS_IDLE = 0, MYS_QUERY, MYS_STORE, MYS_NEXT };

struct mys_conn {
    struct sql_lane lane; /* first */
    struct mys_client client;
    struct mys_dial *dial; /* connecting */
    uint32_t dials;        /* workers that have not ended, abandoned ones included */
    struct outbox_watch *watch;
    struct outbox_timer *timer;
    struct sql_request ping;
    struct obx_sql_text ping_sql;
    enum mys_stage stage;
    uint64_t max_packet; /* that the server takes; 0: not known yet */
    bool rolling_back;   /* after the failure that is in lane.error */
    bool busy;           /* in pump(): start no request from here */
};

static inline struct mys_conn *mys_conn_of(const struct sql_lane *lane)
{
    return (struct mys_conn *)(uintptr_t)lane;
}

/* timeout_ms bounds this one attempt. The strings of the target must stay until `dials` is 0. */
int mys_conn_open(struct mys_conn *conn, const struct mys_target *target, uint64_t timeout_ms,
                  struct outbox_error *error);

/* for the driver table */
bool mys_conn_is_open(const struct sql_lane *lane);
void mys_conn_close(struct sql_lane *lane, const struct outbox_error *why);
void mys_conn_submit(struct sql_lane *lane, struct sql_request *request);

#endif

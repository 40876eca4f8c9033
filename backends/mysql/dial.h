/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/dial.h - connecting, on a worker or on a thread that may wait */
#ifndef OBX_BACKENDS_MYSQL_DIAL_H
#define OBX_BACKENDS_MYSQL_DIAL_H

#include <stdatomic.h>

#include "conn.h"

/* One attempt to connect. Any thread may set `abandoned`. */
struct mys_attempt {
    const struct outbox_host *host; /* of the plugin */
    struct mys_target target;
    char host_name[256]; /* the store's own may change while an abandoned attempt goes on */
    uint64_t deadline_ns;
    atomic_bool abandoned;
    struct mys_client client; /* closed again if it failed */
    struct outbox_error error;
};
void mys_attempt_begin(struct mys_attempt *attempt, const struct outbox_host *host, const struct mys_target *target,
                       uint64_t timeout_ms);
void mys_attempt_make(struct mys_attempt *attempt); /* on this thread, which waits; see client and error */

/* Starts it; sets conn->dial. done() comes later on the loop, with the client connected or error set, unless
 * mys_dial_abandon() was called before. */
int mys_dial(struct mys_conn *conn, const struct mys_target *target, uint64_t timeout_ms,
             void (*done)(struct mys_conn *conn, struct mys_client *client, const struct outbox_error *error),
             struct outbox_error *error);
void mys_dial_abandon(struct mys_conn *conn);

#endif

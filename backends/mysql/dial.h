/* backends/mysql/dial.h - connecting, on a worker */
#ifndef MYS_DIAL_H
#define MYS_DIAL_H

#include "conn.h"

/* Starts it; sets conn->dial. done() comes later on the loop, with the client connected or error set, unless
 * mys_dial_abandon() was called before. */
int mys_dial(struct mys_conn *conn, const struct mys_target *target, uint64_t timeout_ms,
             void (*done)(struct mys_conn *conn, struct mys_client *client, const struct outbox_error *error),
             struct outbox_error *error);
void mys_dial_abandon(struct mys_conn *conn);

#endif

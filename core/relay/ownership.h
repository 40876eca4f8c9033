/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/ownership.h - the store's connection, the ownership of the outbox, and its renewal
 *
 * Happy path: start the store, acquire the ownership, read the outbox from its start, renew four times in a lease.
 * A standby tries again every standby_poll_interval.
 * When the ownership is lost, rows that are not published yet stay in the outbox, publishes in flight finish, and
 * delivered rows are settled as soon as the ownership is back; only then the outbox is read again from its start. If
 * the store cannot guarantee that earlier positions still name the same rows, earlier rows are not settled. Loop thread
 * only.
 */
#ifndef OBX_RELAY_OWNERSHIP_H
#define OBX_RELAY_OWNERSHIP_H

#include "relay/stages.h"

struct obx_ownership *obx_ownership_new(struct obx_stages *stages); /* NULL: no memory */
void obx_ownership_free(struct obx_ownership *ownership);           /* NULL is fine */
void obx_ownership_start(struct obx_ownership *ownership);          /* the relay starts */
void obx_ownership_step(struct obx_ownership *ownership);
void obx_ownership_renew_step(struct obx_ownership *ownership);

/* What the broker is started with: order, identity and epoch of the last acquire. obx_ownership_changed() is false from
 * this call to the next acquire. */
const struct outbox_broker_start *obx_ownership_broker_start(struct obx_ownership *ownership);
bool obx_ownership_changed(const struct obx_ownership *ownership);

/* Has the store confirmed the ownership after `since` (nanoseconds)? If not: renews it at once; a store without renewal
 * is started again, with the reason `why`. Call it in each step until it gives true. */
bool obx_ownership_prove(struct obx_ownership *ownership, uint64_t since, const struct outbox_error *why);

bool obx_ownership_standby(const struct obx_ownership *ownership);      /* another relay is the owner */
bool obx_ownership_undecided(const struct obx_ownership *ownership);    /* an acquire is in flight */
const char *obx_ownership_owner(const struct obx_ownership *ownership); /* of a standby, for people; never NULL */
/* When its ownership began, or that of this relay; microseconds since 1970; 0: unknown. */
int64_t obx_ownership_since_us(const struct obx_ownership *ownership);

#endif

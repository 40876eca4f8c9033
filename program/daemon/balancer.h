/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/balancer.h - starts and stops the relays of a process, so that processes share them evenly
 *
 * One surveyor for each database, or server, reads who owns what. After each survey balance.h decides; this file obeys:
 * it starts the relays that this process takes, stops those that it gives away, and passes the wishes on. Failure:
 * while the survey of a database fails, nothing of it is moved; relays that run go on by themselves. Loop thread.
 */
#ifndef OBX_PROGRAM_DAEMON_BALANCER_H
#define OBX_PROGRAM_DAEMON_BALANCER_H

#include "cli/context.h"
#include "daemon/balance.h"
#include "daemon/relay_entry.h"

struct obx_balancer;

struct obx_balancer_events {
    void (*ended)(void *arg); /* obx_balancer_end() is complete; it is freed after this call */
    void *arg;
};

/* For the relays of the context's configuration. entries: those of the set, by whose names it finds them; it starts and
 * stops them. No I/O. On failure *balancer is NULL. Errors: CONFIG (a store that cannot be surveyed), NO_MEMORY. */
int obx_balancer_new(struct obx_context *context, struct obx_list *entries, const struct obx_balancer_events *events,
                     struct obx_balancer **balancer, struct outbox_error *error);
void obx_balancer_continue(struct obx_balancer *balancer, const struct obx_balancer *old); /* with its counters */
void obx_balancer_start(struct obx_balancer *balancer);
void obx_balancer_end(struct obx_balancer *balancer);  /* started: stop, then free itself */
void obx_balancer_free(struct obx_balancer *balancer); /* never started; NULL is fine */
const struct obx_balance *obx_balancer_balance(const struct obx_balancer *balancer); /* its counters */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* program/daemon/relay_conflicts.h - are the relays of one configuration apart from each other? */
#ifndef OBX_PROGRAM_DAEMON_RELAY_CONFLICTS_H
#define OBX_PROGRAM_DAEMON_RELAY_CONFLICTS_H

#include "cli/context.h"

/* OUTBOX_OK; or CONFIG, with the place of the section, when two relays that the verb is for have the same store, or a
 * broker that takes one writer. What is wrong with a section in itself is left to those who make the relay. */
int obx_relay_conflicts_check(const struct obx_app *app, struct outbox_error *error);

#endif
